import Autograd
import TensorCore

/// The values and gradients of a model's parameters, each in one flat buffer.
///
/// Gradients are written into the buffer of the last ``beginGradients(in:)``.
package final class Parameters {
  /// The names, shapes and places of all parameters.
  package let layout: ParameterLayout
  /// The values of all parameters.
  package let values: FloatBuffer
  private let slots: UnsafeMutablePointer<GradientSlot>

  /// Parameters with values of zero; see ``initialize(seed:)``.
  package convenience init(layout: ParameterLayout) {
    self.init(layout: layout, values: FloatBuffer(count: layout.count))
  }

  /// Parameters with the values of a given buffer.
  package init(layout: ParameterLayout, values: FloatBuffer) {
    precondition(
      values.count == layout.count, "\(values.count) values for \(layout.count) parameters")
    self.layout = layout
    self.values = values
    slots = .allocate(capacity: max(layout.parameters.count, 1))
    slots.initialize(repeating: GradientSlot(), count: layout.parameters.count)
  }

  deinit {
    slots.deallocate()
  }

  /// Sets the initial values from a seed; each parameter has a random stream named after it.
  package func initialize(seed: UInt64) {
    for parameter in layout.parameters {
      let values = UnsafeMutableBufferPointer(rebasing: values.elements[parameter.range])
      switch parameter.initializer {
      case .constant(let value):
        values.update(repeating: value)
      case .uniform(let bound):
        var stream = RandomStream(seed: seed, purpose: "initial.\(parameter.name)")
        for index in values.indices { values[index] = bound * (2 * stream.nextUniform() - 1) }
      }
    }
  }

  /// Starts a gradient of every parameter in a flat buffer, whose contents are discarded.
  package func beginGradients(in buffer: UnsafeMutablePointer<Float>) {
    for (index, parameter) in layout.parameters.enumerated() {
      slots[index].begin(in: buffer + parameter.offset)
    }
  }

  /// Sets the gradients without a contribution and the elements between parameters to zero.
  ///
  /// Until then the buffer may hold any values there, such as the gradients of the step before.
  package func finishGradients() {
    for (index, parameter) in layout.parameters.enumerated() {
      guard let gradient = slots[index].pointer else { continue }
      if !slots[index].isWritten { gradient.update(repeating: 0, count: parameter.count) }
      let padded = layout.paddedCount(of: parameter)
      (gradient + parameter.count).update(repeating: 0, count: padded - parameter.count)
    }
  }

  /// A parameter as a variable of the computation; a constant if it is not trained.
  package subscript(id: ParameterID) -> Variable {
    let parameter = layout.parameters[id.index]
    return Variable(
      tensor(of: parameter), slot: parameter.group.isTrainable ? slots + id.index : nil)
  }

  /// The values of one parameter.
  package func tensor(of parameter: ParameterDescription) -> Tensor {
    Tensor(values.pointer + parameter.offset, rows: parameter.rows, columns: parameter.columns)
  }
}
