import DFERCModel
import DialogueData
import TensorCore

extension Commands {
  /// Writes a line for every utterance of a split; collective over all ranks.
  ///
  /// Rank 0 writes the lines of all ranks in file order; a file appears when it is complete.
  ///
  /// - Throws: `TrainingError` for an output that cannot be written there, `CheckpointError`,
  ///   `DataError`, `FileError`, on all ranks alike.
  public static func predict(_ request: PredictRequest) throws {
    let team = try RankTeam.start(threads: request.threads)
    try team.tracker.locatingErrors { try predict(request, team) }
  }

  private static func predict(_ request: PredictRequest, _ team: RankTeam) throws {
    _ = try team.onFirst("checking the output") {
      if let output = request.output { try OutputFile.requireFolder(of: output) }
    }
    let saved = try SavedModel(checkpoint: request.checkpoint, team: team)
    let split = try saved.split(
      request.split, of: request.data, allowsMissingEmotion: true, team: team)
    let writer = PredictionWriter(saved: saved, split: split)
    let lines = try writer.lines(team)
    let all = try team.collective.gather(Array(lines.utf8), to: 0)
    // A reader of the output may pause for as long as it likes.
    team.world.setStallLimits(.never)
    _ = try team.onFirst("writing the predictions") {
      let text = String(decoding: Array(all.joined()), as: UTF8.self)
      if let output = request.output {
        try FileSystem.write(text, to: output)
      } else {
        try StandardOutput.write(text)
      }
    }
    try team.world.finish()
  }
}

/// Turns the model's outcome for each utterance into a line of JSON.
private struct PredictionWriter {
  let saved: SavedModel
  let split: Split

  /// The lines of this rank's share, in file order.
  func lines(_ team: RankTeam) throws -> String {
    let evaluator = Evaluator(
      model: saved.model, parameters: saved.parameters, collective: team.collective,
      workers: team.workers, heartbeat: team.world.heartbeat)
    var lines = ""
    let plan = EvaluationPlan(dialogueLengths: split.dialogueLengths)
    try evaluator.forEachOwnGroup(plan.groups, of: split) { _, probabilities in
      let pass = evaluator.current
      for (position, index) in pass.dialogues.enumerated() {
        let dialogue = split.dialogues[index]
        for (row, utterance) in zip(pass.rows(of: position), dialogue.utterances) {
          lines += line(dialogue, utterance, row: row, probabilities, pass.prediction)
        }
      }
    }
    return lines
  }

  private func line(
    _ dialogue: Dialogue, _ utterance: Utterance, row: Int, _ probabilities: Tensor,
    _ prediction: DFERC.Prediction
  ) -> String {
    let scores = probabilities.row(row)
    let emotion = saved.emotions[Evaluator.winner(scores, count: probabilities.columns)]
    let shares = saved.emotions.enumerated().map { k, name in
      "\(JSONText.string(name)):\(scores[k])"
    }
    let contributions = saved.model.options.modalities.enumerated().map { m, modality in
      "\"\(modality.modality)\":\(prediction.contribution(modality: m, row: row))"
    }
    return """
      {"dialogue":\(JSONText.string(dialogue.id)),"utterance":\(JSONText.string(utterance.id)),\
      "emotion":\(JSONText.string(emotion)),"probabilities":{\(shares.joined(separator: ","))},\
      "contributions":{\(contributions.joined(separator: ","))},\
      "consistency":\(prediction.consistency.pointer[row])}

      """
  }
}
