//! `[evaluation]`: how progress is measured.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// Episodes played by the current policy on environments and a random stream of
/// their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Environment steps of training between two evaluations.
    pub interval_steps: u64,
    /// Episodes of each evaluation.
    pub episodes: usize,
    /// Environments that play them side by side.
    pub environments: usize,
    /// Episodes of the last evaluation, played by the best checkpoint; 0 leaves it out.
    pub absolute_episodes: usize,
    /// Chance of a random action while evaluating; 0 is greedy.
    pub epsilon: f64,
    /// Whether learnt policies and switches draw what they do; otherwise they take the likeliest.
    pub sample_actions: bool,
    /// Which half of MANSA acts while evaluating: as trained, independent (il) or central (cl) only.
    pub execution: Execution,
    /// Whether one episode of each evaluation is rendered into the run folder.
    pub record_episode: bool,
}

/// Which half of MANSA acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Execution {
    /// The switching agent decides in every step.
    #[default]
    Mansa,
    /// The independent policies always act.
    Il,
    /// The central policies always act.
    Cl,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self {
            interval_steps: 50_000,
            episodes: 100,
            environments: 50,
            absolute_episodes: 1_000,
            epsilon: 0.0,
            sample_actions: false,
            execution: Execution::default(),
            record_episode: true,
        }
    }
}

impl EvaluationConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "evaluation.interval_steps",
            "Interval",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Environment steps of training between two evaluations.",
        )
        .known_as(&["test_interval", "eval_interval"])
        .unit("environment steps"),
        Field::new(
            "evaluation.episodes",
            "Episodes",
            FieldKind::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Episodes of each evaluation.",
        )
        .known_as(&["test_nepisode"])
        .unit("episodes"),
        Field::new(
            "evaluation.environments",
            "Environments",
            FieldKind::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Environments that play them side by side.",
        )
        .unit("environments")
        .advanced(),
        Field::new(
            "evaluation.absolute_episodes",
            "Final episodes",
            FieldKind::Integer {
                min: 0,
                max: 10_000_000,
            },
            "Episodes of the last evaluation, played by the best checkpoint; 0 leaves it out.",
        )
        .unit("episodes"),
        Field::new(
            "evaluation.epsilon",
            "Epsilon",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Chance of a random action while evaluating; 0 is greedy.",
        )
        .known_as(&["evaluation_epsilon"])
        .advanced(),
        Field::new(
            "evaluation.sample_actions",
            "Sample actions",
            FieldKind::Boolean,
            "Whether learnt policies and switches draw what they do; otherwise they take the likeliest.",
        )
        .known_as(&["greedy", "test_greedy"])
        .when("algorithm.kind", &["ippo", "mappo", "mansa"]),
        Field::new(
            "evaluation.execution",
            "Execution",
            FieldKind::Choice { values: &["mansa", "il", "cl"] },
            "Which half of MANSA acts while evaluating: as trained, independent (il) or central (cl) only.",
        ).when("algorithm.kind", &["mansa"]),
        Field::new(
            "evaluation.record_episode",
            "Record an episode",
            FieldKind::Boolean,
            "Whether one episode of each evaluation is rendered into the run folder.",
        ),
    ];
}
