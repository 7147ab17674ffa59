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
  /// Which rows belong to which dialogue.
  package let dialogues: RowGroups
  /// The dropout of this step; nil where nothing is dropped.
  package let randomness: Dropout.Randomness?

  /// One pass over the dialogues of a micro-batch.
  package init(
    tape: Tape, parameters: Parameters,
    buffers: RunningBuffers = RunningBuffers(layout: RunningBufferLayout()), dialogues: RowGroups,
    randomness: Dropout.Randomness?
  ) {
    self.tape = tape
    self.parameters = parameters
    self.buffers = buffers
    self.dialogues = dialogues
    self.randomness = randomness
  }

  /// Drops elements of `x` with the masks of a named place.
  package func dropout(_ x: Variable, _ layer: Dropout) -> Variable {
    tape.dropout(x, layer: layer, dialogues: dialogues, randomness: randomness)
  }
}
