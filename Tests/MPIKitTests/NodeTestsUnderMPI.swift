import Foundation
import TestSupport
import Testing

@testable import MPIKit

@Suite("Nodes and shared memory", .serialized, .enabled(if: MPIWorld.isPresent))
struct NodeTestsUnderMPI {
  @Test("All ranks of this machine are one node")
  func oneNode() throws {
    let world = try MPIWorld.communicator()
    let layout = try NodeLayout(of: world)
    #expect(layout.nodeCount == 1)
    #expect(layout.node.size == world.size)
    #expect(layout.isNested)
  }

  @Test("Nodes nest when they hold equal runs of a power of two", arguments: [1, 2, 3])
  func nesting(ranksPerNode: Int) throws {
    let world = try MPIWorld.communicator()
    let layout = try NodeLayout(of: world, ranksPerNode: ranksPerNode)
    #expect(layout.nodeOfRank == (0..<world.size).map { $0 / ranksPerNode })
    let isEven = world.size % ranksPerNode == 0 && ranksPerNode != 3
    #expect(layout.isNested == (world.size <= ranksPerNode || isEven))
  }

  @Test("What one rank writes into the window, all see after a synchronization")
  func window() throws {
    let node = try MPIWorld.communicator().splitByNode()
    let window = try #require(
      try SharedMemoryWindow.allocate(bytesPerRank: 5000, on: node, freeBytes: 1 << 30))
    #expect(window.parts.count == node.size)
    #expect(window.bytesPerRank == 8192)
    for part in window.parts {
      #expect(UnsafeRawBufferPointer(start: part, count: 8192).allSatisfy { $0 == 0 })
      #expect(Int(bitPattern: part) % 4096 == 0)
    }
    try window.synchronize()
    for part in window.parts {
      part.storeBytes(of: UInt8(node.rank + 1), toByteOffset: node.rank, as: UInt8.self)
    }
    try window.synchronize()
    let expected = (1...node.size).map { UInt8($0) }
    for part in window.parts {
      #expect([UInt8](UnsafeRawBufferPointer(start: part, count: node.size)) == expected)
    }
    try window.free()
  }

  @Test("Where there is no room, no rank gets a window and none hangs")
  func noRoom() throws {
    let node = try MPIWorld.communicator().splitByNode()
    #expect(
      try SharedMemoryWindow.allocate(bytesPerRank: 1 << 50, on: node, freeBytes: 1 << 40) == nil)
    let onOneRank = node.rank == 0 ? 0 : 1 << 30
    #expect(
      try SharedMemoryWindow.allocate(bytesPerRank: 1, on: node, freeBytes: onOneRank) == nil)
  }

  @Test("A yieldingWhenIdle rank sleeps while it waits")
  func yieldingWhenIdle() throws {
    let world = try MPIWorld.communicator().duplicate(yieldingWhenIdle: true)
    try world.barrier()
    let before = sleepCount()
    if world.rank == 0 { usleep(500_000) }
    try world.barrier()
    // A look every 0.1 ms makes some 3000 sleeps; a rank that polls gives its core up, but never
    // sleeps. The bound leaves room for a machine that is busy with other things.
    if world.rank > 0 { #expect(sleepCount() - before > 100) }
  }

  /// How often this process has given its core up because it had to wait.
  private func sleepCount() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_nvcsw
  }
}
