import TensorCore
import TestSupport
import Testing

@Suite("Step arena")
struct StepArenaTests {
  private func address<Value>(_ buffer: UnsafeMutableBufferPointer<Value>) -> UInt {
    UInt(bitPattern: buffer.baseAddress)
  }

  @Test("what is allocated temporarily is taken back, and what stood before stays")
  func temporary() {
    let arena = StepArena(blockByteCount: 4096)
    let kept = arena.tensor(rows: 1, columns: 8)
    kept.fill(3)
    let used = arena.usedByteCount
    let first = arena.temporarily { arena.tensor(rows: 2, columns: 8).pointer }
    let second = arena.temporarily { arena.tensor(rows: 4, columns: 8).pointer }
    #expect(first == second)
    #expect(arena.usedByteCount == used)
    #expect(kept.elements.allSatisfy { $0 == 3 })
  }

  @Test("temporary memory beyond the arena stays until the reset")
  func temporaryGrowth() {
    let arena = StepArena(blockByteCount: 256)
    let kept = arena.tensor(rows: 1, columns: 8)
    kept.fill(3)
    arena.temporarily { arena.tensor(rows: 100, columns: 100).fill(7) }
    let later = arena.tensor(rows: 1, columns: 8)
    later.fill(5)
    #expect(kept.elements.allSatisfy { $0 == 3 } && later.elements.allSatisfy { $0 == 5 })
    arena.reset()
    #expect(arena.usedByteCount == 0)
  }

  @Test("memory is aligned to cache lines and does not overlap")
  func alignment() {
    let arena = StepArena(blockByteCount: 4096)
    var end: UInt = 0
    withExtendedLifetime(arena) {
      for count in [0, 1, 15, 16, 17, 100, 3] {
        let bytes = arena.allocate(UInt8.self, count: count)
        #expect(bytes.count == count)
        #expect(address(bytes) % UInt(FloatBuffer.alignment) == 0)
        #expect(address(bytes) >= end)
        end = address(bytes) + UInt(count)
        bytes.initialize(repeating: 0xFF)
      }
      let tensor = arena.tensor(rows: 3, columns: 5)
      #expect(address(tensor.elements) % UInt(FloatBuffer.alignment) == 0)
      #expect(arena.zeros(rows: 2, columns: 9).values == [Float](repeating: 0, count: 18))
      let stored = arena.store((first: 3, second: 0.5))
      #expect(stored.pointee == (3, 0.5))
    }
    #expect(arena.heapAllocationCount == 1)
  }

  @Test("a reset gives the same memory again")
  func reuse() {
    let arena = StepArena(blockByteCount: 4096)
    #expect(arena.usedByteCount == 0)
    let first = address(arena.allocate(Float.self, count: 100))
    let second = address(arena.allocate(Float.self, count: 1))
    #expect(arena.usedByteCount == 448 + 64)
    arena.reset()
    #expect(arena.usedByteCount == 0)
    #expect(address(arena.allocate(Float.self, count: 100)) == first)
    #expect(address(arena.allocate(Float.self, count: 1)) == second)
    #expect(arena.heapAllocationCount == 1)
  }

  @Test("blocks are added as needed and become one at the next reset")
  func growth() {
    let arena = StepArena(blockByteCount: 1024)
    func step() {
      for index in 0..<10 {
        let values = arena.allocate(Float.self, count: 200)
        values.initialize(repeating: Float(index))
      }
      // Larger than a block.
      arena.allocate(Float.self, count: 5000).initialize(repeating: 1)
    }
    step()
    let blocks = arena.heapAllocationCount
    #expect(blocks > 1)
    #expect(arena.usedByteCount == 10 * 832 + 20032)
    arena.reset()
    #expect(arena.heapAllocationCount == blocks + 1)
    for _ in 0..<3 {
      step()
      arena.reset()
    }
    #expect(arena.heapAllocationCount == blocks + 1)
  }

  @Test("earlier memory survives the growth of a step")
  func growthKeepsValues() {
    let arena = StepArena(blockByteCount: 256)
    let tensors = (0..<50).map { index in
      let tensor = arena.tensor(rows: 3, columns: 7)
      tensor.fill(Float(index))
      return tensor
    }
    withExtendedLifetime(arena) {
      for (index, tensor) in tensors.enumerated() {
        #expect(tensor.values == [Float](repeating: Float(index), count: 21))
      }
    }
  }
}

@Suite("Tensors and buffers")
struct StorageTests {
  let make = TensorFactory(seed: 22)

  @Test("a buffer is aligned and zero", arguments: [0, 1, 17, 4096])
  func buffer(count: Int) {
    let buffer = FloatBuffer(count: count)
    withExtendedLifetime(buffer) {
      #expect(UInt(bitPattern: buffer.pointer) % UInt(FloatBuffer.alignment) == 0)
      #expect(buffer.elements.count == count && buffer.elements.allSatisfy { $0 == 0 })
    }
  }

  @Test("rows are views")
  func rows() {
    let tensor = make.tensor((0..<12).map(Float.init), rows: 4, columns: 3)
    #expect(tensor.rows(1..<3).values == [3, 4, 5, 6, 7, 8])
    #expect(tensor.row(2)[1] == 7)
    #expect(tensor.rows(2..<2).count == 0)
    tensor.rows(0..<1).fill(9)
    #expect(tensor.values[0..<4] == [9, 9, 9, 3])
    let copy = make.arena.zeros(rows: 4, columns: 3)
    #expect(copy.hasShape(of: tensor) && !copy.hasShape(of: tensor.rows(0..<2)))
    copy.copy(from: tensor)
    #expect(copy.values == tensor.values)
  }

  @Test("row groups")
  func groups() {
    let groups = make.groups([2, 0, 5], identifiers: [8, 3, 1])
    #expect(groups.count == 3 && groups.rowCount == 7 && groups.longest == 5)
    #expect(
      groups.rows(of: 0) == 0..<2 && groups.rows(of: 1).isEmpty && groups.rows(of: 2) == 2..<7)
    let none = make.groups([])
    #expect(none.count == 0 && none.rowCount == 0 && none.longest == 0)
  }

  @Test("blocks are counted up, and runs of them begin with one")
  func blocks() {
    let size = FlatBlocks.elementCount
    #expect(size == 4096)
    #expect([0, 1, size, size + 1].map { FlatBlocks.count(of: $0) } == [0, 1, 1, 2])
    #expect(FlatBlocks.blocks(of: 0..<1) == 0..<1)
    #expect(FlatBlocks.blocks(of: size..<3 * size) == 1..<3)
    #expect(FlatBlocks.blocks(of: size..<3 * size + 1) == 1..<4)
    #expect(FlatBlocks.blocks(of: 2 * size..<2 * size).isEmpty)
  }

  @Test("chunks cover everything once", arguments: [1, 2, 3], [0, 1, 9, 10, 11, 99])
  func chunks(workers: Int, count: Int) {
    let visits = make.arena.zeros(rows: 1, columns: count)
    let widest = make.arena.zeros(rows: 1, columns: count)
    Workers(count: workers).forEachChunk(of: count, size: 5) { range in
      for index in range {
        visits.pointer[index] += 1
        widest.pointer[index] = Float(range.count)
      }
    }
    #expect(visits.values.allSatisfy { $0 == 1 })
    if workers > 1 && count >= 10 { #expect(widest.values.allSatisfy { $0 <= 5 }) }
    let both = make.arena.zeros(rows: 1, columns: 2)
    Workers(count: workers).both {
      both.pointer[0] = 1
    } _: {
      both.pointer[1] = 2
    }
    #expect(both.values == [1, 2])
  }
}
