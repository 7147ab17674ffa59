import Files
import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Checkpointing

/// Runs whose newest checkpoint is damaged or foreign.
@Suite("Commands: damaged checkpoints")
struct DamagedCheckpointTests {
  private let small: SmallRun

  init() throws {
    small = try SmallRun()
    let whole = try small.train("whole")
    try #require(whole.status == 0, "\(whole.errors)")
    try FileManager.default.copyItem(
      atPath: small.folder.path("whole"), toPath: small.folder.path("run"))
    try FileSystem.remove(small.folder.path("run/result.json"))
    for later in try store.steps() where later > 12 {
      try FileSystem.remove(store.path(ofStep: later))
    }
  }

  private var store: CheckpointStore {
    CheckpointStore(folder: small.folder.path("run"), keepLast: 1)
  }

  private var newest: String { store.path(ofStep: 12) }

  /// A frame of the tensors of a checkpoint with other metadata.
  private static func frame(of file: String, _ metadata: [String: String]) throws -> [UInt8] {
    let checkpoint = try Checkpoint(path: file)
    var writer = SafetensorsWriter(metadata: checkpoint.metadata.merging(metadata) { $1 })
    for entry in checkpoint.tensors.header.entriesInFileOrder {
      writer.add(entry.name, type: entry.type, shape: entry.shape) { sink in
        try sink(try checkpoint.tensors.bytes(entry.name))
      }
    }
    var bytes: [UInt8] = []
    let compressor = try ZstdCompressor(
      level: 1, contentByteCount: writer.byteCount, path: "other")
    try writer.write { piece in try compressor.write(piece) { bytes.append(contentsOf: $0) } }
    try compressor.finish { bytes.append(contentsOf: $0) }
    return bytes
  }

  /// Rewrites a checkpoint without one of its tensors.
  private func remove(_ tensor: String, ofStep step: Int) throws {
    let store = CheckpointStore(folder: small.folder.path("run"), keepLast: 100)
    let checkpoint = try Checkpoint(path: store.path(ofStep: step))
    var draft = CheckpointContents()
    draft.metadata = checkpoint.metadata.filter {
      !CheckpointFormat.reservedKeys.contains($0.key)
    }
    for entry in checkpoint.tensors.header.entriesInFileOrder where entry.name != tensor {
      switch entry.type {
      case .f32:
        draft.add(entry.name, try checkpoint.tensors.floats(entry.name), shape: entry.shape)
      case .f64:
        draft.add(entry.name, try checkpoint.tensors.doubles(entry.name), shape: entry.shape)
      default:
        draft.add(entry.name, try checkpoint.tensors.integers(entry.name), shape: entry.shape)
      }
    }
    try store.save(draft, step: step)
  }

  /// A change of a checkpoint file, with the reason and cure that messages must contain.
  struct Damage: Sendable, CustomTestStringConvertible {
    let name: String
    let reason: String
    let cure: String
    let apply: @Sendable (_ file: String) throws -> Void
    var testDescription: String { name }

    init(
      _ name: String, _ reason: String, _ cure: String,
      bytes: @escaping @Sendable (_ file: String) throws -> [UInt8]
    ) {
      self.name = name
      self.reason = reason
      self.cure = cure
      apply = { file in try FileSystem.write(try bytes(file), to: file) }
    }
  }

  private static let older = "Use an older checkpoint; `checkpoint verify` on the folder tells"
  private static let ours = "Name a checkpoint that dferc-dist has written."

  static let damages = [
    Damage("cut off", "frame: the file ends inside it. ", older) {
      try FileSystem.readAll($0).dropLast(100_000)
    },
    Damage("one bit flipped", "frame: zstd could not decompress: ", older) { file in
      var bytes = try FileSystem.readAll(file)
      bytes[bytes.count / 2] ^= 1
      return bytes
    },
    Damage("empty", "frame: the file ends inside it. ", older) { _ in [] },
    Damage(
      "another version", "metadata version: it is \"2\", but this program reads \"1\". ",
      "Use the version of dferc-dist that has written it."
    ) { try frame(of: $0, ["version": "2"]) },
    Damage("of another program", "metadata format: it is \"pt\", not \"dferc-checkpoint\". ", ours)
    {
      try frame(of: $0, ["format": "pt"])
    },
    Damage("something else", "frame: it does not begin as a zstd frame does. ", ours) { _ in
      Array("# notes\n".utf8)
    },
  ]

