import Files
import Foundation
import TensorCore

extension Checkpoint {
  /// Copies a tensor as `Float`, row-major.
  ///
  /// - Parameters:
  ///   - name: the tensor's name.
  ///   - shape: the shape it must have.
  ///   - target: receives all values; its size must be that of the tensor.
  /// - Throws: `CheckpointError` if there is no such tensor, or it is of another shape or type.
  package func copyFloats(
    _ name: String, shape: [Int], to target: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    try read(name, shape) { try tensors.copyFloats(name, to: target) }
  }

  /// A string of the metadata.
  ///
  /// - Throws: `CheckpointError` if there is no such key.
  package func text(_ key: String) throws(CheckpointError) -> String {
    guard let text = metadata[key] else {
      throw .mismatch(path, "metadata \(key)", "it is not there")
    }
    return text
  }

  /// A whole number of the metadata.
  ///
  /// - Throws: `CheckpointError` if there is no such key, or its value is not a whole number.
  package func integer(_ key: String) throws(CheckpointError) -> Int {
    try value(key, "a whole number") { Int($0) }
  }

  /// A count of the metadata, such as a number of steps or epochs.
  ///
  /// - Throws: `CheckpointError` if there is no such key, or its value is not a whole number from 0
  ///   to 2^53, so that it can be increased without overflow.
  package func count(_ key: String) throws(CheckpointError) -> Int {
    try value(key, "a count") { text in
      Int(text).flatMap { (0...1 << 53).contains($0) ? $0 : nil }
    }
  }

  /// A list of strings of the metadata, which is stored as a JSON array.
  ///
  /// - Throws: `CheckpointError` if there is no such key, or its value is not a list of strings.
  package func list(_ key: String) throws(CheckpointError) -> [String] {
    try value(key, "a list of strings") {
      try? JSONDecoder().decode([String].self, text: $0.utf8)
    }
  }

  private func value<Value>(
    _ key: String, _ kind: String, _ parse: (String) -> Value?
  ) throws(CheckpointError) -> Value {
    let text = try text(key)
    guard let value = parse(text) else {
      throw .mismatch(path, "metadata \(key)", "it is \"\(text.excerpt())\", not \(kind)")
    }
    return value
  }

  /// Checks that a tensor exists and has a shape.
  ///
  /// - Parameters:
  ///   - name: the tensor's name.
  ///   - shape: the shape it must have.
  /// - Throws: `CheckpointError` if there is no such tensor, or it is of another shape.
  package func require(_ name: String, shape: [Int]) throws(CheckpointError) {
    guard let entry = tensors.entry(name) else {
      throw .mismatch(path, "tensor \(name)", "it is not there")
    }
    guard entry.shape == shape else {
      throw .mismatch(
        path, "tensor \(name)", "its shape is \(entry.shape), but \(shape) is needed")
    }
  }

  /// Checks that a tensor exists, has a shape and can be read as `Float`.
  ///
  /// - Parameters:
  ///   - name: the tensor's name.
  ///   - shape: the shape it must have.
  /// - Throws: `CheckpointError` if there is no such tensor, or it is of another shape or type.
  package func requireFloats(_ name: String, shape: [Int]) throws(CheckpointError) {
    try read(name, shape) { try tensors.requireFloats(name) }
  }

  /// Reads a tensor after its name and shape have been checked.
  private func read<Result>(
    _ name: String, _ shape: [Int], _ body: () throws -> Result
  ) throws(CheckpointError) -> Result {
    try require(name, shape: shape)
    do {
      return try body()
    } catch let error as SafetensorsError {
      throw .mismatch(path, error.place, error.reason)
    } catch {
      throw .mismatch(path, "tensor \(name)", "\(error)")
    }
  }
}
