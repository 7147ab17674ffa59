import CMPI
import Glibc

/// Open MPI parameters that depend on the machine and must be set before MPI starts.
///
/// Open MPI reads its parameters from the environment inside `MPI_Init_thread`. A value that the
/// user has set, by `mpirun --mca` or in the environment, is not changed.
struct LaunchTuning {
  /// The environment variables of the parameters and their values.
  let settings: [String: String]

  private static let yield = "OMPI_MCA_mpi_yield_when_idle"
  private static let singleCopy = "OMPI_MCA_btl_vader_single_copy_mechanism"

  /// Derives the parameters for this process.
  init(variables: [String: String], node: NodeProcessors) {
    self.init(
      variables: variables, mask: ProcessorMask.ofThisProcess(), node: node,
      canReadMemory: cmpi_can_read_process_memory() != 0)
  }

  /// Derives the parameters for the given machine.
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
    // Where a sandbox forbids reading the memory of another process, Open MPI prints a warning for
    // each message and copies twice; with `none` it copies twice without warnings.
    if variables[Self.singleCopy] == nil && !canReadMemory {
      settings[Self.singleCopy] = "none"
    }
    self.settings = settings
  }

  /// Whether ranks of the node have to share a core.
  ///
  /// `mpirun` enables yielding itself where slots are oversubscribed, but a host file may name more
  /// slots than cores, and a container may limit them.
  private static func ranksOutnumberCores(
    _ variables: [String: String], _ mask: ProcessorMask?, _ node: NodeProcessors
  ) -> Bool {
    guard let ranks = variables["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap(Int.init) else {
      return false
    }
    var cores = node.online
    // The mask of a bound rank covers its own cores only, that of an unbound one the cores of all.
    if variables["OMPI_MCA_orte_bound_at_launch"] != "1", let mask { cores = mask.count }
    return Double(ranks) > min(Double(cores), node.quota ?? .infinity)
  }

  /// Sets the environment variables of this process.
  func apply() {
    for (name, value) in settings { setenv(name, value, 0) }
  }
}
