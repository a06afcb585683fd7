//! Who serves the jobs of a run.

use std::sync::Arc;

use configs::search::{CriticScore, DialogueStyle, ModelKind, SearchConfig, ToolsConfig};
use search::dialogue::chat::{Chat, Critic};
use search::dialogue::compact::Compact;
use search::dialogue::{PromptStyle, Speaker};
use search::language::{CompletionModel, LanguageBackend, Manner, Sampling, Toolbox};
use search::scripted::{Coupling, Ending, Scripted};
use search::serving::Backend;
use search::tools::cache::Cached;
use search::tools::calculator::Calculator;
use search::tools::collection::Collection;
use search::tools::document_search::DocumentSearch;
use search::tools::failing::Failing;
use search::tools::lookup::Lookup;
use search::tools::{Tool, Tools};
use tch::Device;

use super::orders::Orders;
use super::web::WebSearch;
use super::{local, server};
use crate::exit::{BAD_CONFIG, Failure};

/// Opens the backend of the settings; its tools search these documents. A server is not waited for any more once the
/// orders include a stop.
///
/// # Errors
/// A model that is not here, a server that is not named.
pub fn open(
    config: &SearchConfig,
    documents: &Arc<Collection>,
    device: Device,
    orders: &Orders,
) -> Result<Box<dyn Backend>, Failure> {
    Ok(match config.model.kind {
        ModelKind::Local => Box::new(language(config, local::model(config, device)?, documents)?),
        ModelKind::Server => Box::new(language(
            config,
            server::model(config, orders.clone())?,
            documents,
        )?),
        ModelKind::Scripted => {
            // Trajectories have no critic: their policy sees when it is done.
            let ending = match config.method.kind.judges() {
                true => Ending::Critic,
                false => Ending::Policy,
            };
            let scripted = Scripted::new(&config.scripted, config.seed, ending, Coupling::Job);
            Box::new(scripted)
        }
    })
}

/// The role under which a speaker's turn is sent, by a chat template or to a server.
pub(super) fn role(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
    }
}

fn language<M: CompletionModel>(
    config: &SearchConfig,
    model: M,
    documents: &Arc<Collection>,
) -> Result<LanguageBackend<M, Tools>, Failure> {
    let tools = tools(&config.tools, documents, config.seed)?;
    let style: Box<dyn PromptStyle> = match config.dialogue.style {
        DialogueStyle::Compact => Box::new(Compact),
        DialogueStyle::Chat => {
            let critic = match config.critic.score {
                CriticScore::Residual => Critic::Residual,
                CriticScore::Absolute => Critic::Absolute,
            };
            Box::new(Chat::new(tools.descriptions(), critic))
        }
    };
    let generator = Sampling {
        temperature: config.generation.temperature,
        top_p: config.generation.top_p,
        top_k: config.generation.top_k,
    };
    let critic = Sampling {
        temperature: config.critic.temperature,
        top_p: 1.0,
        top_k: 0,
    };
    Ok(LanguageBackend::new(
        model,
        style,
        tools,
        Manner {
            generator,
            critic,
            weighs: config.critic.constrained,
        },
        config.prices.clone(),
    ))
}

/// The tools of the settings.
fn tools(config: &ToolsConfig, documents: &Arc<Collection>, seed: u64) -> Result<Tools, Failure> {
    let mut all: Vec<Box<dyn Tool>> = Vec::new();
    if config.search {
        let documents = Arc::clone(documents);
        all.push(Box::new(DocumentSearch::new(
            documents,
            config.search_results,
            config.search_cost,
        )));
    }
    if config.lookup {
        let documents = Arc::clone(documents);
        all.push(Box::new(Lookup::new(documents, config.lookup_cost)));
    }
    if config.calculator {
        all.push(Box::new(Calculator::new(config.calculator_cost)));
    }
    if let Some(web) = WebSearch::new(config)? {
        all.push(Box::new(web));
    }
    if config.failure_rate > 0.0 {
        let failing =
            |tool| -> Box<dyn Tool> { Box::new(Failing::new(tool, config.failure_rate, seed)) };
        all = all.into_iter().map(failing).collect();
    }
    if config.cache {
        all = all
            .into_iter()
            .map(|tool| -> Box<dyn Tool> { Box::new(Cached::new(tool)) })
            .collect();
    }
    Tools::new(all, config.max_characters)
        .map_err(|error| Failure::new(BAD_CONFIG, error.to_string()))
}
