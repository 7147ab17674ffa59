import Synchronization
import TensorCore

extension AdamW {
  /// A change of a segment in memory between two updates.
  package struct Damage: Sendable, Equatable {
    /// What was changed.
    package enum Tensor: Sendable { case parameter, firstMoment, secondMoment }

    /// The first element of the segment, in the flat buffers.
    package let element: Int
    /// What was changed.
    package let tensor: Tensor
  }
}

/// Detects values that change in memory between two updates.
///
/// Memory that fails changes a value for good, and no later result shows it. So every update adds up
/// the bits of all that it writes, and the next update those of all that it reads: the sums of a
/// segment must be equal. The values pass through the processor anyway, so the check reads no memory
/// of its own.
struct MemoryCheck {
  /// The first difference that the last update has found; nil without one.
  private(set) var damage: AdamW.Damage?
  /// What the last update has written to each segment; empty before the first.
  private var written: [BitSums] = []

  /// - Parameter segmentCount: the number of segments that each update goes through.
  init(segmentCount: Int) {
    written.reserveCapacity(segmentCount)
  }

  /// Starts an update.
  mutating func begin() { damage = nil }

  /// Compares what an update has read with what the update before has written.
  ///
  /// - Parameters:
  ///   - tally: the bits of the whole segment.
  ///   - segment: the index of the segment; each update takes the segments in ascending order.
  ///   - element: the first element of the segment, in the flat buffers.
  mutating func compare(_ tally: borrowing BitTally, segment: Int, at element: Int) {
    let sums = tally.sums
    guard segment < written.count else { return written.append(sums.written) }
    if damage == nil, let tensor = sums.read.firstDifference(from: written[segment]) {
      damage = AdamW.Damage(element: element, tensor: tensor)
    }
    written[segment] = sums.written
  }
}

/// The bits that the threads of an update have read and written in one segment.
struct BitTally: ~Copyable {
  private let total = Mutex((read: BitSums(), written: BitSums()))

  /// What has been added so far.
  var sums: (read: BitSums, written: BitSums) { total.withLock { $0 } }

  /// Adds a chunk of the segment; called by several threads.
  func add(_ chunk: UpdateBits) {
    let (read, written) = (BitSums(chunk.read), BitSums(chunk.written))
    total.withLock {
      $0.read.add(read)
      $0.written.add(written)
    }
  }
}

/// The bits that an update has read and written in one chunk, lane by lane.
struct UpdateBits {
  fileprivate var read = LaneSums()
  fileprivate var written = LaneSums()

  init() {}

  /// Adds vectors as they are before the update; lanes that hold no element are zero.
  @inline(__always)
  mutating func addRead(_ p: SIMD8<Float>, _ m: SIMD8<Float>, _ v: SIMD8<Float>) {
    read.add(p.bits, m.bits, v.bits)
  }

  /// Adds vectors as they are after the update.
  ///
  /// - Parameter length: the number of lanes that hold an element.
  @inline(__always)
  mutating func addWritten(
    _ p: SIMD8<Float>, _ m: SIMD8<Float>, _ v: SIMD8<Float>, length: Int
  ) {
    if length == 8 { return written.add(p.bits, m.bits, v.bits) }
    let lanes = SIMD8<UInt32>(0, 1, 2, 3, 4, 5, 6, 7)
    let isEmpty = lanes .>= SIMD8(repeating: UInt32(length))
    written.add(
      p.bits.replacing(with: 0, where: isEmpty), m.bits.replacing(with: 0, where: isEmpty),
      v.bits.replacing(with: 0, where: isEmpty))
  }
}

/// Bit patterns of parameters and moments as sums that wrap: the same in any order, and another sum
/// for every change of a single bit.
struct BitSums {
  private var parameters: UInt32 = 0
  private var firstMoments: UInt32 = 0
  private var secondMoments: UInt32 = 0

  init() {}

  fileprivate init(_ lanes: LaneSums) {
    parameters = lanes.p.wrappedSum()
    firstMoments = lanes.m.wrappedSum()
    secondMoments = lanes.v.wrappedSum()
  }

  fileprivate mutating func add(_ other: BitSums) {
    parameters &+= other.parameters
    firstMoments &+= other.firstMoments
    secondMoments &+= other.secondMoments
  }

  fileprivate func firstDifference(from other: BitSums) -> AdamW.Damage.Tensor? {
    if parameters != other.parameters { return .parameter }
    if firstMoments != other.firstMoments { return .firstMoment }
    return secondMoments != other.secondMoments ? .secondMoment : nil
  }
}

/// The same, lane by lane.
private struct LaneSums {
  var p = SIMD8<UInt32>()
  var m = SIMD8<UInt32>()
  var v = SIMD8<UInt32>()

  @inline(__always)
  mutating func add(_ p: SIMD8<UInt32>, _ m: SIMD8<UInt32>, _ v: SIMD8<UInt32>) {
    self.p &+= p
    self.m &+= m
    self.v &+= v
  }
}
