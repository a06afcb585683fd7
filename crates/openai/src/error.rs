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
        "{url}: no answer, {why} - start the server or mend the address; tried {}", times(*attempts)
    )]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        why: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The connection broke once there was one, after all retries.
    #[error("{url}: no answer, {why} - see the server's log; tried {}", times(*attempts))]
    Broken {
        /// The address.
        url: String,
        /// Why.
        why: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// No answer in time, after all retries.
    #[error(
        "{url}: no answer within {seconds} s, tried {} - raise timeout_seconds, or lower concurrency for a server that is overrun", times(*attempts)
    )]
    Timeout {
        /// The address.
        url: String,
        /// The limit, seconds.
        seconds: f64,
        /// How often it was tried.
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
    /// The server or its model has no tools.
    #[error(
        "{url}: status {status}, {said} - turn tools on at the server (vLLM: --enable-auto-tool-choice and a parser; llama.cpp: --jinja), choose a model that has them, or call tools in words"
    )]
    ToolsRefused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// The server's words.
        said: String,
    },
    /// Busy or failing, after all retries.
    #[error("{url}: status {status}, {said} - tried {}; {advice}", times(*attempts))]
    Unavailable {
        /// The address.
        url: String,
        /// The status of the last answer.
        status: u16,
        /// The server's words.
        said: String,
        /// How often it was tried.
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
            Self::Settings { .. }
            | Self::Unreachable { .. }
            | Self::Broken { .. }
            | Self::ToolsRefused { .. }
            | Self::Threads(_)
            | Self::Stopped => true,
            Self::Refused { status, .. } => !matches!(status, 400 | 413 | 422),
            Self::Unavailable { status, .. } => *status == 429,
            Self::Timeout { .. } | Self::BadAnswer { .. } => false,
        }
    }

    /// Whether the server may have written an answer all the same, which nobody has read whole.
    #[must_use]
    pub fn may_be_answered(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. } | Self::Broken { .. } | Self::BadAnswer { .. }
        )
    }
}

fn times(attempts: u32) -> String {
    match attempts {
        1 => "once".to_owned(),
        more => format!("{more} times"),
    }
}
