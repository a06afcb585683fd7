//! Conversations as text, with the parts that an assistant said.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::error::HubError;
use crate::ordered::OrderedJson;
use crate::template::{ChatTemplate, RenderOptions};
use crate::tokenizer::ModelTokenizer;

/// Messages, and what a template is given with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Objects with `role` and `content` at least.
    pub messages: Vec<OrderedJson>,
    /// Tools as JSON schemas.
    pub tools: Option<OrderedJson>,
    /// Documents to answer from.
    pub documents: Option<OrderedJson>,
    /// Further arguments of the template.
    pub arguments: Map<String, Value>,
}

/// An answer in a rendered text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The message, counted from zero.
    pub message: usize,
    /// Bytes of the text.
    pub range: Range<usize>,
}

/// A conversation as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedConversation {
    /// The whole text.
    pub text: String,
    /// The assistant's parts, in order: what a model learns to write.
    pub answers: Vec<Segment>,
    /// What could not be done exactly, a sentence each.
    pub notes: Vec<String>,
}

impl Conversation {
    /// Messages alone.
    #[must_use]
    pub fn new(messages: Vec<OrderedJson>) -> Self {
        Conversation {
            messages,
            tools: None,
            documents: None,
            arguments: Map::new(),
        }
    }

    /// Reads a list of messages, or an object with `messages` and, where there are some, `tools`,
    /// `documents` and `chat_template_kwargs`. `what` names the place in messages.
    ///
    /// # Errors
    ///
    /// [`HubError::Conversation`].
    pub fn read(value: &OrderedJson, what: &str) -> Result<Self, HubError> {
        let list = value.get("messages").unwrap_or(value);
        let mut conversation = Conversation::new(read_messages(list, what)?);
        let given = |name: &str| value.get(name).filter(|value| !value.is_null()).cloned();
        conversation.tools = given("tools");
        conversation.documents = given("documents");
        if let Some(OrderedJson::Object(arguments)) = given("chat_template_kwargs") {
            let plain = |value| serde_json::to_value(value).unwrap_or_default();
            conversation.arguments = arguments
                .into_iter()
                .map(|(name, value)| (name, plain(value)))
                .collect();
        }
        Ok(conversation)
    }

    /// Renders some of the messages.
    pub(crate) fn text(
        &self,
        template: &ChatTemplate,
        messages: &[OrderedJson],
        options: &RenderOptions,
        generation_prompt: bool,
    ) -> Result<String, HubError> {
        let mut options = options.clone();
        options.generation_prompt = generation_prompt;
        options.tools = self.tools.clone().or(options.tools);
        options.documents = self.documents.clone().or(options.documents);
        for (name, value) in &self.arguments {
            options.arguments.insert(name.clone(), value.clone());
        }
        template.render(messages, &options)
    }

