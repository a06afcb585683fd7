//! The trees of a run as they grow, in lines: a node when it is valued, with what is left.
//!
//! Questions that are searched side by side are told one after another: what belongs to a later
//! one is kept until the earlier one has its answer.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;

use tracking::search_log::{SearchEvent, SearchEventKind as Kind, SearchReader, questions};
use tracking::{Event, EventKind, RunFolder, Status};
use tui::figures::{count, number, plural, printable};

use crate::failure::Failure;
use crate::follow::Observer;
use crate::output::tell;

/// Bytes of a log that are read at once.
const SLICE: usize = 1 << 20;
/// Characters of a node's text in a line.
const WIDE: usize = 90;
/// Levels after which lines are not moved to the right any more.
const DEEP: usize = 12;

/// An observer that tells how trees grow.
pub(super) struct Growing {
    label: String,
    folder: PathBuf,
    logs: Vec<Log>,
    /// The log whose lines are told now.
    told: usize,
    problem: bool,
}

struct Log {
    name: String,
    reader: SearchReader,
    /// Events that were read and not told yet.
    waiting: VecDeque<SearchEvent>,
    telling: Telling,
}

impl Growing {
    pub(super) fn new(run: &RunFolder, label: &str) -> Self {
        Self {
            label: label.to_owned(),
            folder: run.searches(),
            logs: Vec::new(),
            told: 0,
            problem: false,
        }
    }

    /// Reads what is new and tells what can be told.
    fn advance(&mut self) {
        if let Err(error) = self.read()
            && !self.problem
        {
            self.problem = true;
            tell(&format!("{}  {error}", self.label));
        }
        while let Some(log) = self.logs.get_mut(self.told) {
            while let Some(event) = log.waiting.pop_front() {
                for line in log.telling.lines(event) {
                    tell(&line);
                }
            }
            if !log.telling.over {
                break;
            }
            self.told += 1;
        }
    }

