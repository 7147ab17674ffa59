import DFERCModel
import NeuralNet
import TensorCore
import TestSupport
import Testing

/// Gradient checks of the whole model by its parameters.
///
/// Three things are constant in the backward pass though they depend on parameters: psi, the
/// teachers' probabilities as the students' targets, and this batch's part of the prototypes. A
/// difference of the loss sees them move, so every case leaves them out or differentiates only by
/// parameters that they do not depend on.
@Suite("Gradients of the model")
struct ModelGradientTests {
  /// A tiny model, a batch of three dialogues, and a part of the loss.
  private struct Case {
    var options: DFERCOptions
    /// How often each emotion has been seen; a large number holds the prototypes still.
    var seenCount: Int64 = 0
    var loss: @Sendable (ModelRun) -> Double = { $0.total }
    /// Which parameters are differentiated, by the start of their names.
    var prefix = ""
  }

  private let make = TensorFactory(seed: 44)
  private static let emotionCount = 3

  private static func options(
    _ ablations: Set<Ablation>, modalities: [Modality] = Modality.allCases
  ) -> DFERCOptions {
    var options = DFERCOptions(
      modalities: modalities.enumerated().map { ModalityWidth($1, width: 3 + $0) },
      emotionCount: emotionCount)
    (options.width, options.alignmentWidth, options.contextHidden) = (4, 5, 3)
    options.dropout = 0.2
    options.ablations = ablations
    // Terms that are not averaged keep gradients well above the rounding of the loss.
    options.loss.reduction = .sum
    return options
  }

  @Test("with attention for fusion and context nothing is held constant")
  func attention() throws {
    try check(Case(options: Self.options([.cfmAttention, .crmAttention])))
  }

  @Test("equal weights, and the context in full", arguments: [[], [Ablation.noDDM]])
  func equalWeights(ablations: Set<Ablation>) throws {
    try check(Case(options: Self.options(ablations.union([.noCFM, .crmFull]))))
  }

  @Test("fusion by predicted contributions, without the losses of their networks")
  func contributions() throws {
    var options = Self.options([.crmFull])
    options.loss.contribution = 0
    try check(Case(options: options))
  }

  @Test("the students' loss and the teachers'")
  func contributionLosses() throws {
    let options = Self.options([.crmFull])
    try check(Case(options: options, prefix: "cfm.contribution."))
    let weight = Double(options.loss.contribution)
    try check(
      Case(options: options, loss: { weight * $0.losses.classification }, prefix: "cfm.classifier.")
    )
  }

  @Test("alignment around prototypes that have seen so much that they hardly move")
  func alignment() throws {
    var options = Self.options([.noCFM], modalities: [.text])
    options.loss.prototype = 3
    try check(Case(options: options, seenCount: 1 << 40))
  }

  private func check(
    _ test: Case, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let model = DFERC(test.options)
    let parameters = Parameters(layout: model.layout)
    for parameter in model.layout.parameters {
      _ = parameters.tensor(of: parameter).elements.update(
        from: make.values(parameter.count, scale: 0.6))
    }
    let chosen = model.layout.parameters.filter { $0.name.hasPrefix(test.prefix) }
    try #require(!chosen.isEmpty)
    let offsets = [0, 4, 5, 8]
    let features = test.options.modalities.map { make.values(8 * $0.width) }
    let prototypes = make.values(Self.emotionCount * test.options.alignmentWidth).map(Double.init)
    GradientCheck(
      // The contrastive losses are the most curved part: at twice this step they show truncation.
      evaluating: chosen.map { make.copy(parameters.tensor(of: $0)) }, step: 1.0 / 64
    ) { tensors, _ in
      for (parameter, tensor) in zip(chosen, tensors) {
        parameters.tensor(of: parameter).copy(from: tensor)
      }
      let state = EmotionPrototypes(
        emotionCount: Self.emotionCount, width: test.options.alignmentWidth)
      state.restore(
        sums: prototypes.map { $0 * Double(test.seenCount) },
        counts: [Int64](repeating: test.seenCount, count: Self.emotionCount))
      let run = ModelRun(
        model: model, parameters: parameters, prototypes: state, features: features,
        labels: [0, 1, 2, 0, 1, 1, 2, 0], offsets: offsets, dialogues: [4, 0, 9], seed: 3, step: 5,
        microBatches: [[0, 2], [1]])
      return (test.loss(run), chosen.map { run.gradients[$0.name] })
    }.expectRight(
      "\(test.options.ablations.map(\.rawValue).sorted())", inputNames: chosen.map(\.name),
      sourceLocation: sourceLocation)
  }
}
