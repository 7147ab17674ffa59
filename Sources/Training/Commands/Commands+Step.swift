import DFERCModel
import DialogueData
import Foundation
import NeuralNet
import TensorCore

extension Commands {
  /// Computes the losses and gradients of one global batch, without an update; collective.
  ///
  /// - Throws: `ConfigurationError`, `DataError`, `SafetensorsError`, `TrainingError`, `FileError`, on
  ///   all ranks alike.
  public static func step(_ request: StepRequest) throws {
    let team = try RankTeam.start(threads: request.threads)
    try team.tracker.locatingErrors { try step(request, team) }
  }

  private static func step(_ request: StepRequest, _ team: RankTeam) throws {
    _ = try team.onFirst("checking the output") {
      try OutputFile.requireFolder(of: request.output)
    }
    let resolved = try team.together("reading the configuration") {
      try request.configuration.resolve()
    }
    try team.tracker.enter(.load)
    let (dataset, split) = try team.together("reading the data") {
      let dataset = try LoadedData.dataset(resolved)
      let split = try dataset.split(request.split) { team.world.heartbeat.beat() }
      return (dataset, split)
    }
    let configuration = resolved.using(dataset.modalities).configuration
    try team.requireSame([
      ("configuration", configuration.yaml), ("dataset", dataset.digest(of: [split])),
      ("list of dialogues", request.dialogues.joined(separator: ",")),
    ])
    team.settleThreads(for: configuration)
    let dialogues = try team.together("finding the dialogues") {
      try indices(of: request.dialogues, in: split)
    }
    let model = DFERC(
      DFERCOptions(
        configuration, widths: split.modalities, emotionCount: dataset.manifest.emotions.count))
    let single = try SingleStep(model: model, configuration: configuration, team: team)
    try team.together("reading the weights") {
      if let weights = request.weights { try single.readWeights(weights) }
    }
    try team.requireSame([("set of weights", single.digest)])
    let outcome = try single.run(dialogues, of: split, appliesDropout: request.appliesDropout)
    _ = try team.onFirst("writing the step") {
      try outcome.write(to: request.output)
      try StandardOutput.write(try JSONText.document(outcome.losses))
    }
    try team.world.finish()
  }

  private static func indices(of ids: [String], in split: Split) throws -> [Int] {
    try ids.map { id in
      guard let index = split.index(ofDialogue: id) else {
        throw TrainingError(
          kind: .usage, place: "--dialogues", reason: "split \(split.name) has no dialogue \(id)",
          cure: "Name dialogues by the ids in \(split.name).jsonl.")
      }
      return index
    }
  }
}
