import Files
import Foundation
import Synchronization
import TensorCore
import TestSupport
import Testing

@testable import Checkpointing

@Suite("Checkpoint store")
struct CheckpointStoreTests {
  private static func stepOfNewest(_ folder: String) throws -> Int? {
    try CheckpointStore(folder: folder, keepLast: 1).newestValid().checkpoint?.integer("step")
  }

  @Test("checkpoints stand under the names of the run folder's layout")
  func names() throws {
    try withTemporaryFolder { folder in
      let store = CheckpointStore(folder: folder.path("run"), keepLast: 3)
      #expect(try store.steps() == [])
      #expect(try store.newestValid().checkpoint == nil)
      try store.prepare()
      let path = try store.save(sampleDraft(seed: 1200), step: 1200)
      #expect(path == folder.path("run/checkpoints/step-00001200.safetensors.zst"))
      #expect(try store.saveBest(sampleDraft(seed: 9)) == folder.path("run/best.safetensors.zst"))
      #expect(try store.best().integer("step") == 9)
      #expect(try FileSystem.list(folder.path("run")) == ["best.safetensors.zst", "checkpoints"])
      let long = store.path(ofStep: 123_456_789)
      #expect(long.hasSuffix("/step-123456789.safetensors.zst"))
    }
  }

  @Test(
    "only whole names are steps",
    arguments: [
      ("step-00000007.safetensors.zst", 7), ("step-123456789.safetensors.zst", 123_456_789),
      ("step-7.safetensors.zst", nil), ("step-000000007.safetensors.zst", nil),
      ("step-0000000x.safetensors.zst", nil), ("step-00000007.safetensors", nil),
      ("step-00000007.safetensors.zst.tmp", nil), ("astep-00000007.safetensors.zst", nil),
      ("step-99999999999999999999.safetensors.zst", nil), ("step-.safetensors.zst", nil),
    ])
  func stepNames(name: String, step: Int?) {
    #expect(CheckpointStore.step(ofName: name) == step)
  }

  @Test("the last ones stay, and the best whatever happens", arguments: [1, 2, 3])
  func retention(keepLast: Int) throws {
    try withTemporaryFolder { folder in
      let store = CheckpointStore(folder: folder.path, keepLast: keepLast)
      try store.prepare()
      try store.saveBest(sampleDraft(seed: 100))
      for step in stride(from: 100, through: 600, by: 100) {
        try store.save(sampleDraft(seed: step), step: step)
        let expected = stride(from: 100, through: step, by: 100).suffix(keepLast)
        #expect(try store.steps() == Array(expected))
      }
      #expect(try store.best().integer("step") == 100)
      // The same step again replaces its file and takes no place of another.
      try store.save(sampleDraft(seed: 600), step: 600)
      #expect(try store.steps().count == keepLast)
    }
  }

  @Test("a run that was set back keeps what it has just saved")
  func setBack() throws {
    try withTemporaryFolder { folder in
      let store = CheckpointStore(folder: folder.path, keepLast: 1)
      let wide = CheckpointStore(folder: folder.path, keepLast: 9)
      for step in [100, 200, 300] { try wide.save(sampleDraft(seed: step), step: step) }
      try store.save(sampleDraft(seed: 150), step: 150)
      #expect(try store.steps() == [150, 200, 300])
    }
  }

