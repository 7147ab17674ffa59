import AllocationCounter
import Files
import JobControl
import TensorCore
import TestSupport
import Testing

@testable import Training

/// A reader of files, with a way to make files that it must survive.
struct HostileReader: Sendable, CustomTestStringConvertible {
  /// What is read.
  let name: String

  /// The file that is spoilt, inside a folder with all that belongs to it.
  let path: String

  /// The most memory that reading may hold at a time, for a file of so many bytes.
  let memoryLimit: @Sendable (_ byteCount: Int) -> Int

  /// Makes the next spoilt file.
  let spoil: @Sendable (inout RandomStream) throws -> [UInt8]

  /// All the ways in which the program reads such a file.
  let readings: [@Sendable () throws -> Void]

  var testDescription: String { name }

  /// What the program may end with where it is given a bad file: bad data, a missing file or a bad
  /// configuration, but not a bug and no trouble with the storage.
  private static let allowed: Set<Files.ExitStatus> = [.badInput, .missingInput, .configuration]

  /// Reads one spoilt file in every way, and records an issue where that does not end as it must.
  ///
  /// - Parameters:
  ///   - number: of the case.
  ///   - seed: of all cases.
  ///   - tally: counts what became of it.
  func run(case number: Int, seed: UInt64, _ tally: inout HostileTally) throws {
    var stream = RandomStream(seed: seed, purpose: name, step: number)
    let bytes = try spoil(&stream)
    try FileSystem.write(bytes, to: path, atomically: false)
    for (index, reading) in readings.enumerated() {
      let place = "\(name), case \(number) of seed \(seed), reading \(index)"
      let start = ContinuousClock.now
      beginPeakOfThread()
      let error = Self.error(of: reading)
      let peak = peakBytesOfThread()
      tally.count(
        error.map { Files.ExitStatus($0) }, peak: peak, time: ContinuousClock.now - start, place)
      #expect(peak <= memoryLimit(bytes.count), "\(place): \(peak) bytes for \(bytes.count)")
      if let error { Self.expectClear(error, place) }
    }
  }

  private static func error(of reading: () throws -> Void) -> (any Error)? {
    do { try reading() } catch { return error }
    return nil
  }

  private static func expectClear(_ error: any Error, _ place: String) {
    #expect(allowed.contains(Files.ExitStatus(error)), "\(place): \(error)")
    let message = ErrorMessage.line(for: error)
    #expect(message.unicodeScalars.count < 2000, "\(place): \(message.prefix(300))")
    #expect(
      !message.unicodeScalars.contains { $0.properties.generalCategory == .control },
      "\(place): a control character in \(message)")
  }
}

/// What became of many spoilt files.
struct HostileTally: CustomStringConvertible {
  private var endings: [String: Int] = [:]
  private var largestPeak = 0
  private var longestTime = Duration.zero
  private var slowest = ""

  mutating func count(_ status: Files.ExitStatus?, peak: Int, time: Duration, _ place: String) {
    endings[status.map { "\($0.rawValue)" } ?? "read", default: 0] += 1
    largestPeak = max(largestPeak, peak)
    guard time > longestTime else { return }
    longestTime = time
    slowest = place
  }

  /// Whether some were read and some were refused.
  var isMixed: Bool { endings.count > 1 && endings["read"] != nil }

  var description: String {
    let counts = endings.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    // Under the address sanitizer nothing is counted.
    let memory = largestPeak > 0 ? "at most \(largestPeak) bytes; " : ""
    return
      "\(counts.joined(separator: ", ")); \(memory)the slowest took \(longestTime) (\(slowest))"
  }
}
