//! `[scripted]`: a made-up policy and critic of known error rates, for statistics.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// Chains of hops, a policy and a critic (section 10.1 of the specification).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScriptedConfig {
    /// Fewest hops of a chain.
    pub min_hops: u32,
    /// Most hops of a chain.
    pub max_hops: u32,
    /// Probability that a step asks for the right hop.
    pub correct: f64,
    /// Share of hops where the policy collapses onto one wrong step.
    pub trap: f64,
    /// Probability of the right step at such a hop.
    pub trap_correct: f64,
    /// Probability of the fixed wrong step at such a hop.
    pub trap_wrong: f64,
    /// What the probability of a step that is named as tried is multiplied by.
    pub tried_weight: f64,
    /// Probability of the right answer when every hop is resolved.
    pub answer_correct: f64,
    /// Probability of the right answer otherwise.
    pub guess_correct: f64,
    /// Probability that the critic takes a step without gain for one with.
    pub false_positive: f64,
    /// Probability that the critic takes a step with gain for one without.
    pub false_negative: f64,
    /// Standard deviation of what is added to the critic's score, before it is rounded.
    pub noise: f64,
    /// Mean of what is added to the critic's score.
    pub bias: f64,
    /// Points of the critic that all hops of a chain share.
    pub progress: f64,
    /// Probability that the critic, asked again about the same step, repeats what it said first.
    pub repeated_judgements: f64,
}

impl Default for ScriptedConfig {
    fn default() -> Self {
        Self {
            min_hops: 2,
            max_hops: 3,
            correct: 0.6,
            trap: 0.25,
            trap_correct: 0.15,
            trap_wrong: 0.7,
            tried_weight: 0.15,
            answer_correct: 0.95,
            guess_correct: 0.03,
            false_positive: 0.12,
            false_negative: 0.08,
            noise: 0.6,
            bias: 0.0,
            progress: 7.5,
            repeated_judgements: 0.0,
        }
    }
}

impl ScriptedConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "scripted.min_hops",
            "Fewest hops",
            FieldKind::Integer { min: 1, max: 16 },
            "Fewest hops of a chain.",
        )
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.max_hops",
            "Most hops",
            FieldKind::Integer { min: 1, max: 16 },
            "Most hops of a chain.",
        )
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.correct",
            "Correct step",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Probability that a step asks for the right hop.",
        )
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.trap",
            "Traps",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Share of hops where the policy collapses onto one wrong step.",
        )
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.trap_correct",
            "Correct in a trap",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Probability of the right step at such a hop.",
        )
        .advanced()
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.trap_wrong",
            "Wrong in a trap",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Probability of the fixed wrong step at such a hop.",
        )
        .advanced()
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.tried_weight",
            "Weight of tried steps",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "What the probability of a step that is named as tried is multiplied by.",
        )
        .advanced()
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.answer_correct",
            "Right answers",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Probability of the right answer when every hop is resolved.",
        )
        .advanced()
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.guess_correct",
            "Right guesses",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Probability of the right answer otherwise.",
        )
        .advanced()
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.false_positive",
            "False positives",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Probability that the critic takes a step without gain for one with.",
        )
        .known_as(&["fp"])
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.false_negative",
            "False negatives",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Probability that the critic takes a step with gain for one without.",
        )
        .known_as(&["fn"])
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.noise",
            "Noise",
            FieldKind::Number {
                min: 0.0,
                max: 10.0,
                min_excluded: false,
            },
            "Standard deviation of what is added to the critic's score, before it is rounded.",
        )
        .known_as(&["sd"])
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.bias",
            "Bias",
            FieldKind::Number {
                min: -10.0,
                max: 10.0,
                min_excluded: false,
            },
            "Mean of what is added to the critic's score.",
        )
        .advanced()
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.progress",
            "Progress",
            FieldKind::Number {
                min: 0.0,
                max: 10.0,
                min_excluded: true,
            },
            "Points of the critic that all hops of a chain share.",
        )
        .advanced()
        .when("model.kind", &["scripted"]),
        Field::new(
            "scripted.repeated_judgements",
            "Repeated judgements",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Probability that the critic, asked again about the same step, repeats what it said first.",
        )
        .advanced()
        .when("model.kind", &["scripted"]),
    ];
}
