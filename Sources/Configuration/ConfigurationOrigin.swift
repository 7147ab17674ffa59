/// The source of the value of a configuration key.
package enum ConfigurationOrigin: Sendable, Equatable, CustomStringConvertible {
  /// The program's default.
  case standard
  /// A line of a configuration file.
  case file(path: String, line: Int)
  /// An argument `--set key=value`.
  case override
  /// Another flag, such as `--data`.
  case flag(String)

  /// The origin in messages and the output of `config print`.
  package var description: String {
    switch self {
    case .standard: "default"
    case .file(let path, let line): "\(path):\(line)"
    case .override: "--set"
    case .flag(let name): name
    }
  }
}

/// One argument `key=value` of `--set`.
package struct ConfigurationOverride: Sendable, Equatable {
  /// The dotted key, such as `optimizer.learningRate`.
  package let key: String

  /// The value in YAML's scalar or flow syntax.
  package let value: String

  /// Splits an argument at its first `=`; nil if there is none or the key is empty.
  package init?(_ argument: String) {
    guard let split = argument.firstIndex(of: "="), split != argument.startIndex else {
      return nil
    }
    key = String(argument[..<split])
    value = String(argument[argument.index(after: split)...])
  }
}
