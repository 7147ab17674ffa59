import DataParallel
import Testing

@testable import JobControl
@testable import StallDetection

@Suite("Faults")
struct FaultTests {
  @Test("A fault is read part by part")
  func parsing() throws {
    #expect(
      try Fault("throw@backward,rank=1,step=3")
        == Fault(kind: .error, place: .phase(.backward), rank: 1, step: 3))
    #expect(
      try Fault("stop@save") == Fault(kind: .stop, place: .phase(.save), rank: nil, step: nil))
    #expect(
      try Fault("sleep:2.5@write,step=8,byte=1000,rank=0")
        == Fault(kind: .sleep(seconds: 2.5), place: .write(byte: 1000), rank: 0, step: 8))
    #expect(try Fault("signal:USR1@load").kind == .signal(number: 10))
  }

  @Test(
    "Every kind and every phase has its name",
    arguments: [
      "throw", "exit", "finalize", "stop", "kill", "sleep:1", "signal:TERM",
    ])
  func names(kind: String) throws {
    for phase in [
      "load", "plan", "forward", "sums", "backward", "allreduce", "update", "evaluate", "save",
    ] {
      #expect(try Fault("\(kind)@\(phase),rank=2,step=1").place == .phase(named(phase)))
    }
  }

  private func named(_ name: String) throws -> RunPhase {
    try #require(RunPhase.allCases.first { $0.name == name })
  }

  @Test(
    "What cannot be read is told with its cure",
    arguments: [
      ("", "it does not begin with kind@phase"),
      ("throw", "it does not begin with kind@phase"),
      ("throw@backward@save", "it does not begin with kind@phase"),
      ("thorw@backward", "there is no kind thorw"),
      ("throw@backwards", "there is no phase backwards"),
      ("throw@finish", "there is no phase finish"),
      ("sleep@save", "there is no kind sleep"),
      ("sleep:@save", " is no span of time"),
      ("sleep:-1@save", "-1 is no span of time"),
      ("sleep:nan@save", "nan is no span of time"),
      ("signal:FOO@save", "there is no signal FOO"),
      ("throw@save,rank=-1", "rank=-1 is no whole number"),
      ("throw@save,rank=1.5", "rank=1.5 is no whole number"),
      ("throw@save,rank", "rank= is no whole number"),
      ("throw@save,rank=1,rank=2", "rank does not belong here"),
      ("throw@save,node=1", "node does not belong here"),
      ("throw@save,byte=1", "byte does not belong here"),
      ("throw@save,", "an empty part does not belong here"),
      ("throw@write,rank=0", "byte is missing"),
      ("nan@update,rank=1", "nan is for the gradient of a step"),
      ("flip@backward,rank=1", "flip is for the parameters after a step"),
      ("finalize@write,byte=3", "finalize is for the thread that trains"),
    ])
  func refusals(argument: String, reason: String) {
    let error = #expect(throws: FaultSyntaxError.self) { try Fault(argument) }
    #expect(error?.reason == reason)
    #expect(error?.description.hasPrefix("\"\(argument)\": ") == true)
    #expect(error?.cure.hasSuffix(".") == true)
  }

  private func injector(_ arguments: String..., rank: Int = 1) throws -> FaultInjector? {
    FaultInjector(try arguments.map { try Fault($0) }, rank: rank) {}
  }

  @Test("A rank without faults has no injector")
  func others() throws {
    #expect(try injector("throw@save,rank=2") == nil)
    #expect(try injector("throw@save,rank=1") != nil)
    #expect(try injector("throw@save") != nil)
    #expect(try injector() == nil)
  }

  @Test("A fault happens at its phase and step, and once")
  func once() throws {
    let injector = try #require(try injector("throw@backward,rank=1,step=3"))
    try injector.enter(.backward, step: 2)
    try injector.enter(.forward, step: 3)
    #expect(throws: InjectedError.self) { try injector.enter(.backward, step: 3) }
    try injector.enter(.backward, step: 3)
  }

  @Test("Without a step it happens the first time")
  func firstTime() throws {
    let injector = try #require(try injector("throw@evaluate"))
    try injector.enter(.plan, step: 5)
    #expect(throws: InjectedError.self) { try injector.enter(.evaluate, step: 6) }
    try injector.enter(.evaluate, step: 12)
  }

  @Test("A gradient is poisoned in one place, whenever the step is computed")
  func poison() throws {
    let injector = try #require(try injector("nan@backward,step=2"))
    var gradient = [Float](repeating: 1, count: 9)
    try gradient.withUnsafeMutableBufferPointer { buffer in
      try injector.enter(.backward, step: 2)
      injector.damage(buffer, in: .backward, step: 1)
      injector.damage(buffer, in: .allreduce, step: 2)
      #expect(buffer.allSatisfy { $0 == 1 })
      injector.damage(buffer, in: .backward, step: 2)
      #expect(buffer.count { $0.isNaN } == 1)
      buffer.update(repeating: 1)
      injector.damage(buffer, in: .backward, step: 2)
      #expect(buffer.count { $0.isNaN } == 1)
      buffer.update(repeating: 1)
      injector.damage(buffer, in: .backward, step: 3)
      #expect(buffer.allSatisfy { $0 == 1 })
    }
  }

  @Test("One bit of one parameter changes, and none of the padding")
  func flip() throws {
    let injector = try #require(try injector("flip@update,step=2"))
    var parameters: [Float] = [1, 2, 3, 0, 0]
    try parameters.withUnsafeMutableBufferPointer { buffer in
      try injector.enter(.update, step: 2)
      injector.damage(buffer, in: .update, step: 2)
      let difference = zip(buffer, [1, 2, 3, 0, 0] as [Float]).map {
        ($0.bitPattern ^ $1.bitPattern).nonzeroBitCount
      }
      #expect(difference == [0, 0, 1, 0, 0])
    }
  }

  @Test("A write is cut at the byte of the fault, which happens there")
  func bytes() throws {
    let injector = try #require(try injector("throw@write,byte=100,step=4"))
    #expect(try injector.piece(of: 60, at: 0, step: 4) == 60)
    #expect(try injector.piece(of: 60, at: 60, step: 4) == 40)
    #expect(try injector.piece(of: 20, at: 100, step: 5) == 20)
    #expect(throws: InjectedError.self) { try injector.piece(of: 20, at: 100, step: 4) }
    #expect(try injector.piece(of: 20, at: 100, step: 4) == 20)
  }
}
