/// The element types of the safetensors format, in the order of the reference implementation.
///
/// Written files have the reverse order: types of wider alignment come first.
package enum SafetensorsType: String, CaseIterable, Sendable {
  case bool = "BOOL"
  case f4 = "F4"
  case f6E2M3 = "F6_E2M3"
  case f6E3M2 = "F6_E3M2"
  case u8 = "U8"
  case i8 = "I8"
  case f8E5M2 = "F8_E5M2"
  case f8E4M3 = "F8_E4M3"
  case f8E5M2FNUZ = "F8_E5M2FNUZ"
  case f8E4M3FNUZ = "F8_E4M3FNUZ"
  case f8E8M0 = "F8_E8M0"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case c64 = "C64"
  case f64 = "F64"
  case i64 = "I64"
  case u64 = "U64"

  /// The size of an element in bits; types below a byte are packed.
  package var bitCount: Int {
    switch self {
    case .f4: 4
    case .f6E2M3, .f6E3M2: 6
    case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E5M2FNUZ, .f8E4M3FNUZ, .f8E8M0: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }

  /// The index in the order of the reference implementation.
  package var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

  /// The size of a tensor in bytes; nil if it overflows or is not a whole number of bytes.
  package func byteCount(ofShape shape: [Int]) -> Int? {
    var bits = bitCount
    for extent in shape {
      let (product, overflow) = bits.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      bits = product
    }
    return bits % 8 == 0 ? bits / 8 : nil
  }
}

/// The description of a tensor in a safetensors file.
package struct SafetensorsEntry: Sendable, Equatable {
  /// The tensor's name.
  package let name: String

  /// The type of its elements.
  package let type: SafetensorsType

  /// The extents, slowest first; an empty shape is a single number.
  package let shape: [Int]

  /// The range of its bytes, from the start of the data.
  package let byteRange: Range<Int>

  /// The number of elements.
  package var elementCount: Int { shape.reduce(1, *) }
}
