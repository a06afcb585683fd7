//! How a job is put to a language model, and how its reply is read.
//!
//! | style | for |
//! |---|---|
//! | [`chat`] | models that follow instructions |
//! | [`compact`] | the small searcher of this repository |
//!
//! Every prompt begins with what stays the same (rules, question, plan), goes on along the path
//! from the root, and ends with what changes from job to job (the budget left, what was tried):
//! a model that keeps the computed beginnings of prompts then computes only the end, and jobs of
//! one node share everything before it.

pub mod chat;
pub mod compact;

use crate::job::{Action, Job};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The rules that stand above the conversation.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
    /// A tool, about the call in the assistant's turn before.
    Tool,
}

/// A call of a tool, as the model made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The tool's name.
    pub tool: String,
    /// What it is given.
    pub input: String,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who said it.
    pub speaker: Speaker,
    /// What.
    pub text: String,
    /// The call that an assistant's turn ends with. Its text does not repeat it.
    pub call: Option<ToolCall>,
}

impl Turn {
    /// A turn without a call.
    pub fn new(speaker: Speaker, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            speaker,
            text,
            call: None,
        }
    }
}

/// What a model is told of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolDescription {
    /// The name in calls: letters, digits and underscores.
    pub name: String,
    /// What it does, a sentence.
    pub purpose: String,
    /// What its input is, a few words.
    pub input: String,
}

/// What the model reads the turns as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A conversation, by the model's own chat template.
    Conversation,
    /// The texts of all turns in their order, as they stand.
    Text,
}

/// Everything a model is given for one reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// How the turns are read.
    pub form: Form,
    /// What was said so far, what stays the same first.
    pub turns: Vec<Turn>,
    /// Texts that end the reply and are no part of it.
    pub stop: Vec<String>,
    /// Tools that there are, the same for all jobs since they stand at the beginning; those who
    /// cannot offer them as such use [`Prompt::in_words`].
    pub tools: Vec<ToolDescription>,
    /// Whether the reply may call one.
    pub may_call: bool,
    /// How the last system turn goes on for a model that is to call tools in words.
    pub tools_in_words: String,
}

impl Prompt {
    /// The same for a model without a protocol for tools: calls and observations in words,
    /// neighbouring turns of one speaker in one.
    pub fn in_words(&self) -> Self {
        let mut turns: Vec<Turn> = Vec::with_capacity(self.turns.len());
        for turn in &self.turns {
            let (speaker, text) = match (turn.speaker, &turn.call) {
                (Speaker::Tool, _) => (Speaker::User, format!("Observation: {}", turn.text)),
                (speaker, Some(call)) => (speaker, joined(&turn.text, "\n", &call.in_words())),
                (Speaker::System, None) => (
                    Speaker::System,
                    joined(&turn.text, "\n\n", &self.tools_in_words),
                ),
                (speaker, None) => (speaker, turn.text.clone()),
            };
            match turns.last_mut().filter(|last| last.speaker == speaker) {
                Some(last) => last.text = joined(&last.text, "\n\n", &text),
                None => turns.push(Turn::new(speaker, text)),
            }
        }
        Self {
            turns,
            tools: Vec::new(),
            tools_in_words: String::new(),
            ..self.clone()
        }
    }
}

impl ToolCall {
    /// `Action: search["capital of France"]`: the input is a JSON string.
    pub fn in_words(&self) -> String {
        let input = serde_json::Value::from(self.input.as_str());
        format!("Action: {}[{input}]", self.tool)
    }
}

fn joined(first: &str, between: &str, second: &str) -> String {
    if first.is_empty() || second.is_empty() {
        return format!("{first}{second}");
    }
    format!("{first}{between}{second}")
}

/// A critic's reply, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// What the last step added, in points of 10; none when the reply says nothing of it.
    pub delta: Option<f64>,
    /// How good the state is as a whole, in points of 10, where that was asked for.
    pub score: Option<f64>,
    /// Whether the question can be answered now.
    pub sufficient: Option<bool>,
    /// Why.
    pub why: String,
}

/// An answer that a critic may give, and what it means.
#[derive(Clone, Debug, PartialEq)]
pub struct CriticChoice {
    /// How the reply goes on after the prompt.
    pub text: String,
    /// The points that it gives.
    pub points: f64,
}

/// Jobs to prompts, replies to what they mean. No reply is an error: what cannot be read is a
/// thought, an answer as it stands, or a judgement without a number.
pub trait PromptStyle {
    /// What the model is given for a job of any kind but a tool's.
    fn prompt(&self, job: &Job) -> Prompt;

    /// A step's thought, and what it does. `cut` when the reply ended at its limit of tokens:
    /// what is unfinished is then a thought and no call.
    fn read_step(&self, reply: &str, cut: bool) -> (String, Action);

    /// A critic's words.
    fn read_judgement(&self, reply: &str) -> Judgement;

    /// A plan.
    fn read_plan(&self, reply: &str) -> String {
        reply.trim().to_owned()
    }

    /// An answer; empty when there is none.
    fn read_answer(&self, reply: &str) -> String {
        reply.trim().to_owned()
    }

    /// What `points`, the expectation over [`PromptStyle::critic_choices`], say.
    fn judged(&self, points: f64) -> Judgement {
        Judgement {
            delta: Some(points),
            ..Judgement::default()
        }
    }

    /// The critic's answers, one of which its reply is, where the model can weigh them; empty
    /// where it writes freely.
    fn critic_choices(&self) -> Vec<CriticChoice> {
        Vec::new()
    }
}
