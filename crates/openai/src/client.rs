//! One request, until it is answered or given up.

use std::fmt;
use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use configs::env::Environment;
use configs::finetune::ServerConfig;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use ureq::Agent;
use ureq::http::{HeaderMap, Response};

use crate::adaptation::{Adaptation, Refusal, excerpt};
use crate::ask::body;
use crate::{Answer, Ask, Dialect, ServerError, answer, stream};

/// Before a request is sent a second time; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A server that asks for more patience than this is given up.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const CONNECT: Duration = Duration::from_secs(20);
/// More would be no completion.
const LONGEST_ANSWER: u64 = 64 << 20;
const LONGEST_LIST: u64 = 4 << 20;
const LONGEST_LISTING: Duration = Duration::from_secs(10);

/// A server, a model there, and how patiently they are asked.
pub struct Client {
    /// The whole address of requests.
    address: String,
    /// The same without a name and password, for messages.
    shown: String,
    model: String,
    key: Option<String>,
    timeout: Duration,
    retries: u32,
    first_pause: Duration,
    pays_once: bool,
    pub(super) concurrency: usize,
    adaptation: Mutex<Adaptation>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("address", &self.shown)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// How one attempt ended.
enum Failed {
    /// For good.
    Finally(ServerError),
    /// Another attempt may do better, after a pause that the server may have named.
    ForNow(ServerError, Option<Duration>),
    /// A refusal that other settings of the request may avoid.
    Settings(ServerError, Box<Refusal>),
}

impl Client {
    /// A client by the settings of `section`, such as `oracle.server`; the key is taken from the variable
    /// that they name. Nothing is sent.
    ///
    /// # Errors
    /// An address that is none, no model, a key that no header can carry.
    pub fn new(
        section: &str,
        config: &ServerConfig,
        environment: &Environment,
    ) -> Result<Self, ServerError> {
        let refuse = |setting: &str, problem: String| ServerError::Settings {
            setting: format!("{section}.{setting}"),
            problem,
        };
        let url = config.url.as_deref().unwrap_or_default();
        let base = url.trim_end_matches('/');
        let base = base.strip_suffix("/chat/completions").unwrap_or(base);
        let address = format!("{base}/chat/completions");
        let sound = base.starts_with("http://") || base.starts_with("https://");
        if !sound || address.parse::<ureq::http::Uri>().is_err() {
            return Err(refuse(
                "url",
                format!(
                    "{url:?} - allowed: the address of an OpenAI-compatible server, such as http://localhost:8000/v1"
                ),
            ));
        }
        let Some(model) = config.model.clone().filter(|model| !model.is_empty()) else {
            return Err(refuse(
                "model",
                "no model - set it to the model's name at the server".to_owned(),
            ));
        };
        let key = environment.get(&config.key_variable).map(str::trim);
        if key.is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(refuse(
                "key_variable",
                format!(
                    "the key in {} has a blank or a sign that no header carries - copy it again",
                    config.key_variable
                ),
            ));
        }
        let timeout = Duration::try_from_secs_f64(config.timeout_seconds)
            .ok()
            .filter(|timeout| !timeout.is_zero())
            .ok_or_else(|| {
                refuse(
                    "timeout_seconds",
                    format!("{} - allowed: above 0", config.timeout_seconds),
                )
            })?;
        Ok(Self {
            shown: without_user(base),
            address,
            model,
            key: key.filter(|key| !key.is_empty()).map(str::to_owned),
            timeout,
            retries: config.retries,
            first_pause: FIRST_PAUSE,
            pays_once: false,
            concurrency: config.concurrency.max(1),
            adaptation: Mutex::default(),
        })
    }

