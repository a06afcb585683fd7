//! What was said, and what of it the model reads.

use hub::{Conversation as Messages, HubError, OrderedJson, RenderOptions};
use serde_json::{Map, Value};

use super::super::{TextModel, wide};
use crate::exit::{BAD_CONFIG, Failure};

/// Where a thought begins.
const THOUGHT: &str = "<think>";
/// Part of the context that is kept for an answer, however long it may become.
const ANSWER_SHARE: usize = 4;

/// Messages of both sides.
pub(super) struct Conversation<'a> {
    model: &'a TextModel,
    /// Plain text that is continued, without a template.
    raw: bool,
    system: Option<String>,
    messages: Vec<OrderedJson>,
    /// Messages at the beginning that no longer fit.
    left_out: usize,
    /// What stood behind the message that is being answered, should there be no answer.
    before: Option<OrderedJson>,
}

/// A conversation as the model reads it.
pub(super) struct Reading {
    pub(super) ids: Vec<i64>,
    /// The template itself began a thought.
    pub(super) thinking: bool,
    /// Messages that were left out just now.
    pub(super) left_out: usize,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(model: &'a TextModel, raw: bool, system: Option<String>) -> Self {
        Self {
            model,
            raw,
            system,
            messages: Vec::new(),
            left_out: 0,
            before: None,
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        self.before = None;
        self.messages.push(OrderedJson::message("user", text));
    }

    pub(super) fn answered(&mut self, text: &str) {
        self.messages.push(OrderedJson::message("assistant", text));
    }

    /// Takes the last answer back, so that its question is answered again.
    pub(super) fn take_back(&mut self) -> bool {
        let last = self.messages.last();
        if last.is_some_and(|message| message["role"].as_str() == Some("assistant")) {
            self.before = self.messages.pop();
        }
        !self.messages.is_empty()
    }

    /// There was no answer: the question is taken back, or the old answer put back.
    pub(super) fn undo(&mut self) {
        match self.before.take() {
            Some(answer) => self.messages.push(answer),
            None => drop(self.messages.pop()),
        }
    }

    /// An empty text takes the system message away.
    pub(super) fn set_system(&mut self, text: String) {
        self.system = Some(text).filter(|text| !text.is_empty());
    }

    pub(super) fn forget(&mut self) {
        self.messages.clear();
        self.left_out = 0;
    }

    /// Goes on with a conversation of another day.
    pub(super) fn replace(&mut self, messages: Vec<OrderedJson>) -> Result<(), String> {
        let read = Messages::read(&OrderedJson::Array(messages), "messages");
        let mut messages = read.map_err(|error| error.to_string())?.messages;
        self.forget();
        self.system = None;
        let first = messages.first();
        if first.is_some_and(|message| message["role"].as_str() == Some("system")) {
            self.system = messages.remove(0)["content"].as_str().map(str::to_owned);
        }
        self.messages = messages;
        Ok(())
    }

    /// The conversation with room for an answer. Turns at its beginning are left out, for
    /// good, when it is too long.
    pub(super) fn fit(
        &mut self,
        arguments: &Map<String, Value>,
        context: usize,
        answer: usize,
    ) -> Result<Reading, Failure> {
        let room = answer.min(context / ANSWER_SHARE).max(1);
        let before = self.left_out;
        loop {
            let (ids, text) = self.read(arguments)?;
            if ids.len() + room <= context {
                return Ok(Reading {
                    ids,
                    thinking: text.trim_end().ends_with(THOUGHT),
                    left_out: self.left_out - before,
                });
            }
            let next = self.next_turn();
            if next >= self.messages.len() {
                self.left_out = before;
                let message = format!(
                    "a message of {} tokens with what belongs to it - allowed: {}, since the model's context is {context} and an answer needs {room} - shorten it",
                    ids.len(),
                    context - room
                );
                return Err(Failure::new(BAD_CONFIG, message));
            }
            self.left_out = next;
        }
    }

    /// The next message of the user behind the first that is read.
    fn next_turn(&self) -> usize {
        let later = self.left_out + 1;
        let users = self.messages.iter().enumerate().skip(later);
        let mut users = users.filter(|(_, message)| message["role"].as_str() == Some("user"));
        users.next().map_or(self.messages.len(), |(index, _)| index)
    }

    fn read(&self, arguments: &Map<String, Value>) -> Result<(Vec<i64>, String), HubError> {
        let tokenizer = &self.model.tokenizer;
        let messages = &self.messages[self.left_out..];
        if self.raw {
            let contents = messages
                .iter()
                .filter_map(|message| message["content"].as_str());
            let text: String = self.system.as_deref().into_iter().chain(contents).collect();
            return Ok((wide(&tokenizer.encode(&text, true)?), text));
        }
        let system = self.system.as_deref();
        let system = system.map(|text| OrderedJson::message("system", text));
        let messages = Messages::new(system.into_iter().chain(messages.iter().cloned()).collect());
        let options = RenderOptions {
            arguments: arguments.clone(),
            ..RenderOptions::default()
        };
        let rendered = messages.prompt(self.model.chat_template()?, &options)?;
        let tokens = rendered.tokens(tokenizer)?;
        let ids = tokens.iter().map(|(id, _, _)| i64::from(*id)).collect();
        Ok((ids, rendered.text))
    }
}
