//! A server's refusal as a sentence.

use ureq::http::{HeaderMap, Response};
use ureq::{Body, Timeout};

use crate::error::HubError;
use crate::name::ModelName;
use crate::settings::HubSettings;

/// What was asked for, to be named in messages.
pub(crate) struct Request<'a> {
    pub(crate) settings: &'a HubSettings,
    pub(crate) name: &'a ModelName,
    pub(crate) revision: &'a str,
    /// Absent for the list of files.
    pub(crate) file: Option<&'a str>,
}

impl Request<'_> {
    pub(crate) fn what(&self) -> String {
        match self.file {
            Some(file) => format!("{}/{file}", self.name),
            None => format!("the list of files of {}", self.name),
        }
    }

    /// The answer, if it is one.
    pub(crate) fn accept(&self, response: Response<Body>) -> Result<Response<Body>, HubError> {
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(response.status().as_u16(), response.headers()))
    }

    /// Hugging Face names the reason in a header; the status alone is ambiguous: without a token, 401
    /// is said of gated, private and unknown models alike.
    fn refusal(&self, status: u16, headers: &HeaderMap) -> HubError {
        let endpoint = self.settings.endpoint.clone();
        let name = self.name.clone();
        let with_token = self.settings.token.is_some();
        let code = text(headers, "x-error-code").unwrap_or_default();
        let message = text(headers, "x-error-message").unwrap_or_default();
        match (status, code) {
            (_, "GatedRepo") => HubError::Gated {
                name,
                endpoint,
                with_token,
            },
            (401 | 403, _) if message.contains("gated") || message.contains("restricted") => {
                HubError::Gated {
                    name,
                    endpoint,
                    with_token,
                }
            }
            (_, "RevisionNotFound") => HubError::UnknownRevision {
                name,
                revision: self.revision.to_owned(),
            },
            (_, "RepoNotFound") => HubError::UnknownModel {
                name,
                endpoint,
                with_token,
            },
            (401 | 403, _) => HubError::Unauthorised {
                name,
                endpoint,
                status,
                with_token,
            },
            (404, _) => match self.file {
                Some(file) => HubError::UnknownFile {
                    name,
                    file: file.to_owned(),
                },
                None => HubError::UnknownModel {
                    name,
                    endpoint,
                    with_token,
                },
            },
            (429, _) => HubError::RateLimited {
                endpoint,
                retry_secs: text(headers, "retry-after").and_then(|secs| secs.parse().ok()),
            },
            _ => HubError::Server {
                endpoint,
                status,
                what: self.what(),
            },
        }
    }

    /// A failure of the connection before an answer.
    pub(crate) fn failure(&self, error: &ureq::Error) -> HubError {
        let endpoint = self.settings.endpoint.clone();
        match error {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => HubError::Unreachable {
                endpoint,
                why: format!(
                    "no connection within {} s",
                    self.settings.connect.as_secs_f64()
                ),
            },
            ureq::Error::Timeout(_) => self.stalled(),
            ureq::Error::HostNotFound => HubError::Unreachable {
                endpoint,
                why: "its name is unknown".to_owned(),
            },
            other => HubError::Unreachable {
                endpoint,
                why: other.to_string(),
            },
        }
    }

    pub(crate) fn stalled(&self) -> HubError {
        HubError::Stalled {
            endpoint: self.settings.endpoint.clone(),
            what: self.what(),
            secs: self.settings.stall.as_secs_f64(),
        }
    }

    pub(crate) fn bad_answer(&self, why: impl Into<String>) -> HubError {
        HubError::BadAnswer {
            endpoint: self.settings.endpoint.clone(),
            why: why.into(),
        }
    }
}

/// A header's value.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
