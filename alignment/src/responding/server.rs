//! Responses from an OpenAI-compatible server that runs the policy's model.
//!
//! The server renders the prompt with its own copy of the chat template, so that a model without one
//! cannot be served. Ids are not part of the protocol: responses are tokenised when they are learnt from.

use std::ops::ControlFlow;

use configs::env::Environment;
use configs::finetune::{DataConfig, GenerationConfig};
use dataset::{Message, Response};
use hub::ThinkMarks;
use openai::{Choice, Client, Event, ServerError};
use serde_json::json;

use super::{Ask, Responder, TRACE_TOKENS, Told, UNCLOSED};
use crate::failure::FinetuneError;
use crate::text_model::TextModel;

/// A server with the settings of data and generation.
pub struct ServerResponder<'a> {
    model: &'a TextModel,
    client: Client,
    system: Option<String>,
    marks: ThinkMarks,
    generation: GenerationConfig,
}

impl<'a> ServerResponder<'a> {
    /// Sends nothing yet. `model` counts tokens and says whether there is a chat template.
    ///
    /// # Errors
    /// Settings of the server that cannot work; a model without a chat template.
    pub fn new(
        model: &'a TextModel,
        data: &DataConfig,
        generation: &GenerationConfig,
        environment: &Environment,
    ) -> Result<Self, FinetuneError> {
        if model.template.is_none() {
            return Err(FinetuneError::Settings(format!(
                "generation.kind: server, but {} has no chat template - allowed: a model made for conversations, since a server answers messages - set generation.kind = policy",
                model.folder.path().display()
            )));
        }
        let client = Client::new("generation.server", &generation.server, environment)?;
        Ok(Self {
            model,
            client,
            system: data.system.clone(),
            marks: ThinkMarks::from(data),
            generation: generation.clone(),
        })
    }

    /// The same with the best token always.
    #[must_use]
    pub fn greedy(mut self) -> Self {
        self.generation.temperature = 0.0;
        self.generation.top_p = 1.0;
        self.generation.top_k = 0;
        self
    }

    fn request(&self, ask: &Ask, responses: usize, seed: u64) -> openai::Ask {
        let mut messages = ask.content.messages("user");
        let has_system = messages
            .first()
            .is_some_and(|message| message.role == "system");
        if let (Some(system), false) = (&self.system, has_system) {
            messages.insert(0, Message::new("system", system));
        }
        openai::Ask {
            messages,
            choices: responses,
            seed: Some(seed.wrapping_add(ask.stream)),
            temperature: Some(self.generation.temperature),
            top_p: Some(self.generation.top_p),
            top_k: Some(self.generation.top_k).filter(|most| *most > 0),
            max_tokens: Some(self.generation.max_new_tokens),
            enable_thinking: ask.thinking,
            ..openai::Ask::default()
        }
    }

    /// A choice as a response: text apart from trace, lengths by the model's own tokenizer.
    fn response(&self, choice: Choice, thinking: Option<bool>) -> Result<Response, FinetuneError> {
        let cut = choice.finish.as_deref() == Some("length");
        let (trace, answer, closed) = match choice.reasoning {
            // The server took the trace out; one that was cut has no answer behind it.
            Some(trace) => {
                let answer = choice.text.trim().to_owned();
                let closed = !(cut && answer.is_empty());
                (Some(trace.trim().to_owned()), answer, closed)
            }
            None => {
                // A template that opens the trace leaves its mark in the prompt.
                let begun = choice.text.contains(&self.marks.open);
                let ended = choice.text.contains(&self.marks.close);
                let opened = !begun && (ended || (thinking == Some(true) && cut));
                let split = self.marks.split(&choice.text, opened);
                (split.trace, split.answer, split.closed)
            }
        };
        let count = |text: &str| -> Result<u64, FinetuneError> {
            Ok(self.model.tokenizer.encode(text, false)?.len() as u64)
        };
        let mut response = Response {
            finish: Some(if cut { "length" } else { "stop" }.to_owned()),
            ..Response::default()
        };
        let mut tokens = count(&answer)?;
        if let Some(trace) = trace {
            let inside = count(&trace)?;
            tokens += inside;
            response
                .extra
                .insert(TRACE_TOKENS.to_owned(), json!(inside));
            response.trace = Some(trace);
        }
        if !closed {
            response.extra.insert(UNCLOSED.to_owned(), json!(true));
        }
        response.tokens = Some(tokens);
        response.text = answer;
        Ok(response)
    }
}

impl Responder for ServerResponder<'_> {
    fn respond(
        &mut self,
        asks: &[Ask],
        responses: usize,
        seed: u64,
        told: &mut Told<'_>,
    ) -> Result<bool, FinetuneError> {
        self.respond_while(asks, responses, seed, told, &mut || {
            ControlFlow::Continue(())
        })
    }

    fn respond_while(
        &mut self,
        asks: &[Ask],
        responses: usize,
        seed: u64,
        told: &mut Told<'_>,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<bool, FinetuneError> {
        let requests: Vec<openai::Ask> = asks
            .iter()
            .map(|ask| self.request(ask, responses, seed))
            .collect();
        let mut failure = None;
        let ended = self.client.chat_all(&requests, &mut |event| {
            let heard = match event {
                Event::Waiting => Ok(go_on()),
                Event::Answered(place, answer) => self
                    .responses(&asks[place], answer)
                    .and_then(|responses| told(place, responses)),
            };
            heard.unwrap_or_else(|error| {
                failure.get_or_insert(error);
                ControlFlow::Break(())
            })
        });
        match (failure, ended) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(true),
            (None, Err(ServerError::Stopped)) => Ok(false),
            (None, Err(error)) => Err(error.into()),
        }
    }
}

impl ServerResponder<'_> {
    /// The responses of an answer; a prompt that is refused by itself is named.
    fn responses(
        &self,
        ask: &Ask,
        answer: Result<openai::Answer, ServerError>,
    ) -> Result<Vec<Response>, FinetuneError> {
        let answer = answer.map_err(|error| {
            FinetuneError::Server(if error.concerns_all() {
                error.to_string()
            } else {
                format!(
                    "prompt {}: {error}; what was answered is kept, and resuming asks for the rest",
                    ask.id
                )
            })
        })?;
        answer
            .choices
            .into_iter()
            .map(|choice| self.response(choice, ask.thinking))
            .collect()
    }
}
