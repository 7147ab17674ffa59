import Files
import Foundation
import JobControl
import TensorCore

/// A test of the folder of checkpoints.
package struct StorageProbe {
  /// The findings.
  package private(set) var findings: [Finding] = []

  /// The error of writing; nil without one.
  package private(set) var failure: FileError?

  private let folder: String

  /// The largest number of seconds for writing a small file durably.
  private static let slowWriteSeconds = 0.5

  /// Tests `runs` in the working folder, or the working folder itself if there is no `runs`.
  ///
  /// - Parameter run: the run whose checkpoints must fit.
  package static func ofWorkingFolder(for run: TypicalRun) -> StorageProbe {
    StorageProbe(
      folder: FileSystem.isDirectory("runs") ? "runs" : ".", run: run, table: .ofThisProcess)
  }

  /// Tests a folder.
  ///
  /// - Parameters:
  ///   - folder: the folder, which must exist.
  ///   - run: the run whose checkpoints must fit.
  ///   - table: the mounted file systems.
  package init(folder: String, run: TypicalRun, table: MountTable) {
    self.folder = folder
    do {
      report(seconds: try Self.writeOnce(in: folder))
      try measureSpace(run)
    } catch {
      fail(error, cure: "\(error.cure) Checkpoints go where --output says.")
    }
    describe(table)
  }

  /// Writes, synchronizes, renames and removes a small file, as for a checkpoint; returns the
  /// number of seconds.
  private static func writeOnce(in folder: String) throws(FileError) -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    let path = "\(folder)/\(ProbeFile.name)"
    let file = try FileReplacement(of: path)
    try file.writer.write([UInt8](repeating: 0x5A, count: 1 << 16))
    try file.commit()
    try FileSystem.remove(path)
    return (clock.now - start) / .seconds(1)
  }

  private mutating func report(seconds: Double) {
    let time = String(fixed: seconds * 1000, digits: 1)
    let facts = "a file was written to \(place) and was safe on the device after \(time) ms"
    guard seconds > Self.slowWriteSeconds else { return findings.append(.ok(.storage, facts)) }
    findings.append(
      .warning(
        .storage, facts,
        cure: "Write to a faster file system with --output, or raise checkpoint.everySteps."))
  }

  private mutating func measureSpace(_ run: TypicalRun) throws(FileError) {
    let free = try FileSystem.freeBytes(at: folder)
    let facts =
      "\(place) has \(NodeMemory.megabytes(free)) MB left; a run may fill about "
      + "\(NodeMemory.megabytes(run.runFolderBytes)) MB"
    if free < run.checkpointBytes {
      throw FileError(path: place, operation: "write a checkpoint to", code: ENOSPC)
    } else if free < run.runFolderBytes {
      findings.append(
        .warning(
          .storage, facts, cure: "Free some space, or name another folder with --output."))
    } else {
      findings.append(.ok(.storage, facts))
    }
  }

  private mutating func fail(_ error: FileError, cure: String) {
    failure = error
    findings.append(
      .error(.storage, "\(error.operation) \(error.path): \(error.reason)", cure: cure))
  }

  private mutating func describe(_ table: MountTable) {
    let path = URL(fileURLWithPath: folder).resolvingSymlinksInPath().path
    guard let mount = table.mount(of: path) else { return }
    if mount.isVolatile {
      findings.append(
        .warning(
          .storage, "\(place) lies in memory (\(mount.kind)), so checkpoints are lost on a restart",
          cure: "Name a folder on a disk with --output."))
    } else {
      let kind = mount.isRemote ? "a network file system" : "a local file system"
      findings.append(.ok(.storage, "\(place) lies on \(kind) (\(mount.kind))"))
    }
  }

  private var place: String { folder == "." ? "the working folder" : "the folder \(folder)" }
}

/// A file by which nodes check that they see the same folder.
package struct ProbeFile {
  /// A unique name.
  package static var name: String {
    ".dferc-doctor-\(ProcessInfo.processInfo.hostName)-"
      + "\(ProcessInfo.processInfo.processIdentifier)"
  }

  /// The path of the file; empty if it could not be written.
  package let path: String

  /// Writes the file to the working folder.
  package init() {
    let path = "\(FileManager.default.currentDirectoryPath)/\(Self.name)"
    let isWritten = (try? FileSystem.write("", to: path)) != nil
    self.path = isWritten ? path : ""
  }

  /// Removes the file.
  package func remove() {
    if !path.isEmpty { try? FileSystem.remove(path) }
  }

  /// The finding of a node that does not see the file; nil if it does.
  package static func finding(at path: String) -> Finding? {
    guard !path.isEmpty, !FileSystem.exists(path) else { return nil }
    return .warning(
      .storage,
      "this node does not see \(FileSystem.parent(of: path)), the working folder of rank 0",
      cure: "Put the dataset and the configuration under the same path on every node, or start "
        + "from a shared folder. Checkpoints are written by rank 0 alone.")
  }
}
