//! What can go wrong between this machine and a server.

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Settings that cannot work.
    #[error("{setting}: {problem}")]
    Settings {
        /// Path of the setting.
        setting: String,
        /// Its value, what is allowed.
        problem: String,
    },
    /// No connection, after all retries.
    #[error(
        "{url}: no answer, {why} - start the server or mend the address; {attempts} requests were sent"
    )]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        why: String,
        /// Requests that were sent.
        attempts: u32,
    },
    /// No answer in time, after all retries.
    #[error(
        "{url}: no answer within {seconds} s, {attempts} requests sent - raise timeout_seconds, or lower concurrency for a server that is overrun"
    )]
    Timeout {
        /// The address.
        url: String,
        /// The limit, seconds.
        seconds: f64,
        /// Requests that were sent.
        attempts: u32,
    },
    /// A refusal that another try would not change.
    #[error("{url}: status {status}, {said} - {advice}")]
    Refused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// The server's words.
        said: String,
        /// What to do.
        advice: &'static str,
    },
    /// Busy or failing, after all retries.
    #[error("{url}: status {status}, {said} - {attempts} requests were sent; {advice}")]
    Unavailable {
        /// The address.
        url: String,
        /// The status of the last answer.
        status: u16,
        /// The server's words.
        said: String,
        /// Requests that were sent.
        attempts: u32,
        /// What to do.
        advice: String,
    },
    /// An answer that is no completion.
    #[error(
        "{url}: an answer that is no chat completion, {why} - allowed: OpenAI's form; is this the address of an API, up to /v1?"
    )]
    BadAnswer {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// This machine has no room for another thread.
    #[error("no thread for requests, {0} - lower concurrency")]
    Threads(String),
    /// The caller stopped it.
    #[error("stopped")]
    Stopped,
}

impl ServerError {
    /// Whether it is about the server or its settings, so that every other request would end alike;
    /// otherwise it is about this one request.
    #[must_use]
    pub fn concerns_all(&self) -> bool {
        match self {
            Self::Settings { .. } | Self::Unreachable { .. } | Self::Threads(_) | Self::Stopped => {
                true
            }
            Self::Refused { status, .. } => !matches!(status, 400 | 413 | 422),
            Self::Unavailable { status, .. } => *status == 429,
            Self::Timeout { .. } | Self::BadAnswer { .. } => false,
        }
    }
}
