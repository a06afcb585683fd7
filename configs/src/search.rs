//! Settings of `job = "search"`: budget-aware tree search over questions.
//!
//! The defaults are those of the BAVT paper (arXiv 2603.12634) where it states them, and the
//! recommended choice of the specification where it does not.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

mod budget;
mod contradictions;
mod critic;
mod dialogue;
mod generation;
mod logging;
mod method;
mod model;
mod prices;
mod questions;
mod runtime;
mod scripted;
mod server;
mod tools;
mod world;

pub use budget::{BudgetConfig, TokenCount};
pub use critic::{CriticConfig, CriticScore};
pub use dialogue::{DialogueConfig, DialogueStyle};
pub use generation::GenerationConfig;
pub use logging::LoggingConfig;
pub use method::{
    AnswerRule, DuplicateCheck, Frontier, Method, MethodConfig, ResidualBase, StopRule,
    TriedActions,
};
pub use model::{ModelConfig, ModelKind};
pub use prices::PricesConfig;
pub use questions::{Metric, QuestionFormat, QuestionsConfig, QuestionsKind};
pub use runtime::RuntimeConfig;
pub use scripted::ScriptedConfig;
pub use server::ServerConfig;
pub use tools::ToolsConfig;
pub use world::{Split, WorldConfig};

pub(crate) use contradictions::contradictions;

/// Everything a search needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchConfig {
    /// Seed from which every random stream of the run is derived.
    pub seed: u64,
    /// Who proposes steps and judges them.
    pub model: ModelConfig,
    /// The server, where one answers.
    pub server: ServerConfig,
    /// How the model is talked to.
    pub dialogue: DialogueConfig,
    /// What is asked.
    pub questions: QuestionsConfig,
    /// The made-up world.
    pub world: WorldConfig,
    /// The made-up policy and critic.
    pub scripted: ScriptedConfig,
    /// How the tree is searched.
    pub method: MethodConfig,
    /// What may be spent on one question.
    pub budget: BudgetConfig,
    /// How steps are judged.
    pub critic: CriticConfig,
    /// How steps and answers are sampled.
    pub generation: GenerationConfig,
    /// What the policy can call.
    pub tools: ToolsConfig,
    /// What is paid, in dollars.
    pub prices: PricesConfig,
    /// Where the work is done.
    pub runtime: RuntimeConfig,
    /// What is written down along the way.
    pub logging: LoggingConfig,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            model: ModelConfig::default(),
            server: ServerConfig::default(),
            dialogue: DialogueConfig::default(),
            questions: QuestionsConfig::default(),
            world: WorldConfig::default(),
            scripted: ScriptedConfig::default(),
            method: MethodConfig::default(),
            budget: BudgetConfig::default(),
            critic: CriticConfig::default(),
            generation: GenerationConfig::default(),
            tools: ToolsConfig::default(),
            prices: PricesConfig::default(),
            runtime: RuntimeConfig::default(),
            logging: LoggingConfig::default(),
        }
    }
}

impl SearchConfig {
    const TOP_LEVEL: &'static [Field] = &[Field::new(
        "seed",
        "Seed",
        FieldKind::Integer {
            min: 0,
            max: i64::MAX,
        },
        "Seed from which every random stream of the run is derived.",
    )];

    /// The field table, in the order of the structs.
    #[must_use]
    pub fn fields() -> Vec<&'static Field> {
        [
            Self::TOP_LEVEL,
            ModelConfig::FIELDS,
            ServerConfig::FIELDS,
            DialogueConfig::FIELDS,
            QuestionsConfig::FIELDS,
            WorldConfig::FIELDS,
            ScriptedConfig::FIELDS,
            MethodConfig::FIELDS,
            BudgetConfig::FIELDS,
            CriticConfig::FIELDS,
            GenerationConfig::FIELDS,
            ToolsConfig::FIELDS,
            PricesConfig::FIELDS,
            RuntimeConfig::FIELDS,
            LoggingConfig::FIELDS,
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
