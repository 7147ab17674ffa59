import DataParallel

/// What every collective promises, checked on one of its ranks.
///
/// The checks return what was wrong instead of recording it, because ranks may be threads that the
/// testing library knows nothing of. All ranks must run the same check at the same time.
package enum CollectiveChecks {
  /// Lengths around the limits of vectors, blocks and small sums.
  package static let counts = [0, 1, 7, 1000, 4096, 4097, 70_001]

  /// Runs all checks.
  package static func all(_ collective: any Collective) throws -> [String] {
    try sums(collective) + integers(collective) + broadcasts(collective) + gathers(collective)
      + sharedBuffers(collective) + shards(collective) + agreements(collective)
  }

  /// The elements that are compared: enough to meet every block and shard, few enough to be quick.
  package static func sample(of count: Int) -> [Int] {
    Array(stride(from: 0, to: count, by: 61)) + (max(0, count - 5)..<count)
  }

  /// A value whose sums depend on their order: magnitudes differ by up to 2^20.
  package static func value(_ rank: Int, _ index: Int) -> Double {
    let mixed = (rank &* 7919 &+ index &* 104_729) % 1009
    return (Double(mixed) / 1009 - 0.5) * Double(1 << ((rank * 5 + index) % 20))
  }

  package static func expected<Scalar: BinaryFloatingPoint>(
    _ type: Scalar.Type, _ size: Int, _ index: Int
  ) -> Scalar {
    NaiveSummation.tree(0..<size) { Scalar(value($0, index)) }
  }

  private static func sums(_ collective: any Collective) throws -> [String] {
    var failures: [String] = []
    let (rank, size) = (collective.rank, collective.size)
    for count in counts {
      var floats = (0..<count).map { Float(value(rank, $0)) }
      try floats.withUnsafeMutableBufferPointer { try collective.allReduceSum($0) }
      var doubles = (0..<count).map { value(rank, $0) }
      try doubles.withUnsafeMutableBufferPointer { try collective.allReduceSum($0) }
      for index in sample(of: count) {
        if floats[index].bitPattern != expected(Float.self, size, index).bitPattern
          || doubles[index].bitPattern != expected(Double.self, size, index).bitPattern
        {
          failures.append("rank \(rank): sum of \(count) is wrong at \(index): \(floats[index])")
          break
        }
      }
    }
    return failures
  }

  private static func integers(_ collective: any Collective) throws -> [String] {
    let (rank, size) = (Int64(collective.rank), Int64(collective.size))
    var sum = [rank, -rank, 1, Int64.max / size]
    try sum.withUnsafeMutableBufferPointer { try collective.allReduceSum($0) }
    var largest = [rank, -rank, rank == size / 2 ? 9 : 1]
    try largest.withUnsafeMutableBufferPointer { try collective.allReduceMax($0) }
    let total = size * (size - 1) / 2
    return difference(sum, [total, -total, size, Int64.max / size * size], "integer sum", rank)
      + difference(largest, [size - 1, 0, 9], "maximum", rank)
  }

  private static func broadcasts(_ collective: any Collective) throws -> [String] {
    var failures: [String] = []
    for root in 0..<collective.size {
      for count in [0, 1, 10_000] {
        var bytes = [UInt8](repeating: UInt8(collective.rank), count: count)
        try bytes.withUnsafeMutableBytes { try collective.broadcast($0, from: root) }
        let expected = [UInt8](repeating: UInt8(root), count: count)
        failures += difference(bytes, expected, "broadcast", collective.rank)
      }
    }
    return failures
  }

  private static func gathers(_ collective: any Collective) throws -> [String] {
    var failures: [String] = []
    let parts = (0..<collective.size).map { [UInt8](repeating: UInt8($0), count: $0 * 3 % 5) }
    for root in 0..<collective.size {
      let result = try collective.gather(parts[collective.rank], to: root)
      let expected = collective.rank == root ? parts : []
      failures += difference(result, expected, "gather to \(root)", collective.rank)
    }
    return failures
  }

  private static func sharedBuffers(_ collective: any Collective) throws -> [String] {
    var failures: [String] = []
    for count in counts {
      let buffer = try collective.makeSharedBuffer(count: count)
      if buffer.elements.contains(where: { $0 != 0 }) { failures.append("buffer is not zeroed") }
      for pass in 0..<2 {
        for index in 0..<count {
          buffer.pointer[index] = Float(value(collective.rank, index + pass))
        }
        try collective.allReduceSum(buffer)
        let wrong = sample(of: count).first {
          buffer.pointer[$0].bitPattern
            != expected(Float.self, collective.size, $0 + pass).bitPattern
        }
        if let wrong {
          failures.append("rank \(collective.rank): pass \(pass) of \(count) is wrong at \(wrong)")
        }
      }
    }
    return failures
  }

  private static func shards(_ collective: any Collective) throws -> [String] {
    var failures: [String] = []
    for count in counts {
      let buffer = try collective.makeSharedBuffer(count: count)
      for pass in 0..<2 {
        for index in 0..<count {
          buffer.pointer[index] = Float(value(collective.rank, index + pass))
        }
        try collective.reduceScatter(buffer)
        let own = collective.shard(of: count)
        // What lies outside the shard must not matter.
        for index in 0..<count where !own.contains(index) { buffer.pointer[index] = .nan }
        try collective.allGather(buffer)
        let wrong = sample(of: count).first {
          buffer.pointer[$0].bitPattern
            != expected(Float.self, collective.size, $0 + pass).bitPattern
        }
        if let wrong {
          failures.append(
            "rank \(collective.rank): shards, pass \(pass) of \(count), wrong at \(wrong)")
        }
      }
    }
    return failures
  }

  private static func agreements(_ collective: any Collective) throws -> [String] {
    let agreement = Agreement(collective)
    let (rank, last) = (collective.rank, collective.size - 1)
    var failures: [String] = []
    func check(_ vote: Vote, _ expected: Decision) throws {
      let decision = try agreement.decide(local: vote)
      failures += difference(decision, expected, "decision", rank)
    }
    try check(.proceed, Decision(kind: .proceed, rank: nil, code: 0, message: ""))
    try check(.stop, Decision(kind: .stop, rank: 0, code: 0, message: ""))
    try check(
      rank == last ? .stop : .proceed, Decision(kind: .stop, rank: last, code: 0, message: ""))
    try check(
      rank == last ? .fail(code: 65, message: "NaN in dialogue é") : .stop,
      Decision(kind: .fail, rank: last, code: 65, message: "NaN in dialogue é"))
    try check(
      .fail(code: rank == last ? 79 : 74, message: "from \(rank)"),
      Decision(kind: .fail, rank: last, code: 79, message: "from \(last)"))
    return failures
  }

  private static func difference<Value: Equatable>(
    _ value: Value, _ expected: Value, _ what: String, _ rank: some BinaryInteger
  ) -> [String] {
    value == expected ? [] : ["rank \(rank): \(what) is \(value), not \(expected)"]
  }
}
