import TensorCore

/// A type that a running buffer may hold: 8 bytes, zero where nothing was accumulated.
package protocol RunningElement: BitwiseCopyable, Sendable {
  /// The type as a value.
  static var type: RunningBufferLayout.ElementType { get }
}

extension Double: RunningElement {
  package static var type: RunningBufferLayout.ElementType { .float64 }
}

extension Int64: RunningElement {
  package static var type: RunningBufferLayout.ElementType { .int64 }
}

/// The index of a running buffer in its layout.
package struct RunningBufferID<Element: RunningElement>: BitwiseCopyable, Sendable {
  fileprivate let index: Int
}

/// The named buffers that a model accumulates over training steps.
package struct RunningBufferLayout: Sendable, Equatable {
  /// The type of an element.
  package enum ElementType: Sendable, Equatable {
    case float64
    case int64
  }

  /// One buffer.
  package struct Buffer: Sendable, Equatable {
    /// The name of the tensor in checkpoints.
    package let name: String
    /// The shape of the tensor.
    package let shape: [Int]
    /// The type of an element.
    package let type: ElementType
    /// The first element among those of all buffers.
    fileprivate let offset: Int

    /// The number of elements.
    package var count: Int { shape.reduce(1, *) }
  }

  /// A Float32 tensor that follows from two buffers: `mean[k] = sums[k] / counts[k]`, and 0 where
  /// the count is 0.
  ///
  /// Checkpoints, exports and `step` contain it for readers that do not need the exact sums. If a
  /// file has no sums, `mean[k] counts[k]` is read instead.
  package struct Mean: Sendable, Equatable {
    /// The name of the tensor.
    package let name: String
    fileprivate let sumsIndex: Int
    fileprivate let countsIndex: Int
  }

  /// The buffers in the order of their declaration.
  package private(set) var buffers: [Buffer] = []
  /// The tensors that follow from buffers.
  package private(set) var means: [Mean] = []
  /// Whether checkpoints hold the buffers.
  package let isPersistent: Bool

  /// No buffers.
  ///
  /// - Parameter isPersistent: whether checkpoints hold the buffers.
  package init(isPersistent: Bool = true) { self.isPersistent = isPersistent }

  /// Declares a buffer of zeros.
  ///
  /// - Precondition: the name is new.
  package mutating func declare<Element: RunningElement>(
    _ name: String, shape: [Int], of element: Element.Type
  ) -> RunningBufferID<Element> {
    precondition(!buffers.contains { $0.name == name }, "buffer \(name) is declared twice")
    buffers.append(Buffer(name: name, shape: shape, type: Element.type, offset: count))
    return RunningBufferID(index: buffers.count - 1)
  }

  /// Declares the mean of sums [K, width] over counts [K].
  package mutating func declareMean(
    _ name: String, of sums: RunningBufferID<Double>, over counts: RunningBufferID<Int64>
  ) -> Mean {
    precondition(
      buffers[sums.index].shape.count == 2
        && buffers[sums.index].shape.prefix(1) == buffers[counts.index].shape.prefix(1),
      "sums and counts of \(name) have other shapes")
    let mean = Mean(name: name, sumsIndex: sums.index, countsIndex: counts.index)
    means.append(mean)
    return mean
  }

  /// The elements of all buffers.
  package var count: Int { buffers.last.map { $0.offset + $0.count } ?? 0 }

  /// The buffer of the sums of a mean, [K, width].
  package func sums(of mean: Mean) -> Buffer { buffers[mean.sumsIndex] }

  /// The buffer of the counts of a mean, [K].
  package func counts(of mean: Mean) -> Buffer { buffers[mean.countsIndex] }
}

/// The values of a model's running buffers.
///
/// The losses of a step stage new values, which are committed together with the parameter update,
/// so a skipped step changes nothing.
package final class RunningBuffers {
  /// The names, shapes and places of all buffers.
  package let layout: RunningBufferLayout
  /// The committed values of all buffers, 8 bytes an element.
  package let bytes: UnsafeMutableRawBufferPointer
  private let stagedBytes: UnsafeMutableRawBufferPointer

  /// Buffers of zeros.
  package init(layout: RunningBufferLayout) {
    self.layout = layout
    func zeros() -> UnsafeMutableRawBufferPointer {
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 8 * layout.count, alignment: 8)
      memory.initializeMemory(as: UInt8.self, repeating: 0)
      return memory
    }
    (bytes, stagedBytes) = (zeros(), zeros())
  }

  deinit {
    bytes.deallocate()
    stagedBytes.deallocate()
  }

  /// The committed values of a buffer.
  package subscript<Element>(id: RunningBufferID<Element>) -> UnsafeBufferPointer<Element> {
    UnsafeBufferPointer(elements(of: id.index, in: bytes, as: Element.self))
  }

  /// The staged values of a buffer.
  package func staged<Element>(
    _ id: RunningBufferID<Element>
  ) -> UnsafeMutableBufferPointer<Element> {
    elements(of: id.index, in: stagedBytes, as: Element.self)
  }

  /// The committed values of a buffer as bytes.
  package func bytes(of buffer: RunningBufferLayout.Buffer) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      rebasing: bytes[8 * buffer.offset..<8 * (buffer.offset + buffer.count)])
  }

  /// The committed values of a mean, [K, width] row by row.
  package func values(of mean: RunningBufferLayout.Mean) -> [Float] {
    [Float](unsafeUninitializedCapacity: layout.sums(of: mean).count) { values, count in
      write(mean, of: bytes, to: values)
      count = values.count
    }
  }

  /// The staged values of a mean, [K, width].
  package func staged(_ mean: RunningBufferLayout.Mean, arena: StepArena) -> Tensor {
    let shape = layout.sums(of: mean).shape
    let tensor = arena.tensor(rows: shape[0], columns: shape[1])
    write(mean, of: stagedBytes, to: tensor.elements)
    return tensor
  }

  /// Replaces the committed values by the staged values.
  package func commit() { bytes.copyMemory(from: UnsafeRawBufferPointer(stagedBytes)) }

  /// Replaces the staged values by the committed values.
  package func discard() { stagedBytes.copyMemory(from: UnsafeRawBufferPointer(bytes)) }

  /// Sets committed and staged values to zero.
  package func reset() {
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    discard()
  }

  private func elements<Element>(
    of index: Int, in memory: UnsafeMutableRawBufferPointer, as type: Element.Type
  ) -> UnsafeMutableBufferPointer<Element> {
    let buffer = layout.buffers[index]
    let start = memory.baseAddress.map {
      ($0 + 8 * buffer.offset).assumingMemoryBound(to: Element.self)
    }
    return UnsafeMutableBufferPointer(start: start, count: buffer.count)
  }

  private func write(
    _ mean: RunningBufferLayout.Mean, of memory: UnsafeMutableRawBufferPointer,
    to target: UnsafeMutableBufferPointer<Float>
  ) {
    let sums = elements(of: mean.sumsIndex, in: memory, as: Double.self)
    let counts = elements(of: mean.countsIndex, in: memory, as: Int64.self)
    let width = layout.sums(of: mean).shape[1]
    for index in sums.indices {
      let count = counts[index / width]
      target[index] = count == 0 ? 0 : Float(sums[index] / Double(count))
    }
  }
}
