//! The crate's one error type.

/// What can stop the dashboard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuiError {
    /// Standard input or output is not a terminal.
    #[error(
        "cannot open the dashboard: {stream} is not a terminal - it needs one for keys and one for the screen - use --ui plain, or `concord runs` and `concord show`"
    )]
    NoTerminal {
        /// `standard input` or `standard output`.
        stream: &'static str,
    },
    /// The terminal refused a command.
    #[error("cannot {action} the terminal: {source} - use --ui plain")]
    Terminal {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A thread could not be started, or signals could not be registered.
    #[error("cannot start {what}: {source} - raise the limits of processes and memory")]
    Start {
        /// The thread's name.
        what: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
}
