import Configuration
import DialogueData
import NeuralNet
import TensorCore

/// What a run with the default settings and MELD's widths takes.
///
/// `doctor` knows no configuration; this is what the machine is measured against.
package struct TypicalRun: Sendable, Equatable {
  /// The length of the flat buffers, in elements.
  package let parameterCount: Int

  /// The bytes of memory that a rank may come to use, features and libraries included.
  package let memoryBytes = 400_000_000

  /// Works out the sizes.
  package init() {
    let modalities = Modality.allCases.compactMap { modality in
      BenchmarkWorkload.widths[modality].map { ModalityWidth(modality, width: $0) }
    }
    let options = RunConfiguration().model.options
    parameterCount = options.makeModel(modalities, classCount: 7).layout.count
  }

  /// The bytes of a checkpoint before compression: parameters and both moments.
  package var checkpointBytes: Int { 3 * parameterCount * MemoryLayout<Float>.stride }

  /// The bytes of a run folder: the last checkpoints, the best one, and one that is being written.
  package var runFolderBytes: Int { (RunConfiguration().checkpoint.keepLast + 2) * checkpointBytes }
}