  @Test("It is named with its reason and cure, and the previous one is used", arguments: damages)
  func passedOver(damage: Damage) throws {
    try damage.apply(newest)
    let resumed = try small.train("run", ["--resume", "auto"])
    #expect(resumed.status == 0, "\(resumed.errors)")
    let line = resumed.errors.split(separator: "\n").first { $0.contains("passed over: ") }
    #expect(line?.contains("\(newest), \(damage.reason)") == true, "\(resumed.errors)")
    #expect(line?.contains(damage.cure) == true, "\(resumed.errors)")
    #expect(resumed.errors.contains("going on after step 8 of 18"))
    #expect(
      try Checkpoint(path: store.path(ofStep: 18)).text("sha256")
        == Checkpoint(path: small.folder.path("whole/checkpoints/step-00000018.safetensors.zst"))
        .text("sha256"))
    try small.expectNoTemporaryFiles("run")
  }

  @Test("It is refused by every command that reads checkpoints", arguments: damages)
  func refused(damage: Damage) throws {
    try damage.apply(newest)
    let commands = [
      ["checkpoint", "verify", newest], ["checkpoint", "inspect", newest],
      ["evaluate", "--data", small.data, "--checkpoint", newest],
    ]
    for command in commands {
      let program = try Program(command)
      #expect(program.status == 65, "\(program.errors)")
      #expect(
        program.errors.hasPrefix("dferc-dist: \(newest), \(damage.reason)"), "\(program.errors)")
      #expect(program.errors.contains(damage.cure), "\(program.errors)")
    }
  }

  @Test("If no checkpoint is valid, the run ends and overwrites nothing", arguments: [nil, 2])
  func noneValid(ranks: Int?) throws {
    for step in try store.steps() {
      try FileSystem.write([UInt8](repeating: 7, count: 100), to: store.path(ofStep: step))
    }
    let before = try FileSystem.list(store.stepFolder)
    let resumed = try small.train("run", ["--resume", "auto"], ranks: ranks)
    #expect(resumed.status == 65, "\(resumed.errors)")
    #expect(
      resumed.errors.contains("\(ranks == nil ? "" : "rank 0, open: ")\(newest), frame: "),
      "\(resumed.errors)")
    #expect(try FileSystem.list(store.stepFolder) == before)
    #expect(try FileSystem.readAll(newest).count == 100)
  }

  @Test("A checkpoint of another model ends the run, whatever its metadata")
  func foreignModel() throws {
    let other = try small.train("other", ["--set", "model.width=16", "--set", "train.maxSteps=4"])
    try #require(other.status == 0, "\(other.errors)")
    let foreign = small.folder.path("other/checkpoints/step-00000004.safetensors.zst")
    let before = try FileSystem.list(store.stepFolder)
    try FileSystem.write(FileSystem.readAll(foreign), to: newest)
    let copied = try small.train("run", ["--resume", "auto"])
    #expect(copied.status == 78, "\(copied.errors)")
    #expect(copied.errors.contains("model.width: 24 is not what \(newest) was trained with, 16"))

    let configuration = try Checkpoint(path: store.path(ofStep: 8)).text("config")
    try FileSystem.write(Self.frame(of: foreign, ["config": configuration]), to: newest)
    let forged = try small.train("run", ["--resume", "auto"])
    #expect(forged.status == 65, "\(forged.errors)")
    #expect(forged.errors.contains("dferc-dist: \(newest), tensor "), "\(forged.errors)")
    #expect(forged.errors.contains("Use the configuration that the checkpoint was written with"))
    #expect(try FileSystem.list(store.stepFolder) == before)
  }

  @Test(
    "A run that cannot resume from an earlier checkpoint keeps all later files",
    arguments: ["optimizer.exp_avg_sq.input.text.weight", "counts"])
  func incomplete(tensor: String) throws {
    let earlier = store.path(ofStep: 4)
    try remove(tensor, ofStep: 4)
    try FileSystem.write("{}", to: small.folder.path("run/result.json"))
    let names = ["metrics.jsonl", "samples.jsonl", "result.json", "best.safetensors.zst"]
    let before = try names.map { try FileSystem.readAll(small.folder.path("run/\($0)")) }
    let steps = try store.steps()
    let back = try small.train("run", ["--resume", earlier])
    #expect(back.status == 65, "\(back.errors)")
    #expect(back.errors.contains("\(earlier), tensor \(tensor): it is not there. "))
    #expect(try store.steps() == steps)
    #expect(try names.map { try FileSystem.readAll(small.folder.path("run/\($0)")) } == before)
  }

  @Test("A path that is not a regular file is refused", arguments: ["/dev/zero", "/tmp"])
  func noFile(path: String) throws {
    let program = try Program("evaluate", "--data", small.data, "--checkpoint", path)
    #expect(program.status == 65, "\(program.errors)")
  }

  @Test("A damaged best checkpoint ends the resumed run and is left unchanged")
  func damagedBest() throws {
    let best = small.folder.path("run/best.safetensors.zst")
    var bytes = try FileSystem.readAll(best)
    bytes[bytes.count / 2] ^= 1
    try FileSystem.write(bytes, to: best)
    let resumed = try small.train("run", ["--resume", "auto"])
    #expect(resumed.status == 65, "\(resumed.errors)")
    #expect(resumed.errors.contains("\(best), frame: zstd could not decompress"))
    #expect(try FileSystem.readAll(best) == bytes)
  }

  @Test("A folder with the name of a checkpoint is passed over")
  func folder() throws {
    try FileSystem.remove(newest)
    try FileSystem.createDirectory(newest)
    let resumed = try small.train("run", ["--resume", "auto", "--set", "train.maxSteps=10"])
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains("passed over: \(newest), open: Is a directory"))
  }
}
