import Configuration
import DialogueData
import NeuralNet
import TensorCore

/// The resources of a run with the default settings and MELD's widths.
///
/// `doctor` reads no configuration and checks the machine against this run.
package struct TypicalRun: Sendable, Equatable {
  /// The number of elements of the flat buffers.
  package let parameterCount: Int

  /// The number of bytes of memory that a rank may use, features and libraries included.
  package let memoryBytes = 400_000_000

  /// Computes the sizes.
  package init() {
    let modalities = Modality.allCases.compactMap { modality in
      BenchmarkWorkload.widths[modality].map { ModalityWidth(modality, width: $0) }
    }
    let options = RunConfiguration().model.options
    parameterCount = options.makeModel(modalities, classCount: 7).layout.count
  }

  /// The number of bytes of a checkpoint before compression: parameters and both moments.
  package var checkpointBytes: Int { 3 * parameterCount * MemoryLayout<Float>.stride }

  /// The number of bytes of a run folder: the last checkpoints, the best one, and one that is being
  /// written.
  package var runFolderBytes: Int { (RunConfiguration().checkpoint.keepLast + 2) * checkpointBytes }
}
