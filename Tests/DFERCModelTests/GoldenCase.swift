import Autograd
import DFERCModel
import Files
import Foundation
import NeuralNet
import TensorCore
import TestSupport

/// One golden file of `Fixtures/make_fixtures.py`.
struct GoldenCase {
  struct Options: Decodable {
    let modalities: [Modality]
    let ablations: [String]
    let reduction: String
    let dropout: Double
    let seed: UInt64
    let step: Int
    let rawWidths: [String: Int]
    let width: Int
    let alignmentWidth: Int
    let contextHidden: Int
    let emotions: Int
    let contrastive: Float
    let contribution: Float
    let prototype: Float
    let modalityTemperature: Float
    let utteranceTemperature: Float
    let margin: Float

    func modelOptions() throws -> DFERCOptions {
      var options = DFERCOptions(
        modalities: modalities.map { ModalityWidth($0, width: rawWidths["\($0)"] ?? 0) },
        emotionCount: emotions)
      options.width = width
      options.alignmentWidth = alignmentWidth
      options.contextHidden = contextHidden
      options.dropout = dropout
      options.ablations = Set(ablations.compactMap(Ablation.init(rawValue:)))
      options.loss.contrastive = contrastive
      options.loss.contribution = contribution
      options.loss.prototype = prototype
      options.loss.reduction = reduction == "mean" ? .mean : .sum
      options.loss.modalityTemperature = modalityTemperature
      options.loss.utteranceTemperature = utteranceTemperature
      options.loss.margin = margin
      return options
    }
  }

  let file: SafetensorsFile
  let options: Options

  init(_ name: String) throws {
    let url = fixtureFolder().appendingPathComponent("\(name).safetensors")
    file = try SafetensorsFile(path: url.path)
    options = try Self.json(Options.self, file.header.metadata["options"])
  }

  static func json<Value: Decodable>(_ type: Value.Type, _ text: String?) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data((text ?? "").utf8))
  }

  static var names: [String] {
    let files =
      (try? FileManager.default.contentsOfDirectory(atPath: fixtureFolder().path)) ?? []
    return files.filter { $0.hasSuffix(".safetensors") }
      .map { String($0.dropLast(".safetensors".count)) }
      .filter { $0 != "training" }.sorted()
  }

  func integers(_ name: String) throws -> [Int] { try file.integers(name).map(Int.init) }

  /// Parameters with the values of the file, which must have exactly the names of the model.
  func parameters(for model: DFERC) throws -> Parameters {
    let parameters = Parameters(layout: model.layout)
    for parameter in model.layout.parameters {
      try file.copyFloats(
        "parameter.\(parameter.name)", to: parameters.tensor(of: parameter).elements)
    }
    return parameters
  }

  /// The names of all parameters in the file.
  var parameterNames: Set<String> {
    Set(
      file.header.entries.keys.filter { $0.hasPrefix("parameter.") }.map {
        String($0.dropFirst(10))
      })
  }
}
