//! `[algorithm]`: how the agents learn.

use serde::{Deserialize, Serialize};

use super::{MixerConfig, PpoConfig, SwitchConfig};
use crate::field::{Field, FieldKind};

/// The learning algorithm and its settings.
///
/// A setting that a kind does not use is kept at its default, is never written into a file
/// and may not be set (see [`Field::when`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlgorithmConfig {
    /// The learning algorithm.
    pub kind: AlgorithmKind,
    /// How MANSA's agents learn and act by themselves.
    pub independent: IndependentKind,
    /// How MANSA's agents learn and act together.
    pub central: CentralKind,
    /// Step size of the optimiser.
    pub learning_rate: f64,
    /// The optimiser: Adam (epsilon 1e-8) or RMSprop (alpha 0.99, epsilon 1e-5).
    pub optimizer: OptimizerKind,
    /// Weight of a reward one step later (gamma).
    pub discount: f64,
    /// Whether the online network picks the action that the target network values.
    pub double_q: bool,
    /// Largest norm of the gradient over all parameters; 0 turns clipping off.
    pub gradient_clip: f64,
    /// Whether rewards are standardised by their running mean and deviation.
    pub standardise_rewards: bool,
    /// How the target network follows the online one.
    pub target_update: TargetUpdate,
    /// How QMIX puts the agents' values together.
    pub mixer: MixerConfig,
    /// How policies and their critics are updated.
    pub ppo: PpoConfig,
    /// How MANSA decides between independent and central.
    pub switch: SwitchConfig,
}

/// The learning algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlgorithmKind {
    /// Independent Q-learning: each agent learns its own action values.
    #[default]
    Iql,
    /// Value decomposition: the team's value is the sum of the agents'.
    Vdn,
    /// The team's value is a monotone mixture of the agents', weighted by the state.
    Qmix,
    /// Independent proximal policy optimisation: each critic sees one agent's observation.
    Ippo,
    /// Proximal policy optimisation with a central critic that sees all observations.
    Mappo,
    /// A switching agent decides state by state between an independent and a central learner.
    Mansa,
}

/// MANSA's independent half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndependentKind {
    /// Independent Q-learning.
    #[default]
    Iql,
    /// Independent proximal policy optimisation.
    Ippo,
}

/// MANSA's central half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CentralKind {
    /// Value decomposition.
    Vdn,
    /// Monotone mixing.
    #[default]
    Qmix,
    /// A central critic.
    Mappo,
}

impl AlgorithmConfig {
    /// Whether learning follows the episodes of the current policy only.
    #[must_use]
    pub fn on_policy(&self) -> bool {
        match self.kind {
            AlgorithmKind::Ippo | AlgorithmKind::Mappo => true,
            AlgorithmKind::Mansa => self.independent == IndependentKind::Ippo,
            AlgorithmKind::Iql | AlgorithmKind::Vdn | AlgorithmKind::Qmix => false,
        }
    }

    /// Whether a switching agent decides between two learners.
    #[must_use]
    pub fn is_mansa(&self) -> bool {
        self.kind == AlgorithmKind::Mansa
    }
}

/// First-order optimisers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Adam with betas 0.9 and 0.999 and epsilon 1e-8.
    Adam,
    /// RMSprop with alpha 0.99 and epsilon 1e-5.
    Rmsprop,
}

/// How the target network follows the online one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TargetUpdate {
    /// Copy all parameters now and then.
    Hard(HardTargetUpdate),
    /// Move a little after each update.
    Soft(SoftTargetUpdate),
}

/// Copy all parameters now and then.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HardTargetUpdate {
    /// Learner updates between two copies of the online network.
    pub interval_updates: u64,
}

/// Move a little after each update.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoftTargetUpdate {
    /// Share of the online network mixed into the target after each update (tau).
    pub rate: f64,
}

