import Files
import TensorCore

/// The types in which features may be stored.
enum FeatureType: String, CaseIterable, Sendable {
  case single = "F32"
  case half = "F16"
  case brain = "BF16"

  var byteCount: Int { self == .single ? 4 : 2 }

  /// The exponent bits; all of them are set exactly if a value is NaN or infinite.
  var exponentMask: UInt32 {
    switch self {
    case .single: 0x7F80_0000
    case .half: 0x7C00
    case .brain: 0x7F80
    }
  }
}

/// Consecutive rows of features in contiguous memory, which need not be aligned.
struct FeatureBlock: Sendable {
  let type: FeatureType
  let rowCount: Int
  let width: Int

  /// The `rowCount * width` values, row-major.
  ///
  /// They are valid while `owner` is alive, and are not changed.
  nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

  /// The owner of `bytes`: a mapped file or memory.
  let owner: any AnyObject & Sendable

  func copy(rows: Range<Int>, to destination: UnsafeMutablePointer<Float>) {
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= rowCount, "rows \(rows) of \(rowCount)")
    guard let base = bytes.baseAddress else { return }
    let source = base + rows.lowerBound * width * type.byteCount
    let count = rows.count * width
    switch type {
    case .single:
      UnsafeMutableRawPointer(destination).copyMemory(from: source, byteCount: 4 * count)
    case .half: FloatConversion.widenHalf(from: source, count: count, to: destination)
    case .brain: FloatConversion.widenBrainFloat(from: source, count: count, to: destination)
    }
  }
}

/// All features of one modality of a split: one block, or one for each shard.
struct FeatureTable: Sendable {
  let width: Int
  let blocks: [FeatureBlock]

  /// The row of the split at which each block begins.
  private let firstRows: [Int]

  /// Joins blocks of equal width, in the order of the split's rows.
  init(width: Int, blocks: [FeatureBlock]) {
    precondition(blocks.allSatisfy { $0.width == width }, "blocks of unequal width")
    self.width = width
    self.blocks = blocks
    var row = 0
    firstRows = blocks.map { block in
      defer { row += block.rowCount }
      return row
    }
  }

  /// Creates features in memory.
  ///
  /// - Parameter fill: writes `rowCount * width` values.
  init(rowCount: Int, width: Int, fill: (UnsafeMutablePointer<Float>) -> Void) {
    let byteCount = rowCount * width * MemoryLayout<Float>.stride
    guard let memory = MemoryBytes(byteCount: byteCount) else {
      preconditionFailure("no memory for \(byteCount) bytes of features")
    }
    let values = memory.mutableBytes.bindMemory(to: Float.self)
    if let start = values.baseAddress { fill(start) }
    self.init(
      width: width,
      blocks: [
        FeatureBlock(
          type: .single, rowCount: rowCount, width: width, bytes: memory.bytes, owner: memory)
      ])
  }

  /// Copies rows of the split, all of one block, as `[rows, width]`.
  func copy(rows: Range<Int>, to destination: UnsafeMutablePointer<Float>) {
    var block = blocks.count - 1
    while block > 0 && firstRows[block] > rows.lowerBound { block -= 1 }
    let first = rows.lowerBound - firstRows[block]
    blocks[block].copy(rows: first..<first + rows.count, to: destination)
  }
}
