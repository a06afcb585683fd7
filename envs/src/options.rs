//! What a caller may change about an environment beside its id.

use serde::{Deserialize, Serialize};

/// How the end by time limit is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeLimitKind {
    /// `terminated`, as the reference package reports it: learners do not bootstrap.
    #[default]
    Termination,
    /// `truncated`, unless the task was finished in the same step: learners bootstrap.
    Truncation,
}

/// Level bounds: one number for all, or one per player or food.
///
/// Lists are shuffled at every start, as the reference does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LevelBounds {
    /// The same bound for all.
    Same(u16),
    /// A bound per player or per food slot.
    Each(Vec<u16>),
}

impl LevelBounds {
    /// The bound as a list of `count` numbers, or `None` when a list has another length.
    #[must_use]
    pub fn expand(&self, count: usize) -> Option<Vec<u16>> {
        match self {
            Self::Same(level) => Some(vec![*level; count]),
            Self::Each(levels) => (levels.len() == count).then(|| levels.clone()),
        }
    }
}

/// Overrides; `None` leaves what the id says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentOptions {
    /// Steps after which an episode ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<usize>,
    /// How that end is reported.
    pub time_limit_as: TimeLimitKind,
    /// Every agent receives the sum of all rewards (EPyMARL's `common_reward`).
    pub common_reward: bool,
    /// Replicates every quirk of the reference package, stale start positions included.
    pub exact: bool,
    /// Cells an agent sees in each direction (foraging).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sight: Option<usize>,
    /// Taken from each member of a group that loads in vain (foraging), or the penalty of the
    /// penalty game.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<f64>,
    /// Divides rewards so that an episode with every food taken sums to 1 (foraging).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize_reward: Option<bool>,
    /// Agents see the levels of agents (foraging).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observe_levels: Option<bool>,
    /// Food slots in an observation; by default as many as foods are spawned (foraging).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub food_slots: Option<usize>,
    /// Lowest level of a player (foraging, default 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_player_level: Option<LevelBounds>,
    /// Highest level of a player (foraging, default 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_player_level: Option<LevelBounds>,
    /// Lowest level of a food (foraging, default 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_food_level: Option<LevelBounds>,
    /// Highest level of a food (foraging; by default the sum of the three lowest player levels).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_food_level: Option<LevelBounds>,
}