    /// The same with another pause before the second attempt, half a second when nothing is said.
    #[must_use]
    pub fn with_first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = pause;
        self
    }

    /// The same for answers that are paid for: a request that the server may have answered, be it that
    /// nobody heard it, is given up and not sent again.
    #[must_use]
    pub fn paying_once(mut self) -> Self {
        self.pays_once = true;
        self
    }

    /// The model's name at the server.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The server's address, for messages.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shown
    }

    /// What kind of server it is, by the models that it lists; [`Dialect::Plain`] where it does not say, none
    /// where it could not be asked now: it is not there, it is busy or failing, or refuses the key.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        let address = self.address.replace("/chat/completions", "/models");
        let patience = self.timeout.min(LONGEST_LISTING);
        let mut request = self.agent().get(&address);
        request = request.config().timeout_global(Some(patience)).build();
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut response = request.call().ok()?;
        if matches!(
            response.status().as_u16(),
            401 | 403 | 408 | 429 | 500..=599
        ) {
            return None;
        }
        let body = response.body_mut().with_config().limit(LONGEST_LIST);
        let models = serde_json::from_str(&body.read_to_string().ok()?);
        Some(models.map_or(Dialect::Plain, |models| Dialect::of_models(&models)))
    }

    /// The settings of sampling that the server refused, by the names they have in requests: they are left out
    /// of those that are [`lenient`](Ask::lenient).
    #[must_use]
    pub fn left_out(&self) -> Vec<&'static str> {
        self.known().left_out().collect()
    }

    pub(super) fn agent(&self) -> Agent {
        Agent::config_builder()
            .http_status_as_error(false)
            // A key is for this address alone.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(self.timeout))
            .timeout_connect(Some(CONNECT.min(self.timeout)))
            .max_idle_connections(self.concurrency)
            .max_idle_connections_per_host(self.concurrency)
            .user_agent(concat!("concord/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent()
    }

    /// As many answers as are wanted; `stop` ends pauses when its other end is dropped.
    pub(super) fn chat(
        &self,
        agent: &Agent,
        ask: &Ask,
        stop: &Receiver<()>,
    ) -> Result<Answer, ServerError> {
        let begin = Instant::now();
        let wanted = ask.choices.max(1);
        let mut answer = Answer::default();
        // Some servers refuse more than one answer instead of giving fewer.
        let mut singly = false;
        while answer.choices.len() < wanted {
            let given = answer.choices.len();
            let known = self.known();
            let one = singly || known.single;
            let count = if one { 1 } else { wanted - given };
            let text = body(&self.model, ask, count, given, known);
            match self.patiently(agent, &text, !ask.tools.is_empty(), stop) {
                Ok(part) => {
                    answer.choices.extend(part.choices);
                    answer.usage.add(part.usage);
                    answer.untold_usages += part.untold_usages;
                    if singly {
                        self.know(known.singly());
                    }
                }
                Err(Failed::Settings(error, refusal)) => {
                    match known.learned(&refusal, ask.lenient) {
                        Some(learned) => self.know(learned),
                        None if count > 1 => singly = true,
                        None => return Err(error),
                    }
                }
                Err(Failed::Finally(error) | Failed::ForNow(error, _)) => return Err(error),
            }
        }
        answer.choices.truncate(wanted);
        answer.took = begin.elapsed();
        Ok(answer)
    }

    fn known(&self) -> Adaptation {
        *self
            .adaptation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn know(&self, learned: Adaptation) {
        self.adaptation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .merge(learned);
    }

    /// Sends a request as often as the settings allow.
    fn patiently(
        &self,
        agent: &Agent,
        body: &str,
        with_tools: bool,
        stop: &Receiver<()>,
    ) -> Result<Answer, Failed> {
        let mut attempt = 0;
        loop {
            let (error, named) = match self.once(agent, body, with_tools, attempt + 1) {
                Err(Failed::ForNow(error, named)) => (error, named),
                ended => return ended,
            };
            let paid = self.pays_once && error.may_be_answered();
            if attempt >= self.retries || paid {
                return Err(Failed::Finally(error));
            }
            let doubled = self.first_pause.saturating_mul(1 << attempt.min(16));
            let pause = named.unwrap_or(doubled.min(LONGEST_PAUSE));
            if pause > LONGEST_WAIT {
                return Err(Failed::Finally(error));
            }
            attempt += 1;
            if stop.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                return Err(Failed::Finally(ServerError::Stopped));
            }
        }
    }

    fn once(
        &self,
        agent: &Agent,
        body: &str,
        with_tools: bool,
        attempts: u32,
    ) -> Result<Answer, Failed> {
        let mut request = agent
            .post(&self.address)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let response = request.send(body);
        let mut response = response.map_err(|error| self.unsent(&error, attempts))?;
        let text = response
            .body_mut()
            .with_config()
            .limit(LONGEST_ANSWER)
            .lossy_utf8(true)
            .read_to_string()
            .map_err(|error| self.broken(&error, attempts))?;
        if !response.status().is_success() {
            return Err(self.refused(&response, &text, with_tools, attempts));
        }
        // A server may answer at once what was asked for in pieces.
        let whole = text.trim_start().starts_with(['{', '<', '[']) || text.trim().is_empty();
        let answer = if whole {
            answer::read(&text)
        } else {
            stream::read(&text)
        };
        answer.map_err(|why| {
            let error = ServerError::BadAnswer {
                url: self.shown.clone(),
                why: format!("{why}, in {}", excerpt(&text, self.key.as_deref())),
            };
            Failed::ForNow(error, None)
        })
    }

    /// A failure before a word of the answer came.
    fn unsent(&self, error: &ureq::Error, attempts: u32) -> Failed {
        let Some(why) = never_sent(error) else {
            return self.broken(error, attempts);
        };
        let url = self.shown.clone();
        Failed::ForNow(ServerError::Unreachable { url, why, attempts }, None)
    }

    /// A failure of the connection once there was one.
    fn broken(&self, error: &ureq::Error, attempts: u32) -> Failed {
        let url = self.shown.clone();
        let error = match error {
            ureq::Error::Timeout(_) => ServerError::Timeout {
                url,
                seconds: self.timeout.as_secs_f64(),
                attempts,
            },
            other => ServerError::Broken {
                url,
                why: excerpt(&other.to_string(), self.key.as_deref()),
                attempts,
            },
        };
        Failed::ForNow(error, None)
    }

    fn refused<B>(
        &self,
        response: &Response<B>,
        text: &str,
        with_tools: bool,
        attempts: u32,
    ) -> Failed {
        let status = response.status().as_u16();
        let refusal = Refusal::read(text, self.key.as_deref());
        if with_tools && matches!(status, 400 | 422 | 500 | 501) && refusal.is_of_tools() {
            return Failed::Finally(ServerError::ToolsRefused {
                url: self.shown.clone(),
                status,
                said: refusal.said,
            });
        }
        let finally = |advice: &'static str| ServerError::Refused {
            url: self.shown.clone(),
            status,
            said: refusal.said.clone(),
            advice,
        };
        let spent = refusal.code.as_deref() == Some("insufficient_quota");
        match status {
            429 if spent => Failed::Finally(finally("the account's means are spent")),
            408 | 409 | 425 | 429 | 500..=599 => {
                let named = retry_after(response.headers());
                let advice = match named {
                    Some(pause) if pause > LONGEST_WAIT => format!(
                        "it asks for a pause of {} s - start again then",
                        pause.as_secs()
                    ),
                    _ if status == 429 => "lower concurrency or raise retries".to_owned(),
                    _ => "see the server's log".to_owned(),
                };
                let error = ServerError::Unavailable {
                    url: self.shown.clone(),
                    status,
                    said: refusal.said,
                    attempts,
                    advice,
                };
                Failed::ForNow(error, named)
            }
            401 | 403 if self.key.is_none() => Failed::Finally(finally(
                "no key was sent: set the variable that key_variable names",
            )),
            401 | 403 => Failed::Finally(finally(
                "mend the key in the variable that key_variable names",
            )),
            404 => Failed::Finally(finally("mend the address, up to /v1, or the model's name")),
            300..=399 => Failed::Finally(finally(
                "give the address that it leads to; a key is not sent on",
            )),
            400 | 422 => Failed::Settings(
                finally("change what is sent: length, sampling settings, model"),
                Box::new(refusal),
            ),
            _ => Failed::Finally(finally("change what is sent")),
        }
    }
}