  @Test("broken newer ones are named with their reason, and the next older sound one is used")
  func fallBack() throws {
    try withTemporaryFolder { folder in
      let store = CheckpointStore(folder: folder.path, keepLast: 9)
      for step in 1...6 { try store.save(sampleDraft(seed: step), step: step) }
      let whole = try FileSystem.readAll(store.path(ofStep: 3))
      try FileSystem.write(Array(whole.dropLast()), to: store.path(ofStep: 3))
      try FileSystem.write([], to: store.path(ofStep: 4))
      var flipped = whole
      flipped[whole.count / 2] ^= 4
      try FileSystem.write(flipped, to: store.path(ofStep: 5))
      try FileSystem.remove(store.path(ofStep: 6))
      try FileSystem.createDirectory(store.path(ofStep: 6))
      let search = try store.newestValid()
      #expect(try search.checkpoint?.integer("step") == 2)
      #expect(search.rejected.map(\.path) == [6, 5, 4, 3].map { store.path(ofStep: $0) })
      #expect(search.rejected.map(\.kind) == [.foreignFormat, .damaged, .damaged, .damaged])
      for step in 1...2 { try FileSystem.remove(store.path(ofStep: step)) }
      let none = try store.newestValid()
      #expect(none.checkpoint == nil && none.rejected.count == 4)
    }
  }

  @Test("after each operation of a save there is a sound checkpoint", arguments: [1, 2])
  func everyMoment(keepLast: Int) throws {
    try withTemporaryFolder { folder in
      let path = folder.path
      try CheckpointStore(folder: path, keepLast: 9).save(sampleDraft(seed: 10), step: 10)
      try CheckpointStore(folder: path, keepLast: 9).save(sampleDraft(seed: 20), step: 20)
      let seen = Mutex<[CheckpointStore.Operation]>([])
      let store = CheckpointStore(folder: path, keepLast: keepLast) { operation in
        seen.withLock { $0.append(operation) }
        let isNamed =
          switch operation {
          case .opened, .written, .finishedWriting, .verified: false
          case .renamed, .synchronizedDirectory, .pruned: true
          }
        let newest = try Self.stepOfNewest(path)
        #expect(newest == (isNamed ? 30 : 20), "after \(operation)")
      }
      try store.save(sampleDraft(seed: 30), step: 30)
      let pruned: [CheckpointStore.Operation] =
        keepLast == 1 ? [.pruned(step: 10), .pruned(step: 20)] : [.pruned(step: 10)]
      let order: [CheckpointStore.Operation] = [
        .opened, .written, .finishedWriting, .verified, .renamed, .synchronizedDirectory,
      ]
      #expect(seen.withLock { $0 } == order + pruned)
    }
  }

  static let early: [CheckpointStore.Operation] = [
    .opened, .written, .finishedWriting, .verified,
  ]

