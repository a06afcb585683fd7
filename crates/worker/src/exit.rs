//! Exit codes and last words.

use std::io::Write;

use agents::AgentsError;
use alignment::FinetuneError;

/// Done.
pub const DONE: u8 = 0;
/// Anything that should not happen.
pub const INTERNAL: u8 = 1;
/// Bad config or arguments.
pub const BAD_CONFIG: u8 = 2;
/// No device, no disk, no such run.
pub const ENVIRONMENT: u8 = 3;
/// A loss that is not finite.
pub const DIVERGED: u8 = 4;
/// Interrupted, with a checkpoint.
pub const INTERRUPTED: u8 = 5;
/// Told twice to leave: gone at once, without a checkpoint.
pub const LEFT_AT_ONCE: u8 = 130;

/// An error with the exit code it means.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    message: String,
}

impl Failure {
    /// An error of this kind.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The same, of this one of several things.
    #[must_use]
    pub fn about(self, what: &str) -> Self {
        Self {
            message: format!("{what}: {}", self.message),
            ..self
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl From<AgentsError> for Failure {
    fn from(error: AgentsError) -> Self {
        let code = match &error {
            AgentsError::Environment(_) | AgentsError::Checkpoint { .. } => BAD_CONFIG,
            AgentsError::Network(nn::NnError::Arrays { .. }) => BAD_CONFIG,
            AgentsError::Network(_) | AgentsError::Tracking(_) => ENVIRONMENT,
            AgentsError::Diverged { .. } => DIVERGED,
            _ => INTERNAL,
        };
        Self::new(code, error.to_string())
    }
}

impl From<FinetuneError> for Failure {
    fn from(error: FinetuneError) -> Self {
        match error {
            FinetuneError::Hub(error) => error.into(),
            FinetuneError::Model(error) => error.into(),
            FinetuneError::Tracking(error) => error.into(),
            FinetuneError::Arrays(error) => error.into(),
            error => {
                let code = match &error {
                    FinetuneError::Settings(_)
                    | FinetuneError::Data(_)
                    | FinetuneError::Oracle(_)
                    | FinetuneError::Damaged { .. } => BAD_CONFIG,
                    FinetuneError::File { .. } | FinetuneError::Server(_) => ENVIRONMENT,
                    FinetuneError::Diverged { .. } => DIVERGED,
                    _ => INTERNAL,
                };
                Self::new(code, error.to_string())
            }
        }
    }
}

impl From<tracking::TrackingError> for Failure {
    fn from(error: tracking::TrackingError) -> Self {
        Self::new(ENVIRONMENT, error.to_string())
    }
}

impl From<lm::LmError> for Failure {
    fn from(error: lm::LmError) -> Self {
        let code = match &error {
            lm::LmError::Config { .. } | lm::LmError::Checkpoint { .. } | lm::LmError::Input(_) => {
                BAD_CONFIG
            }
            lm::LmError::Network(nn::NnError::Arrays { .. }) => BAD_CONFIG,
            lm::LmError::File { .. } | lm::LmError::Network(_) => ENVIRONMENT,
            _ => INTERNAL,
        };
        Self::new(code, error.to_string())
    }
}

impl From<hub::HubError> for Failure {
    fn from(error: hub::HubError) -> Self {
        let code = if error.is_environment() {
            ENVIRONMENT
        } else {
            BAD_CONFIG
        };
        Self::new(code, error.to_string())
    }
}

impl From<nn::NnError> for Failure {
    fn from(error: nn::NnError) -> Self {
        AgentsError::from(error).into()
    }
}

/// Says something on stderr; a closed stderr is no reason to fail.
pub fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "error: {message}");
}

/// Says something that is no error on stderr.
pub fn warn(message: &str) {
    let _ = writeln!(std::io::stderr(), "warning: {message}");
}

/// Says on stderr what was chosen for the user.
pub fn note(message: &str) {
    let _ = writeln!(std::io::stderr(), "note: {message}");
}

/// A line on stdout, at once; false when the reader has left.
pub fn try_answer(text: &str) -> bool {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .is_ok()
}

/// The answer on stdout; a reader that left early is no error.
pub fn answer(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
