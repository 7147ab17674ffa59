/// A safetensors file whose tensors are read from the mapped bytes, without loading them first.
///
/// The header is checked when the object is made, so that reading a tensor fails only if it is
/// missing or of another type. Numbers are little-endian in the file and on every machine this
/// program runs on.
package final class SafetensorsFile: Sendable {
  /// The file's name.
  package let path: String

  /// Its tensors and metadata.
  package let header: SafetensorsHeader

  private let storage: any ByteStorage

  /// Maps a file and reads its header.
  ///
  /// - Parameter path: the file.
  /// - Throws: `FileError` if it cannot be read, `SafetensorsError` if it is damaged.
  package convenience init(path: String) throws {
    try self.init(storage: try MappedFile(path: path), path: path)
  }

  /// Reads a file that is in memory.
  ///
  /// - Parameters:
  ///   - storage: the bytes of the whole file.
  ///   - path: the file's name, for messages.
  /// - Throws: `SafetensorsError` if it is damaged.
  package init(storage: any ByteStorage, path: String) throws(SafetensorsError) {
    self.path = path
    self.storage = storage
    header = try SafetensorsHeader(parsing: storage.bytes, path: path)
  }

  /// The tensor of a name, or `nil` if there is none.
  package func entry(_ name: String) -> SafetensorsEntry? { header.entries[name] }

  /// The bytes of a tensor, of no particular alignment; valid while the file object is alive.
  ///
  /// - Throws: `SafetensorsError` if there is no such tensor.
  package func bytes(_ name: String) throws(SafetensorsError) -> UnsafeRawBufferPointer {
    bytes(of: try require(name))
  }

  /// A tensor as `Float`, row-major.
  ///
  /// - Parameter name: a tensor of type F32, F16, BF16, or F64, which is rounded.
  /// - Throws: `SafetensorsError` if there is no such tensor, or it is of another type.
  package func floats(_ name: String) throws(SafetensorsError) -> [Float] {
    let entry = try require(name)
    try requireFloats(entry)
    return [Float](unsafeUninitializedCapacity: entry.elementCount) { buffer, count in
      count = entry.elementCount
      guard let target = buffer.baseAddress else { return }
      convert(entry, elements: 0..<count, to: target)
    }
  }

  /// Copies rows of a matrix as `Float`.
  ///
  /// - Parameters:
  ///   - name: a tensor [rows, width] of type F32, F16, BF16, or F64, which is rounded.
  ///   - rows: the rows to copy; they must exist.
  ///   - target: receives `rows.count * width` values, row-major.
  /// - Throws: `SafetensorsError` if there is no such tensor, or it is of another type or rank.
  package func copyFloats(
    _ name: String, rows: Range<Int>, to target: UnsafeMutablePointer<Float>
  ) throws(SafetensorsError) {
    let entry = try require(name)
    try requireFloats(entry)
    guard entry.shape.count == 2 else {
      throw wrong(entry, "its shape is \(entry.shape), but [rows, width] is needed")
    }
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= entry.shape[0],
      "rows \(rows) of tensor \(name) \(entry.shape)")
    let width = entry.shape[1]
    convert(entry, elements: rows.lowerBound * width..<rows.upperBound * width, to: target)
  }

  /// Copies a whole tensor as `Float`.
  ///
  /// - Parameters:
  ///   - name: a tensor of type F32, F16, BF16, or F64, which is rounded.
  ///   - target: receives all values, row-major; its size must be that of the tensor.
  /// - Throws: `SafetensorsError` if there is no such tensor, or it is of another type.
  package func copyFloats(
    _ name: String, to target: UnsafeMutableBufferPointer<Float>
  ) throws(SafetensorsError) {
    let entry = try require(name)
    try requireFloats(entry)
    precondition(
      target.count == entry.elementCount,
      "tensor \(name) \(entry.shape) is copied to \(target.count) values")
    guard let start = target.baseAddress else { return }
    convert(entry, elements: 0..<entry.elementCount, to: start)
  }

  /// A tensor as `Double`, row-major; every value is exact.
  ///
  /// - Parameter name: a tensor of type F64, F32, F16 or BF16.
  /// - Throws: `SafetensorsError` if there is no such tensor, or it is of another type.
  package func doubles(_ name: String) throws(SafetensorsError) -> [Double] {
    let entry = try require(name)
    guard entry.type == .f64 else { return try floats(name).map(Double.init) }
    return load(entry, as: Double.self)
  }

  /// A tensor as whole numbers, row-major.
  ///
  /// - Parameter name: a tensor of type I64 or I32, or F64 or F32 whose values are whole numbers.
  /// - Throws: `SafetensorsError` if there is no such tensor, or it is of another type, or a value is
  ///   not a whole number of 64 bits.
  package func integers(_ name: String) throws(SafetensorsError) -> [Int64] {
    let entry = try require(name)
    switch entry.type {
    case .i64: return load(entry, as: Int64.self)
    case .i32: return load(entry, as: Int32.self).map(Int64.init)
    case .f32, .f64: return try wholeNumbers(entry, try doubles(name))
    default:
      throw wrong(entry, "its type is \(entry.type.rawValue), but I64, I32, F64 or F32 is needed")
    }
  }

  private func wholeNumbers(
    _ entry: SafetensorsEntry, _ values: [Double]
  ) throws(SafetensorsError) -> [Int64] {
    var numbers: [Int64] = []
    numbers.reserveCapacity(values.count)
    for value in values {
      guard let number = Int64(exactly: value) else {
        throw wrong(entry, "element \(numbers.count) is \(value), but a whole number is needed")
      }
      numbers.append(number)
    }
    return numbers
  }

  private func require(_ name: String) throws(SafetensorsError) -> SafetensorsEntry {
    if let entry = header.entries[name] { return entry }
    throw SafetensorsError(
      path: path, place: "tensor \(name.excerpt())", reason: "there is no such tensor",
      cure: "Use a file that has it.")
  }

  /// Checks that a tensor can be read as `Float`.
  ///
  /// - Throws: `SafetensorsError` if there is no such tensor, or it is of another type.
  package func requireFloats(_ name: String) throws(SafetensorsError) {
    try requireFloats(require(name))
  }

  private func requireFloats(_ entry: SafetensorsEntry) throws(SafetensorsError) {
    guard [.f32, .f16, .bf16, .f64].contains(entry.type) else {
      throw wrong(entry, "its type is \(entry.type.rawValue), but F32, F16, BF16 or F64 is needed")
    }
  }

  private func wrong(_ entry: SafetensorsEntry, _ reason: String) -> SafetensorsError {
    SafetensorsError(
      path: path, place: "tensor \(entry.name.excerpt())", reason: reason,
      cure: "Write the tensor again in the form that is needed.")
  }

  private func bytes(of entry: SafetensorsEntry) -> UnsafeRawBufferPointer {
    let start = header.dataStart
    return UnsafeRawBufferPointer(
      rebasing: storage.bytes[
        start + entry.byteRange.lowerBound..<start + entry.byteRange.upperBound])
  }

  /// Copies elements into an aligned array of their type.
  private func load<Element: BitwiseCopyable>(
    _ entry: SafetensorsEntry, as type: Element.Type
  ) -> [Element] {
    [Element](unsafeUninitializedCapacity: entry.elementCount) { buffer, count in
      UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes(of: entry))
      count = entry.elementCount
    }
  }

  private func convert(
    _ entry: SafetensorsEntry, elements: Range<Int>, to target: UnsafeMutablePointer<Float>
  ) {
    guard !elements.isEmpty, let start = bytes(of: entry).baseAddress else { return }
    let size = entry.type.bitCount / 8
    let source = start + elements.lowerBound * size
    switch entry.type {
    case .f16: FloatConversion.widenHalf(from: source, count: elements.count, to: target)
    case .bf16: FloatConversion.widenBrainFloat(from: source, count: elements.count, to: target)
    case .f64: FloatConversion.roundDouble(from: source, count: elements.count, to: target)
    default:
      UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: elements.count * size)
    }
  }
}
