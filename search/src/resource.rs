//! What a search may spend.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A resource with a budget. Amounts are whole units, so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Generated tokens of generator and critic, or input and output: the caller's count mode.
    Tokens,
    /// Calls of an external tool; a tool may cost several.
    ToolCalls,
    /// Requests to a model.
    ModelCalls,
    /// Wall-clock time, in milliseconds.
    Milliseconds,
    /// Money, in millionths of a dollar.
    MicroDollars,
}

impl Resource {
    /// All resources, in the order in which they are checked.
    pub const ALL: [Self; 5] = [
        Self::Tokens,
        Self::ToolCalls,
        Self::ModelCalls,
        Self::Milliseconds,
        Self::MicroDollars,
    ];
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tokens => "tokens",
            Self::ToolCalls => "tool calls",
            Self::ModelCalls => "model calls",
            Self::Milliseconds => "milliseconds",
            Self::MicroDollars => "micro-dollars",
        })
    }
}

/// One `T` for each resource. Absent fields of a stored one take their default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerResource<T> {
    /// See [`Resource::Tokens`].
    pub tokens: T,
    /// See [`Resource::ToolCalls`].
    pub tool_calls: T,
    /// See [`Resource::ModelCalls`].
    pub model_calls: T,
    /// See [`Resource::Milliseconds`].
    pub milliseconds: T,
    /// See [`Resource::MicroDollars`].
    pub micro_dollars: T,
}

/// What a job costs.
pub type Amounts = PerResource<u64>;

/// What a search may spend in all; none means no limit.
pub type Limits = PerResource<Option<u64>>;

impl<T: Copy> PerResource<T> {
    /// The entry of one resource.
    pub fn get(&self, resource: Resource) -> T {
        match resource {
            Resource::Tokens => self.tokens,
            Resource::ToolCalls => self.tool_calls,
            Resource::ModelCalls => self.model_calls,
            Resource::Milliseconds => self.milliseconds,
            Resource::MicroDollars => self.micro_dollars,
        }
    }

    /// The same with one entry replaced.
    #[must_use]
    pub(crate) fn with(mut self, resource: Resource, entry: T) -> Self {
        match resource {
            Resource::Tokens => self.tokens = entry,
            Resource::ToolCalls => self.tool_calls = entry,
            Resource::ModelCalls => self.model_calls = entry,
            Resource::Milliseconds => self.milliseconds = entry,
            Resource::MicroDollars => self.micro_dollars = entry,
        }
        self
    }

    /// Two of them, combined resource by resource.
    pub(crate) fn zip(self, other: Self, combine: impl Fn(T, T) -> T) -> Self {
        Self {
            tokens: combine(self.tokens, other.tokens),
            tool_calls: combine(self.tool_calls, other.tool_calls),
            model_calls: combine(self.model_calls, other.model_calls),
            milliseconds: combine(self.milliseconds, other.milliseconds),
            micro_dollars: combine(self.micro_dollars, other.micro_dollars),
        }
    }
}
