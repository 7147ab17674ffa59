import Glibc

/// The C library of this process.
package enum CLibrary {
  /// Its name and version; mathematical functions may differ in their last bit between versions.
  package static var version: String {
    let length = confstr(Int32(_CS_GNU_LIBC_VERSION), nil, 0)
    var text = [CChar](repeating: 0, count: max(length, 1))
    confstr(Int32(_CS_GNU_LIBC_VERSION), &text, text.count)
    return String(decoding: text.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
