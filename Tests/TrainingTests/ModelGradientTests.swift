import DFERCModel
import DialogueData
import NeuralNet
import TensorCore
import TestSupport
import Testing

@testable import Training

/// Checks the gradients of whole models by their parameters, on the training step.
///
/// Three quantities of DF-ERC are constants of the backward pass although they depend on parameters:
/// psi, the teachers' probabilities as the students' targets, and this batch's part of the
/// prototypes. A finite difference includes their change, so every case excludes them or
/// differentiates only by parameters that they do not depend on.
@Suite("Gradients of the model")
struct ModelGradientTests {
  /// A tiny model and a part of the loss.
  private struct Case {
    var options: DFERCOptions
    var modalities = Modality.allCases
    /// The count of each prototype; a large one makes the batch's part negligible.
    var seenCount: Int64 = 0
    var loss: (GradientEngine) -> Double = { $0.loss }
    /// The prefix of the names of the differentiated parameters.
    var prefix = ""
  }

  private let make = TensorFactory(seed: 44)

  private static func options(_ ablations: [Ablation]) -> DFERCOptions {
    var options = DFERCOptions.small(ablations, dropout: 0.2)
    (options.width, options.alignmentWidth, options.contextHidden) = (4, 5, 3)
    // Terms that are not averaged keep gradients well above the rounding of the loss.
    options.reduction = .sum
    return options
  }

  @Test("attention for fusion and context, without constants")
  func attention() throws {
    try check(Case(options: Self.options([.cfmAttention, .crmAttention])))
  }

  @Test("equal weights and the full context", arguments: [[], [Ablation.noDDM]])
  func equalWeights(ablations: [Ablation]) throws {
    try check(Case(options: Self.options(ablations + [.noCFM, .crmFull])))
  }

  @Test("fusion by predicted contributions, without the losses of their networks")
  func contributions() throws {
    var options = Self.options([.crmFull])
    options.contribution = 0
    try check(Case(options: options))
  }

  @Test("the students' loss and the teachers'")
  func contributionLosses() throws {
    let options = Self.options([.crmFull])
    try check(Case(options: options, prefix: "cfm.contribution."))
    let classification: (GradientEngine) -> Double = { engine in
      zip(engine.model.lossTerms, engine.lossParts).reduce(0) { sum, part in
        part.0.name == "tcp_classification" ? sum + part.0.weight * part.1 : sum
      }
    }
    try check(Case(options: options, loss: classification, prefix: "cfm.classifier."))
  }

  @Test("alignment to prototypes with counts so large that they hardly change")
  func alignment() throws {
    var options = Self.options([.noCFM])
    options.prototype = 3
    try check(Case(options: options, modalities: [.text], seenCount: 1 << 40))
  }

  private func check(
    _ test: Case, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let small = SmallBatch(
      test.options, lengths: [4, 1, 3], modalities: test.modalities, seed: 44)
    let engine = try small.engine(TrainingRig.soloTeam())
    let parameters = engine.parameters
    for parameter in parameters.layout.parameters {
      _ = parameters.tensor(of: parameter).elements.update(
        from: make.values(parameter.count, scale: 0.6))
    }
    let chosen = parameters.layout.parameters.filter { $0.name.hasPrefix(test.prefix) }
    try #require(!chosen.isEmpty)
    let prototypes = make.values(3 * test.options.alignmentWidth).map(Double.init)
    let batch = small.batch(microBatches: 2)
    GradientCheck(
      // The contrastive losses are the most curved: twice this step gives truncation errors.
      evaluating: chosen.map { make.copy(parameters.tensor(of: $0)) }, step: 1.0 / 64
    ) { tensors, _ in
      for (parameter, tensor) in zip(chosen, tensors) {
        parameters.tensor(of: parameter).copy(from: tensor)
      }
      engine.buffers.set("prototype_sums", prototypes.map { $0 * Double(test.seenCount) })
      engine.buffers.set("counts", [Int64](repeating: test.seenCount, count: 3))
      do { try engine.run(batch, of: small.split, randomness: small.randomness) } catch {
        Issue.record("\(error)")
      }
      engine.buffers.discard()
      let gradients = chosen.map { Array(engine.gradients.elements[$0.range]) }
      return (test.loss(engine), gradients)
    }.expectRight(
      "\(test.options.ablations.map(\.rawValue))", inputNames: chosen.map(\.name),
      sourceLocation: sourceLocation)
  }
}

extension RunningBuffers {
  /// Sets all values of a buffer.
  func set(_ name: String, _ values: [some BitwiseCopyable]) {
    guard let buffer = layout.buffers.first(where: { $0.name == name }) else {
      preconditionFailure("there is no buffer \(name)")
    }
    values.withUnsafeBytes { bytes(of: buffer).copyMemory(from: $0) }
    discard()
  }

  /// All values of a buffer.
  func values<Element: BitwiseCopyable>(_ name: String, as type: Element.Type) -> [Element] {
    guard let buffer = layout.buffers.first(where: { $0.name == name }) else { return [] }
    return Array(bytes(of: buffer).bindMemory(to: Element.self))
  }
}
