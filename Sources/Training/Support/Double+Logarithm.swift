import Glibc

extension Double {
  /// The natural logarithm.
  package var logarithm: Double { log(self) }
}
