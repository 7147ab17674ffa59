import Autograd
import TensorCore

/// What every layer needs to know about the pass it takes part in.
package struct Pass {
  /// Where operations are computed and recorded.
  package let tape: Tape
  /// The parameters of the model.
  package let parameters: Parameters
  /// Which rows belong to which dialogue.
  package let dialogues: RowGroups
  /// The dropout of this step; nil where nothing is dropped.
  package let randomness: Dropout.Randomness?

  /// One pass over the dialogues of a micro-batch.
  package init(
    tape: Tape, parameters: Parameters, dialogues: RowGroups, randomness: Dropout.Randomness?
  ) {
    self.tape = tape
    self.parameters = parameters
    self.dialogues = dialogues
    self.randomness = randomness
  }

  /// Drops elements of `x` with the masks of a named place.
  package func dropout(_ x: Variable, _ layer: Dropout) -> Variable {
    tape.dropout(x, layer: layer, dialogues: dialogues, randomness: randomness)
  }
}
