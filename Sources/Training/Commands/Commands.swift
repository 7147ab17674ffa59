/// What the program can do: one function a command, each taking the request that the command line
/// was parsed into.
public enum Commands {}
