import Checkpointing
import Files
import Foundation
import Glibc
import TensorCore
import TestSupport
import Testing

/// Runs on storage that is full, read-only or gone.
///
/// File systems are mounted in private namespaces, which requires the rights of root; without them
/// these tests are skipped.
@Suite(
  "Commands: storage faults", .serialized, .timeLimit(.minutes(5)),
  .enabled(if: isMountingAllowed, "mounting in a private namespace is not allowed here"))
struct StorageFaultTests {
  private let small: SmallRun

  init() throws { small = try SmallRun() }

  private func path(_ name: String) -> String { small.folder.path(name) }

  /// Runs the program inside a shell script in a private mount namespace.
  ///
  /// - Parameter script: runs the program as `"$@"`; `$DIR` is the folder of the small run.
  private func isolated(_ script: String, _ arguments: [String]) throws -> Program {
    try Program(
      arguments, wrapper: ["unshare", "-m", "sh", "-c", script, "sh"],
      environment: ["DIR": small.folder.path])
  }

  private func training(_ output: String, _ arguments: [String] = []) -> [String] {
    [
      "train", "--config", small.configuration, "--data", small.data, "--output", path(output),
      "--log-samples", "--resume", "auto",
    ] + arguments
  }

  /// The size of a checkpoint of the small run, in bytes.
  private func checkpointByteCount() throws -> Int {
    let run = try small.train("measure", ["--set", "train.maxSteps=4"])
    try #require(run.status == 0, "\(run.errors)")
    return try FileSystem.byteCount(
      of: path("measure/checkpoints/step-00000004.safetensors.zst"))
  }

  private func expectSound(_ run: String) throws {
    let verified = try Program("checkpoint", "verify", path(run))
    #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
    try small.expectNoTemporaryFiles(run)
  }