    /// The text up to where the next answer begins; nothing of it is marked.
    ///
    /// # Errors
    ///
    /// [`HubError::Template`].
    pub fn prompt(
        &self,
        template: &ChatTemplate,
        options: &RenderOptions,
    ) -> Result<RenderedConversation, HubError> {
        Ok(RenderedConversation {
            text: self.text(template, &self.messages, options, true)?,
            answers: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// The text with the assistant's answers in it.
    ///
    /// An answer is what the text of the messages up to it has more than the text of those before it
    /// with the beginning of an answer. Where one is not the beginning of the other, as in templates that
    /// drop earlier reasoning, an earlier answer is not marked, and the last one is put behind its prompt
    /// as it stands, with the end of text; a note says so.
    ///
    /// # Errors
    ///
    /// [`HubError::Template`].
    pub fn render(
        &self,
        template: &ChatTemplate,
        options: &RenderOptions,
    ) -> Result<RenderedConversation, HubError> {
        let mut rendered = RenderedConversation {
            text: self.text(template, &self.messages, options, false)?,
            answers: Vec::new(),
            notes: Vec::new(),
        };
        let last = self.messages.len().saturating_sub(1);
        for (index, message) in self.messages.iter().enumerate() {
            if message["role"].as_str() != Some("assistant") {
                continue;
            }
            let before = self.text(template, &self.messages[..index], options, true)?;
            let after = if index == last {
                rendered.text.clone()
            } else {
                self.text(template, &self.messages[..=index], options, false)?
            };
            if after.starts_with(&before) && rendered.text.starts_with(&after) {
                rendered.answers.push(Segment {
                    message: index,
                    range: before.len()..after.len(),
                });
            } else if index == last {
                rendered.put_behind(before, message, template, index);
            } else {
                rendered.notes.push(format!(
                    "message {} is not marked: the template writes it otherwise once others follow; \
                     give the conversation up to it by itself",
                    index + 1
                ));
            }
        }
        Ok(rendered)
    }
}

impl RenderedConversation {
    pub(crate) fn put_behind(
        &mut self,
        prompt: String,
        message: &OrderedJson,
        template: &ChatTemplate,
        index: usize,
    ) {
        let content = message["content"].as_str().unwrap_or_default();
        let end = template.special().get("eos_token").unwrap_or_default();
        // Places in a text that is replaced mean nothing.
        self.answers.clear();
        let begin = prompt.len();
        self.text = prompt + content + end;
        self.answers.push(Segment {
            message: index,
            range: begin..self.text.len(),
        });
        self.notes.push(format!(
            "message {}: the template's text of the prompt is not the beginning of its text of the whole; \
             the answer is put behind the prompt as it stands",
            index + 1
        ));
    }

    /// Ids, each with the bytes behind it and whether a model learns to write it.
    ///
    /// # Errors
    ///
    /// [`HubError::Tokenizer`].
    pub fn tokens(
        &self,
        tokenizer: &ModelTokenizer,
    ) -> Result<Vec<(u32, Range<usize>, bool)>, HubError> {
        let learnt = |at: usize| self.answers.iter().any(|answer| answer.range.contains(&at));
        Ok(tokenizer
            .encode_rendered(&self.text)?
            .into_iter()
            .map(|(id, range)| {
                let learnt = learnt(range.start);
                (id, range, learnt)
            })
            .collect())
    }
}

impl RenderedConversation {
    /// As [`RenderedConversation::tokens`], marked as a training learns them: where one answer
    /// follows its prompt, what a template writes behind its end token is not learnt, since
    /// sampling ends before it.
    ///
    /// # Errors
    ///
    /// [`HubError::Tokenizer`].
    pub fn learnt_tokens(
        &self,
        tokenizer: &ModelTokenizer,
    ) -> Result<Vec<(u32, Range<usize>, bool)>, HubError> {
        let mut tokens = self.tokens(tokenizer)?;
        let [answer] = self.answers.as_slice() else {
            return Ok(tokens);
        };
        if self.text[answer.range.clone()].ends_with(char::is_whitespace) {
            let ends = |token: &(u32, Range<usize>, bool)| {
                token.2 && tokenizer.end_ids().contains(&token.0)
            };
            let behind = tokens
                .iter()
                .rposition(ends)
                .map_or(tokens.len(), |at| at + 1);
            tokens[behind..]
                .iter_mut()
                .for_each(|token| token.2 = false);
        }
        Ok(tokens)
    }
}

/// A list of messages, each with a role.
pub(crate) fn read_messages(value: &OrderedJson, what: &str) -> Result<Vec<OrderedJson>, HubError> {
    let refuse = |why: String| HubError::Conversation {
        what: what.to_owned(),
        why,
    };
    let messages = value
        .as_array()
        .filter(|messages| !messages.is_empty())
        .ok_or_else(|| {
            refuse(
                "no messages - allowed: a list of {\"role\", \"content\"}, or an object with it as \
                 `messages`"
                    .to_owned(),
            )
        })?;
    for (index, message) in messages.iter().enumerate() {
        if message["role"].as_str().is_none() {
            return Err(refuse(format!(
                "message {} has no role - allowed: system, user, assistant, tool or what else the \
                 template knows",
                index + 1
            )));
        }
        if message["content"].as_str().is_none()
            && message["content"].as_array().is_none()
            && message["tool_calls"].is_null()
        {
            return Err(refuse(format!(
                "message {} has no content - allowed: a text",
                index + 1
            )));
        }
    }
    Ok(messages.to_vec())
}
