import TensorCore

/// One turn of a synthetic dialogue, without features and words.
struct SyntheticTurn: Sendable, Equatable {
  /// The speaker's number: a main character below `DialogueScript.mainCharacterCount`, else a
  /// guest.
  let speaker: Int

  /// The emotion of the speaker, which is the label.
  let emotion: Int

  /// The emotion that each modality shows, in the order of `Modality.allCases`.
  let shown: [Int]

  /// Whether each modality is reliable, in the order of `Modality.allCases`.
  let reliable: [Bool]
}

/// Generates the speakers of synthetic dialogues and the emotions that they have and show.
///
/// - Lengths and label totals are MELD's, exactly (see `MELDStatistics`).
/// - Emotional inertia: with probability 0.30 speakers stay in the emotion of their last turn, with
///   0.15 they take on the emotion of the turn before. Otherwise the emotion is drawn from the
///   remaining ones of the split, so that the chain's stationary distribution is the split's.
/// - Disagreement: with probability 0.10 one modality, any, shows another emotion (as in irony).
/// - Unreliability: in some turns a modality, each by itself, carries no sign of the emotion.
struct DialogueScript {
  static let mainCharacterCount = 6
  static let guestCount = 200

  private static let ownInertia = 0.30
  private static let contagion = 0.15
  private static let disagreement = 0.10
  private static let unreliability: [Modality: Double] = [.text: 0.10, .audio: 0.25, .visual: 0.25]
  private static let mainCharacterShare = 0.85
  private static let turnChange = 0.75

  private let emotionCount = MELDStatistics.emotions.count
  private var stream: RandomStream
  private var emotionsLeft: [Int]

  /// The dialogues of a split at a scale, 1 being MELD's own size.
  static func dialogues(seed: UInt64, split: SplitName, scale: Double) -> [[SyntheticTurn]] {
    let lengths = lengths(seed: seed, split: split, scale: scale)
    let counts = MELDStatistics.apportion(
      lengths.reduce(0, +), by: MELDStatistics.labelCounts(of: split))
    var script = DialogueScript(
      stream: RandomStream(seed: seed, purpose: "synthetic.script.\(split.rawValue)"),
      emotionsLeft: counts)
    return lengths.map { script.dialogue(length: $0) }
  }

  private init(stream: RandomStream, emotionsLeft: [Int]) {
    self.stream = stream
    self.emotionsLeft = emotionsLeft
  }

  /// The lengths of the dialogues: MELD's histogram at the given scale, in random order.
  private static func lengths(seed: UInt64, split: SplitName, scale: Double) -> [Int] {
    let histogram = MELDStatistics.lengthCounts(of: split)
    let dialogueCount = max(1, Int((Double(histogram.reduce(0, +)) * scale).rounded()))
    let scaled = MELDStatistics.apportion(dialogueCount, by: histogram)
    let lengths = scaled.enumerated().flatMap { Array(repeating: $0 + 1, count: $1) }
    var stream = RandomStream(seed: seed, purpose: "synthetic.lengths.\(split.rawValue)")
    return stream.permutation(of: lengths.count).map { lengths[$0] }
  }

  private mutating func dialogue(length: Int) -> [SyntheticTurn] {
    let cast = cast(upTo: length)
    var turns: [SyntheticTurn] = []
    for _ in 0..<length {
      let speaker = nextSpeaker(of: cast, after: turns.last?.speaker)
      let emotion = nextEmotion(of: speaker, after: turns)
      turns.append(
        SyntheticTurn(
          speaker: speaker, emotion: emotion, shown: shownEmotions(for: emotion),
          reliable: Modality.allCases.map {
            !stream.nextEvent(probability: Self.unreliability[$0] ?? 0)
          }))
    }
    return turns
  }

  /// Distinct speakers, mostly main characters, at most one for each turn.
  private mutating func cast(upTo length: Int) -> [Int] {
    let size = min(length, 1 + stream.nextIndex(weights: MELDStatistics.speakerCountShares))
    var cast: [Int] = []
    while cast.count < size {
      let isMain = stream.nextEvent(probability: Self.mainCharacterShare)
      let speaker =
        isMain
        ? stream.nextInteger(below: Self.mainCharacterCount)
        : Self.mainCharacterCount + stream.nextInteger(below: Self.guestCount)
      if !cast.contains(speaker) { cast.append(speaker) }
    }
    return cast
  }

  private mutating func nextSpeaker(of cast: [Int], after last: Int?) -> Int {
    guard let last, cast.count > 1 else { return cast[stream.nextInteger(below: cast.count)] }
    guard stream.nextEvent(probability: Self.turnChange) else { return last }
    let others = cast.filter { $0 != last }
    return others[stream.nextInteger(below: others.count)]
  }

  private mutating func nextEmotion(of speaker: Int, after turns: [SyntheticTurn]) -> Int {
    let choice = stream.nextUniformDouble()
    var kept: Int?
    if choice < Self.ownInertia {
      kept = turns.last { $0.speaker == speaker }?.emotion
    } else if choice < Self.ownInertia + Self.contagion {
      kept = turns.last?.emotion
    }
    let drawn = stream.nextIndex(weights: emotionsLeft)
    let emotion = kept.flatMap { emotionsLeft[$0] > 0 ? $0 : nil } ?? drawn
    emotionsLeft[emotion] -= 1
    return emotion
  }

  private mutating func shownEmotions(for emotion: Int) -> [Int] {
    var shown = Modality.allCases.map { _ in emotion }
    if stream.nextEvent(probability: Self.disagreement) {
      let disagreeing = stream.nextInteger(below: shown.count)
      shown[disagreeing] =
        (emotion + 1 + stream.nextInteger(below: emotionCount - 1)) % emotionCount
    }
    return shown
  }
}