    fn read(&mut self) -> Result<(), tracking::TrackingError> {
        for (name, path) in questions(&self.folder)? {
            if !self.logs.iter().any(|log| log.name == name) {
                self.logs.push(Log {
                    name,
                    reader: SearchReader::open(&path),
                    waiting: VecDeque::new(),
                    telling: Telling::default(),
                });
            }
        }
        for log in &mut self.logs {
            // The end of a question is the end of its log.
            let ended = log.waiting.back().map(|event| &event.kind);
            if log.telling.over || matches!(ended, Some(Kind::End { .. })) {
                continue;
            }
            loop {
                let slice = log.reader.poll(SLICE)?;
                log.waiting.extend(slice.events);
                if !slice.more {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Observer for Growing {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if let EventKind::Warning { source, message } = &event.kind {
            tell(&format!("warning: {source}: {}", printable(message)));
        }
        Ok(())
    }

    fn status(&mut self, _: &Status) {
        self.advance();
    }

    fn say(&mut self, text: &str) {
        tell(&format!("{}  {text}", self.label));
    }

    fn end(&mut self) {
        self.advance();
        // What an interrupted run has of later questions.
        while let Some(log) = self.logs.get_mut(self.told) {
            if let Some(line) = log.telling.rest() {
                tell(&line);
            }
            self.told += 1;
            self.advance();
        }
    }
}

/// One question being told.
#[derive(Default)]
struct Telling {
    limits: BTreeMap<String, f64>,
    spent: BTreeMap<String, f64>,
    nodes: HashMap<u64, Node>,
    expected: Vec<String>,
    /// A line that the next event may add to, and its node.
    held: Option<(u64, String)>,
    over: bool,
}

struct Node {
    depth: usize,
    text: String,
    told: bool,
}

impl Telling {
    /// The lines that an event gives.
    fn lines(&mut self, event: SearchEvent) -> Vec<String> {
        let mut lines = Vec::new();
        if let (Some((node, line)), Kind::Prune { id, why }) = (&mut self.held, &event.kind)
            && node == id
        {
            line.push_str(&format!("  pruned: {}", short(why)));
            lines.extend(self.rest());
            return lines;
        }
        if !matches!(event.kind, Kind::Spend { .. } | Kind::Unknown) {
            lines.extend(self.rest());
        }
        match event.kind {
            Kind::Question {
                id, text, expected, ..
            } => {
                self.expected = expected;
                lines.push(format!("\n{}: {}", printable(&id), short(&text)));
            }
            Kind::Budget { resource, limit } => {
                self.limits.insert(resource, limit);
            }
            Kind::Node {
                id,
                parent,
                role,
                text,
            } => {
                let depth = parent
                    .and_then(|parent| self.nodes.get(&parent))
                    .map_or(0, |node| node.depth + 1);
                let text = match role.as_str() {
                    "root" | "" => short(&text),
                    role => format!("{role}: {}", short(&text)),
                };
                let told = depth == 0;
                if told {
                    lines.push(format!("  budget: {}", self.left()));
                }
                self.nodes.insert(id, Node { depth, text, told });
            }
            Kind::Value {
                id,
                value,
                delta,
                why,
            } => self.hold(id, Some((value, delta)), &why),
            Kind::Spend {
                resource, amount, ..
            } => *self.spent.entry(resource).or_default() += amount,
            Kind::Answer {
                text,
                node,
                chosen,
                backstop,
                correct,
                ..
            } => {
                if let Some(node) = node {
                    self.hold(node, None, "");
                    lines.extend(self.rest());
                }
                if chosen {
                    lines.push(self.answer(&text, backstop, correct));
                }
            }
            Kind::End { why } => {
                lines.push(format!("  {}; spent {}", short(&why), self.total()));
                self.over = true;
            }
            _ => {}
        }
        lines
    }

    /// The line that was held.
    fn rest(&mut self) -> Option<String> {
        let (_, line) = self.held.take()?;
        Some(format!("{line}  [{}]", self.left()))
    }

    /// Prepares a node's line, once.
    fn hold(&mut self, id: u64, value: Option<(f64, Option<f64>)>, why: &str) {
        let Some(node) = self.nodes.get_mut(&id).filter(|node| !node.told) else {
            return;
        };
        node.told = true;
        let indent = "  ".repeat(node.depth.min(DEEP));
        let mut line = format!("  {indent}{id} {}", node.text);
        if let Some((value, delta)) = value {
            // Without a minus before a zero.
            let delta = delta.map_or(String::new(), |delta| format!("{:+.1} ", delta + 0.0));
            let delta = delta.replace(".0 ", " ").replace("-0 ", "+0 ");
            line.push_str(&format!("  {delta}-> {}", number(value)));
        }
        if !why.is_empty() {
            line.push_str(&format!(" ({})", short(why)));
        }
        self.held = Some((id, line));
    }

    fn answer(&self, text: &str, backstop: bool, correct: Option<bool>) -> String {
        let forced = if backstop {
            ", forced by the budget"
        } else {
            ""
        };
        let verdict = match correct {
            Some(true) => " (correct)".to_owned(),
            Some(false) => format!(" (wrong; expected: {})", short(&self.expected.join(" or "))),
            None => String::new(),
        };
        format!("  answer: {}{verdict}{forced}", short(text))
    }

    /// What is left of what has an end.
    fn left(&self) -> String {
        let finite = self.limits.iter().filter(|(_, limit)| limit.is_finite());
        let parts: Vec<String> = finite
            .map(|(resource, limit)| {
                let spent = self.spent.get(resource).copied().unwrap_or(0.0);
                amount(resource, (limit - spent).max(0.0))
            })
            .collect();
        format!("{} left", parts.join(", "))
    }

    fn total(&self) -> String {
        let spent = self.spent.iter().filter(|(_, spent)| **spent > 0.0);
        let parts: Vec<String> = spent
            .map(|(resource, spent)| match self.limits.get(resource) {
                Some(limit) if limit.is_finite() => {
                    format!("{} of {}", amount(resource, *spent), count(*limit))
                }
                _ => amount(resource, *spent),
            })
            .collect();
        match parts.is_empty() {
            true => "nothing".to_owned(),
            false => parts.join(", "),
        }
    }
}

/// An amount with its resource, whose name is a plural: `1 tool call`, `2 tool calls`.
fn amount(resource: &str, value: f64) -> String {
    let shown = match value.fract() == 0.0 {
        true => count(value),
        false => number(value),
    };
    let name = printable(resource).replace('_', " ");
    let name = match name.strip_suffix('s') {
        Some(noun) => plural(value, noun),
        None => name,
    };
    format!("{shown} {name}")
}

/// One line of a text, cut.
fn short(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = printable(&line);
    match line.char_indices().nth(WIDE) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_told_with_what_is_left() {
        let mut telling = Telling::default();
        let lines: Vec<String> = [
            r#"{"kind":"question","id":"q1","text":"Where?","policy":"bavt","expected":["Graz"]}"#,
            r#"{"kind":"budget","resource":"tokens","limit":1000}"#,
            r#"{"kind":"node","id":0,"role":"root","text":"Where?"}"#,
            r#"{"kind":"node","id":1,"parent":0,"role":"tool","text":"search(\"x\")\n-> y"}"#,
            r#"{"kind":"spend","resource":"tokens","amount":61,"node":1}"#,
            r#"{"kind":"budget","resource":"tool_calls","limit":2}"#,
            r#"{"kind":"spend","resource":"tool_calls","amount":1,"node":1}"#,
            r#"{"kind":"value","id":1,"value":0.4,"delta":3}"#,
            r#"{"kind":"node","id":2,"parent":1,"role":"tool","text":"search(\"z\")"}"#,
            r#"{"kind":"value","id":2,"value":0.4,"delta":0}"#,
            r#"{"kind":"prune","id":2,"why":"no gain"}"#,
            r#"{"kind":"value","id":0,"value":0.25}"#,
            r#"{"kind":"answer","node":1,"text":"Wien","chosen":true,"correct":false}"#,
            r#"{"kind":"end","why":"the budget is spent"}"#,
        ]
        .iter()
        .flat_map(|line| telling.lines(serde_json::from_str(line).unwrap()))
        .collect();
        assert_eq!(
            lines,
            [
                "\nq1: Where?",
                "  budget: 1k tokens left",
                "    1 tool: search(\"x\") -> y  +3 -> 0.400  [939 tokens, 1 tool call left]",
                "      2 tool: search(\"z\")  +0 -> 0.400  pruned: no gain  [939 tokens, 1 tool call left]",
                "  answer: Wien (wrong; expected: Graz)",
                "  the budget is spent; spent 61 tokens of 1k, 1 tool call of 2",
            ]
        );
        assert!(telling.over);
    }
}
