import Files
import Foundation
import TensorCore

extension TensorFileParts {
  /// Changes what the file says and keeps its form: strings of the metadata, shapes, types, names
  /// and numbers.
  mutating func damageMeaning(_ stream: inout RandomStream) {
    guard let object = try? JSONSerialization.jsonObject(with: Data(header)),
      var fields = object as? [String: Any]
    else { return }
    let names = fields.keys.filter { $0 != "__metadata__" }.sorted()
    guard !names.isEmpty else { return }
    let name = stream.nextElement(of: names)
    let other = stream.nextElement(of: names)
    switch stream.nextInteger(below: 8) {
    case 0...3: fields["__metadata__"] = Self.damaged(fields["__metadata__"], &stream)
    case 4: fields[name] = Self.reshaped(fields[name], &stream)
    case 5: (fields[name], fields[other]) = (fields[other], fields[name])
    case 6: fields[stream.nextElement(of: HostileNames.texts)] = fields.removeValue(forKey: name)
    default: return placeNumber(&stream)
    }
    let json = try? JSONSerialization.data(withJSONObject: fields, options: .sortedKeys)
    header = json.map { Array($0) } ?? header
  }

  private static func damaged(_ metadata: Any?, _ stream: inout RandomStream) -> [String: String] {
    var strings = metadata as? [String: String] ?? [:]
    let keys = strings.keys.sorted()
    guard !keys.isEmpty else { return [stream.nextElement(of: HostileNames.texts): "x"] }
    let key = stream.nextElement(of: keys)
    switch stream.nextInteger(below: 6) {
    case 0: strings[key] = nil
    case 1: strings[key] = stream.nextElement(of: HostileNames.texts)
    case 2: strings[key] = stream.nextElement(of: HostileYAML.bombs)(stream.nextLength(upTo: 4096))
    case 3: strings[key] = strings[stream.nextElement(of: keys)]
    case 4: strings[key] = stream.nextElement(of: HostileNumbers.texts)
    default:
      var tokens = TextTokens(Array((strings[key] ?? "").utf8))
      tokens.damage(&stream)
      strings[key] = String(decoding: tokens.text, as: UTF8.self)
    }
    return strings
  }

  /// A tensor of other extents or another type, mostly of the same number of bytes.
  private static func reshaped(_ tensor: Any?, _ stream: inout RandomStream) -> [String: Any] {
    var tensor = tensor as? [String: Any] ?? [:]
    let shape = tensor["shape"] as? [Int] ?? []
    switch stream.nextInteger(below: 6) {
    case 0: tensor["shape"] = Array(shape.reversed())
    case 1: tensor["shape"] = [shape.reduce(1, *)]
    case 2: tensor["shape"] = shape + [1]
    case 3: tensor["shape"] = shape.map { _ in stream.nextInteger(below: 9) }
    case 4: tensor["shape"] = [0, Int(truncatingIfNeeded: 1 << stream.nextInteger(below: 62))]
    default: tensor["dtype"] = stream.nextElement(of: SafetensorsType.allCases).rawValue
    }
    return tensor
  }

  /// Overwrites a number of the data with one at the edge of its type.
  private mutating func placeNumber(_ stream: inout RandomStream) {
    let words =
      HostileNumbers.words + [
        UInt64(Float.nan.bitPattern), UInt64(Float.infinity.bitPattern), Double.nan.bitPattern,
        Double.infinity.bitPattern, Double.greatestFiniteMagnitude.bitPattern,
      ]
    let word = stream.nextElement(of: words)
    let width = stream.nextChance(oneIn: 2) ? 4 : 8
    guard data.count >= width else { return }
    let start = width * stream.nextInteger(below: data.count / width)
    for offset in 0..<width {
      data[start + offset] = UInt8(truncatingIfNeeded: word >> (8 * offset))
    }
  }
}
