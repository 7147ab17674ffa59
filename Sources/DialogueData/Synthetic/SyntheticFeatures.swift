import TensorCore

/// Generates the features of one modality from the emotions that it shows.
///
/// Hidden factors of an utterance i of speaker s in modality m, where y is the emotion shown:
///
///     h_i   = a_0 mean_0[y] + n_i                shared: the emotion and the topic, n_i
///     z     = [ h_i + 0.7 e                      as seen in modality m
///             , a_m mean_m[y] + v_{m,s} + e      private: its own sign of the emotion, upon the
///                                                speaker's timbre or appearance
///             , r_i ]                            private nuisance
///     x     = A z + B softsign(C z) + 0.3 e
///
/// with e standard normal, drawn anew for each occurrence. `h_i` is one draw for all modalities of
/// the utterance. In an unreliable turn the first two parts of z are noise and the first nuisance
/// factor is raised, as by static in a recording, so that the loss of the signal can be noticed.
/// `mean[y]` of related emotions lie closer together.
///
/// Only additions, multiplications and divisions occur, so the features have the same bits on every
/// machine.
struct SyntheticFeatures {
  private static let sharedCount = 16
  private static let signCount = 8
  private static let nuisanceCount = 8
  private static let hiddenCount = 24
  private static let factorCount = sharedCount + signCount + nuisanceCount

  private static let sharedStrength: Float = 1.3
  private static let staticLevel: Float = 2.5
  private static let viewNoise: Float = 0.7
  private static let featureNoise: Float = 0.3

  private let modality: Modality
  private let width: Int
  private let seed: UInt64
  private let sharedMeans: [[Float]]
  private let signMeans: [[Float]]
  private let linear: Mixing
  private let hidden: Mixing
  private let nonlinear: Mixing
  private let timbres: [[Float]]

  /// The strength of the emotion in the modality's own factor, and that of the speaker.
  private static func strengths(of modality: Modality) -> (sign: Float, timbre: Float) {
    switch modality {
    case .text: (1.3, 0.3)
    case .audio: (1.0, 0.8)
    case .visual: (0.9, 0.8)
    }
  }

  init(modality: Modality, width: Int, seed: UInt64) {
    self.modality = modality
    self.width = width
    self.seed = seed
    let name = modality.rawValue
    let strengths = Self.strengths(of: modality)
    sharedMeans = Self.means(
      count: Self.sharedCount, strength: Self.sharedStrength, seed: seed, purpose: "shared")
    signMeans = Self.means(
      count: Self.signCount, strength: strengths.sign, seed: seed, purpose: name)
    linear = Mixing(from: Self.factorCount, to: width, seed: seed, purpose: "linear.\(name)")
    hidden = Mixing(
      from: Self.factorCount, to: Self.hiddenCount, seed: seed, purpose: "hidden.\(name)")
    nonlinear = Mixing(from: Self.hiddenCount, to: width, seed: seed, purpose: "nonlinear.\(name)")
    timbres = (0..<DialogueScript.mainCharacterCount + DialogueScript.guestCount).map { speaker in
      var stream = RandomStream(seed: seed, purpose: "synthetic.timbre.\(name)", item: speaker)
      return (0..<Self.signCount).map { _ in strengths.timbre * stream.nextNormal() }
    }
  }

  /// Writes the features of a dialogue. `[turns, width]`
  ///
  /// - Parameters:
  ///   - turns: the turns of the dialogue.
  ///   - split: the split the dialogue is in.
  ///   - index: the dialogue's index in the split.
  ///   - destination: the first element of the first turn's row.
  func write(
    _ turns: [SyntheticTurn], split: SplitName, index: Int,
    to destination: UnsafeMutablePointer<Float>
  ) {
    // The stream has the same seed and purpose in every modality, so that topics are shared.
    var shared = RandomStream(seed: seed, purpose: "synthetic.topic.\(split.rawValue)", item: index)
    var own = RandomStream(
      seed: seed, purpose: "synthetic.noise.\(split.rawValue).\(modality.rawValue)", item: index)
    for (position, turn) in turns.enumerated() {
      let topic = (0..<Self.sharedCount).map { _ in shared.nextNormal() }
      let factors = factors(of: turn, topic: topic, noise: &own)
      writeRow(factors, noise: &own, to: destination + position * width)
    }
  }

  private func factors(
    of turn: SyntheticTurn, topic: [Float], noise: inout RandomStream
  ) -> [Float] {
    let emotion = turn.shown[modality.position]
    let isReliable = turn.reliable[modality.position]
    let timbre = timbres[turn.speaker]
    var factors: [Float] = []
    for index in 0..<Self.sharedCount {
      let view = sharedMeans[emotion][index] + topic[index] + Self.viewNoise * noise.nextNormal()
      factors.append(isReliable ? view : 1.5 * noise.nextNormal())
    }
    for index in 0..<Self.signCount {
      let sign = signMeans[emotion][index] + noise.nextNormal()
      factors.append(timbre[index] + (isReliable ? sign : 1.5 * noise.nextNormal()))
    }
    for index in 0..<Self.nuisanceCount {
      let raised = index == 0 && !isReliable ? Self.staticLevel : 0
      factors.append(raised + noise.nextNormal())
    }
    return factors
  }

  private func writeRow(
    _ factors: [Float], noise: inout RandomStream, to row: UnsafeMutablePointer<Float>
  ) {
    var bent = [Float](repeating: 0, count: Self.hiddenCount)
    bent.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.map { hidden.add(factors, to: $0) }
    }
    for index in bent.indices { bent[index] /= 1 + abs(bent[index]) }
    for column in 0..<width { row[column] = Self.featureNoise * noise.nextNormal() }
    linear.add(factors, to: row)
    nonlinear.add(bent, to: row)
  }

  /// A vector for each emotion, of length about `strength`, partly shared by related emotions.
  private static func means(
    count: Int, strength: Float, seed: UInt64, purpose: String
  ) -> [[Float]] {
    let scale = strength / Float(count).squareRoot()
    // neutral, surprise, fear, sadness, joy, disgust, anger: surprise with joy, fear with sadness,
    // disgust with anger.
    let kinds = [0, 1, 2, 2, 1, 3, 3]
    return kinds.enumerated().map { emotion, kind in
      var own = RandomStream(seed: seed, purpose: "synthetic.mean.\(purpose)", item: emotion)
      var related = RandomStream(seed: seed, purpose: "synthetic.kind.\(purpose)", item: kind)
      return (0..<count).map { _ in
        scale * (0.8 * own.nextNormal() + 0.6 * related.nextNormal())
      }
    }
  }
}

/// A random linear map whose outputs have about the variance of its inputs.
private struct Mixing {
  private let columns: Int
  private let weights: [Float]

  init(from rows: Int, to columns: Int, seed: UInt64, purpose: String) {
    var stream = RandomStream(seed: seed, purpose: "synthetic.mixing.\(purpose)")
    let scale = 1 / Float(rows).squareRoot()
    self.columns = columns
    weights = (0..<rows * columns).map { _ in scale * stream.nextNormal() }
  }

  /// Adds the image of `input` to `output`, row by row, so that every output is summed in order.
  func add(_ input: [Float], to output: UnsafeMutablePointer<Float>) {
    weights.withUnsafeBufferPointer { weights in
      for (row, value) in input.enumerated() {
        let start = row * columns
        for column in 0..<columns { output[column] += value * weights[start + column] }
      }
    }
  }
}

extension Modality {
  /// The index of the modality in `allCases`.
  var position: Int {
    switch self {
    case .text: 0
    case .audio: 1
    case .visual: 2
    }
  }
}
