/// A number type whose memory layout is that of a safetensors type.
package protocol SafetensorsElement: BitwiseCopyable, Sendable {
  /// The type a tensor of such numbers is stored as.
  static var safetensorsType: SafetensorsType { get }
}

extension Float: SafetensorsElement {
  /// `F32`.
  package static var safetensorsType: SafetensorsType { .f32 }
}

extension Double: SafetensorsElement {
  /// `F64`.
  package static var safetensorsType: SafetensorsType { .f64 }
}

extension Int64: SafetensorsElement {
  /// `I64`.
  package static var safetensorsType: SafetensorsType { .i64 }
}

extension Int32: SafetensorsElement {
  /// `I32`.
  package static var safetensorsType: SafetensorsType { .i32 }
}
