import Checkpointing
import Files
import NeuralNet

/// A file of tensors that is being put together.
package protocol TensorCollection {
  /// Adds a tensor.
  ///
  /// - Parameters:
  ///   - name: the tensor's name, which no other tensor has.
  ///   - values: its elements, row-major.
  ///   - shape: its extents, slowest first.
  mutating func add<Element: SafetensorsElement>(
    _ name: String, _ values: [Element], shape: [Int])
}

extension SafetensorsWriter: TensorCollection {}
extension CheckpointContents: TensorCollection {}

extension RunningBuffers {
  /// Adds the means and the buffers to a file.
  ///
  /// - Parameters:
  ///   - file: the file.
  ///   - sums: whether the exact sums of means are added too.
  package func add(to file: inout some TensorCollection, sums: Bool = true) {
    for mean in layout.means {
      file.add(mean.name, values(of: mean), shape: layout.sums(of: mean).shape)
    }
    let sumsOfMeans = layout.means.map { layout.sums(of: $0) }
    for buffer in layout.buffers where sums || !sumsOfMeans.contains(buffer) {
      let values = bytes(of: buffer)
      switch buffer.type {
      case .float64:
        file.add(buffer.name, Array(values.bindMemory(to: Double.self)), shape: buffer.shape)
      case .int64:
        file.add(buffer.name, Array(values.bindMemory(to: Int64.self)), shape: buffer.shape)
      }
    }
  }
}

extension SafetensorsFile {
  /// Checks that a tensor is there in the shape that the model has.
  package func requireShape(_ shape: [Int], of name: String) throws(SafetensorsError) {
    guard let entry = entry(name) else {
      throw SafetensorsError(
        path: path, place: name, reason: "the tensor is absent",
        cure: "Use weights of a model with the same modalities and ablations.")
    }
    guard entry.shape == shape else {
      throw SafetensorsError(
        path: path, place: name, reason: "the shape is \(entry.shape), the model has \(shape)",
        cure: "Use weights of a model with the same widths.")
    }
  }

  /// Copies running buffers, and leaves those as they are that the file does not have.
  ///
  /// A file without the sums of a mean has the mean and the counts; then the sums are their product.
  ///
  /// - Parameter buffers: take the values, if checkpoints hold them.
  /// - Throws: `SafetensorsError` for a tensor of another shape, counts without a mean, and
  ///   counts that cannot be added to exactly.
  package func copyRunningBuffers(to buffers: RunningBuffers) throws(SafetensorsError) {
    let layout = buffers.layout
    guard layout.isPersistent else { return }
    let means = layout.means.filter { entry(layout.counts(of: $0).name) != nil }
    let useless = layout.means.filter { !means.contains($0) }.map { layout.sums(of: $0).name }
    for buffer in layout.buffers where entry(buffer.name) != nil && !useless.contains(buffer.name) {
      try requireShape(buffer.shape, of: buffer.name)
      switch buffer.type {
      case .float64: buffers.bytes(of: buffer).copyBytes(from: try doubles(buffer.name).bytes)
      case .int64: buffers.bytes(of: buffer).copyBytes(from: try integers(buffer.name).bytes)
      }
    }
    for mean in means { try copySums(of: mean, to: buffers) }
    buffers.discard()
  }

  private func copySums(
    of mean: RunningBufferLayout.Mean, to buffers: RunningBuffers
  ) throws(SafetensorsError) {
    let (sums, counts) = (buffers.layout.sums(of: mean), buffers.layout.counts(of: mean))
    let numbers = try integers(counts.name)
    // Beyond this, adding one more would no longer be exact.
    guard numbers.allSatisfy({ (0...1 << 53).contains($0) }) else {
      throw SafetensorsError(
        path: path, place: counts.name, reason: "a count is negative or above 2^53",
        cure: "Use another file.")
    }
    guard entry(sums.name) == nil else { return }
    try requireShape(sums.shape, of: mean.name)
    let means = try doubles(mean.name)
    let products = means.indices.map { means[$0] * Double(numbers[$0 / sums.shape[1]]) }
    buffers.bytes(of: sums).copyBytes(from: products.bytes)
  }
}

extension Array where Element: BitwiseCopyable {
  /// The elements as bytes, in the order of this machine.
  fileprivate var bytes: [UInt8] { withUnsafeBytes(Array<UInt8>.init) }
}
