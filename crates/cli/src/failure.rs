//! What a command can fail with, and the exit code for it.

use std::io;

use configs::Problem;
use dataset::DatasetError;
use envs::EnvironmentError;
use tracking::TrackingError;
use tui::TuiError;

/// Bad configuration or arguments.
pub(crate) const BAD_ARGUMENTS: u8 = 2;
/// No device, no disk, no worker.
pub(crate) const ENVIRONMENT: u8 = 3;
/// Interrupted with a checkpoint.
pub(crate) const INTERRUPTED: u8 = 5;

/// An exit code and the words for it; an empty message says nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn arguments(message: impl Into<String>) -> Self {
        Failure {
            code: BAD_ARGUMENTS,
            message: message.into(),
        }
    }

    pub(crate) fn environment(message: impl Into<String>) -> Self {
        Failure {
            code: ENVIRONMENT,
            message: message.into(),
        }
    }

    /// An exit code whose reason was already told.
    pub(crate) fn silent(code: u8) -> Self {
        Failure {
            code,
            message: String::new(),
        }
    }

    /// Every problem of a configuration on a line of its own.
    pub(crate) fn problems(what: &str, problems: &[Problem]) -> Self {
        let errors = problems.iter().filter(|problem| problem.is_error()).count();
        let many = if errors == 1 { "problem" } else { "problems" };
        let mut message = format!("cannot run {what}: {errors} {many}");
        for problem in problems {
            message.push_str(&format!("\n  {problem}"));
        }
        Failure::arguments(message)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // The reader has what it wanted, as `concord runs | head -1` does.
            return Failure::silent(0);
        }
        Failure::environment(format!(
            "cannot write the answer: {error} - check the disk and the pipe"
        ))
    }
}

impl From<TrackingError> for Failure {
    fn from(error: TrackingError) -> Self {
        let code = match &error {
            TrackingError::NotARunFolder { .. }
            | TrackingError::UnknownRun { .. }
            | TrackingError::AmbiguousRun { .. }
            | TrackingError::InUse { .. }
            | TrackingError::Unusable { .. } => BAD_ARGUMENTS,
            _ => ENVIRONMENT,
        };
        Failure {
            code,
            message: error.to_string(),
        }
    }
}

impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Self {
        match error {
            EnvironmentError::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
                Failure::silent(0)
            }
            EnvironmentError::Io { what, source } => Failure::environment(format!(
                "{what}: {source} - check that the file or pipe is still open and the disk not full"
            )),
            EnvironmentError::Threads { .. } => Failure::environment(error.to_string()),
            other => Failure::arguments(other.to_string()),
        }
    }
}

impl From<DatasetError> for Failure {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::Write { .. } => Failure::environment(error.to_string()),
            _ => Failure::arguments(error.to_string()),
        }
    }
}

impl From<TuiError> for Failure {
    fn from(error: TuiError) -> Self {
        Failure::environment(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_left_is_success_and_a_full_disk_is_not() {
        assert_eq!(
            Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)),
            Failure::silent(0)
        );
        assert_eq!(
            Failure::from(io::Error::from(io::ErrorKind::StorageFull)).code,
            ENVIRONMENT
        );
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let problems = [
            Problem::error("a", "wrong").value(3),
            Problem::error("b", "missing"),
        ];
        let failure = Failure::problems("x", &problems);
        assert_eq!(failure.code, BAD_ARGUMENTS);
        assert_eq!(
            failure.message,
            "cannot run x: 2 problems\n  a: wrong: 3\n  b: missing"
        );
    }
}