  @Test("a failure before the file has its name leaves all as it was", arguments: early)
  func failure(operation: CheckpointStore.Operation) throws {
    try withTemporaryFolder { folder in
      let sound = CheckpointStore(folder: folder.path, keepLast: 1)
      try sound.save(sampleDraft(seed: 1), step: 1)
      try sound.saveBest(sampleDraft(seed: 1))
      let before = try [folder.path, sound.stepFolder].map(FileSystem.list)
      let failing = CheckpointStore(folder: folder.path, keepLast: 1) { done in
        if done == operation { throw FileError(path: "x", operation: "write", code: ENOSPC) }
      }
      let error = #expect(throws: CheckpointError.self) {
        try failing.save(sampleDraft(seed: 2), step: 2)
      }
      #expect(error?.kind == .storage)
      #expect(throws: CheckpointError.self) { try failing.saveBest(sampleDraft(seed: 2)) }
      #expect(try [folder.path, sound.stepFolder].map(FileSystem.list) == before)
      #expect(try Self.stepOfNewest(folder.path) == 1)
      #expect(try sound.best().integer("step") == 1)
    }
  }

  @Test("a full device is reported, its remains are removed, and the old ones stay")
  func fullDevice() throws {
    try withTemporaryFolder { folder in
      let store = CheckpointStore(folder: folder.path, keepLast: 1)
      try store.save(sampleDraft(seed: 1), step: 1)
      // The temporary file of step 2 leads to a device that is always full.
      let temporary = "\(store.path(ofStep: 2)).\(getpid()).tmp"
      try FileManager.default.createSymbolicLink(
        atPath: temporary, withDestinationPath: "/dev/full")
      let error = #expect(throws: CheckpointError.self) {
        try store.save(sampleDraft(seed: 2), step: 2)
      }
      #expect(error?.kind == .storage && error?.reason == "No space left on device")
      #expect(try FileSystem.list(store.stepFolder) == ["step-00000001.safetensors.zst"])
      #expect(try Self.stepOfNewest(folder.path) == 1)
    }
  }

  @Test("what a device has changed before it is read back never gets a name")
  func readBack() throws {
    try withTemporaryFolder { folder in
      let path = folder.path
      try CheckpointStore(folder: path, keepLast: 1).save(sampleDraft(seed: 1), step: 1)
      let store = CheckpointStore(folder: path, keepLast: 1) { operation in
        guard operation == .finishedWriting else { return }
        let stepFolder = "\(path)/checkpoints"
        for name in try FileSystem.list(stepFolder) where name.hasSuffix(".tmp") {
          var bytes = try FileSystem.readAll("\(stepFolder)/\(name)")
          bytes[bytes.count / 2] ^= 1
          try FileSystem.write(bytes, to: "\(stepFolder)/\(name)", atomically: false)
        }
      }
      let error = #expect(throws: CheckpointError.self) {
        try store.save(sampleDraft(seed: 2), step: 2)
      }
      #expect(error?.kind == .storage && error?.reason.contains("does not read back") == true)
      #expect(try FileSystem.list(store.stepFolder) == ["step-00000001.safetensors.zst"])
    }
  }

  @Test("half-written files of killed processes are swept, and nothing else")
  func sweep() throws {
    try withTemporaryFolder { folder in
      let store = CheckpointStore(folder: folder.path, keepLast: 1)
      try store.save(sampleDraft(seed: 1), step: 1)
      let whole = try FileSystem.readAll(store.path(ofStep: 1))
      for kill in 1...10 {
        let half = Array(whole.prefix(whole.count * kill / 10))
        try FileSystem.write(
          half, to: "\(store.path(ofStep: kill)).\(4000 + kill).tmp", atomically: false)
      }
      try FileSystem.write("", to: "\(store.bestPath).17.tmp")
      let foreign = ["checkpoints/notes.tmp", "checkpoints/notes.1.tmp", "notes.1.tmp", "a.zst"]
      for name in foreign { try FileSystem.write("", to: folder.path(name)) }
      #expect(try Self.stepOfNewest(folder.path) == 1)
      #expect(try store.prepare().count == 11)
      #expect(try store.prepare() == [])
      #expect(foreign.allSatisfy { FileSystem.exists(folder.path($0)) })
      #expect(try store.steps() == [1])
    }
  }

  @Test("a run folder that was removed does not come back; its folder of checkpoints does")
  func vanished() throws {
    try withTemporaryFolder { folder in
      let store = CheckpointStore(folder: folder.path("run"), keepLast: 1)
      try store.prepare()
      try FileSystem.removeTree(store.stepFolder)
      try store.save(sampleDraft(seed: 1), step: 1)
      #expect(try Self.stepOfNewest(store.folder) == 1)
      try FileSystem.removeTree(store.folder)
      let saves: [() throws -> Void] = [
        { try store.save(sampleDraft(seed: 2), step: 2) },
        { try store.saveBest(sampleDraft(seed: 2)) },
      ]
      for save in saves {
        let error = #expect(throws: CheckpointError.self) { try save() }
        #expect(error?.kind == .storage && error?.reason == "No such file or directory")
      }
      #expect(throws: CheckpointError.self) { try store.sweep() }
      #expect(!FileSystem.exists(store.folder))
    }
  }

  @Test("a draft can be saved on another thread")
  func background() async throws {
    let folder = try TemporaryFolder()
    let store = CheckpointStore(folder: folder.path, keepLast: 1)
    let draft = sampleDraft(seed: 3)
    let path = try await Task.detached { try store.save(draft, step: 3) }.value
    #expect(try Checkpoint(path: path).integer("step") == 3)
    withExtendedLifetime(folder) {}
  }
}
