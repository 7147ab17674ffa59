/// Reads the JSON of a safetensors header, and nothing but such JSON.
///
/// General decoders keep one of two equal keys and recurse into whatever depth they are given. This
/// one knows the header's grammar, so it refuses both, and its own depth is that of the grammar.
struct SafetensorsHeaderScanner {
  private var json: StrictJSONScanner
  private var entries: [String: SafetensorsEntry] = [:]
  private var metadata: [String: String]?

  init(_ bytes: UnsafeRawBufferPointer, path: String) {
    json = StrictJSONScanner(bytes, path: path)
  }

  /// Reads the whole header; only spaces may follow it.
  mutating func scan() throws(SafetensorsError) -> (
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
    guard metadata == nil else { throw json.error("__metadata__ stands there twice") }
    var found: [String: String] = [:]
    var more = try json.beginObject()
    while more {
      let key = try json.key()
      let value = try json.string()
      guard found.updateValue(value, forKey: key) == nil else {
        throw json.error("the metadata key \(key) stands there twice")
      }
      more = try json.continueObject()
    }
    metadata = found
  }

  private mutating func scanEntry(_ name: String) throws(SafetensorsError) {
    var type: SafetensorsType?
    var shape: [Int]?
    var offsets: [Int]?
    var more = try json.beginObject()
    while more {
      let field = try json.key()
      switch field {
      case "dtype" where type == nil: type = try scanType(name)
      case "shape" where shape == nil: shape = try json.integers()
      case "data_offsets" where offsets == nil: offsets = try json.integers()
      case "dtype", "shape", "data_offsets":
        throw json.error("tensor \(name) has the field \(field) twice")
      default: throw json.error("tensor \(name) has an unknown field \(field)")
      }
      more = try json.continueObject()
    }
    guard let type, let shape, let offsets else {
      throw json.error("tensor \(name) needs dtype, shape and data_offsets")
    }
    let entry = try makeEntry(name, type, shape, offsets)
    guard entries.updateValue(entry, forKey: name) == nil else {
      throw json.error("the tensor \(name) stands there twice")
    }
  }

  private mutating func scanType(_ name: String) throws(SafetensorsError) -> SafetensorsType {
    let text = try json.string()
    guard let type = SafetensorsType(rawValue: text) else {
      throw json.error("tensor \(name) has the unknown type \(text)")
    }
    return type
  }

  private func makeEntry(
    _ name: String, _ type: SafetensorsType, _ shape: [Int], _ offsets: [Int]
  ) throws(SafetensorsError) -> SafetensorsEntry {
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw json.error("tensor \(name) has the data_offsets \(offsets) (InvalidOffset)")
    }
    guard let byteCount = type.byteCount(ofShape: shape) else {
      throw json.error(
        "tensor \(name): \(type.rawValue) \(shape) overflows or ends inside a byte"
          + " (ValidationOverflow)")
    }
    guard byteCount == offsets[1] - offsets[0] else {
      throw json.error(
        "tensor \(name): \(type.rawValue) \(shape) takes \(byteCount) bytes, its data_offsets span"
          + " \(offsets[1] - offsets[0]) (TensorInvalidInfo)")
    }
    return SafetensorsEntry(
      name: name, type: type, shape: shape, byteRange: offsets[0]..<offsets[1])
  }
}
