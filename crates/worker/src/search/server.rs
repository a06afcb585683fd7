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

use super::orders::Orders;
use crate::exit::{BAD_CONFIG, ENVIRONMENT, Failure};

/// The server of the settings, which is not waited for once the orders include a stop. Nothing is sent yet.
pub fn model(config: &SearchConfig, orders: Orders) -> Result<ServerModel, Failure> {
    ServerModel::new(config, &Environment::process(), orders)
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
    orders: Orders,
    /// Settings of sampling that the server would not take, and that were told.
    left_out: Vec<&'static str>,
    notes: Vec<String>,
}

impl ServerModel {
    /// As [`model`], with the key from `environment`.
    fn new(
        config: &SearchConfig,
        environment: &Environment,
        orders: Orders,
    ) -> Result<Self, Failure> {
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
            orders,
            left_out: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// Sends requests and reads their answers; those that the server refuses for their tools are left out, and
    /// its words about them are given back.
    fn send(
        &self,
        requests: &[CompletionRequest],
        places: &[usize],
        dialect: Dialect,
        replies: &mut [Option<Result<Completion, ModelError>>],
    ) -> Option<ServerError> {
        let asks: Vec<Ask> = places
            .iter()
            .map(|place| requests::ask(&requests[*place], dialect, self.native_tools, self.stream))
            .collect();
        let begin = Instant::now();
        let mut refused = None;
        let mut told = |event: Event| {
            match event {
                Event::Answered(_, Err(error @ ServerError::ToolsRefused { .. })) => {
                    refused = Some(error);
                }
                Event::Answered(at, answer) => {
                    let (request, ask) = (&requests[places[at]], &asks[at]);
                    replies[places[at]] = Some(self.reply(request, ask, answer, begin.elapsed()));
                }
                Event::Waiting => {}
            }
            match self.orders.include_stop() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        if let Err(error) = self.client.chat_all(&asks, &mut told) {
            for place in places {
                replies[*place].get_or_insert_with(|| Err(failed(&error, Usage::default())));
            }
        }
        refused
    }

    fn reply(
        &self,
        request: &CompletionRequest,
        ask: &Ask,
        answer: Result<Answer, ServerError>,
        took: Duration,
    ) -> Result<Completion, ModelError> {
        match answer {
            Ok(answer) => Ok(replies::completion(request, ask, answer)),
            Err(error) => {
                let usage = if self.charges_silence && error.may_be_answered() {
                    replies::silence(request, ask, took)
                } else {
                    Usage {
                        milliseconds: took.as_millis() as u64,
                        ..Usage::default()
                    }
                };
                Err(failed(&error, usage))
            }
        }
    }

    /// Notes the settings that the server was found not to take.
    fn note_left_out(&mut self) {
        for name in self.client.left_out() {
            if !self.left_out.contains(&name) {
                self.left_out.push(name);
                self.notes.push(format!(
                    "{} does not take {name}: it samples as it likes in that - leave the setting out, or take a server that has it",
                    self.client.url()
                ));
            }
        }
    }
}

impl CompletionModel for ServerModel {
    fn complete(&mut self, requests: &[CompletionRequest]) -> Vec<Result<Completion, ModelError>> {
        if self.dialect.is_none() {
            self.dialect = self.client.dialect();
        }
        // One that could not be asked is asked again with the next requests.
        let dialect = self.dialect.unwrap_or_default();
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
        let refused = self.send(requests, &places, dialect, &mut replies);
        let places = left(&replies);
        if let Some(refused) = refused.filter(|_| !places.is_empty()) {
            // The same in words, from now on.
            self.native_tools = false;
            self.notes
                .push(format!("tools are called in words from now on: {refused}"));
            self.send(requests, &places, dialect, &mut replies);
        }
        self.note_left_out();
        let unanswered = || Err(failed(&ServerError::Stopped, Usage::default()));
        replies
            .into_iter()
            .map(|reply| reply.unwrap_or_else(unanswered))
            .collect()
    }

    fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
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
