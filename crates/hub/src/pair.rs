//! Preference pairs: a prompt and two answers.

use crate::conversation::{Conversation, RenderedConversation, Segment, read_messages};
use crate::error::HubError;
use crate::ordered::OrderedJson;
use crate::template::{ChatTemplate, RenderOptions};
use crate::tokenizer::SpecialTokens;

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

    /// Reads `prompt`, `chosen` and `rejected`, all text or all lists of messages. Without a prompt the
    /// messages that both answers begin with are it.
    ///
    /// # Errors
    ///
    /// [`HubError::Conversation`].
    pub fn read(value: &OrderedJson, what: &str) -> Result<Self, HubError> {
        let refuse = |why: &str| HubError::Conversation {
            what: what.to_owned(),
            why: why.to_owned(),
        };
        let (prompt, chosen, rejected) = (&value["prompt"], &value["chosen"], &value["rejected"]);
        if let (Some(prompt), Some(chosen), Some(rejected)) =
            (prompt.as_str(), chosen.as_str(), rejected.as_str())
        {
            return Ok(PreferencePair {
                form: Form::Text {
                    prompt: prompt.to_owned(),
                    chosen: chosen.to_owned(),
                    rejected: rejected.to_owned(),
                },
            });
        }
        if chosen.as_array().is_none() || rejected.as_array().is_none() || prompt.as_str().is_some()
        {
            return Err(refuse(
                "prompt, chosen and rejected do not fit together - allowed: three texts, or lists of \
                 messages with the prompt in its own list or at the beginning of both answers",
            ));
        }
        let mut chosen = read_messages(chosen, what)?;
        let mut rejected = read_messages(rejected, what)?;
        let common = if prompt.is_null() {
            chosen
                .iter()
                .zip(&rejected)
                .take_while(|(a, b)| a == b)
                .count()
        } else {
            let prompt = read_messages(prompt, what)?;
            chosen.splice(0..0, prompt.iter().cloned());
            rejected.splice(0..0, prompt.iter().cloned());
            prompt.len()
        };
        if common == 0 || common >= chosen.len().min(rejected.len()) {
            return Err(refuse(
                "no prompt, or no answer behind it - allowed: answers that differ behind a common \
                 beginning",
            ));
        }
        let whole = |messages| {
            let mut fields = vec![("messages".to_owned(), OrderedJson::Array(messages))];
            for name in ["tools", "documents", "chat_template_kwargs"] {
                fields.push((name.to_owned(), value[name].clone()));
            }
            Conversation::read(&OrderedJson::Object(fields), what)
        };
        Ok(PreferencePair {
            form: Form::Messages {
                prompt: common,
                chosen: whole(chosen)?,
                rejected: whole(rejected)?,
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
