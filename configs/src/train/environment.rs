//! `[environment]`: what the agents act in.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// The environment and the options that change it. Options left out keep what
/// the id says. Whether the id exists is checked by the caller (see
/// [`crate::validate_with`]), since this crate does not know the environments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentConfig {
    /// Name of the environment, such as `Foraging-8x8-2p-2f-coop-v3`.
    pub id: String,
    /// Steps after which an episode is cut off; the environment's own limit when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<usize>,
    /// Whether reaching the time limit counts as an end (no bootstrap, as in EPyMARL) or as a cut.
    pub time_limit_as: TimeLimitAs,
    /// Whether every agent receives the sum of all agents' rewards.
    pub common_reward: bool,
    /// Whether actions without effect are masked; EPyMARL allows every action.
    pub action_masks: bool,
    /// Whether the quirks of the reference package are kept, stale start positions included.
    pub exact: bool,
    /// Cells an agent sees in each direction; what the id says when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sight: Option<usize>,
    /// Reward taken from each agent that tries to load and fails; what the id says when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<f64>,
    /// Whether the rewards of an episode are scaled to sum to one; yes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize_reward: Option<bool>,
    /// Whether the levels of other agents are seen; what the id says when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observe_levels: Option<bool>,
}

/// What reaching the time limit means to a learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeLimitAs {
    /// The episode is over: the last state has no future value.
    Termination,
    /// The episode was cut: the last state's value is bootstrapped.
    Truncation,
}

impl Default for EnvironmentConfig {
    fn default() -> Self {
        Self {
            id: "Foraging-8x8-2p-2f-coop-v3".to_owned(),
            time_limit: None,
            time_limit_as: TimeLimitAs::Termination,
            common_reward: true,
            action_masks: false,
            exact: false,
            sight: None,
            penalty: None,
            normalize_reward: None,
            observe_levels: None,
        }
    }
}

impl EnvironmentConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "environment.id",
            "Environment",
            FieldKind::Text,
            "Name of the environment, such as `Foraging-8x8-2p-2f-coop-v3`.",
        )
        .known_as(&["env", "map", "key", "name"]),
        Field::new(
            "environment.time_limit",
            "Time limit",
            FieldKind::Integer { min: 1, max: 1_000_000 },
            "Steps after which an episode is cut off; the environment's own limit when absent.",
        )
        .known_as(&["max_episode_steps", "episode_limit"])
        .unit("steps")
        .optional(),
        Field::new(
            "environment.time_limit_as",
            "Time limit as",
            FieldKind::Choice { values: &["termination", "truncation"] },
            "Whether reaching the time limit counts as an end (no bootstrap, as in EPyMARL) or as a cut.",
        )
        .advanced(),
        Field::new(
            "environment.common_reward",
            "Common reward",
            FieldKind::Boolean,
            "Whether every agent receives the sum of all agents' rewards.",
        ),
        Field::new(
            "environment.action_masks",
            "Action masks",
            FieldKind::Boolean,
            "Whether actions without effect are masked; EPyMARL allows every action.",
        ),
        Field::new(
            "environment.exact",
            "Exact",
            FieldKind::Boolean,
            "Whether the quirks of the reference package are kept, stale start positions included.",
        )
        .advanced(),
        Field::new(
            "environment.sight",
            "Sight",
            FieldKind::Integer { min: 0, max: 1_000 },
            "Cells an agent sees in each direction; what the id says when absent.",
        )
        .unit("cells")
        .optional()
        .advanced(),
        Field::new(
            "environment.penalty",
            "Penalty",
            FieldKind::Number { min: 0.0, max: f64::MAX, min_excluded: false },
            "Reward taken from each agent that tries to load and fails; what the id says when absent.",
        )
        .optional()
        .advanced(),
        Field::new(
            "environment.normalize_reward",
            "Normalise reward",
            FieldKind::Boolean,
            "Whether the rewards of an episode are scaled to sum to one; yes when absent.",
        )
        .optional()
        .advanced(),
        Field::new(
            "environment.observe_levels",
            "Observe levels",
            FieldKind::Boolean,
            "Whether the levels of other agents are seen; what the id says when absent.",
        )
        .optional()
        .advanced(),
    ];
}
