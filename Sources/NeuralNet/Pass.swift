import Autograd
import TensorCore

/// What all layers of a pass share.
package struct Pass {
  /// Computes and records operations.
  package let tape: Tape
  /// The parameters of the model.
  package let parameters: Parameters
  /// The running buffers of the model; only the losses of a training step write to them.
  package let buffers: RunningBuffers
  /// What dropout masks depend on; nil where nothing is dropped.
  package let randomness: Dropout.Randomness?

  /// One pass over the rows of one or several micro-batches.
  package init(
    tape: Tape, parameters: Parameters,
    buffers: RunningBuffers = RunningBuffers(layout: RunningBufferLayout()),
    randomness: Dropout.Randomness?
  ) {
    self.tape = tape
    self.parameters = parameters
    self.buffers = buffers
    self.randomness = randomness
  }

  /// Applies a dropout layer to `x`; returns `x` where nothing is dropped.
  package func dropout(_ x: Variable, _ layer: Dropout) -> Variable {
    tape.dropout(x, layer: layer, randomness: randomness)
  }
}