impl Default for AlgorithmConfig {
    fn default() -> Self {
        Self {
            kind: AlgorithmKind::default(),
            independent: IndependentKind::default(),
            central: CentralKind::default(),
            learning_rate: 3e-4,
            optimizer: OptimizerKind::Adam,
            discount: 0.99,
            double_q: true,
            gradient_clip: 10.0,
            standardise_rewards: true,
            target_update: TargetUpdate::default(),
            mixer: MixerConfig::default(),
            ppo: PpoConfig::default(),
            switch: SwitchConfig::default(),
        }
    }
}

impl Default for TargetUpdate {
    fn default() -> Self {
        Self::Hard(HardTargetUpdate::default())
    }
}

impl Default for HardTargetUpdate {
    fn default() -> Self {
        Self {
            interval_updates: 200,
        }
    }
}

impl Default for SoftTargetUpdate {
    fn default() -> Self {
        Self { rate: 0.01 }
    }
}

impl AlgorithmConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "algorithm.kind",
            "Algorithm",
            FieldKind::Variant {
                values: &["iql", "vdn", "qmix", "ippo", "mappo", "mansa"],
            },
            "The learning algorithm.",
        )
        .known_as(&["name", "algo", "learner"]),
        Field::new(
            "algorithm.independent",
            "Independent learner",
            FieldKind::Choice {
                values: &["iql", "ippo"],
            },
            "How MANSA's agents learn and act by themselves.",
        )
        .when("algorithm.kind", &["mansa"]),
        Field::new(
            "algorithm.central",
            "Central learner",
            FieldKind::Choice {
                values: &["vdn", "qmix", "mappo"],
            },
            "How MANSA's agents learn and act together.",
        )
        .when("algorithm.kind", &["mansa"]),
        Field::new(
            "algorithm.learning_rate",
            "Learning rate",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: true,
            },
            "Step size of the optimiser.",
        )
        .known_as(&["lr", "alpha"]),
        Field::new(
            "algorithm.optimizer",
            "Optimiser",
            FieldKind::Choice {
                values: &["adam", "rmsprop"],
            },
            "The optimiser: Adam (epsilon 1e-8) or RMSprop (alpha 0.99, epsilon 1e-5).",
        )
        .known_as(&["optimiser", "optim"])
        .advanced(),
        Field::new(
            "algorithm.discount",
            "Discount",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Weight of a reward one step later (gamma).",
        )
        .known_as(&["gamma", "discount_factor"]),
        Field::new(
            "algorithm.double_q",
            "Double Q",
            FieldKind::Boolean,
            "Whether the online network picks the action that the target network values.",
        )
        .advanced()
        .when("algorithm.kind", &["iql", "vdn", "qmix", "mansa"]),
        Field::new(
            "algorithm.gradient_clip",
            "Gradient clip",
            FieldKind::Number {
                min: 0.0,
                max: f64::MAX,
                min_excluded: false,
            },
            "Largest norm of the gradient over all parameters; 0 turns clipping off.",
        )
        .known_as(&["grad_norm_clip", "max_grad_norm", "grad_clip"])
        .advanced(),
        Field::new(
            "algorithm.standardise_rewards",
            "Standardise rewards",
            FieldKind::Boolean,
            "Whether rewards are standardised by their running mean and deviation.",
        )
        .known_as(&["standardize_rewards"]),
        Field::new(
            "algorithm.target_update.kind",
            "Target update",
            FieldKind::Variant {
                values: &["hard", "soft"],
            },
            "How the target network follows the online one.",
        )
        .known_as(&["target_update_interval_or_tau"]),
        Field::new(
            "algorithm.target_update.interval_updates",
            "Target interval",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Learner updates between two copies of the online network.",
        )
        .known_as(&["target_update_interval"])
        .unit("updates")
        .when("algorithm.target_update.kind", &["hard"]),
        Field::new(
            "algorithm.target_update.rate",
            "Target rate",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: true,
            },
            "Share of the online network mixed into the target after each update (tau).",
        )
        .known_as(&["tau"])
        .when("algorithm.target_update.kind", &["soft"]),
    ];
}
