import Autograd
import Files
import Foundation
import NeuralNet
import TensorCore
import TestSupport
import Testing

/// One golden file of `Fixtures/make_fixtures.py`, and the layer that is held against it.
final class LayerGolden {
  /// Values are rounded to Float32 on both sides, and sums here have at most a few dozen terms of
  /// size 1, so differences stay near 1e-6.
  static let tolerance = 1e-5

  let name: String
  let file: SafetensorsFile
  private let make = TensorFactory()
  private let arena = StepArena()

  init(_ name: String) throws {
    self.name = name
    file = try SafetensorsFile(
      path: fixtureFolder().appendingPathComponent("\(name).safetensors").path)
  }

  /// A tensor of the file; a vector has one row.
  func tensor(_ name: String) throws -> Tensor {
    let shape = file.entry(name)?.shape ?? []
    let values = try file.floats(name)
    return make.tensor(
      values, rows: shape.count == 2 ? shape[0] : 1, columns: shape.last ?? values.count)
  }

  func integers(_ name: String) throws -> UnsafeBufferPointer<Int> {
    make.integers(try file.integers(name).map(Int.init))
  }

  /// The groups of the file, or all rows as one.
  func groups(rows: Int) throws -> RowGroups {
    let offsets = file.entry("offsets") == nil ? make.integers([0, rows]) : try integers("offsets")
    return RowGroups(
      offsets: offsets, identifiers: make.integers(Array(0..<offsets.count - 1)))
  }

  /// Runs a layer forward and backward with the parameters of the file and compares everything.
  ///
  /// - Parameters:
  ///   - gradientFloor: the least scale of a gradient; attention keys' biases have gradient zero.
  ///   - declare: declares the layer under the name `layer` and returns what applies it.
  func check(
    gradientFloor: Double = 0,
    declare: (inout ParameterLayout) throws -> ((Variable, Pass) -> Variable)
  ) throws {
    var layout = ParameterLayout()
    let layer = try declare(&layout)
    let parameters = Parameters(layout: layout)
    let gradients = FloatBuffer(count: layout.count)
    gradients.elements.update(repeating: .nan)
    for parameter in layout.parameters {
      try file.copyFloats(
        "parameter.\(shortName(parameter))", to: parameters.tensor(of: parameter).elements)
    }
    let tape = Tape(arena: arena)
    tape.reset(recording: true)
    parameters.beginGradients(in: gradients.pointer)
    let input = try tensor("input")
    let space = tape.makeRowSpace(groups: try groups(rows: input.rows))
    let x = Variable(input, slot: arena.store(GradientSlot()), space: space)
    let y = layer(x, Pass(tape: tape, parameters: parameters, randomness: nil))
    _ = tape.projection(y, onto: try tensor("upstream"))
    tape.backward()
    parameters.finishGradients()

    expectClose(
      y.value.values, try file.floats("expected.output"), tolerance: Self.tolerance,
      "\(name) output")
    expectClose(
      x.gradient?.values ?? [], try file.floats("expected.gradient.input"),
      tolerance: Self.tolerance, "\(name) gradient of input")
    for parameter in layout.parameters {
      expectClose(
        Array(gradients.elements[parameter.range]),
        try file.floats("expected.gradient.\(shortName(parameter))"), tolerance: Self.tolerance,
        floor: gradientFloor, "\(name) gradient of \(parameter.name)")
    }
  }

  /// The names of the parameters in the file.
  var parameterNames: Set<String> {
    Set(
      file.header.entries.keys.filter { $0.hasPrefix("parameter.") }.map {
        String($0.dropFirst(10))
      })
  }

  private func shortName(_ parameter: ParameterDescription) -> String {
    String(parameter.name.dropFirst("layer.".count))
  }
}
