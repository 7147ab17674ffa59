import Foundation

extension JSONDecoder {
  /// Decodes a value from a text that may hold anything.
  ///
  /// The decoder stops at a nesting of 512, but where the text ends right there, it looks for the
  /// line of the mistake behind the end and brings the program down. A line feed that it can find
  /// there, and passes over in every other case, keeps it from that.
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
