//! An OpenAI-compatible server.
//!
//! | module | what it holds |
//! |---|---|
//! | `requests` | prompts to messages, with the server's own tools or in words |
//! | `replies` | answers to completions, and what they are charged |

mod replies;
mod requests;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use configs::env::Environment;
use configs::finetune;
use configs::search::{DialogueStyle, SearchConfig};
use openai::{Answer, Ask, Client, Dialect, Event, ServerError};
use search::job::Usage;
use search::language::{Completion, CompletionModel, CompletionRequest, ModelError};

use crate::exit::{BAD_CONFIG, ENVIRONMENT, Failure};

/// The server of the settings. Nothing is sent yet.
pub fn model(config: &SearchConfig) -> Result<ServerModel, Failure> {
    ServerModel::new(config, &Environment::process())
}

/// A server that answers, many requests at a time.
pub struct ServerModel {
    client: Client,
    /// What kind of server it is, once it was asked.
    dialect: Option<Dialect>,
    /// Tools are offered by the server's own protocol, until it refuses them.
    native_tools: bool,
    stream: bool,
    /// A reply that nobody heard is charged as if it had been as long as allowed.
    charges_silence: bool,
}

impl ServerModel {
    /// As [`model`], with the key from `environment`.
    fn new(config: &SearchConfig, environment: &Environment) -> Result<Self, Failure> {
        let section = &config.server;
        if config.dialogue.style == DialogueStyle::Compact {
            return Err(Failure::new(
                BAD_CONFIG,
                "dialogue.style: compact, with model.kind = server - allowed: chat, since servers answer messages - set dialogue.style = chat, or model.kind = local",
            ));
        }
        let patience = finetune::ServerConfig {
            url: section.url.clone(),
            model: section.model.clone(),
            key_variable: section.key_variable.clone(),
            concurrency: section.concurrency,
            timeout_seconds: section.timeout_seconds,
            retries: section.retries,
        };
        let client = Client::new("server", &patience, environment).map_err(|error| {
            let code = match error {
                ServerError::Settings { .. } => BAD_CONFIG,
                _ => ENVIRONMENT,
            };
            Failure::new(code, error.to_string())
        })?;
        Ok(Self {
            client: if section.charge_timeouts {
                // A second try would need a budget of its own, which the search gives it.
                client.paying_once()
            } else {
                client
            },
            dialect: None,
            native_tools: section.tools_api,
            stream: section.stream,
            charges_silence: section.charge_timeouts,
        })
    }

    /// Sends requests and reads their answers; those that the server refuses for their tools are left out.
    fn send(
        &self,
        requests: &[CompletionRequest],
        places: &[usize],
        dialect: Dialect,
        replies: &mut [Option<Result<Completion, ModelError>>],
    ) {
        let asks: Vec<Ask> = places
            .iter()
            .map(|place| requests::ask(&requests[*place], dialect, self.native_tools, self.stream))
            .collect();
        let begin = Instant::now();
        let mut told = |event: Event| {
            if let Event::Answered(at, answer) = event {
                let reply = self.reply(&requests[places[at]], &asks[at], answer, begin.elapsed());
                replies[places[at]] = reply;
            }
            ControlFlow::Continue(())
        };
        if let Err(error) = self.client.chat_all(&asks, &mut told) {
            for place in places {
                replies[*place].get_or_insert_with(|| Err(failed(&error, Usage::default())));
            }
        }
    }

    /// A reply; none where the request is to be put in words.
    fn reply(
        &self,
        request: &CompletionRequest,
        ask: &Ask,
        answer: Result<Answer, ServerError>,
        took: Duration,
    ) -> Option<Result<Completion, ModelError>> {
        match answer {
            Ok(answer) => Some(Ok(replies::completion(request, ask, answer))),
            Err(ServerError::ToolsRefused { .. }) => None,
            Err(error) => {
                let usage = if self.charges_silence && error.may_be_answered() {
                    replies::silence(request, ask, took)
                } else {
                    Usage {
                        milliseconds: took.as_millis() as u64,
                        ..Usage::default()
                    }
                };
                Some(Err(failed(&error, usage)))
            }
        }
    }
}

impl CompletionModel for ServerModel {
    fn complete(&mut self, requests: &[CompletionRequest]) -> Vec<Result<Completion, ModelError>> {
        let dialect = *self.dialect.get_or_insert_with(|| self.client.dialect());
        let mut replies: Vec<Option<Result<Completion, ModelError>>> = requests
            .iter()
            .map(|request| requests::refusal(request).map(Err))
            .collect();
        let left = |replies: &[Option<_>]| -> Vec<usize> {
            let places = replies.iter().enumerate();
            let places = places.filter(|(_, reply)| reply.is_none());
            places.map(|(place, _)| place).collect()
        };
        let places = left(&replies);
        self.send(requests, &places, dialect, &mut replies);
        let places = left(&replies);
        if !places.is_empty() {
            // Only tools are a reason to be left: the same in words, from now on.
            self.native_tools = false;
            self.send(requests, &places, dialect, &mut replies);
        }
        let unanswered = || Err(failed(&ServerError::Stopped, Usage::default()));
        replies
            .into_iter()
            .map(|reply| reply.unwrap_or_else(unanswered))
            .collect()
    }
}

/// What is about the server as a whole ends the search; a connection that broke may hold the next time.
fn failed(error: &ServerError, usage: Usage) -> ModelError {
    ModelError {
        why: error.to_string(),
        fatal: error.concerns_all() && !error.may_be_answered(),
        usage,
    }
}

#[cfg(test)]
mod tests;
