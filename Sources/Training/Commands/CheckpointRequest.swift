/// What `checkpoint inspect`, `verify` and `export` are asked to do.
public enum CheckpointRequest: Sendable, Equatable {
  /// Print what a checkpoint holds.
  case inspect(file: String)
  /// Check a checkpoint, or all that a folder holds, to the last bit.
  case verify(path: String)
  /// Write the parameters, prototypes and counts as a plain safetensors file.
  case export(file: String, output: String)
}
