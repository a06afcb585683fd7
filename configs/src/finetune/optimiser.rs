//! `[optimiser]`: how the weights are moved.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// The update rule and its schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimiserConfig {
    /// The update rule.
    pub kind: OptimiserKind,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// As in torch.optim: decoupled for AdamW, a penalty for the others.
    pub weight_decay: f64,
    /// How the learning rate falls after the warm-up.
    pub decay: Decay,
    /// Share of the schedule during which the learning rate rises.
    pub warm_up_ratio: f64,
    /// Longer gradients are shortened to this norm; 0 turns it off.
    pub max_gradient_norm: f64,
    /// Pairs or demonstrations of one update, accumulated over passes.
    pub rows_per_update: usize,
    /// Pairs or demonstrations that go through the model at once.
    pub rows_per_pass: usize,
    /// Passes over the rows, of each iteration.
    pub epochs: f64,
    /// Epochs that the learning rate is laid out for, where training ends earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_epochs: Option<f64>,
    /// Whether an iteration goes on with the optimiser state of the one before.
    pub carry_state: bool,
}

/// The update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimiserKind {
    /// AdamW with betas 0.9 and 0.999.
    #[default]
    Adamw,
    /// RMSprop with alpha 0.99.
    Rmsprop,
    /// Gradient descent without momentum.
    Sgd,
}

/// How the learning rate falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// To zero along a line.
    #[default]
    Linear,
    /// To zero along half a cosine.
    Cosine,
    /// Not at all.
    Constant,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            kind: OptimiserKind::Adamw,
            learning_rate: 5e-7,
            weight_decay: 0.0,
            decay: Decay::Linear,
            warm_up_ratio: 0.1,
            max_gradient_norm: 1.0,
            rows_per_update: 64,
            rows_per_pass: 8,
            epochs: 1.0,
            schedule_epochs: None,
            carry_state: false,
        }
    }
}

impl OptimiserConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "optimiser.kind",
            "Optimiser",
            FieldKind::Choice {
                values: &["adamw", "rmsprop", "sgd"],
            },
            "The update rule.",
        )
        .known_as(&["optim", "optimizer"]),
        Field::new(
            "optimiser.learning_rate",
            "Learning rate",
            FieldKind::Number {
                min: 0.0,
                max: 10.0,
                min_excluded: true,
            },
            "The highest learning rate.",
        )
        .known_as(&["lr"]),
        Field::new(
            "optimiser.weight_decay",
            "Weight decay",
            FieldKind::Number {
                min: 0.0,
                max: 10.0,
                min_excluded: false,
            },
            "As in torch.optim: decoupled for AdamW, a penalty for the others.",
        )
        .advanced(),
        Field::new(
            "optimiser.decay",
            "Decay",
            FieldKind::Choice {
                values: &["linear", "cosine", "constant"],
            },
            "How the learning rate falls after the warm-up.",
        )
        .known_as(&["lr_scheduler_type"]),
        Field::new(
            "optimiser.warm_up_ratio",
            "Warm-up",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Share of the schedule during which the learning rate rises.",
        )
        .known_as(&["warmup_ratio"]),
        Field::new(
            "optimiser.max_gradient_norm",
            "Gradient norm",
            FieldKind::Number {
                min: 0.0,
                max: 1_000_000_000.0,
                min_excluded: false,
            },
            "Longer gradients are shortened to this norm; 0 turns it off.",
        )
        .known_as(&["max_grad_norm"]),
        Field::new(
            "optimiser.rows_per_update",
            "Rows per update",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Pairs or demonstrations of one update, accumulated over passes.",
        )
        .unit("rows")
        .known_as(&["batch_size", "global_batch_size", "pairs_per_update"]),
        Field::new(
            "optimiser.rows_per_pass",
            "Rows per pass",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Pairs or demonstrations that go through the model at once.",
        )
        .unit("rows")
        .known_as(&["per_device_train_batch_size", "micro_batch_size"]),
        Field::new(
            "optimiser.epochs",
            "Epochs",
            FieldKind::Number {
                min: 0.0,
                max: 1_000_000.0,
                min_excluded: true,
            },
            "Passes over the rows, of each iteration.",
        )
        .known_as(&["num_train_epochs"]),
        Field::new(
            "optimiser.schedule_epochs",
            "Epochs of the schedule",
            FieldKind::Number {
                min: 0.0,
                max: 1_000_000.0,
                min_excluded: true,
            },
            "Epochs that the learning rate is laid out for, where training ends earlier.",
        )
        .optional()
        .advanced(),
        Field::new(
            "optimiser.carry_state",
            "Carry the state",
            FieldKind::Boolean,
            "Whether an iteration goes on with the optimiser state of the one before.",
        )
        .advanced(),
    ];
}
