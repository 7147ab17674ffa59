import DFERCModel
import Files
import TensorCore
import TestSupport
import Testing

@testable import Configuration

/// An invalid document or override, and the full message.
struct RefusedConfiguration: Sendable, CustomTestStringConvertible {
  let text: String
  let message: String

  var testDescription: String { text }
}

@Suite("Configuration: errors")
struct ConfigurationErrorTests {
  static let documents = [
    RefusedConfiguration(
      text: "train:\n  epochs: 3\n  epochz: 4\n",
      message: "run.yaml:3: train.epochz: unknown key. The nearest known one is train.epochs."),
    RefusedConfiguration(
      text: "optimiser:\n  learningRate: 1\n",
      message: "run.yaml:1: optimiser: unknown key. The nearest known one is optimizer."),
    RefusedConfiguration(
      text: "\ntrain:\n  learning_rate: 1\n",
      message: "run.yaml:3: train.learning_rate: unknown key. "
        + "The nearest known one is optimizer.learningRate."),
    RefusedConfiguration(
      text: "model: {name: bc-lstn}\n",
      message: "run.yaml:1: model.name: there is no model bc-lstn. "
        + "The models are dferc, bc-lstm."),
    RefusedConfiguration(
      text: "model:\n  name: bc-lstm\n  alignmentWidth: 3\n",
      message: "run.yaml:3: model.alignmentWidth: the model bc-lstm has no such key. "
        + "Leave it out, or choose the model that has it: model.name: dferc."),
    RefusedConfiguration(
      text: "train.epochs: 3\n",
      message: "run.yaml:1: train.epochs: dotted names belong to --set. "
        + "In a file, write the section and its key indented below it."),
    RefusedConfiguration(
      text: "prototype: never\n",
      message: "run.yaml:1: prototype: never is not a mapping of keys. "
        + "Its keys are prototype.reset."),
    RefusedConfiguration(
      text: "- train\n",
      message: "run.yaml: the document is not a mapping of sections. "
        + "Write sections such as \"train:\" with their keys indented below."),
    RefusedConfiguration(
      text: "train:\n  epochs: 3\n bad\n",
      message: "run.yaml:3: this is not valid YAML: did not find expected key. "
        + "Correct the syntax; keys are indented by two spaces below their section."),
    RefusedConfiguration(
      text: "train:\n  epochs: 3\n  epochs: 4\n",
      message: "run.yaml:2: this is not valid YAML: the key epochs is given twice. "
        + "Correct the syntax; keys are indented by two spaces below their section."),
    RefusedConfiguration(
      text: "train: {epochs: 3}\n---\ntrain: {epochs: 4}\n",
      message: "run.yaml:2: this is not valid YAML: but found another document. "
        + "Correct the syntax; keys are indented by two spaces below their section."),
    RefusedConfiguration(
      text: "textEncoder:\n  path: roberta\n",
      message: "run.yaml:2: textEncoder.path: this build has no text encoder. "
        + "Set it to null; the text features of the dataset are then used."),
  ]

