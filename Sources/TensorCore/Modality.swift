/// A kind of input features.
///
/// Modalities are concatenated and summed in the order of the cases.
package enum Modality: String, CaseIterable, Sendable, Hashable, Codable {
  case text
  case audio
  case visual
}
