/// The memory of one training step: activations, their gradients and scratch memory.
///
/// Allocation moves a pointer; ``reset()`` releases all memory at once. When a step needs more than
/// the arena holds, the arena adds a block, and the next reset replaces all blocks by one that is
/// large enough, so that no memory is taken from the heap after the largest step.
package final class StepArena {
  private var blocks: [UnsafeMutableRawBufferPointer] = []
  private var usedInLastBlock = 0
  private var usedInEarlierBlocks = 0
  private let blockByteCount: Int

  /// The number of blocks taken from the heap since the arena was made.
  package private(set) var heapAllocationCount = 0

  /// An empty arena.
  ///
  /// - Parameter blockByteCount: the least size of an added block, in bytes.
  package init(blockByteCount: Int = 1 << 22) {
    self.blockByteCount = blockByteCount
  }

  deinit {
    blocks.forEach { $0.deallocate() }
  }

  /// The bytes in use since the last reset.
  package var usedByteCount: Int { usedInEarlierBlocks + usedInLastBlock }

  /// Uninitialised memory for `count` values, aligned to a cache line, valid until ``reset()``.
  package func allocate<Value: BitwiseCopyable>(
    _ type: Value.Type, count: Int
  ) -> UnsafeMutableBufferPointer<Value> {
    let bytes = allocateBytes(count * MemoryLayout<Value>.stride)
    return UnsafeMutableBufferPointer(
      start: bytes.bindMemory(to: Value.self, capacity: count), count: count)
  }

  /// An uninitialised tensor, valid until ``reset()``.
  package func tensor(rows: Int, columns: Int) -> Tensor {
    let bytes = allocateBytes(rows * columns * MemoryLayout<Float>.stride)
    return Tensor(
      bytes.bindMemory(to: Float.self, capacity: rows * columns), rows: rows, columns: columns)
  }

  /// A tensor of zeros, valid until ``reset()``.
  package func zeros(rows: Int, columns: Int) -> Tensor {
    let tensor = tensor(rows: rows, columns: columns)
    tensor.fill(0)
    return tensor
  }

  /// Copies one value into the arena, valid until ``reset()``.
  package func store<Value: BitwiseCopyable>(_ value: Value) -> UnsafeMutablePointer<Value> {
    let pointer = allocateBytes(MemoryLayout<Value>.stride).bindMemory(to: Value.self, capacity: 1)
    pointer.initialize(to: value)
    return pointer
  }

  /// Releases what `body` allocates when it returns.
  package func temporarily<Result>(_ body: () throws -> Result) rethrows -> Result {
    let (blockCount, used) = (blocks.count, usedInLastBlock)
    // Memory of a block that `body` has added is kept until the reset.
    defer { if blocks.count == blockCount { usedInLastBlock = used } }
    return try body()
  }

  /// Releases all memory, which makes every tensor of the step invalid.
  package func reset() {
    if blocks.count > 1 {
      let total = blocks.reduce(0) { $0 + $1.count }
      blocks.forEach { $0.deallocate() }
      blocks.removeAll(keepingCapacity: true)
      addBlock(byteCount: total)
    }
    usedInLastBlock = 0
    usedInEarlierBlocks = 0
  }

  private func allocateBytes(_ byteCount: Int) -> UnsafeMutableRawPointer {
    let mask = FloatBuffer.alignment - 1
    let rounded = (max(byteCount, 1) + mask) & ~mask
    if blocks.isEmpty || usedInLastBlock + rounded > blocks[blocks.count - 1].count {
      usedInEarlierBlocks += usedInLastBlock
      usedInLastBlock = 0
      addBlock(byteCount: max(rounded, blockByteCount))
    }
    let block = blocks[blocks.count - 1]
    defer { usedInLastBlock += rounded }
    return block.baseAddress.unsafelyUnwrapped + usedInLastBlock
  }

  private func addBlock(byteCount: Int) {
    blocks.append(.allocate(byteCount: byteCount, alignment: FloatBuffer.alignment))
    heapAllocationCount += 1
  }
}
