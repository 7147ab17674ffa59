import CMPI

extension Communicator {
  /// Collects a part of equal length from every rank, ordered by rank, on all ranks.
  ///
  /// Collective (`MPI_Allgather`, MPI 3.1, section 5.7).
  ///
  /// - Parameters:
  ///   - part: `n` elements, the same number on all ranks, outside of `whole`.
  ///   - whole: `n * size` elements.
  package func allGather<Scalar: MPIScalar>(
    _ part: UnsafeBufferPointer<Scalar>, into whole: UnsafeMutableBufferPointer<Scalar>
  ) throws(MPIError) {
    precondition(
      whole.count == part.count * size, "\(whole.count) elements for \(size) x \(part.count)")
    if part.count > chunkLimit {
      return try allGatherByBroadcasts(part, into: whole)
    }
    try sleepUntilAllArrive()
    let type = Scalar.mpiDatatype.handle
    try mpiCheck(
      "MPI_Allgather",
      MPI_Allgather(
        part.baseAddress, Int32(part.count), type, whole.baseAddress, Int32(part.count), type,
        handle))
  }

  /// Returns the parts of all ranks, ordered by rank.
  ///
  /// Collective, as ``allGather(_:into:)``; all parts have the same length.
  package func allGather<Scalar: MPIScalar>(_ part: [Scalar]) throws(MPIError) -> [Scalar] {
    var whole = Array(repeatElement(part, count: size).joined())
    try whole.withUnsafeMutableBufferPointer { (target) throws(MPIError) in
      try part.withUnsafeBufferPointer { (source) throws(MPIError) in
        try allGather(source, into: target)
      }
    }
    return whole
  }

  /// Collects a part of any length from every rank, ordered by rank, on the root alone.
  ///
  /// Collective (`MPI_Gatherv`, MPI 3.1, section 5.5).
  ///
  /// - Parameters:
  ///   - part: `counts[rank]` elements, outside of `whole`.
  ///   - counts: The number of elements of each rank's part, the same list on all ranks.
  ///   - whole: As many elements as `counts` sums to; ignored on the other ranks.
  package func gather<Scalar: MPIScalar>(
    _ part: UnsafeBufferPointer<Scalar>, counts: [Int],
    into whole: UnsafeMutableBufferPointer<Scalar>, to root: Int
  ) throws(MPIError) {
    checkParts(part.count, counts, rank == root ? whole.count : counts.reduce(0, +))
    guard counts.reduce(0, +) <= chunkLimit else {
      return try gatherByMessages(part, counts: counts, into: whole, to: root)
    }
    try sleepUntilAllArrive()
    let type = Scalar.mpiDatatype.handle
    try mpiCheck(
      "MPI_Gatherv",
      MPI_Gatherv(
        part.baseAddress, Int32(part.count), type, whole.baseAddress, counts.map(Int32.init),
        startsOfParts(counts).map(Int32.init), type, Int32(root), handle))
  }

  // Displacements have 32 bits in MPI 3.1 too, so a large result is filled rank by rank.
  private func allGatherByBroadcasts<Scalar: MPIScalar>(
    _ part: UnsafeBufferPointer<Scalar>, into whole: UnsafeMutableBufferPointer<Scalar>
  ) throws(MPIError) {
    for root in 0..<size {
      let start = root * part.count
      let target = UnsafeMutableBufferPointer(rebasing: whole[start..<start + part.count])
      if rank == root { _ = target.update(fromContentsOf: part) }
      try broadcast(target, from: root)
    }
  }

  private func gatherByMessages<Scalar: MPIScalar>(
    _ part: UnsafeBufferPointer<Scalar>, counts: [Int],
    into whole: UnsafeMutableBufferPointer<Scalar>, to root: Int
  ) throws(MPIError) {
    guard rank == root else { return try send(part, to: root, tag: 0) }
    for (source, start) in startsOfParts(counts).enumerated() {
      let target = UnsafeMutableBufferPointer(rebasing: whole[start..<start + counts[source]])
      if source == root {
        _ = target.update(fromContentsOf: part)
      } else {
        try receive(target, from: source, tag: 0)
      }
    }
  }

  private func checkParts(_ own: Int, _ counts: [Int], _ whole: Int) {
    precondition(counts.count == size, "\(counts.count) counts for \(size) ranks")
    precondition(own == counts[rank], "\(own) elements where counts[\(rank)] = \(counts[rank])")
    precondition(whole == counts.reduce(0, +), "\(whole) elements for the counts \(counts)")
  }

  private func startsOfParts(_ counts: [Int]) -> [Int] {
    var next = 0
    return counts.map { count in
      defer { next += count }
      return next
    }
  }
}
