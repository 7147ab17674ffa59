import TensorCore

/// What storage, transfers and attackers do to bytes.
package enum ByteDamage: CaseIterable, Sendable {
  case flippedBits
  case overwrittenBytes
  case cutOff
  case beginningLost
  case inserted
  case removed
  case duplicated
  case swapped
  case number

  /// The bytes after one damage of this kind at a random place.
  package func applied(to bytes: [UInt8], _ stream: inout RandomStream) -> [UInt8] {
    guard !bytes.isEmpty else { return [UInt8(truncatingIfNeeded: stream.nextWord32())] }
    var damaged = bytes
    switch self {
    case .flippedBits:
      for _ in 0...stream.nextInteger(below: 3) {
        damaged[stream.nextInteger(below: bytes.count)] ^= 1 << stream.nextInteger(below: 8)
      }
    case .overwrittenBytes:
      for index in stream.nextRange(in: bytes.count, longest: 16) {
        damaged[index] = stream.nextByte()
      }
    case .cutOff: damaged.removeLast(1 + stream.nextInteger(below: bytes.count))
    case .beginningLost: damaged.removeFirst(1 + stream.nextInteger(below: bytes.count))
    case .inserted:
      let noise = (0...stream.nextInteger(below: 64)).map { _ in stream.nextByte() }
      damaged.insert(contentsOf: noise, at: stream.nextInteger(below: bytes.count + 1))
    case .removed: damaged.removeSubrange(stream.nextRange(in: bytes.count, longest: 256))
    case .duplicated:
      let piece = bytes[stream.nextRange(in: bytes.count, longest: 1024)]
      damaged.insert(contentsOf: piece, at: stream.nextInteger(below: bytes.count + 1))
    case .swapped: damaged = Self.swapped(bytes, &stream)
    case .number: Self.placeNumber(in: &damaged, &stream)
    }
    return damaged
  }

  /// The bytes after one to four damages of any kind.
  package static func anywhere(in bytes: [UInt8], _ stream: inout RandomStream) -> [UInt8] {
    (0...stream.nextInteger(below: 4)).reduce(bytes) { bytes, _ in
      stream.nextElement(of: allCases).applied(to: bytes, &stream)
    }
  }

  private static func swapped(_ bytes: [UInt8], _ stream: inout RandomStream) -> [UInt8] {
    let first = stream.nextRange(in: bytes.count, longest: 512)
    let rest = bytes.count - first.upperBound
    guard rest > 0 else { return Array(bytes.reversed()) }
    let inRest = stream.nextRange(in: rest, longest: 512)
    let second = first.upperBound + inRest.lowerBound..<first.upperBound + inRest.upperBound
    let between = first.upperBound..<second.lowerBound
    let pieces = [0..<first.lowerBound, second, between, first, second.upperBound..<bytes.count]
    return pieces.flatMap { bytes[$0] }
  }

  /// Overwrites a place with a little-endian number at the edge of a type, as a length would be.
  private static func placeNumber(in bytes: inout [UInt8], _ stream: inout RandomStream) {
    let number = stream.nextElement(of: HostileNumbers.words)
    let width = 1 << stream.nextInteger(below: 4)
    let start = stream.nextInteger(below: bytes.count)
    for offset in 0..<min(width, bytes.count - start) {
      bytes[start + offset] = UInt8(truncatingIfNeeded: number >> (8 * offset))
    }
  }
}

extension RandomStream {
  /// The next random byte.
  package mutating func nextByte() -> UInt8 { UInt8(truncatingIfNeeded: nextWord32()) }

  /// One of the elements, each equally likely.
  package mutating func nextElement<Element>(of elements: [Element]) -> Element {
    elements[nextInteger(below: elements.count)]
  }

  /// True once in so many draws.
  package mutating func nextChance(oneIn count: Int) -> Bool { nextInteger(below: count) == 0 }

  /// A length from 16 bytes to a limit, each order of magnitude equally likely.
  package mutating func nextLength(upTo limit: Int) -> Int {
    let bits = 4 + nextInteger(below: max(1, limit.bitWidth - limit.leadingZeroBitCount - 4))
    return min(limit, 1 << bits)
  }

  /// A range of at least one index of so many.
  mutating func nextRange(in count: Int, longest: Int) -> Range<Int> {
    let start = nextInteger(below: count)
    return start..<start + 1 + nextInteger(below: min(longest, count - start))
  }
}
