import Testing

/// How far two tensors are apart, relative to the larger of the expected tensor and a floor.
///
/// ```
/// max |a - b| / max(max |b|, floor)
/// ```
package func relativeDifference<Number: BinaryFloatingPoint>(
  _ actual: [Number], _ expected: [Number], floor: Double = 0
) -> Double {
  var difference = 0.0
  var scale = max(floor, Double.leastNormalMagnitude)
  for (a, b) in zip(actual, expected) {
    // A comparison with NaN must not pass: it counts as infinitely far.
    let distance = abs(Double(a) - Double(b))
    difference = distance.isNaN ? .infinity : max(difference, distance)
    scale = max(scale, abs(Double(b)))
  }
  return difference / scale
}

/// Expects two tensors to be close, and says where they are farthest apart if they are not.
///
/// - Parameters:
///   - actual: what was computed.
///   - expected: what it should be.
///   - tolerance: the largest allowed relative difference; say at the call where it comes from.
///   - floor: the least scale that differences are compared with.
///   - name: what is compared.
package func expectClose<Number: BinaryFloatingPoint>(
  _ actual: [Number], _ expected: [Number], tolerance: Double, floor: Double = 0, _ name: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.count == expected.count else {
    Issue.record(
      "\(name): \(actual.count) elements, expected \(expected.count)",
      sourceLocation: sourceLocation)
    return
  }
  let difference = relativeDifference(actual, expected, floor: floor)
  guard difference > tolerance || difference.isNaN else { return }
  let worst = actual.indices.max {
    abs(Double(actual[$0]) - Double(expected[$0])) < abs(Double(actual[$1]) - Double(expected[$1]))
  }
  let place = worst.map { "element \($0) is \(actual[$0]), expected \(expected[$0])" } ?? ""
  Issue.record(
    "\(name): relative difference \(difference) above \(tolerance); \(place)",
    sourceLocation: sourceLocation)
}
