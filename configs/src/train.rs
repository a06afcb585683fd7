//! Settings of `job = "train"`: multi-agent reinforcement learning.
//!
//! The defaults are the values that EPyMARL ships for independent Q-learning on
//! level-based foraging (`config/default.yaml`, `config/envs/gymma.yaml` and
//! `config/algs/iql.yaml` of that package).

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

mod algorithm;
mod checkpoint;
mod contradictions;
mod environment;
mod evaluation;
mod exploration;
mod logging;
mod mixer;
mod network;
mod ppo;
mod replay;
mod runtime;
mod switch;

pub use algorithm::{
    AlgorithmConfig, AlgorithmKind, CentralKind, HardTargetUpdate, IndependentKind, OptimizerKind,
    SoftTargetUpdate, TargetUpdate,
};
pub use checkpoint::CheckpointConfig;
pub use environment::{EnvironmentConfig, TimeLimitAs};
pub use evaluation::{EvaluationConfig, Execution};
pub use exploration::ExplorationConfig;
pub use logging::LoggingConfig;
pub use mixer::MixerConfig;
pub use network::{NetworkConfig, NetworkKind};
pub use ppo::{AdvantageKind, GaeAdvantage, NStepAdvantage, PpoConfig};
pub use replay::ReplayConfig;
pub use runtime::{FreeMode, LockstepMode, RuntimeConfig, RuntimeMode};
pub use switch::{
    Bootstrap, CallBudget, Calls, CostMode, SharedParts, SwitchConfig, SwitchKind, TransitionData,
};

pub(crate) use contradictions::contradictions;

/// Everything a training run needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed from which every random stream of the run is derived.
    pub seed: u64,
    /// Environment steps after which training ends, summed over all environments.
    pub total_steps: u64,
    /// Learner updates after which training ends earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_updates: Option<u64>,
    /// What the agents act in.
    pub environment: EnvironmentConfig,
    /// How they learn.
    pub algorithm: AlgorithmConfig,
    /// What computes their values.
    pub network: NetworkConfig,
    /// What they learn from.
    pub replay: ReplayConfig,
    /// How they explore.
    pub exploration: ExplorationConfig,
    /// How the work is spread over threads and devices.
    pub runtime: RuntimeConfig,
    /// How progress is measured.
    pub evaluation: EvaluationConfig,
    /// What is kept on disk to resume from.
    pub checkpoint: CheckpointConfig,
    /// What is written down along the way.
    pub logging: LoggingConfig,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            total_steps: 2_050_000,
            max_updates: None,
            environment: EnvironmentConfig::default(),
            algorithm: AlgorithmConfig::default(),
            network: NetworkConfig::default(),
            replay: ReplayConfig::default(),
            exploration: ExplorationConfig::default(),
            runtime: RuntimeConfig::default(),
            evaluation: EvaluationConfig::default(),
            checkpoint: CheckpointConfig::default(),
            logging: LoggingConfig::default(),
        }
    }
}

impl TrainConfig {
    const TOP_LEVEL: &'static [Field] = &[
        Field::new(
            "seed",
            "Seed",
            FieldKind::Integer {
                min: 0,
                max: i64::MAX,
            },
            "Seed from which every random stream of the run is derived.",
        ),
        Field::new(
            "total_steps",
            "Total steps",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Environment steps after which training ends, summed over all environments.",
        )
        .known_as(&["t_max", "total_timesteps", "max_steps"])
        .unit("environment steps"),
        Field::new(
            "max_updates",
            "Most updates",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Learner updates after which training ends earlier.",
        )
        .unit("updates")
        .optional()
        .advanced(),
    ];

    /// The field table, in the order of the structs.
    #[must_use]
    pub fn fields() -> Vec<&'static Field> {
        [
            Self::TOP_LEVEL,
            EnvironmentConfig::FIELDS,
            AlgorithmConfig::FIELDS,
            MixerConfig::FIELDS,
            PpoConfig::FIELDS,
            SwitchConfig::FIELDS,
            NetworkConfig::FIELDS,
            ReplayConfig::FIELDS,
            ExplorationConfig::FIELDS,
            RuntimeConfig::FIELDS,
            EvaluationConfig::FIELDS,
            CheckpointConfig::FIELDS,
            LoggingConfig::FIELDS,
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Environments that step during training, over all actors.
    #[must_use]
    pub fn environments(&self) -> usize {
        self.runtime
            .actors
            .saturating_mul(self.runtime.environments_per_actor)
    }
}
