//! Prompts to ids.

use std::cell::Cell;

use alignment::text_model::{TextModel, wide};
use hub::{Conversation, HubError, OrderedJson, RenderOptions};
use search::dialogue::{Form, Prompt, Speaker, Turn};
use search::job::Usage;
use search::language::ModelError;

use crate::search::serving::role;

/// Renders prompts by a model's chat template.
pub(super) struct Renderer<'a> {
    model: &'a TextModel,
    /// The template takes no system message: the rules go into the first one of the user.
    without_system: Cell<bool>,
}

impl<'a> Renderer<'a> {
    pub(super) fn new(model: &'a TextModel) -> Self {
        Self {
            model,
            without_system: Cell::new(false),
        }
    }

    /// The ids of a prompt. Tools are described in words.
    pub(super) fn ids(&self, prompt: &Prompt) -> Result<Vec<i64>, ModelError> {
        match prompt.form {
            Form::Text => {
                let texts = prompt.turns.iter().map(|turn| turn.text.as_str());
                let ids = self
                    .model
                    .tokenizer
                    .encode(&texts.collect::<String>(), true);
                Ok(wide(&ids.map_err(|error| unreadable(&error))?))
            }
            Form::Conversation => {
                let ids = self.conversation(prompt.in_words().turns);
                ids.map_err(|error| unreadable(&error))
            }
        }
    }

    /// The ids of a text that continues a prompt.
    pub(super) fn plain(&self, text: &str) -> Result<Vec<i64>, ModelError> {
        let ids = self.model.tokenizer.encode(text, false);
        Ok(wide(&ids.map_err(|error| unreadable(&error))?))
    }

    fn conversation(&self, turns: Vec<Turn>) -> Result<Vec<i64>, HubError> {
        if self.without_system.get() {
            return self.rendered(&without_system(turns));
        }
        let rendered = self.rendered(&turns);
        let has_system = turns.iter().any(|turn| turn.speaker == Speaker::System);
        if rendered.is_ok() || !has_system {
            return rendered;
        }
        // Many templates refuse one.
        let ids = self.rendered(&without_system(turns))?;
        self.without_system.set(true);
        Ok(ids)
    }

    fn rendered(&self, turns: &[Turn]) -> Result<Vec<i64>, HubError> {
        let messages = turns.iter();
        let messages = messages.map(|turn| OrderedJson::message(role(turn.speaker), &turn.text));
        let conversation = Conversation::new(messages.collect());
        let options = RenderOptions {
            // One day for a whole search: a prompt keeps its beginning over midnight.
            now: self.model.now,
            ..RenderOptions::default()
        };
        let rendered = conversation.prompt(self.model.chat_template()?, &options)?;
        let tokens = rendered.tokens(&self.model.tokenizer)?;
        Ok(tokens.iter().map(|(id, _, _)| i64::from(*id)).collect())
    }
}

fn without_system(turns: Vec<Turn>) -> Vec<Turn> {
    let (rules, mut others): (Vec<Turn>, Vec<Turn>) = turns
        .into_iter()
        .partition(|turn| turn.speaker == Speaker::System);
    let first = others.iter_mut().find(|turn| turn.speaker == Speaker::User);
    if let Some(first) = first {
        let rules: String = rules
            .iter()
            .map(|turn| format!("{}\n\n", turn.text))
            .collect();
        first.text.insert_str(0, &rules);
    }
    others
}

/// A model without a template cannot be talked to at all.
fn unreadable(error: &HubError) -> ModelError {
    ModelError {
        why: error.to_string(),
        fatal: matches!(error, HubError::Template { .. }),
        usage: Usage::default(),
    }
}
