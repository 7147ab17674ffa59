import DataParallel
import JobControl
import TensorCore

/// Measures the peak rates of this machine.
enum MachinePeak {
  /// The floating-point operations per second of a large matrix product on this rank's threads, while
  /// all ranks compute one.
  static func matrixProduct() -> Double {
    let size = 1024
    let a = FloatBuffer(count: size * size)
    let b = FloatBuffer(count: size * size)
    let c = FloatBuffer(count: size * size)
    for index in 0..<a.count {
      a.elements[index] = Float(index % 7) - 3
      b.elements[index] = Float(index % 5) - 2
    }
    let best = fastest(of: 12) {
      MatrixProduct.multiply(
        Tensor(a.pointer, rows: size, columns: size), Tensor(b.pointer, rows: size, columns: size),
        into: Tensor(c.pointer, rows: size, columns: size), accumulate: false)
    }
    return 2 * Double(size * size * size) / best
  }

  /// The time to sum 20 MB of gradients over all ranks; nil on one rank.
  static func sums(over world: ParallelWorld) throws -> SumFigures? {
    guard let collective = world.mpi, collective.size > 1 else { return nil }
    let buffer = try collective.makeSharedBuffer(count: 5_000_000)
    let memory = FloatBuffer(count: buffer.count)
    let repeats = 20
    return SumFigures(
      bytes: Double(buffer.count * MemoryLayout<Float>.stride),
      shared: 1000 * (try fastest(of: repeats) { try collective.allReduceSum(buffer) }),
      messages: 1000 * (try fastest(of: repeats) { try collective.allReduceSum(memory.elements) }),
      library: 1000
        * (try fastest(of: repeats) { try collective.allReduceInAnyOrder(memory.elements) }))
  }

  /// The time of the fastest of several runs, in seconds.
  private static func fastest(of count: Int, _ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    var best = Double.infinity
    for _ in 0..<count {
      let span = try clock.measure(body)
      best = min(best, span / .seconds(1))
    }
    return best
  }
}
