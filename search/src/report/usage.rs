//! What models and tools said of their use, summed over the `result` lines of a log.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Map, Value};

/// Sums over a search. Zero where the log has no results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Results that told their use.
    pub results: u64,
    /// Prompt tokens, cached ones among them.
    pub prompt_tokens: u64,
    /// Prompt tokens that the server had already.
    pub cached_tokens: u64,
    /// Tokens written, reasoning among them.
    pub output_tokens: u64,
    /// Tokens of reasoning.
    pub reasoning_tokens: u64,
    /// Calls by the name of the tool.
    pub calls: BTreeMap<String, u64>,
    /// Some counts are estimates.
    pub estimated: bool,
    /// The tool that a job calls, by the job's identity.
    tools: HashMap<u64, String>,
    /// The tool that the last result asks for: what comes next tells if it is called.
    pending: Option<String>,
    /// Tools whose call was not given out yet, oldest first.
    asked: VecDeque<String>,
}

impl Totals {
    /// A job was given out: tool calls are known by it.
    pub(super) fn job(&mut self, line: &Map<String, Value>) {
        self.asked.extend(self.pending.take());
        let Some(id) = identity(line) else { return };
        let is_call = line.get("work").and_then(Value::as_str) == Some("tool");
        let named = named_tool(line).or_else(|| line.values().find_map(tool_of));
        // Calls are given out in the order in which they were asked for.
        let asked = is_call.then(|| self.asked.pop_front());
        let unknown = || is_call.then(|| "tool".to_owned());
        if let Some(tool) = named.or(asked.flatten()).or_else(unknown) {
            self.tools.insert(id, tool);
        }
    }

    /// A node was made. Right after a result it ends the step: a call that was asked for is then
    /// not made, or not again.
    pub(super) fn node(&mut self) {
        self.pending = None;
    }

    /// A job came back.
    pub(super) fn result(&mut self, line: &Map<String, Value>) {
        self.asked.extend(self.pending.take());
        self.pending = line.get("action").and_then(tool_of);
        let called = identity(line).and_then(|id| self.tools.remove(&id));
        if let Some(tool) = called {
            *self.calls.entry(tool.clone()).or_default() += 1;
            if line.get("outcome").and_then(Value::as_str) == Some("failed") {
                // It may be given out once more.
                self.pending = Some(tool);
            }
        }
        let own = line.get("usage").and_then(Value::as_object);
        let Some(usage) = own.or_else(|| line.values().find_map(usage_of)) else {
            return;
        };
        self.results += 1;
        let count = |key: &str| usage.get(key).and_then(Value::as_u64).unwrap_or(0);
        self.prompt_tokens += count("prompt_tokens");
        self.cached_tokens += count("cached_tokens");
        self.output_tokens += count("output_tokens");
        self.reasoning_tokens += count("reasoning_tokens");
        self.estimated |= usage.get("estimated") == Some(&Value::Bool(true));
    }
}

fn identity(line: &Map<String, Value>) -> Option<u64> {
    line.get("id")
        .or_else(|| line.get("job"))
        .and_then(Value::as_u64)
}

/// The `usage` of an outcome, which may stand under the name of its variant.
fn usage_of(value: &Value) -> Option<&Map<String, Value>> {
    let object = value.as_object()?;
    match object.get("usage") {
        Some(usage) => usage.as_object(),
        None => object.values().find_map(usage_of),
    }
}

/// The tool of a job, which may stand under the name of its variant.
fn tool_of(value: &Value) -> Option<String> {
    let object = value.as_object()?;
    let inner = || object.get("Tool").or_else(|| object.get("tool"));
    named_tool(object).or_else(|| inner().and_then(tool_of))
}

fn named_tool(object: &Map<String, Value>) -> Option<String> {
    object
        .get("tool")
        .and_then(Value::as_str)
        .map(str::to_owned)
}
