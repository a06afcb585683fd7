//! Settings of `job = "finetune"`: language models from demonstrations and preferences.
//!
//! The defaults are those of the SPPO paper (arXiv 2405.00675), save the learning rate's
//! schedule, which is laid out for the epochs that are run.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

mod adapter;
mod algorithm;
mod checkpoint;
mod contradictions;
mod data;
mod evaluation;
mod generation;
mod iterations;
mod logging;
mod memory;
mod model;
mod optimiser;
mod oracle;
mod runtime;
mod server;

pub use adapter::{AdapterConfig, AdapterKind};
pub use algorithm::{Algorithm, AlgorithmConfig, BaseLoss, MixingKind, SppoForm, UnclosedTraces};
pub use checkpoint::CheckpointConfig;
pub use data::{ARITHMETIC, DataConfig, DataForm, Thinking};
pub use evaluation::EvaluationConfig;
pub use generation::{GenerationConfig, Source};
pub use iterations::IterationsConfig;
pub use logging::LoggingConfig;
pub use memory::{Activations, MemoryConfig};
pub use model::{ModelConfig, NumberKind};
pub use optimiser::{Decay, OptimiserConfig, OptimiserKind};
pub use oracle::{Aggregation, Game, OracleConfig, OracleKind, VerifierKind};
pub use runtime::RuntimeConfig;
pub use server::ServerConfig;

pub(crate) use contradictions::contradictions;

/// Everything a fine-tuning run needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FinetuneConfig {
    /// Seed from which every random stream of the run is derived.
    pub seed: u64,
    /// Updates after which training ends earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_updates: Option<u64>,
    /// What the model learns from, and how.
    pub algorithm: AlgorithmConfig,
    /// The model that is trained.
    pub model: ModelConfig,
    /// What of the model is trained.
    pub adapter: AdapterConfig,
    /// What is learnt from.
    pub data: DataConfig,
    /// How responses are sampled.
    pub generation: GenerationConfig,
    /// Who says which response is better.
    pub oracle: OracleConfig,
    /// Rounds of generating and training.
    pub iterations: IterationsConfig,
    /// How the weights are moved.
    pub optimiser: OptimiserConfig,
    /// What is held in memory.
    pub memory: MemoryConfig,
    /// How progress is measured.
    pub evaluation: EvaluationConfig,
    /// What is kept on disk to resume from.
    pub checkpoint: CheckpointConfig,
    /// What is written down along the way.
    pub logging: LoggingConfig,
    /// Where the work is done.
    pub runtime: RuntimeConfig,
}

impl Default for FinetuneConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            max_updates: None,
            algorithm: AlgorithmConfig::default(),
            model: ModelConfig::default(),
            adapter: AdapterConfig::default(),
            data: DataConfig::default(),
            generation: GenerationConfig::default(),
            oracle: OracleConfig::default(),
            iterations: IterationsConfig::default(),
            optimiser: OptimiserConfig::default(),
            memory: MemoryConfig::default(),
            evaluation: EvaluationConfig::default(),
            checkpoint: CheckpointConfig::default(),
            logging: LoggingConfig::default(),
            runtime: RuntimeConfig::default(),
        }
    }
}

impl FinetuneConfig {
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
            "max_updates",
            "Most updates",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Updates after which training ends earlier.",
        )
        .known_as(&["max_steps"])
        .unit("updates")
        .optional()
        .advanced(),
    ];

    /// The field table, in the order of the structs.
    #[must_use]
    pub fn fields() -> Vec<&'static Field> {
        [
            Self::TOP_LEVEL,
            AlgorithmConfig::FIELDS,
            ModelConfig::FIELDS,
            AdapterConfig::FIELDS,
            DataConfig::FIELDS,
            GenerationConfig::FIELDS,
            ServerConfig::GENERATION_FIELDS,
            OracleConfig::FIELDS,
            ServerConfig::ORACLE_FIELDS,
            IterationsConfig::FIELDS,
            OptimiserConfig::FIELDS,
            MemoryConfig::FIELDS,
            EvaluationConfig::FIELDS,
            CheckpointConfig::FIELDS,
            LoggingConfig::FIELDS,
            RuntimeConfig::FIELDS,
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether responses are sampled and judged, or the data has its own pairs.
    #[must_use]
    pub fn iterates(&self) -> bool {
        self.algorithm.kind != Algorithm::Sft && self.iterations.count > 0
    }
}
