import Files
import Foundation
import TensorCore

/// Decodes JSON, with errors in the terms of a dataset.
///
/// The decoder accepts strict JSON up to a nesting of 512, so no input can overflow the stack.
enum JSONReading {
  /// The largest text in bytes in which an error is located, because that takes many times its size
  /// in memory.
  private static let largestExaminedText = 1 << 20

  /// Decodes one JSON value.
  ///
  /// - Parameters:
  ///   - type: what the value should be.
  ///   - bytes: the value and nothing else, in UTF-8.
  ///   - file: the file's name, for messages.
  ///   - line: the number of the line, counted from 1, in a file with one value on each line; else
  ///     nil.
  static func decode<Value: Decodable>(
    _ type: Value.Type, from bytes: ArraySlice<UInt8>, file: String, line: Int?
  ) throws(DataError) -> Value {
    do {
      return try JSONDecoder().decode(type, text: bytes)
    } catch {
      throw describe(error, in: bytes, file: file, line: line)
    }
  }

  private static func describe(
    _ error: any Error, in bytes: ArraySlice<UInt8>, file: String, line: Int?
  ) -> DataError {
    let linePlace = line.map { "line \($0)" }
    func mistake(at path: [any CodingKey], _ reason: String, _ cure: String) -> DataError {
      let field = path.isEmpty ? nil : "field \"\(name(of: path))\""
      let place = [linePlace, field].compactMap(\.self).joined(separator: ", ")
      return DataError(
        file: file, place: place.isEmpty ? nil : place, reason: reason, cure: cure)
    }

    switch error {
    case DecodingError.keyNotFound(let key, let context):
      return mistake(at: context.codingPath + [key], "the field is missing", "Add it.")
    case DecodingError.typeMismatch(let type, let context):
      return mistake(
        at: context.codingPath, "the value has the wrong type", "Write \(phrase(for: type)).")
    case DecodingError.valueNotFound(let type, let context):
      return mistake(at: context.codingPath, "the value is null", "Write \(phrase(for: type)).")
    case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
      return mistake(
        at: context.codingPath,
        "the value cannot be used (\(context.debugDescription.excerpt(limit: 200)))",
        "Correct the value.")
    default:
      return mistake(
        at: [], "not valid JSON (\(syntaxError(in: bytes)))",
        "Correct the file, or get it again if it is cut off.")
    }
  }

  /// A path of keys as in `utterances[3].emotion`.
  private static func name(of path: [any CodingKey]) -> String {
    path.reduce("") { name, key in
      if let index = key.intValue { return "\(name)[\(index)]" }
      let field = key.stringValue.excerpt()
      return name.isEmpty ? field : "\(name).\(field)"
    }
  }

  /// The name of the JSON value that a Swift type is decoded from.
  private static func phrase(for type: any Any.Type) -> String {
    switch type {
    case is String.Type: "a string"
    case is Int.Type: "a whole number"
    case is any Collection.Type where "\(type)".hasPrefix("Array"): "an array"
    default: "an object"
    }
  }

  /// The syntax error and its position in the line.
  ///
  /// The decoder does not report it, but the other parser of Foundation does.
  private static func syntaxError(in bytes: ArraySlice<UInt8>) -> String {
    guard bytes.count <= largestExaminedText else { return "it is cut off or misspelt" }
    do {
      _ = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
      return "it is not strict JSON"
    } catch {
      let text = (error as NSError).userInfo["NSDebugDescription"] as? String
      guard let text else { return "it cannot be parsed" }
      return (text.hasSuffix(".") ? String(text.dropLast()) : text).excerpt(limit: 200)
    }
  }
}

extension Sequence<String> {
  /// The words with commas between them.
  var listed: String { joined(separator: ", ") }
}
