/// A channel through which an utterance reaches the model.
///
/// The order of the cases is the order in which modalities are stacked and summed everywhere.
package enum Modality: String, CaseIterable, Sendable, Hashable, Codable {
  case text
  case audio
  case visual
}
