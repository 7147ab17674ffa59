import Baselines
import Configuration
import DFERCModel
import DialogueData
import Files
import Foundation
import JobControl
import NeuralNet
import TensorCore
import TestSupport
import Testing

@testable import Training

/// A model with golden files, which are in the test target of the model.
enum GoldenModel: String, CaseIterable, CustomTestStringConvertible {
  case dferc = "DFERCModel"
  case bcLSTM = "Baselines"

  var testDescription: String { rawValue }

  /// The folder of the golden files and of `make_fixtures.py`, which generates them.
  var folder: String {
    fixtureFolder().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("\(rawValue)Tests/Fixtures").path
  }

  /// The cases of a single step.
  var cases: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
      .filter { $0.hasSuffix(".safetensors") && $0 != "training.safetensors" }
      .map { String($0.dropLast(".safetensors".count)) }.sorted()
  }

  /// The options of the model that generated a file.
  func options(of file: SafetensorsFile) throws -> any ModelOptions {
    let text = file.header.metadata["options"]
    switch self {
    case .dferc: return try DFERCOptions(GoldenFile.json(DFERCValues.self, text))
    case .bcLSTM: return try BCLSTMOptions(GoldenFile.json(BCLSTMValues.self, text))
    }
  }
}

private struct DFERCValues: Decodable {
  let ablations: [String]
  let reduction: String
  let dropout: Double
  let width: Int
  let alignmentWidth: Int
  let contextHidden: Int
  let contrastive: Double
  let contribution: Double
  let prototype: Double
  let modalityTemperature: Double
  let utteranceTemperature: Double
  let margin: Double
}

extension DFERCOptions {
  fileprivate init(_ values: DFERCValues) {
    self.init()
    (width, alignmentWidth) = (values.width, values.alignmentWidth)
    (contextHidden, dropout) = (values.contextHidden, values.dropout)
    ablations = values.ablations.compactMap(Ablation.init(rawValue:))
    (contrastive, contribution) = (values.contrastive, values.contribution)
    (prototype, margin) = (values.prototype, values.margin)
    reduction = values.reduction == "mean" ? .mean : .sum
    modalityTemperature = values.modalityTemperature
    utteranceTemperature = values.utteranceTemperature
  }
}

private struct BCLSTMValues: Decodable {
  let hidden: Int
  let denseWidth: Int
  let dropout: Double
}

extension BCLSTMOptions {
  fileprivate init(_ values: BCLSTMValues) {
    self.init()
    (hidden, denseWidth, dropout) = (values.hidden, values.denseWidth, values.dropout)
  }
}

/// One golden file, as a split in memory.
struct GoldenFile {
  /// The part of the options that every golden file has.
  struct Options: Decodable {
    let modalities: [Modality]
    let dropout: Double
    let seed: UInt64
    let step: Int
    let rawWidths: [String: Int]
    let emotions: Int
  }

  /// The loss and its unweighted parts by their names.
  typealias Losses = [String: Double]

  let file: SafetensorsFile
  let model: GoldenModel
  let options: Options
  /// The dialogues of the file by their index in ``split``, in the order of the file's rows.
  let dialogues: [Int]
  let split: Split
  private let offsets: [Int]

  static func json<Value: Decodable>(_ type: Value.Type, _ text: String?) throws -> Value {
    try JSONDecoder().decode(type, from: Data((text ?? "").utf8))
  }

  init(_ name: String, of model: GoldenModel) throws {
    self.model = model
    file = try SafetensorsFile(path: "\(model.folder)/\(name).safetensors")
    options = try Self.json(Options.self, file.header.metadata["options"])
    dialogues = try file.integers("dialogues").map(Int.init)
    offsets = try file.integers("offsets").map(Int.init)
    let labels = try file.integers("labels").map(Int.init)
    // Dropout depends on the index in the split, so dialogues of one row fill the gaps.
    var (packed, sources): ([Dialogue], [Int?]) = ([], [])
    for index in 0...(dialogues.max() ?? 0) {
      let position = dialogues.firstIndex(of: index)
      let rows: [Int?] =
        position.map { [offsets] in (offsets[$0]..<offsets[$0 + 1]).map { $0 } }
        ?? [nil]
      packed.append(
        Dialogue(
          id: "d\(index)",
          utterances: rows.enumerated().map {
            Utterance(id: "\($0)", speaker: nil, text: "", emotion: $1.map { labels[$0] } ?? 0)
          }, firstRow: sources.count))
      sources += rows
    }
    var features: [Modality: [Float]] = [:]
    for modality in options.modalities {
      let values = try file.floats("input.\(modality)")
      let width = options.rawWidths["\(modality)"] ?? 0
      features[modality] = sources.flatMap { row in
        row.map { Array(values[$0 * width..<($0 + 1) * width]) }
          ?? [Float](repeating: 0, count: width)
      }
    }
    split = Split(
      name: name, dialogues: packed, emotions: (0..<options.emotions).map { "e\($0)" },
      features: features)
  }

  /// The engine of the production step with the file's parameters and running sums.
  func engine(_ team: RankTeam) throws -> GradientEngine {
    let modalities = options.modalities.map {
      ModalityWidth($0, width: options.rawWidths["\($0)"] ?? 0)
    }
    let engine = try GradientEngine(
      model: model.options(of: file).makeModel(modalities, classCount: options.emotions), seed: 0,
      options: StepOptions(products: .reproducible), team: team)
    for parameter in engine.model.layout.parameters {
      try file.copyFloats(
        "parameter.\(parameter.name)", to: engine.parameters.tensor(of: parameter).elements)
    }
    if file.entry("prototype_sums") != nil {
      engine.buffers.set("prototype_sums", try file.doubles("prototype_sums"))
      engine.buffers.set("counts", try file.integers("counts"))
    }
    return engine
  }

  func batch(_ chosen: [Int], microBatches: Int) -> GlobalBatch {
    GlobalBatch(
      dialogues: chosen, dialogueLengths: split.dialogueLengths, microBatchCount: microBatches)
  }

  var randomness: Dropout.Randomness? {
    options.dropout > 0
      ? Dropout.Randomness(seed: options.seed, step: options.step, probability: options.dropout)
      : nil
  }

  var losses: Losses { get throws { try Self.json(Losses.self, file.header.metadata["losses"]) } }

  /// The scale for values that are zero in exact arithmetic, such as biases of attention keys.
  var gradientFloor: Double {
    get throws {
      let names = file.header.entries.keys.filter { $0.hasPrefix("expected.gradient.") }
      return 1e-6 * (try names.flatMap { try file.floats($0) }.map { abs(Double($0)) }.max() ?? 0)
    }
  }

  /// The rows of the file in another order of its dialogues.
  func rows(inOrderOf order: [Int]) -> [Int] {
    order.flatMap { index -> [Int] in
      dialogues.firstIndex(of: index).map { Array(offsets[$0]..<offsets[$0 + 1]) } ?? []
    }
  }

  func expectLosses(
    _ engine: GradientEngine, _ expected: Losses, floor: Double, _ name: String
  ) {
    let names = ["loss"] + engine.model.lossTerms.map(\.name)
    #expect(names.sorted() == expected.keys.sorted())
    expectClose(
      [engine.loss] + Array(engine.lossParts), names.map { expected[$0] ?? .nan },
      tolerance: GoldenStepTests.tolerance, floor: floor, "\(name) losses")
  }
}
