import TensorCore

/// The initial values of a parameter.
package enum Initializer: Sendable, Equatable {
  /// Every element is the same.
  case constant(Float)
  /// Uniform on -bound ..< bound.
  case uniform(bound: Float)
}

/// A named group of parameters with common settings, such as those of a pretrained encoder.
package struct ParameterGroup: Sendable, Equatable {
  /// The group of parameters that are declared outside of any other.
  package static let model = ParameterGroup("model")

  /// The name in settings.
  package let name: String
  /// Whether the parameters are trained; if not, no gradient is computed for them.
  package let isTrainable: Bool
  /// The peak learning rate; nil for that of the run.
  package let learningRate: Double?
  /// The weight decay of decayed parameters; nil for that of the run.
  package let weightDecay: Double?

  /// - Parameters:
  ///   - name: the name in settings.
  ///   - isTrainable: whether the parameters are trained.
  ///   - learningRate: the peak learning rate; nil for that of the run.
  ///   - weightDecay: the weight decay of decayed parameters; nil for that of the run.
  package init(
    _ name: String, isTrainable: Bool = true, learningRate: Double? = nil,
    weightDecay: Double? = nil
  ) {
    self.name = name
    self.isTrainable = isTrainable
    self.learningRate = learningRate
    self.weightDecay = weightDecay
  }
}

/// A named parameter and its place in the flat buffers.
package struct ParameterDescription: Sendable, Equatable {
  /// The name in weights files, checkpoints and exports.
  package let name: String
  /// The shape as it is stored: [out, in] for a matrix, [width] for a vector.
  package let shape: [Int]
  /// The first element in the flat buffers.
  package let offset: Int
  /// The initial values.
  package let initializer: Initializer
  /// Whether weight decay applies: to matrices, not to biases and LayerNorm parameters.
  package let isDecayed: Bool
  /// The group that the parameter is trained with.
  package let group: ParameterGroup

  /// The number of elements.
  package var count: Int { shape.reduce(1, *) }

  /// The elements in the flat buffers.
  package var range: Range<Int> { offset..<offset + count }

  /// The rows of the tensor; a vector has one.
  package var rows: Int { shape.count == 1 ? 1 : shape[0] }

  /// The columns of the tensor.
  package var columns: Int { shape[shape.count - 1] }
}

/// The index of a parameter in its layout.
package struct ParameterID: BitwiseCopyable, Sendable {
  let index: Int
}

/// The list of all parameters of a model, which layers add to when they are made.
///
/// Every parameter begins at a multiple of ``alignment`` elements; the elements between two
/// parameters are always zero.
package struct ParameterLayout: Sendable {
  /// The alignment of a parameter in the flat buffers, in elements: one cache line.
  package static let alignment = FloatBuffer.alignment / MemoryLayout<Float>.stride

  /// The parameters in the order of their declaration, which is the order in the flat buffers.
  package private(set) var parameters: [ParameterDescription] = []
  /// The length of the flat buffers.
  package private(set) var count = 0
  private var group = ParameterGroup.model

  /// An empty list.
  package init() {}

  /// Declares the parameters of a group.
  ///
  /// - Precondition: no other group of the same name has other settings.
  package mutating func declare<Result>(
    in group: ParameterGroup, _ declare: (inout ParameterLayout) throws -> Result
  ) rethrows -> Result {
    precondition(
      !parameters.contains { $0.group.name == group.name && $0.group != group },
      "group \(group.name) has two settings")
    let outer = self.group
    self.group = group
    defer { self.group = outer }
    return try declare(&self)
  }

  /// Declares one parameter.
  ///
  /// - Precondition: the name is new, and the shape has one or two positive dimensions.
  package mutating func declare(
    _ name: String, shape: [Int], initializer: Initializer, isDecayed: Bool
  ) -> ParameterID {
    precondition((1...2).contains(shape.count) && shape.allSatisfy { $0 > 0 }, "shape \(shape)")
    precondition(!parameters.contains { $0.name == name }, "parameter \(name) is declared twice")
    let parameter = ParameterDescription(
      name: name, shape: shape, offset: count, initializer: initializer, isDecayed: isDecayed,
      group: group)
    parameters.append(parameter)
    count = parameter.offset + paddedCount(of: parameter)
    return ParameterID(index: parameters.count - 1)
  }

  /// The number of elements from the first of a parameter to the first of the next.
  func paddedCount(of parameter: ParameterDescription) -> Int {
    let mask = Self.alignment - 1
    return (parameter.count + mask) & ~mask
  }
}
