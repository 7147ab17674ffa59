extension String {
  /// The text as a message quotes it: on one line, without control characters, cut if it is long.
  ///
  /// A file may contain anything; a message that quotes it must neither fill the screen nor control
  /// the terminal.
  ///
  /// - Parameter limit: the length of the longest excerpt, in Unicode scalars.
  package func excerpt(limit: Int = 60) -> String {
    var start = String.UnicodeScalarView()
    for scalar in unicodeScalars.prefix(limit) {
      start.append(scalar.isHarmlessInMessages ? scalar : " ")
    }
    let isCut = unicodeScalars.dropFirst(limit).first != nil
    return String(start) + (isCut ? "..." : "")
  }
}

extension [String] {
  /// The first texts with commas between them, and how many more there are.
  package var listExcerpt: String {
    let shown = prefix(20).map { $0.excerpt() }.joined(separator: ", ")
    return count > 20 ? "\(shown) and \(count - 20) more" : shown
  }
}

extension Unicode.Scalar {
  /// Whether it neither breaks a line, controls a terminal nor reverses the direction of text.
  fileprivate var isHarmlessInMessages: Bool {
    switch properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: false
    default: !(0x202A...0x202E).contains(value) && !(0x2066...0x2069).contains(value)
    }
  }
}
