import Foundation
import TestSupport
import Testing

@testable import MPIKit

@Suite("Communicator", .serialized, .enabled(if: MPIWorld.isPresent))
struct CommunicatorTestsUnderMPI {
  /// The world as it is, with buffers cut after three elements, and with naps.
  static let variants = ["plain", "chunked", "yieldingWhenIdle"]

  private func make(_ variant: String) throws -> Communicator {
    let world = try MPIWorld.communicator()
    return try world.duplicate(
      yieldingWhenIdle: variant == "yieldingWhenIdle",
      chunkLimit: variant == "chunked" ? 3 : Int(Int32.max))
  }

  @Test("The library grants calls from several threads, and starts once")
  func starts() throws {
    let first = try MPIWorld.environment.get()
    let second = try MPIEnvironment.initialize()
    #expect(first.threadLevel == .multiple)
    #expect(second.threadLevel == first.threadLevel)
    #expect(second.world.size == first.world.size)
  }

  @Test("Ranks are numbered from 0 without gaps", arguments: variants)
  func ranks(variant: String) throws {
    let world = try make(variant)
    #expect(try world.allGather([Int64(world.rank)]) == (0..<Int64(world.size)).map { $0 })
    try world.free()
  }

  @Test("allReduce sums every type", arguments: variants)
  func allReduce(variant: String) throws {
    let world = try make(variant)
    let total = world.size * (world.size + 1) / 2
    func check<Scalar: MPIScalar & Numeric & Equatable>(_ type: Scalar.Type) throws {
      for count in [0, 1, 3, 10] {
        var values = [Scalar](repeating: Scalar(exactly: world.rank + 1) ?? 0, count: count)
        try values.withUnsafeMutableBufferPointer { try world.allReduce($0, .sum) }
        #expect(values == [Scalar](repeating: Scalar(exactly: total) ?? 0, count: count))
      }
    }
    try check(Float.self)
    try check(Double.self)
    try check(Int64.self)
    try check(UInt8.self)
    #expect(try world.allReduce(value: Int64(world.rank), .maximum) == Int64(world.size - 1))
    #expect(try world.allReduce(value: Double(world.rank), .minimum) == 0)
    try world.free()
  }

  @Test("broadcast copies from each root", arguments: variants)
  func broadcast(variant: String) throws {
    let world = try make(variant)
    for root in 0..<world.size {
      var bytes = [UInt8](repeating: UInt8(world.rank), count: 8)
      try bytes.withUnsafeMutableBufferPointer { try world.broadcast($0, from: root) }
      #expect(bytes == [UInt8](repeating: UInt8(root), count: 8))
    }
    try world.free()
  }

  @Test("Parts of different lengths are gathered in rank order", arguments: variants)
  func gather(variant: String) throws {
    let world = try make(variant)
    let counts = (0..<world.size).map { ($0 * 5) % 4 }
    let part = (0..<counts[world.rank]).map { Int64(100 * world.rank + $0) }
    let expected = counts.indices.flatMap { rank in
      (0..<counts[rank]).map { Int64(100 * rank + $0) }
    }
    for root in 0..<world.size {
      var whole = [Int64](repeating: -1, count: expected.count)
      try whole.withUnsafeMutableBufferPointer { target in
        try part.withUnsafeBufferPointer { source in
          try world.gather(source, counts: counts, into: target, to: root)
        }
      }
      #expect(whole == (root == world.rank ? expected : whole.map { _ in -1 }))
    }
    try world.free()
  }

  @Test("Parts of equal length above the limit of a call are gathered", arguments: variants)
  func allGather(variant: String) throws {
    let world = try make(variant)
    let part = (0..<5).map { Double(10 * world.rank + $0) }
    let whole = try world.allGather(part)
    #expect(whole == (0..<world.size).flatMap { rank in (0..<5).map { Double(10 * rank + $0) } })
    try world.free()
  }

  @Test("Messages go round the ring", arguments: variants)
  func messages(variant: String) throws {
    let world = try make(variant)
    let requests = RequestSet(yieldsWhenIdle: variant == "yieldingWhenIdle")
    let own = [Int64](repeating: Int64(world.rank), count: 7)
    var received = [Int64](repeating: -1, count: 7)
    let (next, last) = ((world.rank + 1) % world.size, (world.rank + world.size - 1) % world.size)
    try own.withUnsafeBufferPointer { source in
      try received.withUnsafeMutableBufferPointer { target in
        try world.startReceive(target, from: last, tag: 5, in: requests)
        try world.send(source, to: next, tag: 5)
        try requests.wait()
      }
    }
    #expect(received.allSatisfy { $0 == Int64(last) })
    try world.free()
  }

  @Test("split groups by color and orders by key")
  func split() throws {
    let world = try MPIWorld.communicator()
    let part = try world.split(color: world.rank % 2, key: -world.rank)
    let members = try part.allGather([Int64(world.rank)])
    let expected = (0..<world.size).filter { $0 % 2 == world.rank % 2 }.map { Int64($0) }
    #expect(members == expected.reversed())
    try part.free()
  }

  @Test("An error of a call is thrown with its class and words")
  func errors() throws {
    let world = try MPIWorld.communicator()
    var values: [Float] = [1]
    let error = #expect(throws: MPIError.self) {
      try values.withUnsafeMutableBufferPointer { buffer in
        try world.broadcast(buffer, from: world.size + 5)
      }
    }
    #expect(error?.function == "MPI_Bcast")
    #expect(error?.text.contains("MPI_ERR_ROOT") == true)
    #expect(error?.description.hasPrefix("MPI_Bcast failed: MPI_ERR_ROOT") == true)
  }

  @Test("A message that is longer than its buffer is an error, not an overrun")
  func truncation() throws {
    let world = try MPIWorld.communicator().duplicate()
    let long: [Float] = [1, 2, 3, 4]
    var short: [Float] = [0, 0]
    let requests = RequestSet()
    let (next, last) = ((world.rank + 1) % world.size, (world.rank + world.size - 1) % world.size)
    try long.withUnsafeBufferPointer { source in
      try world.startSend(source, to: next, tag: 0, in: requests)
      let error = #expect(throws: MPIError.self) {
        try short.withUnsafeMutableBufferPointer { target in
          try world.receive(target, from: last, tag: 0)
        }
      }
      #expect(error?.text.contains("MPI_ERR_TRUNCATE") == true)
      try requests.wait()
    }
  }
}
