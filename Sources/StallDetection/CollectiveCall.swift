/// The collective operations, as messages name them.
package enum CollectiveCall: UInt8, CaseIterable, Sendable {
  case sumOfGradients = 1
  case sumOfFloats
  case sumOfDoubles
  case sumOfIntegers
  case maximum
  case broadcast
  case gather
  case barrier
  case sharedBuffer
  case allGather

  /// The noun phrase after "wait in".
  package var name: String {
    switch self {
    case .sumOfGradients: "the sum of gradients"
    case .sumOfFloats, .sumOfDoubles, .sumOfIntegers: "a sum over ranks"
    case .maximum: "an agreement"
    case .broadcast: "a broadcast"
    case .gather: "a gathering"
    case .barrier: "a barrier"
    case .allGather: "the exchange of parameters"
    case .sharedBuffer: "the allocation of shared memory"
    }
  }
}
