import Foundation
import TestSupport
import Testing

@testable import Files

/// A file that the Python package safetensors 0.8.0 has written with PyTorch 2.15.0.
enum PythonVector {
  static let bytes: [UInt8] = Array(Data(base64Encoded: text) ?? Data())

  private static let text =
    """
    oAIAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJub3RlIjoidGFiXHQsIGJlbGxcdTAwMDcsIFxcIGFuZCDDqSJ9LCJj\
    b3VudHMiOnsiZHR5cGUiOiJJNjQiLCJzaGFwZSI6WzNdLCJkYXRhX29mZnNldHMiOlswLDI0XX0sInN1bXMiOnsi\
    ZHR5cGUiOiJGNjQiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOlsyNCw0MF19LCJlbXB0eSI6eyJkdHlwZSI6\
    IkYzMiIsInNoYXBlIjpbMCwzXSwiZGF0YV9vZmZzZXRzIjpbNDAsNDBdfSwic2NhbGFyIjp7ImR0eXBlIjoiRjMy\
    Iiwic2hhcGUiOltdLCJkYXRhX29mZnNldHMiOls0MCw0NF19LCJ3ZWlnaHRzIjp7ImR0eXBlIjoiRjMyIiwic2hh\
    cGUiOlsyLDNdLCJkYXRhX29mZnNldHMiOls0NCw2OF19LCJzbWFsbCI6eyJkdHlwZSI6IkkzMiIsInNoYXBlIjpb\
    Ml0sImRhdGFfb2Zmc2V0cyI6WzY4LDc2XX0sImJyYWluIjp7ImR0eXBlIjoiQkYxNiIsInNoYXBlIjpbMl0sImRh\
    dGFfb2Zmc2V0cyI6Wzc2LDgwXX0sImhhbGYiOnsiZHR5cGUiOiJGMTYiLCJzaGFwZSI6WzEsM10sImRhdGFfb2Zm\
    c2V0cyI6WzgwLDg2XX0sIsO8bsOvY29kZSBcInF1b3RlZFwiXG4iOnsiZHR5cGUiOiJVOCIsInNoYXBlIjpbMV0s\
    ImRhdGFfb2Zmc2V0cyI6Wzg2LDg3XX0sImZsYWdzIjp7ImR0eXBlIjoiQk9PTCIsInNoYXBlIjpbM10sImRhdGFf\
    b2Zmc2V0cyI6Wzg3LDkwXX19ICABAAAAAAAAAP7/////////AAAAAAAAAEBVVVVVVVXVP5x1AIg85Df+AAAgQAAA\
    wD8AABDAAABAQM3MzD0AAIB/AAAAgAcAAAD4////gD9JwAA4//sBAP8BAAE=
    """

  static func file() throws -> SafetensorsFile {
    try SafetensorsFile(storage: MemoryBytes(bytes), path: "python.safetensors")
  }
}

@Suite("Safetensors file")
struct SafetensorsFileTests {
  @Test("a file that Python has written is read")
  func python() throws {
    let file = try PythonVector.file()
    #expect(file.header.metadata == ["note": "tab\t, bell\u{7}, \\ and é"])
    let weights: [Float] = [1.5, -2.25, 3, 0.1, .infinity, -0.0]
    #expect(try file.floats("weights").map(\.bitPattern) == weights.map(\.bitPattern))
    #expect(try file.doubles("sums") == [1.0 / 3, -1e300])
    #expect(try file.floats("sums") == [Float(1.0 / 3), -.infinity])
    #expect(try file.integers("counts") == [1, -2, 1 << 62])
    #expect(try file.integers("small") == [7, -8])
    #expect(try file.floats("half") == [0.5, -65504, 0x1p-24])
    #expect(try file.floats("brain") == [1, -3.140625])
    #expect(try file.doubles("brain") == [1, -3.140625])
    #expect(try file.floats("scalar") == [2.5])
    #expect(try file.floats("empty") == [])
    #expect(try Array(file.bytes("ünïcode \"quoted\"\n")) == [255])
    #expect(try Array(file.bytes("flags")) == [1, 0, 1])
  }

  @Test("a mapped file gives the same, and goes on doing so without its name")
  func mapped() throws {
    try withTemporaryFolder { folder in
      let path = folder.path("python.safetensors")
      try FileSystem.write(PythonVector.bytes, to: path)
      let file = try SafetensorsFile(path: path)
      try FileSystem.remove(path)
      #expect(try file.floats("weights") == PythonVector.file().floats("weights"))
      #expect(throws: FileError.self) { try SafetensorsFile(path: path) }
    }
  }

