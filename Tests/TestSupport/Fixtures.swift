import Foundation

/// The folder `Fixtures` beside a test file.
package func fixtureFolder(beside testFile: String = #filePath) -> URL {
  URL(fileURLWithPath: testFile).deletingLastPathComponent().appendingPathComponent("Fixtures")
}
