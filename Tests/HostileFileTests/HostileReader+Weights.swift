import Crypto
import JobControl
import NeuralNet
import TensorCore
import TestSupport

@testable import Checkpointing
@testable import Training
@testable import dferc_dist

extension HostileReader {
  /// Checkpoints as `evaluate`, `train --resume` and `checkpoint` read them.
  static func checkpoint(in folder: TemporaryFolder) throws -> HostileReader {
    let path = folder.path("step-00000007.safetensors.zst")
    let export = folder.path("export.safetensors")
    let sound = try SmallModel.checkpoint()
    let content = try SpoiltCheckpoint.content(of: sound)
    return HostileReader(
      name: "checkpoint", path: path,
      // Twice the content that such a file may have, for itself and the decompressor's window, and
      // the header twice.
      memoryLimit: { (192 << 20) + 32 * $0 },
      spoil: { try SpoiltCheckpoint.next(sound, content, &$0) },
      readings: [
        { _ = try SavedModel(checkpoint: path, team: RankTeam.join(threads: 1)) },
        { try resume(from: try Checkpoint(path: path)) },
        { _ = try InspectCommand.inspection(of: path) },
        { try ExportCommand.export(path, to: export) },
      ])
  }

  /// What a resumed run does with a checkpoint, and the counting of its next step.
  private static func resume(from checkpoint: Checkpoint) throws {
    let before = try CheckpointCoding.configuration(of: checkpoint)
    _ = SmallModel.configuration.differences(from: before)
    _ = try checkpoint.text(CheckpointCoding.Key.dataset)
    let state = SmallModel.state()
    try CheckpointCoding.restore(state, from: checkpoint)
    takeStep(state.buffers)
    var progress = try CheckpointCoding.progress(of: checkpoint)
    progress.step += 1
    progress.cursor += 1
    progress.epochsWithoutImprovement += 1
    progress.finishEpoch()
    _ = progress.best?.validation.table
    state.optimizer?.updateCount += 1
  }

  /// Counts on in every running buffer and forms the means.
  private static func takeStep(_ buffers: RunningBuffers) {
    for buffer in buffers.layout.buffers where buffer.type == .int64 {
      let counts = buffers.bytes(of: buffer).bindMemory(to: Int64.self)
      for index in counts.indices { counts[index] += 1 }
    }
    buffers.discard()
    for mean in buffers.layout.means { _ = buffers.values(of: mean) }
  }

  /// Weights files as `step --weights` reads them.
  static func weights(in folder: TemporaryFolder) throws -> HostileReader {
    let path = folder.path("weights.safetensors")
    let sound = try SmallModel.weights()
    return HostileReader(
      name: "weights", path: path, memoryLimit: { (16 << 20) + 8 * $0 },
      spoil: { stream in
        guard !stream.nextChance(oneIn: 4) else { return ByteDamage.anywhere(in: sound, &stream) }
        return SpoiltTensors.next(sound, &stream).bytes
      },
      readings: [{ try readWeights(path) }])
  }

  private static func readWeights(_ path: String) throws {
    let model = SmallModel.state().model
    let single = try SingleStep(
      model: model, configuration: SmallModel.configuration, team: RankTeam.join(threads: 1))
    try single.readWeights(path)
    takeStep(single.buffers)
  }
}

/// Damage inside a safetensors file, and whole files that are much of one thing.
enum SpoiltTensors {
  static func next(_ sound: [UInt8], _ stream: inout RandomStream) -> TensorFileParts {
    guard !stream.nextChance(oneIn: 8) else {
      let bomb = stream.nextElement(of: HostileTensors.bombs)
      let data = [UInt8](repeating: 0, count: stream.nextChance(oneIn: 2) ? 4 : 0)
      return TensorFileParts(header: bomb(stream.nextLength(upTo: 1 << 20)), data: data)
    }
    var parts = TensorFileParts(sound)
    parts.damage(&stream)
    return parts
  }
}

/// Damage on each of the layers of a checkpoint: the frame, the file inside, its header, its data.
enum SpoiltCheckpoint {
  static func next(
    _ sound: [UInt8], _ content: [UInt8], _ stream: inout RandomStream
  ) throws -> [UInt8] {
    switch stream.nextInteger(below: 8) {
    case 0, 1: return ByteDamage.anywhere(in: sound, &stream)
    case 2: return HostileFrames.next(beside: sound, &stream)
    case 3: return try frame(of: ByteDamage.anywhere(in: content, &stream))
    case 4: return ByteDamage.anywhere(in: try frame(of: spoilt(content, &stream)), &stream)
    default: return try frame(of: spoilt(content, &stream))
    }
  }

  /// A spoilt file, mostly with the hash of its own data, so that only what the header says is wrong.
  private static func spoilt(_ content: [UInt8], _ stream: inout RandomStream) -> [UInt8] {
    var parts = SpoiltTensors.next(content, &stream)
    guard !stream.nextChance(oneIn: 8) else { return parts.bytes }
    let before = CheckpointFormat.hexadecimal(SHA256.hash(data: TensorFileParts(content).data))
    let after = CheckpointFormat.hexadecimal(SHA256.hash(data: parts.data))
    let header = String(decoding: parts.header, as: UTF8.self)
    if before != after { parts.header = Array(header.replacing(before, with: after).utf8) }
    return parts.bytes
  }

  static func content(of frame: [UInt8]) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let decompressor = try ZstdDecompressor(largestContent: 1 << 24, path: "frame")
    try frame.withUnsafeBytes { piece in
      try decompressor.write(piece) { bytes.append(contentsOf: $0) }
    }
    try decompressor.finish()
    return bytes
  }

  private static func frame(of content: [UInt8]) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let compressor = try ZstdCompressor(level: 1, contentByteCount: content.count, path: "content")
    try content.withUnsafeBytes { piece in
      try compressor.write(piece) { bytes.append(contentsOf: $0) }
    }
    try compressor.finish { bytes.append(contentsOf: $0) }
    return bytes
  }
}
