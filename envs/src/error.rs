//! The crate's one error type.

/// What can go wrong when an environment is made, stepped, saved or replayed.
///
/// Messages have one form: what failed: value - what is allowed - what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// No environment has this id.
    #[error("unknown environment: {id:?} - nearest name: {nearest:?} - {hint}")]
    UnknownId {
        /// The id that was asked for.
        id: String,
        /// The nearest id that exists.
        nearest: String,
        /// Where to read what ids exist.
        hint: String,
    },
    /// An option has a value that this environment cannot take.
    #[error("environment option {option}: {value} - allowed: {allowed} - {hint}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// The value given.
        value: String,
        /// What is allowed.
        allowed: String,
        /// What to do.
        hint: String,
    },
    /// An action that does not exist.
    #[error("action of agent {agent} in environment {environment}: {action} - allowed: 0 to {} - pass an index into the action names", .actions - 1)]
    Action {
        /// Index of the environment in its batch (0 for a single one).
        environment: usize,
        /// Index of the agent.
        agent: usize,
        /// The action given.
        action: u8,
        /// Number of actions.
        actions: usize,
    },
    /// A buffer of the wrong length.
    #[error(
        "length of {buffer}: {found} - allowed: {expected} ({shape}) - make it with BatchBuffers::new or from the environment's spec"
    )]
    Buffer {
        /// Name of the buffer.
        buffer: &'static str,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
        /// The shape in words.
        shape: &'static str,
    },
    /// Saved bytes that do not fit this environment.
    #[error(
        "saved environment: {problem} - allowed: bytes of save() from the same id and options - {hint}"
    )]
    Snapshot {
        /// What does not fit.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A line of a replay that cannot be used.
    #[error("line {line}: {problem} - {hint}")]
    Line {
        /// Line number, from 1.
        line: usize,
        /// What is wrong, with the value and what is allowed.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A state that cannot be put into the environment.
    #[error("{problem} - {hint}")]
    State {
        /// What is wrong, with the value and what is allowed.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The worker threads of a batch could not be started.
    #[error(
        "threads of the environment batch: {threads} - allowed: what the system can start - lower the number of threads"
    )]
    Threads {
        /// Number of threads asked for.
        threads: usize,
        /// The pool's own error.
        source: rayon::ThreadPoolBuildError,
    },
    /// Reading or writing failed.
    #[error("{what} - check that the file or pipe is still open and the disk not full")]
    Io {
        /// What was read or written.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// An image could not be encoded.
    #[error("image: {problem} - record at least one scene, and scenes of one size")]
    Image {
        /// The encoder's words.
        problem: String,
    },
    /// An error of a user's own environment.
    #[error("environment {id}: {problem}")]
    Custom {
        /// The environment's id.
        id: String,
        /// The message.
        problem: String,
    },
}
