import DialogueData

extension Commands {
  /// Scores a split with a trained model and prints the report; collective over all ranks.
  ///
  /// - Throws: `CheckpointError`, `DataError`, `FileError`, on all ranks alike.
  public static func evaluate(_ request: EvaluateRequest) throws {
    let team = try RankTeam.start(threads: request.threads)
    try team.tracker.locatingErrors { try evaluate(request, team) }
  }

  private static func evaluate(_ request: EvaluateRequest, _ team: RankTeam) throws {
    let saved = try SavedModel(checkpoint: request.checkpoint, team: team)
    let split = try saved.split(
      request.split, of: request.data, allowsMissingEmotion: false, team: team)
    let evaluator = Evaluator(
      model: saved.model, parameters: saved.parameters, collective: team.collective,
      workers: team.workers, heartbeat: team.world.heartbeat)
    guard let scores = try evaluator.score(split) else {
      preconditionFailure("nobody can ask for a stop")
    }
    let report = ClassificationReport(scores.matrix, emotions: saved.emotions)
    if team.isFirst {
      try StandardOutput.write(request.printsJSON ? JSONText.document(report) : report.table)
    }
    try team.world.finish()
  }
}
