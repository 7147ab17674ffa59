import ArgumentParser
import Doctor
import Files

/// `doctor`: checks of the machine and of the launch.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Checks MPI, BLAS, threads, binding, memory and the file system.",
    discussion: """
      It prints a cure for everything that is wrong or slow. Run it the way you run training.

      Examples:
        dferc-dist doctor
        mpirun -np 8 --hostfile hosts dferc-dist doctor
      """)

  @Flag(help: "Prints JSON instead of text.")
  var json = false

  @OptionGroup var threading: ThreadArguments

  func run() throws {
    guard let diagnosis = try Diagnosis.make(threads: threading.threads) else { return }
    let report = diagnosis.report
    try StandardOutput.write(json ? JSONText.document(report) : report.text)
    if let failure = diagnosis.failure { throw failure }
  }
}
