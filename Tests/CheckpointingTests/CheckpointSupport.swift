import TensorCore

@testable import Checkpointing

/// A small checkpoint with every type of tensor; the seed changes all its numbers.
func sampleDraft(seed: Int = 0) -> CheckpointContents {
  var draft = CheckpointContents()
  let weights = (0..<12).map { Float($0 + seed) / 7 - 0.5 }
  draft.add("classifier.weight", weights, shape: [3, 4])
  draft.add("classifier.bias", [Float](repeating: Float(seed), count: 3), shape: [3])
  draft.add("prototype_sums", [1.0 / 3, -1e300, Double(seed)], shape: [3])
  draft.add("counts", [1, -2, 1 << 62] as [Int64], shape: [3])
  draft.set("step", integer: seed)
  draft.set("best", text: "0.5")
  draft.set("emotions", text: #"["neutral","joy, \"great\"","é"]"#)
  draft.set("config", text: "data:\n  path: x\n")
  return draft
}

/// The frame of a draft as it stands in a file.
func frame(of draft: CheckpointContents, level: Int = 3) throws -> [UInt8] {
  var bytes: [UInt8] = []
  try draft.write(level: level, path: "draft") { bytes.append(contentsOf: $0) }
  return bytes
}

/// A frame of any content.
func frame(ofContent content: [UInt8]) throws -> [UInt8] {
  var bytes: [UInt8] = []
  let compressor = try ZstdCompressor(level: 3, contentByteCount: content.count, path: "content")
  try content.withUnsafeBytes { piece in
    try compressor.write(piece) { bytes.append(contentsOf: $0) }
  }
  try compressor.finish { bytes.append(contentsOf: $0) }
  return bytes
}

/// The content of a frame that is fed in pieces of a given size.
func content(
  ofFrame frame: [UInt8], pieceByteCount: Int = .max, largestContent: Int = 1 << 20
) throws -> [UInt8] {
  var bytes: [UInt8] = []
  let decompressor = try ZstdDecompressor(largestContent: largestContent, path: "frame")
  var rest = frame[...]
  while !rest.isEmpty {
    try rest.prefix(pieceByteCount).withUnsafeBytes { piece in
      try decompressor.write(piece) { bytes.append(contentsOf: $0) }
    }
    rest = rest.dropFirst(pieceByteCount)
  }
  try decompressor.finish()
  return bytes
}
