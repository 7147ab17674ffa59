import Checkpointing
import Files
import NeuralNet

/// The contents of a file to which tensors are added.
package protocol TensorCollection {
  /// Adds a tensor.
  ///
  /// - Parameters:
  ///   - name: the name, unique in the file.
  ///   - values: the elements, row-major.
  ///   - shape: the extents, slowest first.
  mutating func add<Element: SafetensorsElement>(
    _ name: String, _ values: [Element], shape: [Int])
}

extension SafetensorsWriter: TensorCollection {}
extension CheckpointContents: TensorCollection {}

extension RunningBuffers {
  /// Adds the means and the buffers to a file.
  ///
  /// - Parameter sums: whether to include the exact sums of means.
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
  /// Checks that the file has a tensor with the shape that it has in the model.
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

  /// Copies the running buffers of the file; buffers that it lacks keep their values.
  ///
  /// If the file lacks the sums of a mean, they are computed as the mean times the counts.
  ///
  /// - Parameter buffers: receive the values if they are persistent.
  /// - Throws: `SafetensorsError` for a tensor of another shape, counts without a mean, and
  ///   counts that cannot be added to exactly.
  package func copyRunningBuffers(to buffers: RunningBuffers) throws(SafetensorsError) {
    let layout = buffers.layout
    guard layout.isPersistent else { return }
    let means = layout.means.filter { entry(layout.counts(of: $0).name) != nil }
    let unusable = layout.means.filter { !means.contains($0) }.map { layout.sums(of: $0).name }
    for buffer in layout.buffers where entry(buffer.name) != nil && !unusable.contains(buffer.name)
    {
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
    // A Float64 counts exactly up to this number.
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
  /// The elements as bytes in native order.
  fileprivate var bytes: [UInt8] { withUnsafeBytes(Array<UInt8>.init) }
}
