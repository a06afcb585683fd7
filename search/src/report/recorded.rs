//! A search as its log tells it: what never changes, and the steps in order.
//!
//! Readers of every format here leave out lines that are no events, kinds and keys that they do
//! not know, and what cannot be a tree; what was left out is counted.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::usage::Totals;

/// Resources beyond this are refused: a search has a handful.
const MOST_RESOURCES: usize = 16;

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Its identity in the data set.
    pub id: String,
    /// As asked.
    pub text: String,
    /// The method that searched.
    pub policy: String,
    /// Answers that count as correct, where they are known.
    pub expected: Vec<String>,
}

/// What of a node never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedNode {
    /// Its identity in the log.
    pub id: u64,
    /// The node that it continues, by its place among the nodes.
    pub parent: Option<usize>,
    /// `root`, `thought`, `tool`, `answer`.
    pub role: String,
    /// The step: thought, tool call, observation.
    pub text: String,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAnswer {
    /// The answer.
    pub text: String,
    /// The node that gave it, by its place among the nodes.
    pub node: Option<usize>,
    /// It is the answer of the search.
    pub chosen: bool,
    /// It was forced because a budget ran out.
    pub backstop: bool,
    /// Whether it is correct, where that is known.
    pub correct: Option<bool>,
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub why: String,
}

/// One step of the replay. Nodes, resources and answers are places in [`Recorded`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A resource got a ceiling; none for no ceiling.
    Budget(usize, Option<f64>),
    /// A node appeared.
    Node(usize),
    /// A node was valued: value, what the critic added, why.
    Value(usize, f64, Option<f64>, String),
    /// A node was selected: its probability, the remaining share of the tightest budget.
    Visit(usize, Option<f64>, Option<f64>),
    /// Something was spent: resource, amount, node.
    Spend(usize, f64, Option<usize>),
    /// A node will not be continued, and why.
    Prune(usize, String),
    /// An answer was given.
    Answer(usize),
    /// The search ended, and why.
    End(String),
}

/// A recorded search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// What was asked.
    pub question: Question,
    /// Names of resources, in order of appearance.
    pub resources: Vec<String>,
    /// Nodes in order of appearance.
    pub nodes: Vec<RecordedNode>,
    /// Answers in order of appearance.
    pub answers: Vec<RecordedAnswer>,
    /// Seconds since the search began, and what happened.
    pub steps: Vec<(f64, Step)>,
    /// The settings that decide the search, as they were recorded.
    pub settings: Option<Value>,
    /// What models and tools said of their use.
    pub totals: Totals,
    /// How it ended; none while it goes on.
    pub ended: Option<Ended>,
    /// The plan, where one was made.
    pub plan: Option<String>,
    /// Jobs that cost more than they were allowed.
    pub violations: u64,
    /// Lines that were refused.
    pub refused: u64,
    places: HashMap<u64, usize>,
}

/// The kinds of lines that a report shows.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Question {
        id: String,
        text: String,
        #[serde(default)]
        policy: String,
        #[serde(default)]
        expected: Vec<String>,
    },
    Budget {
        resource: String,
        limit: Number,
    },
    Node {
        id: u64,
        #[serde(default)]
        parent: Option<u64>,
        #[serde(default)]
        role: String,
        #[serde(default)]
        text: String,
    },
    Value {
        id: u64,
        value: Number,
        #[serde(default)]
        delta: Option<Number>,
        #[serde(default)]
        why: String,
    },
    Visit {
        id: u64,
        #[serde(default)]
        probability: Option<Number>,
        #[serde(default)]
        ratio: Option<Number>,
    },
    Spend {
        resource: String,
        amount: Number,
        #[serde(default)]
        node: Option<u64>,
    },
    Prune {
        id: u64,
        #[serde(default)]
        why: String,
    },
    Answer {
        text: String,
        #[serde(default)]
        node: Option<u64>,
        #[serde(default)]
        chosen: bool,
        #[serde(default)]
        backstop: bool,
        #[serde(default)]
        correct: Option<bool>,
    },
    End {
        #[serde(default)]
        why: String,
    },
}

const SHOWN: [&str; 9] = [
    "question", "budget", "node", "value", "visit", "spend", "prune", "answer", "end",
];

/// A number; the log writes `"inf"`, `"-inf"` and `"NaN"` for what JSON lacks.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "Value")]
struct Number(f64);

impl TryFrom<Value> for Number {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match text.as_str() {
                "inf" => Some(f64::INFINITY),
                "-inf" => Some(f64::NEG_INFINITY),
                "NaN" => Some(f64::NAN),
                _ => None,
            },
            _ => None,
        };
        number
            .map(Number)
            .ok_or_else(|| format!("{value} is no number"))
    }
}

impl Number {
    fn finite(self) -> Option<f64> {
        self.0.is_finite().then_some(self.0)
    }
}

