import Baselines
import DFERCModel
import Foundation
import TensorCore
import Testing

@testable import Configuration

@Suite("Configuration: defaults and files")
struct ConfigurationDefaultsTests {
  private static let configs = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("configs").path

  /// The keys and defaults of the documented format.
  private static let documented = """
    data:
      path: null
      modalities: [text, audio, visual]
    model:
      name: dferc
      width: 300
      alignmentWidth: 500
      contextHidden: 300
      dropout: 0.2
      ablations: []
    loss:
      contrastive: 0.3
      contribution: 0.8
      prototype: 0.3
      reduction: mean
      modalityTemperature: 0.5
      utteranceTemperature: 0.3
      margin: 0.1
    prototype:
      reset: never
    textEncoder:
      path: null
      trainable: true
      learningRate: 1.0e-05
    optimizer:
      learningRate: 0.001
      weightDecay: 0.01
      betas: [0.9, 0.999]
      epsilon: 1.0e-08
      warmupSteps: 100
      schedule: linear
      clipNorm: 1.0
      sharded: false
    train:
      epochs: 10
      maxSteps: null
      dialoguesPerBatch: 8
      microBatches: null
      seed: 42
      patience: null
      notFinite: abort
      maxSkips: 10
      replicaCheckSteps: 100
      stallSeconds: 300
    checkpoint:
      everySteps: 200
      keepLast: 3
      level: 3
      stallSeconds: 900
      ifSaveFails: stop

    """

  @Test("The defaults are the documented ones, in the documented order")
  func defaults() {
    #expect(RunConfiguration().yaml == Self.documented)
  }

  @Test("Every stored property of every section has a key, and only these")
  func everyPropertyHasAKey() {
    let sections = Mirror(reflecting: RunConfiguration()).children.filter { $0.label != "model" }
    let properties = sections.flatMap { section in
      Mirror(reflecting: section.value).children.map {
        "\(section.label ?? "").\($0.label ?? "")"
      }
    }
    for model in ModelRegistry.models {
      var configuration = RunConfiguration()
      configuration.model = ChosenModel(model.init())
      let own = configuration.model.keys.map(\.name).dropFirst()
      #expect(
        configuration.keys.map(\.name).filter { !own.contains($0) && $0 != "model.name" }
          == properties)
      #expect(Mirror(reflecting: model.init()).children.count == own.count)
    }
  }

  @Test("Printed YAML reads back to the same values and prints to the same bytes")
  func roundTrip() throws {
    var configuration = RunConfiguration()
    configuration.data.path = "/data/a \"quoted\" name: # not a comment\n\u{1}"
    configuration.data.modalities = [.text, .visual]
    var options = DFERCOptions()
    options.ablations = [.noUtterance, .cfmAttention, .crmZero]
    (options.reduction, options.prototypeReset) = (.sum, .epoch)
    configuration.model = ChosenModel(options)
    configuration.textEncoder.trainable = false
    configuration.optimizer.learningRate = 0.1 + 0.2
    configuration.optimizer.epsilon = .leastNonzeroMagnitude
    configuration.train.seed = .max
    configuration.train.maxSteps = 12
    configuration.train.microBatches = 8
    let copy = try RunConfiguration(yaml: configuration.yaml, source: "copy")
    #expect(copy == configuration)
    #expect(copy.yaml == configuration.yaml)
  }

  @Test(
    "A path that YAML would read as something else is quoted",
    arguments: [
      "/plain/path-1.0_x", "relative", "null", "12", "a b/c", "- /x", "/übung", "/x: y", "~",
      "/a\\b",
    ])
  func pathsKeepTheirText(path: String) throws {
    var configuration = RunConfiguration()
    configuration.data.path = path
    #expect(try RunConfiguration(yaml: configuration.yaml, source: "copy").data.path == path)
  }

  @Test("synthetic.yaml names every key with its default")
  func syntheticFile() throws {
    let resolved = try ResolvedConfiguration(file: "\(Self.configs)/synthetic.yaml")
    #expect(resolved.configuration == RunConfiguration())
    for key in RunConfiguration().keys {
      #expect(resolved.origin(of: key.name) != .standard, "\(key.name) is not in the file")
    }
  }

  @Test("The dataset files have the paper's settings")
  func datasetFiles() throws {
    let meld = try ResolvedConfiguration(file: "\(Self.configs)/meld.yaml").configuration
    var expected = RunConfiguration()
    expected.data.path = "\(Self.configs)/../data/meld"
    #expect(meld == expected)

    let iemocap = try ResolvedConfiguration(file: "\(Self.configs)/iemocap.yaml").configuration
    expected.data.path = "\(Self.configs)/../data/iemocap"
    var options = DFERCOptions()
    (options.contrastive, options.contribution, options.prototype) = (0.2, 0.9, 1)
    expected.model = ChosenModel(options)
    expected.train.dialoguesPerBatch = 4
    #expect(iemocap == expected)
  }

  @Test("The file of bc-LSTM names the model and the keys of that model alone")
  func contextualLSTM() throws {
    let run = try ResolvedConfiguration(file: "\(Self.configs)/mosi-bc-lstm.yaml")
    #expect(run.configuration.model.name == "bc-lstm")
    #expect(run.configuration.model.options is BCLSTMOptions)
    #expect(run.configuration.differences(from: RunConfiguration()).first == "model.name")
    #expect(!run.yaml.contains("alignmentWidth") && !run.yaml.contains("loss:"))
    let copy = try RunConfiguration(yaml: run.yaml, source: "copy")
    #expect(copy == run.configuration && copy.yaml == run.yaml)
  }

  @Test("A key may precede the name of its model, and --set may name the model")
  func nameComesFirst() throws {
    let reversed = try RunConfiguration(
      yaml: "model: {hidden: 7, name: bc-lstm, dropout: 0.1}", source: "x")
    var options = BCLSTMOptions()
    (options.hidden, options.dropout) = (7, 0.1)
    #expect(reversed.model == ChosenModel(options))
    let overrides = ["model.denseWidth=9", "model.name=bc-lstm"].compactMap(
      ConfigurationOverride.init)
    let set = try ResolvedConfiguration(overrides: overrides).configuration
    #expect((set.model.options as? BCLSTMOptions)?.denseWidth == 9)
  }

  @Test("The other dataset files change nothing but the data")
  func plainDatasetFiles() throws {
    let mosi = try ResolvedConfiguration(file: "\(Self.configs)/mosi.yaml", data: "/m")
    let meldText = try ResolvedConfiguration(file: "\(Self.configs)/meld-text.yaml", data: "/t")
    #expect(mosi.configuration.differences(from: RunConfiguration()) == [])
    #expect(mosi.configuration.data.path == "/m")
    #expect(
      meldText.configuration.differences(from: RunConfiguration()) == ["data.modalities"])
    #expect(meldText.configuration.data.modalities == [.text])
    #expect(meldText.name == "meld-text")
  }

  @Test("Modalities are sorted, in whichever order they are listed")
  func modalityOrder() throws {
    let shuffled = try RunConfiguration(yaml: "data: {modalities: [visual, text]}", source: "x")
    #expect(shuffled.data.modalities == [.text, .visual])
  }

  @Test(
    "Empty documents, empty sections and comments leave the defaults",
    arguments: [
      "", "# nothing\n", "train:\n", "null", "train: {}\n",
    ])
  func emptyDocuments(yaml: String) throws {
    #expect(try RunConfiguration(yaml: yaml, source: "x") == RunConfiguration())
  }
}