  @Test("rows are copied as Float whatever their type", arguments: SafetensorsType.allCases)
  func rows(type: SafetensorsType) throws {
    // Odd widths leave rows without alignment and vectors with a tail; the values are exact in all.
    let values: [Float] = (0..<5 * 11).map { Float($0) / 4 - 3 }
    guard let bytes = Self.encoded(values, as: type) else { return }
    var writer = SafetensorsWriter()
    writer.add("rows", type: type, shape: [5, 11]) { sink in try bytes.withUnsafeBytes(sink) }
    let file = try Self.parse(writer)
    for rows in [0..<5, 1..<2, 2..<5, 3..<3] {
      var copy = [Float](repeating: .nan, count: rows.count * 11 + 1)
      try copy.withUnsafeMutableBufferPointer { buffer in
        try file.copyFloats("rows", rows: rows, to: #require(buffer.baseAddress))
      }
      #expect(copy.dropLast() == values[rows.lowerBound * 11..<rows.upperBound * 11])
      #expect(copy.last?.isNaN == true)
    }
    var whole = [Float](repeating: 0, count: 55)
    try whole.withUnsafeMutableBufferPointer { try file.copyFloats("rows", to: $0) }
    #expect(whole == values)
  }

  @Test("what is not there or of another type is an error that names it")
  func wrongTensor() throws {
    let file = try PythonVector.file()
    let missing = #expect(throws: SafetensorsError.self) { try file.floats("none") }
    #expect(missing?.place == "tensor none")
    #expect(throws: SafetensorsError.self) { try file.bytes("none") }
    #expect(throws: SafetensorsError.self) { try file.floats("counts") }
    #expect(throws: SafetensorsError.self) { try file.doubles("flags") }
    #expect(throws: SafetensorsError.self) { try file.integers("half") }
    let fraction = #expect(throws: SafetensorsError.self) { try file.integers("scalar") }
    #expect(fraction?.reason == "element 0 is 2.5, but a whole number is needed")
    #expect(throws: SafetensorsError.self) { try file.integers("weights") }  // holds infinity
    let vector = UnsafeMutablePointer<Float>.allocate(capacity: 2)
    defer { vector.deallocate() }
    let rank = #expect(throws: SafetensorsError.self) {
      try file.copyFloats("brain", rows: 0..<1, to: vector)
    }
    #expect(rank?.reason.contains("[rows, width]") == true)
  }

  @Test("a file that is cut anywhere is refused")
  func truncations() {
    let bytes = PythonVector.bytes
    #expect(bytes.count == 770)
    for count in 0..<bytes.count {
      #expect(throws: SafetensorsError.self, "cut after \(count) bytes") {
        try SafetensorsFile(storage: MemoryBytes(Array(bytes.prefix(count))), path: "cut")
      }
    }
    #expect(throws: SafetensorsError.self) {
      try SafetensorsFile(storage: MemoryBytes(bytes + [0]), path: "long")
    }
  }

  @Test("no flipped bit of a header brings the reader down")
  func bitFlips() throws {
    let header = try PythonVector.file().header
    var bytes = PythonVector.bytes
    for bit in 0..<8 * header.dataStart {
      bytes[bit / 8] ^= 1 << (bit % 8)
      // A flip in a name or in the metadata makes another sound file; all tensors can be read then.
      if let file = try? SafetensorsFile(storage: MemoryBytes(bytes), path: "flipped") {
        for entry in file.header.entries.values {
          #expect(try file.bytes(entry.name).count == entry.byteRange.count)
        }
      }
      bytes[bit / 8] ^= 1 << (bit % 8)
    }
  }

  static func parse(_ writer: SafetensorsWriter) throws -> SafetensorsFile {
    var bytes: [UInt8] = []
    try writer.write { bytes.append(contentsOf: $0) }
    #expect(bytes.count == writer.byteCount)
    return try SafetensorsFile(storage: MemoryBytes(bytes), path: "written")
  }

  /// The bytes of numbers in one of the types that can be read as `Float`, or `nil` for the others.
  private static func encoded(_ values: [Float], as type: SafetensorsType) -> [UInt8]? {
    switch type {
    case .f32: values.withUnsafeBytes { Array($0) }
    case .f64: values.map(Double.init).withUnsafeBytes { Array($0) }
    case .f16: values.map(halfBits).withUnsafeBytes { Array($0) }
    case .bf16: values.map { UInt16($0.bitPattern >> 16) }.withUnsafeBytes { Array($0) }
    default: nil
    }
  }

  /// Half-precision bits of a normal number that is exact in half precision.
  private static func halfBits(_ value: Float) -> UInt16 {
    if value == 0 { return 0 }
    let exponent = UInt16(Int(value.exponent) + 15) << 10
    let fraction = UInt16(value.significandBitPattern >> 13)
    return (value < 0 ? 0x8000 : 0) | exponent | fraction
  }
}