  private func expectSameEnd(_ run: String, as reference: String) throws {
    let name = "checkpoints/step-00000018.safetensors.zst"
    #expect(
      try Checkpoint(path: path("\(run)/\(name)")).text("sha256")
        == Checkpoint(path: path("\(reference)/\(name)")).text("sha256"))
    #expect(try small.metrics(run) == small.metrics(reference))
    #expect(try small.text("\(run)/samples.jsonl") == small.text("\(reference)/samples.jsonl"))
  }

  // MARK: - Full

  @Test("A full disk ends the run with 74; resumed elsewhere, it ends like an uninterrupted one")
  func full() throws {
    let size = try checkpointByteCount() * 5 / 2 / 1024
    let run = try isolated(
      """
      mkdir "$DIR/disk" && mount -t tmpfs -o size=\(size)k none "$DIR/disk" || exit 99
      "$@"
      code=$?
      cp -r "$DIR/disk/run" "$DIR/copy"
      exit $code
      """, training("disk/run"))
    #expect(run.status == 74, "\(run.errors)")
    let line = run.errors.split(separator: "\n").last { $0.hasPrefix("dferc-dist: ") }
    #expect(line?.contains(path("disk/run/")) == true, "\(run.errors)")
    #expect(line?.contains("No space left on device. Free some space") == true, "\(run.errors)")
    try expectSound("copy")
    #expect(!FileSystem.exists(path("copy/run.lock")))

    let resumed = try Program(training("copy"))
    try #require(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains("going on after step "))
    let whole = try small.train("whole")
    try #require(whole.status == 0, "\(whole.errors)")
    try expectSameEnd("copy", as: "whole")
  }

  @Test("With `continue`, the run goes on with a warning and saves once there is space again")
  func fullForAWhile() throws {
    let size = try checkpointByteCount() * 9 / 1024
    let run = try isolated(
      """
      mkdir "$DIR/disk" && mount -t tmpfs -o size=\(size)k none "$DIR/disk" || exit 99
      head -c \(size * 8 / 9 * 1024) /dev/zero > "$DIR/disk/filler" || exit 98
      "$@" 2> "$DIR/errors" &
      until grep -q 'could not be written' "$DIR/errors"; do
        kill -0 $! || break
        sleep 0.01
      done
      rm "$DIR/disk/filler"
      wait $!
      code=$?
      cat "$DIR/errors" >&2
      cp -r "$DIR/disk/run" "$DIR/copy"
      exit $code
      """,
      training(
        "disk/run",
        [
          "--set", "checkpoint.ifSaveFails=continue", "--set", "train.epochs=60", "--set",
          "checkpoint.keepLast=2",
        ]))
    try #require(run.status == 0, "\(run.errors)")
    let warning = run.errors.split(separator: "\n").first { $0.contains("could not be written") }
    #expect(warning?.contains("No space left on device. Free some space") == true, "\(run.errors)")
    #expect(warning?.contains(path("disk/run/")) == true, "\(run.errors)")
    try expectSound("copy")
    #expect(try CheckpointStore(folder: path("copy"), keepLast: 1).steps().last == 360)
    #expect(try small.metrics("copy").count { $0.contains("\"train\"") } == 360)
  }

  @Test("With `continue`, a run whose last state cannot be saved ends with 74")
  func fullToTheEnd() throws {
    let size = try checkpointByteCount() * 3 / 2 / 1024
    let run = try isolated(
      """
      mkdir "$DIR/disk" && mount -t tmpfs -o size=\(size)k none "$DIR/disk" || exit 99
      "$@"
      code=$?
      cp -r "$DIR/disk/run" "$DIR/copy"
      exit $code
      """, training("disk/run", ["--set", "checkpoint.ifSaveFails=continue"]))
    #expect(run.status == 74, "\(run.errors)")
    try expectSound("copy")
    #expect(!FileSystem.exists(path("copy/result.json")))
    let resumed = try Program(training("copy"))
    #expect(resumed.status == 0, "\(resumed.errors)")
  }

  /// Commands other than `train` that write a file, whose path is to be appended.
  private func writingCommands() throws -> [[String]] {
    let run = try small.train("run", ["--set", "train.maxSteps=4"])
    try #require(run.status == 0, "\(run.errors)")
    let checkpoint = path("run/checkpoints/step-00000004.safetensors.zst")
    return [
      ["checkpoint", "export", checkpoint, "--output"],
      ["predict", "--checkpoint", checkpoint, "--data", small.data, "--output"],
      [
        "step", "--config", small.configuration, "--data", small.data, "--dialogues", "train-0",
        "--output",
      ],
      ["data", "synthesize", "--scale", "0.02", "--output"],
    ]
  }

  @Test("An output on a full or read-only file system ends with 74 and leaves no file")
  func outputs() throws {
    let mounts = [
      ("-o size=4k", "No space left on device. Free some space"),
      ("-o size=4k,ro", "Read-only file system. Choose a folder on a file system that can be"),
    ]
    let commands = try writingCommands()
    for (options, reason) in mounts {
      for command in commands {
        let program = try isolated(
          """
          mkdir -p "$DIR/disk" && mount -t tmpfs \(options) none "$DIR/disk" || exit 99
          "$@"
          code=$?
          find "$DIR/disk" -type f > "$DIR/left"
          exit $code
          """, command + [path("disk/out")])
        #expect(program.status == 74, "\(command[0]): \(program.errors)")
        #expect(program.errors.contains(reason), "\(program.errors)")
        #expect(program.errors.contains(path("disk/out")), "\(program.errors)")
        #expect(try small.text("left") == "", "\(command[0])")
      }
    }
  }

  // MARK: - Read-only

  @Test(
    "A read-only run folder ends the run with 74 and is left unchanged", arguments: [false, true])
  func readOnly(hasRun: Bool) throws {
    if hasRun {
      try #require(try small.train("run", ["--set", "train.maxSteps=4"]).status == 0)
    } else {
      try FileSystem.createDirectory(path("run"))
    }
    let before = try FileManager.default.subpathsOfDirectory(atPath: path("run")).sorted()
    let run = try isolated(
      """
      mount --bind "$DIR/run" "$DIR/run" && mount -o remount,ro,bind "$DIR/run" || exit 99
      "$@"
      """, training("run"))
    #expect(run.status == 74, "\(run.errors)")
    #expect(
      run.errors.contains(
        "\(path("run/run.lock")): Read-only file system. Choose a folder on a file system that can "
          + "be written."), "\(run.errors)")
    let after = try FileManager.default.subpathsOfDirectory(atPath: path("run")).sorted()
    #expect(after == before)
  }

  @Test("A folder that becomes read-only during the run ends it with 74")
  func becomesReadOnly() throws {
    try FileSystem.createDirectory(path("run/checkpoints"))
    let run = try isolated(
      """
      mount --bind "$DIR/run/checkpoints" "$DIR/run/checkpoints" || exit 99
      "$@" &
      until [ -n "$(find "$DIR/run/checkpoints" -name '*.zst')" ]; do
        kill -0 $! || break
        sleep 0.01
      done
      # Not while a file is written.
      until mount -o remount,ro,bind "$DIR/run/checkpoints" 2>/dev/null; do :; done
      wait $!
      """, training("run", ["--set", "train.epochs=100000"]))
    #expect(run.status == 74, "\(run.errors)")
    let line = run.errors.split(separator: "\n").last { $0.hasPrefix("dferc-dist: ") }
    #expect(line?.contains(path("run/checkpoints/step-")) == true, "\(run.errors)")
    #expect(line?.contains("Read-only file system. Choose a folder") == true, "\(run.errors)")
    #expect(!FileSystem.exists(path("run/run.lock")))
    // A temporary file could not be removed; the next start removes it.
    let next = try small.train(
      "run", ["--resume", "auto", "--set", "train.epochs=100000", "--set", "train.maxSteps=1"])
    #expect(next.status == 0, "\(next.errors)")
    try expectSound("run")
  }

  // MARK: - Gone

  private func start(_ output: String, ranks: Int?) throws -> LiveProgram {
    let run = try LiveProgram(
      training(output, ["--set", "train.epochs=100000", "--threads", "1"]), ranks: ranks)
    try run.wait {
      (try? CheckpointStore(folder: path(output), keepLast: 1).steps().isEmpty) == false
    }
    return run
  }

  @Test(
    "A run folder that vanishes ends the run with 74 and is not created again", arguments: [nil, 2])
  func vanished(ranks: Int?) throws {
    let run = try start("run", ranks: ranks)
    // Renaming is atomic; removing the files one by one would race with the run.
    try FileSystem.rename(path("run"), to: path("gone"))
    #expect(try run.finish() == 74, "\(run.errors)")
    let lines = run.errors.split(separator: "\n").filter { $0.hasPrefix("dferc-dist: ") }
    #expect(lines.count == 1 && lines[0].contains(path("run")), "\(run.errors)")
    #expect(!FileSystem.exists(path("run")))
    let verified = try Program("checkpoint", "verify", path("gone"))
    #expect(verified.status == 0, "\(verified.errors)")
  }

  @Test("A folder of checkpoints that vanishes is created again")
  func vanishedCheckpoints() throws {
    let run = try start("run", ranks: nil)
    try FileSystem.rename(path("run/checkpoints"), to: path("gone"))
    let store = CheckpointStore(folder: path("run"), keepLast: 1)
    try run.wait { (try? store.steps().isEmpty) == false }
    kill(run.launcher, SIGUSR1)
    #expect(try run.finish() == 75, "\(run.errors)")
    try expectSound("run")
  }
}

/// Whether this process may mount file systems in a private namespace.
private let isMountingAllowed: Bool = {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/tmp"]
  process.standardOutput = FileHandle.nullDevice
  process.standardError = FileHandle.nullDevice
  guard (try? process.run()) != nil else { return false }
  process.waitUntilExit()
  return process.terminationStatus == 0
}()
