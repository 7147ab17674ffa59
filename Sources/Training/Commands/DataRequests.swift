import DialogueData

/// What `data synthesize` is asked to do.
public struct SynthesizeRequest: Sendable, Equatable {
  /// The seed of the corpus that is built in for a `train` without data.
  public static let standardSeed: UInt64 = 42

  /// The folder to write; it must not hold a dataset.
  public var output: String
  /// The seed of the corpus, which decides every bit of it.
  public var seed: UInt64
  /// The number of dialogues relative to MELD's.
  public var scale: Double
  /// Whether features are written in half precision.
  public var isHalf: Bool

  /// Creates a request.
  public init(
    output: String, seed: UInt64 = standardSeed, scale: Double = 1, isHalf: Bool = false
  ) {
    self.output = output
    self.seed = seed
    self.scale = scale
    self.isHalf = isHalf
  }
}

/// What `data validate` is asked to do.
public struct ValidateRequest: Sendable, Equatable {
  /// The dataset folder.
  public var data: String

  /// Creates a request.
  public init(data: String) { self.data = data }
}
