import DataParallel

/// The largest counts that commands take: more than any use needs, and few enough to be counted with.
package enum RequestLimits {
  /// Threads of a rank.
  package static let threads = ProcessorShare.largestThreadCount

  /// Dialogues that `bench` makes, over all its steps; some 5 GB of features.
  package static let benchDialogues = 65_536
}
