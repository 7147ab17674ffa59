import CMPI
import Glibc

/// Open MPI settings that depend on the machine and must be made before MPI starts.
///
/// Open MPI reads its parameters from the environment inside `MPI_Init_thread`. A value that the
/// user has given, through `mpirun --mca` or the environment, is left alone.
struct LaunchTuning {
  /// Parameter variables and the values they are to have.
  let settings: [String: String]

  private static let yield = "OMPI_MCA_mpi_yield_when_idle"
  private static let singleCopy = "OMPI_MCA_btl_vader_single_copy_mechanism"

  /// Judges by the facts of this process.
  init(variables: [String: String], node: NodeProcessors) {
    self.init(
      variables: variables, mask: ProcessorMask.ofThisProcess(), node: node,
      canReadMemory: cmpi_can_read_process_memory() != 0)
  }

  /// Judges by the given facts.
  ///
  /// - Parameters:
  ///   - variables: The environment variables of this rank.
  ///   - mask: The cores that this rank may run on.
  ///   - node: The cores of the machine.
  ///   - canReadMemory: Whether the kernel allows `process_vm_readv`.
  init(
    variables: [String: String], mask: ProcessorMask?, node: NodeProcessors, canReadMemory: Bool
  ) {
    var settings: [String: String] = [:]
    if variables[Self.yield] == nil && Self.ranksOutnumberCores(variables, mask, node) {
      settings[Self.yield] = "1"
    }
    // Where a sandbox forbids reading another process, Open MPI complains about every message and
    // copies twice; told so beforehand, it copies twice in silence.
    if variables[Self.singleCopy] == nil && !canReadMemory {
      settings[Self.singleCopy] = "none"
    }
    self.settings = settings
  }

  /// Whether some core must serve two of the node's ranks.
  ///
  /// `mpirun` turns yielding on itself where it knows that slots are oversubscribed; it does not
  /// know of a host file that promises too many slots, or of a container's limits.
  private static func ranksOutnumberCores(
    _ variables: [String: String], _ mask: ProcessorMask?, _ node: NodeProcessors
  ) -> Bool {
    guard let ranks = variables["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap(Int.init) else {
      return false
    }
    var cores = node.online
    // A rank that was bound has a small mask of its own; an unbound one shows what all may use.
    if variables["OMPI_MCA_orte_bound_at_launch"] != "1", let mask { cores = mask.count }
    return Double(ranks) > min(Double(cores), node.quota ?? .infinity)
  }

  /// Writes the settings into the environment of this process.
  func apply() {
    for (name, value) in settings { setenv(name, value, 0) }
  }
}
