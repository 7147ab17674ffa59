import ArgumentParser
import DialogueData
import Files
import JobControl
import StallDetection
import Training

/// `predict`: an emotion for every utterance of a split.
struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Predicts an emotion for every utterance of a split.",
    discussion: """
      Each utterance becomes one line of JSON with its dialogue, the emotion and the probability \
      of every emotion; DF-ERC adds the contribution of every modality and the consistency \
      between them. The utterances need no labels.

      Example:
        dferc-dist predict --checkpoint runs/mosi/best.safetensors.zst \\
          --data data/mosi --output predictions.jsonl
      """)

  @OptionGroup var scoring: ScoringArguments

  @Option(
    help: ArgumentHelp(
      "The file to write; without it the lines go to standard output.", valueName: "file.jsonl"),
    completion: .file(extensions: ["jsonl"]))
  var output: String?

  @OptionGroup var threading: ThreadArguments

  func validate() throws { try requirePath(output, "--output") }

  func run() throws {
    let team = try RankTeam.start(threads: threading.threads)
    try team.tracker.locatingErrors { try predict(team) }
  }

  /// Rank 0 writes the lines of all ranks in file order, a file by atomic replacement.
  ///
  /// Collective; errors are thrown on all ranks.
  private func predict(_ team: RankTeam) throws {
    try team.onRoot("checking the output") {
      if let output { try OutputFile.requireFolder(of: output) }
    }
    let saved = try SavedModel(checkpoint: scoring.checkpoint, team: team)
    let split = try saved.split(
      scoring.split, of: scoring.data, allowsMissingEmotion: true, team: team)
    let writer = PredictionWriter(saved: saved, split: split)
    let lines = try Evaluator(saved, team).predictions(of: split).map(writer.line).joined()
    let all = try team.collective.gather(Array(lines.utf8), to: 0)
    // A reader of the output may block the write for any time.
    team.world.setStallLimits(.never)
    try team.onRoot("writing the predictions") {
      let text = String(decoding: Array(all.joined()), as: UTF8.self)
      if let output {
        try FileSystem.write(text, to: output)
      } else {
        try StandardOutput.write(text)
      }
    }
    try team.world.finish()
  }
}

/// Formats the prediction for an utterance as a line of JSON.
private struct PredictionWriter {
  let saved: SavedModel
  let split: Split

  func line(_ prediction: UtterancePrediction) -> String {
    let dialogue = split.dialogues[prediction.dialogue]
    let utterance = dialogue.utterances[prediction.utterance]
    let emotion = saved.emotions[prediction.predicted]
    let shares = zip(saved.emotions, prediction.probabilities).map { name, probability in
      "\(JSONText.string(name)):\(probability)"
    }
    return """
      {"dialogue":\(JSONText.string(dialogue.id)),"utterance":\(JSONText.string(utterance.id)),\
      "emotion":\(JSONText.string(emotion)),"probabilities":{\(shares.joined(separator: ","))}\
      \(extras(of: prediction))}

      """
  }

  /// The extras of an utterance as members of a JSON object, each after a comma.
  private func extras(of prediction: UtterancePrediction) -> String {
    var values = prediction.extras.makeIterator()
    return saved.model.extras.map { extra in
      let components = extra.components.map { "\"\($0)\":\(values.next() ?? .nan)" }
      let value =
        components.isEmpty
        ? "\(values.next() ?? .nan)" : "{\(components.joined(separator: ","))}"
      return ",\"\(extra.name)\":\(value)"
    }.joined()
  }
}
