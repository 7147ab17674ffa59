import DataParallel

/// The largest counts that commands accept; arithmetic on them does not overflow.
package enum RequestLimits {
  /// Threads of a rank.
  package static let threads = ProcessorShare.largestThreadCount

  /// Dialogues that `bench` generates for all its steps, with some 5 GB of features.
  package static let benchDialogues = 65_536
}
