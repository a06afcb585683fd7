//! What a search asks of its backend, and what comes back.
//!
//! A [`Job`] holds all that is needed to serve it, so that it can be served anywhere, in any
//! order, and again after a crash.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::tree::NodeId;

/// Names a job of one search. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What is asked. Expected answers are not part of it: no search can see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its identity in the data set.
    pub id: Arc<str>,
    /// As asked.
    pub text: Arc<str>,
}

impl Question {
    /// A question by its identity and text.
    pub fn new(id: &str, text: &str) -> Self {
        Self {
            id: id.into(),
            text: text.into(),
        }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Reasoning alone.
    Think,
    /// One call of a tool.
    Call {
        /// The tool's name.
        tool: String,
        /// What it is given.
        input: String,
    },
    /// The answer.
    Answer {
        /// The answer.
        text: String,
    },
}

/// One edge of the tree: a thought, an action, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The reasoning before the action.
    pub thought: String,
    /// What was done.
    pub action: Action,
    /// What a tool gave back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation: Option<String>,
}

/// What the next step from a node is for (BAVT's structured instructions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instruction {
    /// The last step gained: go on from it.
    Deepen,
    /// Steps from here gained nothing: try another one.
    Widen,
    /// The evidence is enough: answer.
    Answer,
}

/// What the prompt says of the budget: last, since it changes with every job.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remaining {
    /// Tokens neither spent nor promised; none without a limit.
    pub tokens: Option<u64>,
    /// Tool calls neither spent nor promised, in units of their cost; none without a limit.
    pub tool_calls: Option<u64>,
    /// The remaining share of the tightest budget, in 0..=1.
    pub fraction: f64,
}

/// One request to a model or a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its identity; the outcome is told under it.
    pub id: JobId,
    /// The node that it is for: of a step the one that is continued, of a judgement the one
    /// that is judged.
    pub node: NodeId,
    /// What is wanted.
    pub kind: JobKind,
    /// Question, plan and path.
    pub state: Arc<State>,
    /// What is left of the budgets.
    pub remaining: Remaining,
    /// Most tokens the reply may take. They are reserved already.
    pub max_tokens: u64,
    /// Seed of the job's random stream: of the search's seed and the job's identity.
    pub seed: u64,
}

/// The path from the question to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// As asked.
    pub question: Arc<str>,
    /// Its identity in the data set.
    pub question_id: Arc<str>,
    /// The plan made at the root, where there is one.
    pub plan: Option<Arc<str>>,
    /// The steps, the oldest first; of a judgement the last one is judged.
    pub steps: Vec<Arc<Step>>,
    /// The value of the node that the path ends at, 0.1..=1; of a judgement the parent's.
    pub value: f64,
}

/// What is wanted of the backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobKind {
    /// A plan, before anything else.
    Plan,
    /// A thought and an action that continue the path.
    Step {
        /// What the step is for.
        instruction: Instruction,
        /// Actions that were tried here and gained nothing.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tried: Vec<Action>,
        /// Whether a tool may be called.
        tools_allowed: bool,
    },
    /// A tool's reply.
    Tool {
        /// The tool's name.
        tool: String,
        /// What it is given.
        input: String,
    },
    /// A judgement of the last step.
    Critic,
    /// The answer that the path supports.
    Answer {
        /// The budget ran out: no step is possible any more.
        forced: bool,
    },
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Of [`JobKind::Plan`].
    Planned {
        /// The plan.
        text: String,
        /// What it cost.
        usage: Usage,
    },
    /// Of [`JobKind::Step`].
    Stepped {
        /// The reasoning.
        thought: String,
        /// What is to be done.
        action: Action,
        /// The reply was cut at its most tokens.
        #[serde(default)]
        cut: bool,
        /// What it cost.
        usage: Usage,
    },
    /// Of [`JobKind::Tool`].
    Observed {
        /// What the tool gave back, or why it did not.
        text: String,
        /// It did not work.
        #[serde(default)]
        failed: bool,
        /// What it cost.
        usage: Usage,
    },
    /// Of [`JobKind::Critic`].
    Judged {
        /// What the step added, on the scale of 1 to 10; none when the reply could not be read.
        delta: Option<f64>,
        /// How good the state is, 1 to 10, where the critic was asked for that.
        #[serde(default)]
        score: Option<f64>,
        /// Whether the evidence is enough, in the critic's opinion.
        #[serde(default)]
        sufficient: Option<bool>,
        /// Why, in the critic's words.
        #[serde(default)]
        why: String,
        /// What it cost.
        usage: Usage,
    },
    /// Of [`JobKind::Answer`].
    Answered {
        /// The answer.
        text: String,
        /// What it cost.
        usage: Usage,
    },
    /// Of any job.
    Failed {
        /// What failed.
        why: String,
        /// No other job can work either: the search ends.
        #[serde(default)]
        fatal: bool,
        /// What it cost all the same.
        usage: Usage,
    },
}

impl Outcome {
    /// What it cost.
    pub fn usage(&self) -> Usage {
        match self {
            Self::Planned { usage, .. }
            | Self::Stepped { usage, .. }
            | Self::Observed { usage, .. }
            | Self::Judged { usage, .. }
            | Self::Answered { usage, .. }
            | Self::Failed { usage, .. } => *usage,
        }
    }
}

/// What a job cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the reply, reasoning included.
    pub output_tokens: u64,
    /// Tokens of reasoning, a part of `output_tokens`.
    pub reasoning_tokens: u64,
    /// Tokens of the prompt that were computed before, a part of `prompt_tokens`.
    pub cached_tokens: u64,
    /// Units of tool calls; the machine charges the configured cost of the tool where it is 0.
    pub tool_units: u64,
    /// Time it took.
    pub milliseconds: u64,
    /// Money, in millionths of a dollar.
    pub micro_dollars: u64,
    /// The tokens were counted here, not told by the server.
    pub estimated: bool,
}

/// What became of an outcome that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was taken.
    Taken,
    /// The job's outcome was told before; nothing changed.
    Duplicate,
    /// No such job was asked; nothing changed.
    Unknown,
}
