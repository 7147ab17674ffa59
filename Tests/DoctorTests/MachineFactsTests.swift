import Files
import Testing

@testable import Doctor
@testable import JobControl

@Suite("Doctor: facts of the machine")
struct MachineFactsTests {
  private static let zen5 = """
    processor\t: 0
    model name\t: AMD EPYC 9755
    flags\t\t: fpu fma avx2 avx512f avx512cd avx512bw avx512dq avx512vl
    processor\t: 1
    model name\t: another
    flags\t\t: fpu
    """

  @Test("The first processor counts")
  func processor() {
    let features = ProcessorFeatures(Self.zen5)
    #expect(features.name == "AMD EPYC 9755")
    #expect(features.hasAVX2 && features.hasAVX512)
    #expect(!features.flags.contains(":"))
    let arm = ProcessorFeatures("processor\t: 0\nFeatures\t: fp asimd")
    #expect(arm.flags == ["fp", "asimd"] && !arm.hasAVX2)
  }

  @Test("A build that the processor cannot run is an error, one that it outgrows a warning")
  func build() {
    let modern = ProcessorFeatures(Self.zen5)
    let old = ProcessorFeatures("flags : sse2")
    func severities(
      isPortable: Bool, isDebug: Bool = false, isX86: Bool = true, _ processor: ProcessorFeatures
    ) -> [Finding.Severity] {
      BuildFacts(isPortable: isPortable, isDebug: isDebug, isX86: isX86)
        .findings(on: processor).map(\.severity)
    }
    #expect(severities(isPortable: false, modern) == [.ok])
    #expect(severities(isPortable: false, old) == [.error])
    #expect(severities(isPortable: true, modern) == [.warning])
    #expect(severities(isPortable: true, old) == [.ok])
    #expect(severities(isPortable: true, isX86: false, old) == [.ok])
    #expect(severities(isPortable: false, isDebug: true, modern) == [.ok, .warning])
  }

  @Test(
    "The best known kernel follows from the processor",
    arguments: [
      ("Haswell", true, true, "SkylakeX"), ("Zen", true, true, "SkylakeX"),
      ("Cooperlake", true, true, nil), ("SkylakeX", true, true, nil),
      ("Zen", true, false, nil), ("Prescott", true, false, "Haswell"),
      ("Prescott", false, false, nil), ("ARMV8", false, false, nil),
    ] as [(String, Bool, Bool, String?)])
  func kernel(chosen: String, hasAVX2: Bool, hasAVX512: Bool, better: String?) {
    let flags =
      (hasAVX2 ? "avx2 fma " : "")
      + (hasAVX512 ? "avx512f avx512cd avx512bw avx512dq avx512vl" : "")
    let processor = ProcessorFeatures("flags : \(flags)")
    let facts = BLASFacts(
      kernel: chosen, configuration: "OpenBLAS 0.3.21", threads: 1, forcedKernel: nil)
    #expect(facts.betterKernel(on: processor) == better)
    let finding = facts.findings(on: processor, wantedThreads: 1)[0]
    #expect(finding.severity == (better == nil ? .ok : .warning))
    #expect(
      finding.cure?.contains("OPENBLAS_CORETYPE=\(better ?? "")") == (better.map { _ in true }))
  }

  @Test("A forced kernel is accepted, one that had no effect is not")
  func forcedKernel() {
    let processor = ProcessorFeatures(Self.zen5)
    func severities(_ forced: String, threads: Int = 2) -> [Finding.Severity] {
      BLASFacts(
        kernel: "Haswell", configuration: "OpenBLAS 0.3.21", threads: threads, forcedKernel: forced
      ).findings(on: processor, wantedThreads: 2).map(\.severity)
    }
    #expect(severities("haswell") == [.ok, .ok])
    #expect(severities("Foo") == [.warning, .ok])
    #expect(severities("Haswell", threads: 1) == [.ok, .warning])
  }

  @Test("The tighter of machine and container decides about memory")
  func memory() {
    let text = "MemTotal: 4000000 kB\nMemAvailable:    2000000 kB\n"
    let free = NodeMemory(description: text, containerRest: nil)
    #expect(free.available == 2_048_000_000 && !free.isLimited)
    #expect(free.finding(ranks: 5, bytes: 400_000_000).severity == .ok)
    #expect(free.finding(ranks: 6, bytes: 400_000_000).severity == .error)
    let limited = NodeMemory(description: text, containerRest: 399_999_999)
    #expect(limited.isLimited && limited.available == 399_999_999)
    #expect(limited.finding(ranks: 1, bytes: 400_000_000).cure?.contains("container") == true)
    let roomy = NodeMemory(description: text, containerRest: 3_000_000_000)
    #expect(roomy.available == 2_048_000_000 && !roomy.isLimited)
    #expect(NodeMemory(description: "", containerRest: nil).available == nil)
  }

  @Test("The deepest mount holds a path; a later one at the same folder hides an earlier one")
  func mounts() {
    let table = MountTable(
      """
      22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
      30 22 0:5 / /data rw - nfs4 server:/data rw
      31 22 0:6 / /scratch\\040space rw - lustre lustre rw
      32 22 0:7 / /data rw shared:9 master:2 - tmpfs tmpfs rw
      broken line
      """)
    #expect(table.mounts.count == 4)
    #expect(table.mount(of: "/database/x")?.kind == "ext4")
    #expect(table.mount(of: "/data/x")?.kind == "tmpfs")
    #expect(table.mount(of: "/data")?.isVolatile == true)
    #expect(table.mount(of: "/scratch space/runs")?.isRemote == true)
    #expect(MountTable("").mount(of: "/") == nil)
  }

  @Test("This machine tells its facts")
  func here() {
    #expect(!ProcessorFeatures.ofThisNode.flags.isEmpty)
    #expect((NodeMemory.ofThisNode.available ?? 0) > 0)
    #expect(MountTable.ofThisProcess.mount(of: "/") != nil)
    #expect(KernelFile.text("/proc/no-such-file") == nil)
  }
}
