//! The lines of a search log.

use serde::{Deserialize, Serialize};

use crate::job::{Action, JobId, Outcome, Question};
use crate::resource::{Amounts, Limits, Resource};
use crate::settings::Settings;
use crate::tree::{Node, NodeId};

/// Version of the lines.
pub const LOG_VERSION: u32 = 1;

/// One line: an event and when it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEvent {
    /// [`LOG_VERSION`] of the writer.
    #[serde(rename = "v")]
    pub version: u32,
    /// Seconds since the search of this question began, by the driver's clock.
    #[serde(default)]
    pub time: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl LogEvent {
    /// An event at a time in seconds.
    pub fn at(time: f64, event: Event) -> Self {
        Self {
            version: LOG_VERSION,
            time,
            event,
        }
    }

    /// The event as one line of JSON, without the line feed.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("events hold strings, numbers and switches only")
    }
}

/// What happened. `settings`, `question`, `job`, `result` and `branch` decide the search; all
/// others follow from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// All that decides the search, save the question.
    Settings {
        /// Every choice.
        settings: Box<Settings>,
        /// The budgets.
        limits: Limits,
        /// The seed of all random streams.
        seed: u64,
    },
    /// What is asked.
    Question {
        /// Its identity in the data set.
        id: String,
        /// As asked.
        text: String,
        /// The method's name.
        policy: String,
    },
    /// A ceiling.
    Budget {
        /// `tokens`, `tool_calls`, `model_calls`, `seconds` or `dollars`.
        resource: String,
        /// The ceiling.
        limit: f64,
    },
    /// A job was asked for.
    Job {
        /// The job.
        id: JobId,
        /// The node that it is for.
        node: NodeId,
        /// `plan`, `step`, `tool`, `critic` or `answer`.
        work: String,
        /// Most tokens of the reply.
        max_tokens: u64,
        /// What was set aside.
        reserved: Amounts,
    },
    /// The outcome of a job was told.
    Result {
        /// The job.
        id: JobId,
        /// What came of it.
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// The search goes on with another seed and other budgets than before this line.
    Branch {
        /// The seed from here on.
        seed: u64,
        /// The budgets from here on.
        limits: Limits,
    },
    /// The plan.
    Plan {
        /// As the policy put it.
        text: String,
    },
    /// A node of the tree.
    Node {
        /// The node.
        id: NodeId,
        /// The node that it continues; none for the root.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<NodeId>,
        /// `root`, `thought`, `tool` or `answer`.
        role: String,
        /// Thought, action and observation.
        text: String,
    },
    /// A node was valued, or valued anew.
    Value {
        /// The node.
        id: NodeId,
        /// Its value from now on.
        value: f64,
        /// What its step added, in points of 10.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delta: Option<f64>,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// A node was selected.
    Visit {
        /// The node.
        id: NodeId,
        /// The probability of that.
        probability: f64,
        /// The remaining share of the tightest budget.
        ratio: f64,
    },
    /// Something was spent.
    Spend {
        /// Of which resource.
        resource: String,
        /// How much.
        amount: f64,
        /// For which node; none for the plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
    },
    /// A job cost more than it was allowed. What could not be paid was not charged.
    Violation {
        /// The job.
        id: JobId,
        /// The resource.
        resource: String,
        /// Units that it was allowed.
        allowed: u64,
        /// Units that it took.
        used: u64,
        /// Units that were charged.
        charged: u64,
    },
    /// A node will not be continued.
    Prune {
        /// The node.
        id: NodeId,
        /// Why.
        why: String,
    },
    /// A path ended in an answer, or the answer was chosen.
    Answer {
        /// The answer.
        text: String,
        /// The node that gave it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// It is the answer of the search.
        #[serde(default, skip_serializing_if = "is_false")]
        chosen: bool,
        /// It was forced because a budget ran out.
        #[serde(default, skip_serializing_if = "is_false")]
        backstop: bool,
    },
    /// The search is over.
    End {
        /// Why.
        why: String,
    },
    /// A line of another writer, such as who judged the answer.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// Whether the search follows from such lines; the others follow from it.
    pub fn decides(&self) -> bool {
        matches!(
            self,
            Self::Settings { .. }
                | Self::Question { .. }
                | Self::Job { .. }
                | Self::Result { .. }
                | Self::Branch { .. }
        )
    }

    pub(crate) fn question(question: &Question, policy: String) -> Self {
        Self::Question {
            id: question.id.to_string(),
            text: question.text.to_string(),
            policy,
        }
    }

    /// The line of a new node.
    pub(crate) fn node(node: &Node, question: &str) -> Self {
        let (role, text) = match &node.step {
            None => ("root", question.to_owned()),
            Some(step) => {
                let (role, action) = match &step.action {
                    Action::Think => ("thought", String::new()),
                    Action::Call { tool, input } => ("tool", format!("{tool}({input:?})")),
                    Action::Answer { text } => ("answer", text.clone()),
                };
                let observation = step.observation.as_deref().unwrap_or_default();
                let parts = [step.thought.as_str(), action.as_str(), observation];
                let there: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                (role, there.join("\n"))
            }
        };
        Self::Node {
            id: node.id,
            parent: node.parent,
            role: role.to_owned(),
            text,
        }
    }
}

/// A resource's name in a log and how many of its units make one there.
pub(crate) fn unit(resource: Resource) -> (&'static str, f64) {
    match resource {
        Resource::Tokens => ("tokens", 1.0),
        Resource::ToolCalls => ("tool_calls", 1.0),
        Resource::ModelCalls => ("model_calls", 1.0),
        Resource::Milliseconds => ("seconds", 1e3),
        Resource::MicroDollars => ("dollars", 1e6),
    }
}

fn is_false(value: &bool) -> bool {
    !value
}
