import Foundation

extension JSONDecoder {
  /// Decodes a value from untrusted text.
  ///
  /// The decoder of Foundation rejects a nesting above 512, but where the text ends at that depth,
  /// it searches for the line of the error past the end and crashes. A line feed after the text
  /// prevents that, and is ignored otherwise.
  ///
  /// - Parameters:
  ///   - type: what the value should be.
  ///   - text: the value and nothing else, in UTF-8.
  /// - Throws: the decoder's errors.
  package func decode<Value: Decodable>(
    _ type: Value.Type, text: some Collection<UInt8>
  ) throws -> Value {
    var bytes = Data(capacity: text.count + 1)
    bytes.append(contentsOf: text)
    bytes.append(UInt8(ascii: "\n"))
    return try decode(type, from: bytes)
  }
}