  @Test("A bad document is refused with place, key, reason and cure", arguments: documents)
  func documentIsRefused(_ refused: RefusedConfiguration) {
    let error = #expect(throws: ConfigurationError.self) {
      try RunConfiguration(yaml: refused.text, source: "run.yaml")
    }
    #expect(error?.description == refused.message)
  }

  /// Levels of keys, each of which is a list of aliases of the previous level.
  private static func aliases(levels: Int) -> String {
    (1...levels).reduce("a0: &a0 [x, x]\n") { text, level in
      text + "a\(level): &a\(level) {? [*a\(level - 1), *a\(level - 1)] : 1}\n"
    }
  }

  @Test("A document with nested aliases or keys is refused before it is parsed")
  func aliasBombs() {
    let error = #expect(throws: ConfigurationError.self) {
      try RunConfiguration(yaml: Self.aliases(levels: 40), source: "run.yaml")
    }
    #expect(
      error?.reason == "there are 80 aliases (*name) and 40 explicit keys "
        + "(? key), more than 10")
    let keys = #expect(throws: ConfigurationError.self) {
      let keys = String(repeating: "? ", count: 900)
      return try RunConfiguration(
        yaml: keys + "[" + String(repeating: "a,", count: 30_000) + "]", source: "run.yaml")
    }
    #expect(keys?.reason.contains("0 aliases (*name) and 900 explicit keys (? key)") == true)
    let few = #expect(throws: ConfigurationError.self) {
      try RunConfiguration(yaml: Self.aliases(levels: 3), source: "run.yaml")
    }
    #expect(few?.reason == "unknown key")
  }

  @Test("A few aliases, and stars in comments, are accepted")
  func aliases() throws {
    let shared = try RunConfiguration(
      yaml: "loss: {contrastive: &w 0.25, prototype: *w}", source: "run.yaml")
    #expect((shared.model.options as? DFERCOptions)?.prototype == 0.25)
    let starred = String(repeating: "# *very* *starry*? (really?)\n", count: 100)
    _ = try RunConfiguration(yaml: starred + "train: {seed: 1} # a & b", source: "run.yaml")
  }

  @Test("A document above the largest length is refused")
  func longDocument() throws {
    let text = String(repeating: "# comment\n", count: 7000)
    let error = #expect(throws: ConfigurationError.self) {
      try RunConfiguration(yaml: text, source: "run.yaml")
    }
    #expect(error?.reason.hasSuffix("the text is 70000 bytes long, more than 65536") == true)
    try withTemporaryFolder { folder in
      try FileSystem.write(text, to: folder.path("run.yaml"))
      let error = #expect(throws: ConfigurationError.self) {
        try ResolvedConfiguration(file: folder.path("run.yaml"))
      }
      #expect(error?.reason == "the file is larger than 65536 bytes")
    }
  }

  @Test(
    "Long values are truncated in messages",
    arguments: [
      "train: {epochs: LONG}", "train: {LONG: 1}", "LONG: 1", "LONG", "data: {modalities: [LONG]}",
      "model: {ablations: [[[LONG]], LONG]}", "train: {seed: \"LONG\"}", "data: LONG",
    ])
  func longValues(form: String) {
    let long = String(repeating: "x", count: 900)
    let error = #expect(throws: ConfigurationError.self) {
      try RunConfiguration(yaml: form.replacing("LONG", with: long), source: "run.yaml")
    }
    #expect((error?.description.count ?? 1000) < 300)
  }

  @Test("A path with a zero byte is refused")
  func zeroByte() {
    let error = #expect(throws: ConfigurationError.self) {
      try RunConfiguration(yaml: "data: {path: \"a\\0b\"}", source: "run.yaml")
    }
    #expect(error?.reason == "\"a b\" is not a text or null")
  }

  @Test(
    "A run is named after its file, without leading dots",
    arguments: [
      ("meld.yaml", "meld"), (".yaml", "yaml"), ("...yaml", "yaml"), ("..yaml", "yaml"),
      ("..run.yaml", "run"),
    ])
  func runNames(file: String, name: String) throws {
    try withTemporaryFolder { folder in
      try FileSystem.write("", to: folder.path(file))
      #expect(try ResolvedConfiguration(file: folder.path(file)).name == name)
    }
  }

  static let overrides = [
    RefusedConfiguration(
      text: "train.epochs=three",
      message: "--set train.epochs: three is not an integer. Give an integer."),
    RefusedConfiguration(
      text: "train.epochs=2.0",
      message: "--set train.epochs: 2.0 is not an integer. Give an integer."),
    RefusedConfiguration(
      text: "train.epochs='2'",
      message: "--set train.epochs: \"2\" is not an integer. Give an integer."),
    RefusedConfiguration(
      text: "train.epochs=0",
      message: "--set train.epochs: 0 is out of range. Give a value from 1 to 1000000."),
    RefusedConfiguration(
      text: "train.maxSteps=0",
      message: "--set train.maxSteps: 0 is out of range. Give a value of 1 or more."),
    RefusedConfiguration(
      text: "train.microBatches=many",
      message: "--set train.microBatches: many is not an integer or null. "
        + "Give an integer or null."),
    RefusedConfiguration(
      text: "train.seed=-1",
      message: "--set train.seed: -1 is not an integer from 0 to 18446744073709551615. "
        + "Give an integer from 0 to 18446744073709551615."),
    RefusedConfiguration(
      text: "model.dropout=1",
      message: "--set model.dropout: 1.0 is out of range. Give a value from 0.0 to 0.99."),
    RefusedConfiguration(
      text: "model.dropout=0.99999999999",
      message: "--set model.dropout: 0.99999999999 is out of range. "
        + "Give a value from 0.0 to 0.99."),
    RefusedConfiguration(
      text: "model.dropout=.nan",
      message: "--set model.dropout: .nan is not a finite number. Give a finite number."),
    RefusedConfiguration(
      text: "loss.modalityTemperature=0",
      message: "--set loss.modalityTemperature: 0.0 is out of range. "
        + "Give a value from 0.001 to 1000.0."),
    RefusedConfiguration(
      text: "loss.utteranceTemperature=1e-300",
      message: "--set loss.utteranceTemperature: 1.0e-300 is out of range. "
        + "Give a value from 0.001 to 1000.0."),
    RefusedConfiguration(
      text: "optimizer.learningRate=inf",
      message: "--set optimizer.learningRate: inf is not a finite number. Give a finite number."),
    RefusedConfiguration(
      text: "optimizer.betas=[0.9]",
      message: "--set optimizer.betas: [0.9] is not a pair of decay rates. "
        + "Give two numbers from 0 up to but not including 1, such as [0.9, 0.999]."),
    RefusedConfiguration(
      text: "optimizer.betas=[0.9, 1.0]",
      message: "--set optimizer.betas: [0.9, 1.0] is not a pair of decay rates. "
        + "Give two numbers from 0 up to but not including 1, such as [0.9, 0.999]."),
    RefusedConfiguration(
      text: "textEncoder.trainable=yes",
      message: "--set textEncoder.trainable: yes is not true or false. Give true or false."),
    RefusedConfiguration(
      text: "loss.reduction=average",
      message: "--set loss.reduction: average is not one of mean, sum. Give one of mean, sum."),
    RefusedConfiguration(
      text: "data.modalities=text",
      message: "--set data.modalities: text is not a list. Write it in brackets: [text]."),
    RefusedConfiguration(
      text: "data.modalities=[]",
      message: "--set data.modalities: the list is empty. "
        + "Name at least one of text, audio, visual."),
    RefusedConfiguration(
      text: "data.modalities=[text, text]",
      message: "--set data.modalities: [text, text] names a modality twice. "
        + "Name each modality once."),
    RefusedConfiguration(
      text: "data.modalities=[text, vedio]",
      message: "--set data.modalities: vedio is not one of text, audio, visual. "
        + "Give one of text, audio, visual."),
    RefusedConfiguration(
      text: "model.ablations=[no-ddm",
      message: "--set model.ablations: this is not valid YAML: did not find expected ',' or ']'. "
        + "Quote lists for the shell: --set 'model.ablations=[a, b]'."),
    RefusedConfiguration(
      text: "optimizer={learningRate: 1}",
      message: "--set optimizer: this is a section, not a key. Its keys are "
        + "optimizer.learningRate, optimizer.weightDecay, optimizer.betas, optimizer.epsilon, "
        + "optimizer.warmupSteps, optimizer.schedule, optimizer.clipNorm, optimizer.sharded."),
    RefusedConfiguration(
      text: "seed=1",
      message: "--set seed: unknown key. The nearest known one is train.seed."),
    RefusedConfiguration(
      text: "optimizer.learningRates=1",
      message: "--set optimizer.learningRates: unknown key. "
        + "The nearest known one is optimizer.learningRate."),
  ]

  @Test("A bad override is refused with key, reason and cure", arguments: overrides)
  func overrideIsRefused(_ refused: RefusedConfiguration) throws {
    let override = try #require(ConfigurationOverride(refused.text))
    let error = #expect(throws: ConfigurationError.self) {
      try ResolvedConfiguration(overrides: [override])
    }
    #expect(error?.description == refused.message)
  }

  @Test("Two ablations of one block are refused, of different blocks accepted")
  func ablationsOfOneBlock() {
    for first in Ablation.allCases {
      for second in Ablation.allCases {
        let yaml = "model: {ablations: [\(first.rawValue), \(second.rawValue)]}"
        let configuration = try? RunConfiguration(yaml: yaml, source: "x")
        #expect((configuration == nil) == (first.block == second.block), "\(yaml)")
      }
    }
  }

  @Test("A missing file and a file that is not UTF-8 are reported as such")
  func unreadableFiles() throws {
    let missing = #expect(throws: (any Error).self) {
      try ResolvedConfiguration(file: "/nonexistent/run.yaml")
    }
    #expect(try ExitStatus(#require(missing)) == .missingInput)
    try withTemporaryFolder { folder in
      try FileSystem.write([0xFF, 0xFE, 0x00], to: folder.path("run.yaml"))
      let error = #expect(throws: ConfigurationError.self) {
        try ResolvedConfiguration(file: folder.path("run.yaml"))
      }
      #expect(error?.reason == "the file is not UTF-8 text")
    }
  }

  @Test(
    "The edit distance counts insertions, deletions and substitutions",
    arguments: [
      ("", "", 0), ("a", "", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2),
      ("epochs", "epochs", 0),
    ])
  func editDistance(left: String, right: String, distance: Int) {
    #expect(NearestName.editDistance(left, right) == distance)
    #expect(NearestName.editDistance(right, left) == distance)
  }
}
