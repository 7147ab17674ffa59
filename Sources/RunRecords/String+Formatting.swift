import Foundation

extension String {
  /// A number with a fixed number of digits after the decimal point, in every locale.
  package init(fixed value: Double, digits: Int) {
    self = String(format: "%.\(digits)f", locale: Locale(identifier: "en_US_POSIX"), value)
  }

  /// A time in seconds as `1:02:03`, or `2:03` below an hour.
  package init(seconds: Double) {
    guard seconds.isFinite, seconds >= 0, seconds < 1e9 else {
      self = "?"
      return
    }
    let whole = Int(seconds.rounded())
    let tail = String(format: "%02d", whole % 60)
    self =
      whole < 3600
      ? "\(whole / 60):\(tail)"
      : "\(whole / 3600):" + String(format: "%02d", whole / 60 % 60) + ":\(tail)"
  }
}
