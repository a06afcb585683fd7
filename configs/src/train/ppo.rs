//! `[algorithm.ppo]`: how policies and their critics are updated.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// Proximal policy optimisation (Schulman et al. 2017) as EPyMARL's IPPO and MAPPO set it up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PpoConfig {
    /// Passes over each batch of episodes.
    pub epochs: usize,
    /// Parts into which the episodes of a batch are dealt in each pass.
    pub minibatches: usize,
    /// How far the new policy's probability of an action may move from the old one's, as a share.
    pub clip_range: f64,
    /// Weight of the policy's entropy in its objective.
    pub entropy_coefficient: f64,
    /// How rewards and values make advantages.
    pub advantage: AdvantageKind,
    /// How far a value may move from the old one within an update; 0 turns clipping off.
    pub value_clip: f64,
    /// Whether the critic learns returns standardised by their running mean and deviation.
    pub value_normalisation: bool,
    /// Units of each hidden layer of the critic.
    pub critic_hidden_size: usize,
}

/// How rewards and values make advantages.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AdvantageKind {
    /// Rewards of a few steps, then the target critic's value.
    NStep(NStepAdvantage),
    /// Generalised advantage estimation (Schulman et al. 2016).
    Gae(GaeAdvantage),
}

/// Rewards of a few steps, then the target critic's value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NStepAdvantage {
    /// Steps whose rewards are summed before the value takes over.
    pub steps: usize,
}

/// Generalised advantage estimation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaeAdvantage {
    /// Weight of an error one step later: 0 trusts the critic, 1 the rewards.
    pub lambda: f64,
}

impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            epochs: 4,
            minibatches: 1,
            clip_range: 0.2,
            entropy_coefficient: 0.001,
            advantage: AdvantageKind::default(),
            value_clip: 0.0,
            value_normalisation: false,
            critic_hidden_size: 128,
        }
    }
}

impl Default for AdvantageKind {
    fn default() -> Self {
        Self::NStep(NStepAdvantage::default())
    }
}

impl Default for NStepAdvantage {
    fn default() -> Self {
        Self { steps: 5 }
    }
}

impl Default for GaeAdvantage {
    fn default() -> Self {
        Self { lambda: 0.95 }
    }
}

impl PpoConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "algorithm.ppo.epochs",
            "Epochs",
            FieldKind::Integer { min: 1, max: 1_000 },
            "Passes over each batch of episodes.",
        ).known_as(&["num_epochs", "ppo_epochs"]).when("algorithm.kind", &["ippo", "mappo", "mansa"]),
        Field::new(
            "algorithm.ppo.minibatches",
            "Minibatches",
            FieldKind::Integer { min: 1, max: 10_000 },
            "Parts into which the episodes of a batch are dealt in each pass.",
        ).known_as(&["num_minibatches"]).when("algorithm.kind", &["ippo", "mappo", "mansa"]),
        Field::new(
            "algorithm.ppo.clip_range",
            "Clip range",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: true,
            },
            "How far the new policy's probability of an action may move from the old one's, as a share.",
        ).known_as(&["eps_clip", "clip_eps"]).when("algorithm.kind", &["ippo", "mappo", "mansa"]),
        Field::new(
            "algorithm.ppo.entropy_coefficient",
            "Entropy",
            FieldKind::Number {
                min: 0.0,
                max: f64::MAX,
                min_excluded: false,
            },
            "Weight of the policy's entropy in its objective.",
        ).known_as(&["entropy_coef", "ent_coef"]).when("algorithm.kind", &["ippo", "mappo", "mansa"]),
        Field::new(
            "algorithm.ppo.advantage.kind",
            "Advantage",
            FieldKind::Variant { values: &["n_step", "gae"] },
            "How rewards and values make advantages.",
        ).when("algorithm.kind", &["ippo", "mappo", "mansa"]),
        Field::new(
            "algorithm.ppo.advantage.steps",
            "Steps",
            FieldKind::Integer { min: 1, max: 100_000 },
            "Steps whose rewards are summed before the value takes over.",
        ).known_as(&["q_nstep", "n_step"]).unit("steps").when("algorithm.ppo.advantage.kind", &["n_step"]),
        Field::new(
            "algorithm.ppo.advantage.lambda",
            "Lambda",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Weight of an error one step later: 0 trusts the critic, 1 the rewards.",
        ).known_as(&["gae_lambda"]).when("algorithm.ppo.advantage.kind", &["gae"]),
        Field::new(
            "algorithm.ppo.value_clip",
            "Value clip",
            FieldKind::Number {
                min: 0.0,
                max: f64::MAX,
                min_excluded: false,
            },
            "How far a value may move from the old one within an update; 0 turns clipping off.",
        ).advanced().when("algorithm.kind", &["ippo", "mappo", "mansa"]),
        Field::new("algorithm.ppo.value_normalisation", "Normalise values", FieldKind::Boolean, "Whether the critic learns returns standardised by their running mean and deviation.").known_as(&["standardise_returns", "use_valuenorm"]).when("algorithm.kind", &["ippo", "mappo", "mansa"]),
        Field::new(
            "algorithm.ppo.critic_hidden_size",
            "Critic size",
            FieldKind::Integer { min: 1, max: 65_536 },
            "Units of each hidden layer of the critic.",
        ).unit("units").advanced().when("algorithm.kind", &["ippo", "mappo", "mansa"]),
    ];
}