impl Recorded {
    /// Reads the lines of a log. A last line that is half written is left out.
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut recorded = Self::default();
        for line in lines.into_iter().filter(|line| !line.trim().is_empty()) {
            if recorded.line(line).is_none() {
                recorded.refused += 1;
            }
        }
        recorded
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let mut object: Map<String, Value> = serde_json::from_str(line).ok()?;
        let kind = object.get("kind")?.as_str()?.to_owned();
        if !SHOWN.contains(&kind.as_str()) {
            self.aside(&kind, &object);
            return Some(());
        }
        if kind == "node" {
            self.totals.node();
        }
        let time = object.remove("time").and_then(|time| time.as_f64());
        let line: Line = serde_json::from_value(Value::Object(object)).ok()?;
        let step = self.step(line)?;
        if let Some(step) = step {
            // A clock that jumps must not reorder the replay.
            let before = self.steps.last().map_or(0.0, |(time, _)| *time);
            self.steps.push((time.unwrap_or(before).max(before), step));
        }
        Some(())
    }

    /// Lines that decide nothing that is drawn.
    fn aside(&mut self, kind: &str, object: &Map<String, Value>) {
        match kind {
            "settings" => {
                let mut settings = object.clone();
                for key in ["kind", "v", "time"] {
                    settings.remove(key);
                }
                self.settings = Some(Value::Object(settings));
            }
            "plan" => {
                let text = object.get("text").and_then(Value::as_str);
                self.plan = text.map(str::to_owned).or(self.plan.take());
            }
            "violation" => self.violations += 1,
            "job" => self.totals.job(object),
            "result" => self.totals.result(object),
            _ => {}
        }
    }

    /// What a line changes: outer none when it is refused, inner none when there is no step.
    fn step(&mut self, line: Line) -> Option<Option<Step>> {
        let step = match line {
            Line::Question {
                id,
                text,
                policy,
                expected,
            } => {
                self.question = Question {
                    id,
                    text,
                    policy,
                    expected,
                };
                return Some(None);
            }
            Line::Budget { resource, limit } => {
                if limit.0.is_nan() || limit.0 < 0.0 {
                    return None;
                }
                Step::Budget(self.resource(resource)?, limit.finite())
            }
            Line::Node {
                id,
                parent,
                role,
                text,
            } => Step::Node(self.node(id, parent, role, text)?),
            Line::Value {
                id,
                value,
                delta,
                why,
            } => {
                let delta = delta.and_then(Number::finite);
                Step::Value(self.place(id)?, value.finite()?, delta, why)
            }
            Line::Visit {
                id,
                probability,
                ratio,
            } => Step::Visit(
                self.place(id)?,
                probability.and_then(Number::finite),
                ratio.and_then(Number::finite),
            ),
            Line::Spend {
                resource,
                amount,
                node,
            } => {
                let amount = amount.finite().filter(|amount| *amount >= 0.0)?;
                let node = self.optional_place(node)?;
                Step::Spend(self.resource(resource)?, amount, node)
            }
            Line::Prune { id, why } => Step::Prune(self.place(id)?, why),
            Line::Answer {
                text,
                node,
                chosen,
                backstop,
                correct,
            } => {
                let node = self.optional_place(node)?;
                self.answers.push(RecordedAnswer {
                    text,
                    node,
                    chosen,
                    backstop,
                    correct,
                });
                Step::Answer(self.answers.len() - 1)
            }
            Line::End { why } => {
                self.ended = Some(Ended { why: why.clone() });
                Step::End(why)
            }
        };
        Some(Some(step))
    }

    fn node(&mut self, id: u64, parent: Option<u64>, role: String, text: String) -> Option<usize> {
        if self.places.contains_key(&id) {
            return None;
        }
        // A parent must exist before its child, so no cycle can be written down.
        let parent = self.optional_place(parent)?;
        let place = self.nodes.len();
        self.places.insert(id, place);
        self.nodes.push(RecordedNode {
            id,
            parent,
            role,
            text,
        });
        Some(place)
    }

    fn place(&self, id: u64) -> Option<usize> {
        self.places.get(&id).copied()
    }

    fn optional_place(&self, id: Option<u64>) -> Option<Option<usize>> {
        match id {
            None => Some(None),
            Some(id) => self.place(id).map(Some),
        }
    }

    fn resource(&mut self, name: String) -> Option<usize> {
        if let Some(place) = self.resources.iter().position(|known| *known == name) {
            return Some(place);
        }
        if self.resources.len() >= MOST_RESOURCES {
            return None;
        }
        self.resources.push(name);
        Some(self.resources.len() - 1)
    }

    /// The answer of the search, once it is chosen.
    #[must_use]
    pub fn chosen(&self) -> Option<&RecordedAnswer> {
        self.answers.iter().rfind(|answer| answer.chosen)
    }

    /// Children of every node, oldest first.
    pub(super) fn children(&self) -> Vec<Vec<usize>> {
        let mut children = vec![Vec::new(); self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            if let Some(parent) = node.parent {
                children[parent].push(place);
            }
        }
        children
    }
}