/// Why a request cannot have arrived; none where it may have.
fn never_sent(error: &ureq::Error) -> Option<String> {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            Some("no connection in time".to_owned())
        }
        ureq::Error::HostNotFound => Some("its name is unknown".to_owned()),
        ureq::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::AddrNotAvailable => Some(error.to_string()),
            // Of rustls, before anything is sent.
            ErrorKind::InvalidData => Some(format!("{error}; does it speak https?")),
            // The look-up of the standard library has no kind of its own.
            _ if error.to_string().starts_with("failed to lookup address") => {
                Some("its name is unknown".to_owned())
            }
            _ => None,
        },
        _ => None,
    }
}

/// The pause that a server asks for, in seconds; dates are left to the doubling pause.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?;
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

/// An address without `name:password@`.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let host = rest.split('/').next().unwrap_or_default().len();
    match rest[..host].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_cannot_have_arrived_is_told_from_what_may_have() {
        let of =
            |kind, text: &str| never_sent(&ureq::Error::Io(io::Error::new(kind, text.to_owned())));
        let lookup = "failed to lookup address information: Name or service not known";
        assert_eq!(
            of(ErrorKind::Other, lookup).as_deref(),
            Some("its name is unknown")
        );
        assert!(of(ErrorKind::HostUnreachable, "no route").is_some());
        let corrupt = of(ErrorKind::InvalidData, "received corrupt message");
        assert!(corrupt.expect("a reason").contains("https"));
        assert_eq!(of(ErrorKind::ConnectionReset, "reset"), None);
        assert_eq!(of(ErrorKind::UnexpectedEof, "end"), None);
        let unknown = never_sent(&ureq::Error::HostNotFound);
        assert_eq!(unknown.as_deref(), Some("its name is unknown"));
    }
}
