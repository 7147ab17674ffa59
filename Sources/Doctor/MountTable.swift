import Files
import TensorCore

/// The mounted file systems in the namespace of this process.
package struct MountTable: Sendable, Equatable {
  /// One mounted file system.
  package struct Mount: Sendable, Equatable {
    /// The folder at which it is mounted.
    package let folder: String
    /// Its type, such as `ext4` or `nfs4`.
    package let kind: String
  }

  /// All mounts; a later one hides an earlier one of the same folder.
  package let mounts: [Mount]

  /// The types with files on another machine.
  private static let networkKinds: Set = [
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "glusterfs",
    "gpfs", "lustre", "nfs", "nfs4", "orangefs", "panfs", "smb3", "wekafs",
  ]

  /// The types with files in memory.
  private static let memoryKinds: Set = ["ramfs", "tmpfs"]

  /// Parses the table.
  ///
  /// - Parameter description: the text of `/proc/self/mountinfo`.
  package init(_ description: String) {
    mounts = description.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      guard let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count, dash > 4 else {
        return nil
      }
      return Mount(folder: Self.unescaped(fields[4]), kind: String(fields[dash + 1]))
    }
  }

  /// The table of this process.
  package static var ofThisProcess: MountTable {
    MountTable(KernelFile.text("/proc/self/mountinfo") ?? "")
  }

  /// The file system that holds a path.
  ///
  /// - Parameter path: absolute and without symbolic links.
  package func mount(of path: String) -> Mount? {
    let holding = mounts.filter { mount in
      mount.folder == "/" || path == mount.folder || path.hasPrefix(mount.folder + "/")
    }
    let deepest = holding.map(\.folder.utf8.count).max()
    return holding.last { $0.folder.utf8.count == deepest }
  }

  /// Replaces the escapes of blanks and backslashes, which have three octal digits.
  private static func unescaped(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = String(decoding: rest.prefix(3), as: UTF8.self)
      if byte == UInt8(ascii: "\\"), let value = UInt8(digits, radix: 8), digits.count == 3 {
        bytes.append(value)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension MountTable.Mount {
  /// Whether its files are on another machine.
  package var isRemote: Bool { MountTable.isNetwork(kind) }

  /// Whether its files are lost after a restart.
  package var isVolatile: Bool { MountTable.isMemory(kind) }
}

extension MountTable {
  fileprivate static func isNetwork(_ kind: String) -> Bool { networkKinds.contains(kind) }
  fileprivate static func isMemory(_ kind: String) -> Bool { memoryKinds.contains(kind) }
}
