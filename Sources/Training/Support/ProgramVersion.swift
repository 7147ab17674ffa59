/// The version of the program, as `--version`, checkpoints and results tell it.
public enum ProgramVersion {
  /// The version in the form of semver.org.
  public static let current = "1.0.0"
}
