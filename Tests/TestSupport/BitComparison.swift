import Testing

/// Expects two tensors to be the same to the last bit, and names the first element that is not.
///
/// - Parameters:
///   - actual: what was computed.
///   - expected: what it should be.
///   - name: what is compared.
package func expectSameBits(
  _ actual: some Collection<Float>, _ expected: some Collection<Float>, _ name: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.count == expected.count else {
    Issue.record(
      "\(name): \(actual.count) elements, expected \(expected.count)",
      sourceLocation: sourceLocation)
    return
  }
  for (index, (a, b)) in zip(actual, expected).enumerated() where a.bitPattern != b.bitPattern {
    let bits = [a, b].map { String($0.bitPattern, radix: 16) }
    Issue.record(
      "\(name): element \(index) is \(a) (\(bits[0])), expected \(b) (\(bits[1]))",
      sourceLocation: sourceLocation)
    return
  }
}
