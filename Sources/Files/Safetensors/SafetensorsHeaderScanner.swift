/// Parses the JSON of a safetensors header, and no other JSON.
///
/// General decoders accept duplicate keys and recurse to any depth. This parser follows the grammar
/// of the header, so it refuses both and its depth is fixed.
package struct SafetensorsHeaderScanner {
  /// The largest number of dimensions; no library has as many.
  private static let largestRank = 64

  /// The largest number of tensors or strings, as each takes several times the memory of its text;
  /// no file of weights has as many.
  private static let largestCount = 100_000

  private var json: StrictJSONScanner
  private var entries: [String: SafetensorsEntry] = [:]
  private var metadata: [String: String]?

  package init(_ bytes: UnsafeRawBufferPointer, path: String) {
    json = StrictJSONScanner(bytes, path: path)
  }

  /// Parses the whole header; only white space may follow it.
  package mutating func scan() throws(SafetensorsError) -> (
    entries: [String: SafetensorsEntry], metadata: [String: String]
  ) {
    guard json.peek() == UInt8(ascii: "{") else {
      throw json.error("it does not begin with '{' (InvalidHeaderStart)")
    }
    var more = try json.beginObject()
    while more {
      let name = try json.key()
      if name == "__metadata__" {
        try scanMetadata()
      } else {
        try scanEntry(name)
      }
      more = try json.continueObject()
    }
    try json.expectEnd()
    return (entries, metadata ?? [:])
  }

  private mutating func scanMetadata() throws(SafetensorsError) {
    guard metadata == nil else { throw json.error("__metadata__ appears twice") }
    var found: [String: String] = [:]
    var more = try json.beginObject()
    while more {
      let key = try json.key()
      let value = try json.string()
      guard found.updateValue(value, forKey: key) == nil else {
        throw json.error("the metadata key \(key.excerpt()) appears twice")
      }
      try checkCount(found.count, "strings of metadata")
      more = try json.continueObject()
    }
    metadata = found
  }

  private mutating func scanEntry(_ name: String) throws(SafetensorsError) {
    let label = "tensor \(name.excerpt())"
    var type: SafetensorsType?
    var shape: [Int]?
    var offsets: [Int]?
    var more = try json.beginObject()
    while more {
      let field = try json.key()
      switch field {
      case "dtype" where type == nil: type = try scanType(label)
      case "shape" where shape == nil: shape = try json.integers(largestCount: Self.largestRank)
      case "data_offsets" where offsets == nil:
        offsets = try json.integers(largestCount: Self.largestRank)
      case "dtype", "shape", "data_offsets":
        throw json.error("\(label) has the field \(field) twice")
      default: throw json.error("\(label) has an unknown field \(field.excerpt())")
      }
      more = try json.continueObject()
    }
    guard let type, let shape, let offsets else {
      throw json.error("\(label) needs dtype, shape and data_offsets")
    }
    let byteRange = try byteRange(label, type, shape, offsets)
    let entry = SafetensorsEntry(name: name, type: type, shape: shape, byteRange: byteRange)
    guard entries.updateValue(entry, forKey: name) == nil else {
      throw json.error("the \(label) appears twice")
    }
    try checkCount(entries.count, "tensors")
  }

  private mutating func scanType(_ label: String) throws(SafetensorsError) -> SafetensorsType {
    let text = try json.string()
    guard let type = SafetensorsType(rawValue: text) else {
      throw json.error("\(label) has the unknown type \(text.excerpt())")
    }
    return type
  }

  private func checkCount(_ count: Int, _ kind: String) throws(SafetensorsError) {
    guard count <= Self.largestCount else {
      throw json.error("there are more than \(Self.largestCount) \(kind)")
    }
  }

  private func byteRange(
    _ label: String, _ type: SafetensorsType, _ shape: [Int], _ offsets: [Int]
  ) throws(SafetensorsError) -> Range<Int> {
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw json.error("\(label) has the data_offsets \(offsets) (InvalidOffset)")
    }
    guard let byteCount = type.byteCount(ofShape: shape) else {
      throw json.error(
        "\(label): \(type.rawValue) \(shape) overflows or ends inside a byte"
          + " (ValidationOverflow)")
    }
    guard byteCount == offsets[1] - offsets[0] else {
      throw json.error(
        "\(label): \(type.rawValue) \(shape) takes \(byteCount) bytes, its data_offsets span"
          + " \(offsets[1] - offsets[0]) (TensorInvalidInfo)")
    }
    return offsets[0]..<offsets[1]
  }
}
