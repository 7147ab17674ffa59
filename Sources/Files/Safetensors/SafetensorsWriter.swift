/// Writes a safetensors file, byte for byte as the reference implementation lays it out.
///
/// Tensors are sorted by the alignment of their type, widest first, then by name; the header is
/// padded with spaces to a multiple of 8, so that every tensor is aligned. Metadata are sorted by
/// key, so that the bytes are a function of the content.
///
/// Bytes are requested only when they are written, and passed to a sink: a file, a compressor or a
/// hash.
package struct SafetensorsWriter: Sendable {
  /// Receives the file in consecutive pieces; a piece is valid during the call only.
  package typealias Sink = (UnsafeRawBufferPointer) throws -> Void

  private struct Tensor: Sendable {
    let name: String
    let type: SafetensorsType
    let shape: [Int]
    let byteCount: Int
    let content: @Sendable (Sink) throws -> Void
  }

  /// The strings of `__metadata__`, which is omitted if there are none.
  package var metadata: [String: String]

  private var tensors: [Tensor] = []
  private var names: Set<String> = []

  /// Creates a file without tensors.
  ///
  /// - Parameter metadata: the strings of `__metadata__`.
  package init(metadata: [String: String] = [:]) {
    self.metadata = metadata
  }

  /// The size of all the tensors in bytes.
  package var dataByteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  /// The size of the whole file in bytes.
  package var byteCount: Int { header().count + dataByteCount }

  /// Adds a tensor whose bytes are produced on demand, in any number of pieces.
  ///
  /// - Parameters:
  ///   - name: the tensor's name, which no other tensor has.
  ///   - type: the type of its elements.
  ///   - shape: its extents, slowest first.
  ///   - content: passes all bytes of the tensor to the sink, the same bytes in every call.
  package mutating func add(
    _ name: String, type: SafetensorsType, shape: [Int],
    content: @escaping @Sendable (Sink) throws -> Void
  ) {
    precondition(name != "__metadata__", "a tensor cannot be called __metadata__")
    precondition(names.insert(name).inserted, "the tensor \(name) was added twice")
    guard shape.allSatisfy({ $0 >= 0 }), let byteCount = type.byteCount(ofShape: shape) else {
      preconditionFailure("tensor \(name) cannot have the shape \(shape)")
    }
    tensors.append(
      Tensor(name: name, type: type, shape: shape, byteCount: byteCount, content: content))
  }

  /// Adds a tensor in memory that the caller owns.
  ///
  /// The memory is neither copied nor retained: it must stay valid and unchanged until the file is
  /// written, which may happen on another thread.
  ///
  /// - Parameters:
  ///   - name: the tensor's name, which no other tensor has.
  ///   - values: its elements, row-major.
  ///   - shape: its extents, slowest first.
  package mutating func add<Element: SafetensorsElement>(
    _ name: String, _ values: UnsafeBufferPointer<Element>, shape: [Int]
  ) {
    Self.checkCount(name, values.count, shape)
    nonisolated(unsafe) let bytes = UnsafeRawBufferPointer(values)
    add(name, type: Element.safetensorsType, shape: shape) { sink in try sink(bytes) }
  }

  /// Adds a tensor from an array.
  ///
  /// - Parameters:
  ///   - name: the tensor's name, which no other tensor has.
  ///   - values: its elements, row-major.
  ///   - shape: its extents, slowest first.
  package mutating func add<Element: SafetensorsElement>(
    _ name: String, _ values: [Element], shape: [Int]
  ) {
    Self.checkCount(name, values.count, shape)
    add(name, type: Element.safetensorsType, shape: shape) { sink in
      try values.withUnsafeBytes(sink)
    }
  }

  /// Writes the whole file to a sink.
  ///
  /// - Throws: whatever the sink throws.
  package func write(to sink: Sink) throws {
    try header().withUnsafeBytes(sink)
    try writeData(to: sink)
  }

  /// Writes only the bytes of the tensors to a sink, in file order, for example to hash them.
  ///
  /// - Throws: whatever the sink throws.
  package func writeData(to sink: Sink) throws {
    for tensor in sortedTensors() {
      var count = 0
      try tensor.content { bytes in
        count += bytes.count
        try sink(bytes)
      }
      precondition(
        count == tensor.byteCount,
        "tensor \(tensor.name) gave \(count) bytes instead of \(tensor.byteCount)")
    }
  }

  /// Writes the file atomically: it appears durable and complete, or not at all.
  ///
  /// - Parameter path: the file; its folder must exist.
  /// - Throws: `FileError`; a temporary file is removed first.
  package func write(toFile path: String) throws {
    let file = try FileReplacement(of: path)
    try write { bytes in try file.writer.write(bytes) }
    try file.commit()
  }

  /// The length and the padded JSON that precede the data.
  package func header() -> [UInt8] {
    var fields: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }
        .map { "\(Self.quoted($0.key)):\(Self.quoted($0.value))" }
      fields.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var offset = 0
    for tensor in sortedTensors() {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      let end = offset + tensor.byteCount
      fields.append(
        "\(Self.quoted(tensor.name)):{\"dtype\":\"\(tensor.type.rawValue)\","
          + "\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    var json = Array("{\(fields.joined(separator: ","))}".utf8)
    json.append(contentsOf: repeatElement(UInt8(ascii: " "), count: -json.count & 7))
    return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
  }

  private func sortedTensors() -> [Tensor] {
    tensors.sorted { first, second in
      if first.type != second.type { return first.type.rank > second.type.rank }
      return first.name.utf8.lexicographicallyPrecedes(second.name.utf8)
    }
  }

  private static func checkCount(_ name: String, _ count: Int, _ shape: [Int]) {
    precondition(
      count == shape.reduce(1, *), "tensor \(name) has \(count) elements, its shape is \(shape)")
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{8}": result += "\\b"
      case "\u{C}": result += "\\f"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
