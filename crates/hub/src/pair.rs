//! Preference pairs: a prompt and two answers.

use dataset::{PairParts, Part};

use crate::conversation::{Conversation, RenderedConversation, Segment, read_messages};
use crate::error::HubError;
use crate::ordered::OrderedJson;
use crate::template::{ChatTemplate, RenderOptions};
use crate::tokenizer::SpecialTokens;

const NOTHING: &str =
    "no prompt, or no answer behind it - allowed: answers that differ behind a common beginning";

/// A prompt with the answer that was preferred and the one that was not.
#[derive(Debug, Clone, PartialEq)]
pub struct PreferencePair {
    form: Form,
}

#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// Plain text without a template.
    Text {
        prompt: String,
        chosen: String,
        rejected: String,
    },
    /// Messages; the prompt's come first in both.
    Messages {
        prompt: usize,
        chosen: Conversation,
        rejected: Conversation,
    },
}

/// Both answers behind their prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedPair {
    /// The preferred one.
    pub chosen: RenderedConversation,
    /// The other one.
    pub rejected: RenderedConversation,
}

impl PreferencePair {
    /// Whether an object is meant as a pair.
    #[must_use]
    pub fn is_pair(value: &OrderedJson) -> bool {
        value.get("chosen").is_some() && value.get("rejected").is_some()
    }

    /// Reads `prompt`, `chosen` and `rejected`, texts or lists of messages, by the rule that data files are read
    /// with ([`PairParts::split`]): without a prompt it is what both answers begin with.
    ///
    /// # Errors
    ///
    /// [`HubError::Conversation`].
    pub fn read(value: &OrderedJson, what: &str) -> Result<Self, HubError> {
        let refuse = |why: &str| HubError::Conversation {
            what: what.to_owned(),
            why: why.to_owned(),
        };
        let part = |name: &str| match value[name].as_str() {
            Some(text) => Ok(Part::Text(text.to_owned())),
            None => read_messages(&value[name], what).map(Part::Turns),
        };
        let prompt = match &value["prompt"] {
            asked if asked.is_null() => None,
            _ => Some(part("prompt")?),
        };
        let user = |text: String| OrderedJson::message("user", &text);
        let pair =
            PairParts::split(prompt, part("chosen")?, part("rejected")?, user).map_err(refuse)?;
        let (mut turns, chosen, rejected) = match (pair.prompt, pair.chosen, pair.rejected) {
            (Part::Text(prompt), Part::Text(chosen), Part::Text(rejected)) => {
                if prompt.trim().is_empty() || chosen.is_empty() || rejected.is_empty() {
                    return Err(refuse(NOTHING));
                }
                return Ok(PreferencePair {
                    form: Form::Text {
                        prompt,
                        chosen,
                        rejected,
                    },
                });
            }
            (Part::Turns(prompt), Part::Turns(chosen), Part::Turns(rejected)) => {
                (prompt, chosen, rejected)
            }
            _ => return Err(refuse(NOTHING)),
        };
        let prompt = turns.len();
        if prompt == 0 || chosen.is_empty() || rejected.is_empty() {
            return Err(refuse(NOTHING));
        }
        let whole = |messages| {
            let mut fields = vec![("messages".to_owned(), OrderedJson::Array(messages))];
            for name in ["tools", "documents", "chat_template_kwargs"] {
                fields.push((name.to_owned(), value[name].clone()));
            }
            Conversation::read(&OrderedJson::Object(fields), what)
        };
        let mut other = turns.clone();
        turns.extend(chosen);
        other.extend(rejected);
        Ok(PreferencePair {
            form: Form::Messages {
                prompt,
                chosen: whole(turns)?,
                rejected: whole(other)?,
            },
        })
    }

    /// Both texts; what is behind the prompt is marked as the answer. Plain text needs no template and
    /// ends with the end of text.
    ///
    /// # Errors
    ///
    /// [`HubError::Template`], also where messages have no template.
    pub fn render(
        &self,
        template: Option<&ChatTemplate>,
        special: &SpecialTokens,
        options: &RenderOptions,
    ) -> Result<RenderedPair, HubError> {
        match &self.form {
            Form::Text {
                prompt,
                chosen,
                rejected,
            } => {
                let end = special.get("eos_token").unwrap_or_default();
                let whole = |answer: &str| RenderedConversation {
                    text: format!("{prompt}{answer}{end}"),
                    answers: vec![Segment {
                        message: 1,
                        range: prompt.len()..prompt.len() + answer.len() + end.len(),
                    }],
                    notes: Vec::new(),
                };
                Ok(RenderedPair {
                    chosen: whole(chosen),
                    rejected: whole(rejected),
                })
            }
            Form::Messages {
                prompt,
                chosen,
                rejected,
            } => {
                let template = template.ok_or_else(|| HubError::Template {
                    why:
                        "is missing: the model has none - give prompt, chosen and rejected as text"
                            .to_owned(),
                })?;
                Ok(RenderedPair {
                    chosen: answer(chosen, *prompt, template, options)?,
                    rejected: answer(rejected, *prompt, template, options)?,
                })
            }
        }
    }
}

/// Everything behind the prompt is one answer.
fn answer(
    conversation: &Conversation,
    prompt: usize,
    template: &ChatTemplate,
    options: &RenderOptions,
) -> Result<RenderedConversation, HubError> {
    let messages = &conversation.messages;
    let before = conversation.text(template, &messages[..prompt], options, true)?;
    let text = conversation.text(template, messages, options, false)?;
    let mut rendered = RenderedConversation {
        answers: vec![Segment {
            message: prompt,
            range: before.len()..text.len(),
        }],
        text,
        notes: Vec::new(),
    };
    if !rendered.text.starts_with(&before) {
        rendered.put_behind(before, &messages[prompt], template, prompt);
    }
    Ok(rendered)
}
