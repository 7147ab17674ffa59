import Autograd
import TensorCore

/// What every layer needs to know about the pass it takes part in.
package struct Pass {
  /// Where operations are computed and recorded.
  package let tape: Tape
  /// The parameters of the model.
  package let parameters: Parameters
  /// The running buffers of the model; only the losses of a training step write to them.
  package let buffers: RunningBuffers
  /// The dropout of this step; nil where nothing is dropped.
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

  /// Drops elements of `x` with the masks of a named place and of the groups of `x`.
  package func dropout(_ x: Variable, _ layer: Dropout) -> Variable {
    tape.dropout(x, layer: layer, randomness: randomness)
  }
}
