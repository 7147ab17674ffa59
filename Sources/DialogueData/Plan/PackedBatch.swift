import TensorCore

/// The rows of several dialogues without padding, and their offsets.
///
/// Letters: B dialogues, N utterances in total, K emotions, V micro-batches. One value is packed
/// again for every step; it allocates only for larger batches than before.
package struct PackedBatch: Sendable {
  /// The dialogues, as indices in the split's file order. `[B]`
  package private(set) var dialogues: [Int] = []

  /// The first row of each dialogue, and N at the end. `[B + 1]`
  package private(set) var offsets: [Int] = [0]

  /// The first row of each micro-batch, and N at the end. `[V + 1]`
  package private(set) var microBatchOffsets: [Int] = [0]

  /// The emotion of each row in 0 ..< K, or ``Split/unlabelled``. `[N]`
  package private(set) var labels: [Int] = []

  /// The speaker of each row, as an index by first appearance in its dialogue. `[N]`
  package private(set) var speakers: [Int] = []

  /// Creates an empty batch.
  package init() {}

  /// Packs dialogues of a split.
  package init(_ dialogues: [Int], of split: Split) { pack(dialogues, of: split) }

  /// Packs consecutive dialogues of a split.
  package init(_ dialogues: Range<Int>, of split: Split) { pack(dialogues, of: split) }

  /// The number of rows, N.
  package var utteranceCount: Int { labels.count }

  /// Whether there is no dialogue, as in a micro-batch beyond the last dialogue.
  package var isEmpty: Bool { dialogues.isEmpty }

  /// Replaces the contents by other dialogues, as one micro-batch.
  package mutating func pack(_ dialogues: [Int], of split: Split) {
    clear()
    for dialogue in dialogues { append(dialogue, of: split) }
    microBatchOffsets.append(labels.count)
  }

  /// Replaces the contents by several micro-batches.
  package mutating func pack(_ microBatches: ArraySlice<[Int]>, of split: Split) {
    clear()
    for dialogues in microBatches {
      for dialogue in dialogues { append(dialogue, of: split) }
      microBatchOffsets.append(labels.count)
    }
  }

  /// Replaces the contents by consecutive dialogues, as of an evaluation group.
  package mutating func pack(_ dialogues: Range<Int>, of split: Split) {
    clear()
    for dialogue in dialogues { append(dialogue, of: split) }
    microBatchOffsets.append(labels.count)
  }

  private mutating func clear() {
    dialogues.removeAll(keepingCapacity: true)
    labels.removeAll(keepingCapacity: true)
    speakers.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
    offsets.append(0)
    microBatchOffsets.removeAll(keepingCapacity: true)
    microBatchOffsets.append(0)
  }

  private mutating func append(_ dialogue: Int, of split: Split) {
    dialogues.append(dialogue)
    for row in split.dialogues[dialogue].rows { labels.append(split.labels[row]) }
    speakers.append(contentsOf: split.dialogues[dialogue].speakers)
    offsets.append(labels.count)
  }

  /// Copies the features of all packed dialogues.
  ///
  /// - Parameters:
  ///   - modality: one of the split's ``Split/modalities``.
  ///   - split: the split the dialogues were packed from.
  ///   - destination: memory for `[N, width]`, row-major.
  package func copyFeatures(
    _ modality: Modality, of split: Split, to destination: UnsafeMutableBufferPointer<Float>
  ) {
    guard let width = split.modalities[modality], let start = destination.baseAddress else {
      precondition(isEmpty, "no \(modality) features in split \(split.name), or no room for them")
      return
    }
    precondition(
      destination.count >= utteranceCount * width,
      "room for \(destination.count) of \(utteranceCount) x \(width) values")
    for (position, dialogue) in dialogues.enumerated() {
      split.copyFeatures(modality, dialogue: dialogue, to: start + offsets[position] * width)
    }
  }
}
