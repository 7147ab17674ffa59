/// A contiguous block of floats, aligned to cache lines and zero at first.
///
/// Parameters, gradients and optimizer moments each live in one such buffer; named tensors are
/// slices of it.
package final class FloatBuffer: @unchecked Sendable {
  /// The first element.
  package let pointer: UnsafeMutablePointer<Float>
  /// The number of floats.
  package let count: Int

  /// The object that frees the memory; nil if this buffer does.
  private let owner: AnyObject?

  /// The alignment of every buffer, in bytes: one cache line, a multiple of every vector.
  package static let alignment = 64

  /// A buffer of zeros in memory of its own.
  package init(count: Int) {
    let bytes = UnsafeMutableRawPointer.allocate(
      byteCount: max(count, 1) * MemoryLayout<Float>.stride, alignment: Self.alignment)
    pointer = bytes.bindMemory(to: Float.self, capacity: count)
    pointer.initialize(repeating: 0, count: count)
    self.count = count
    owner = nil
  }

  /// A buffer over memory of another object, such as memory shared with other ranks.
  ///
  /// - Parameters:
  ///   - elements: initialised memory.
  ///   - owner: the object that frees the memory when it is released; the buffer retains it.
  package init(_ elements: UnsafeMutableBufferPointer<Float>, ownedBy owner: AnyObject) {
    guard let start = elements.baseAddress else { preconditionFailure("there is no memory") }
    pointer = start
    count = elements.count
    self.owner = owner
  }

  deinit {
    if owner == nil { UnsafeMutableRawPointer(pointer).deallocate() }
  }

  /// All elements.
  package var elements: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }
}
