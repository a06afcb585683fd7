//! What a run is made of: questions, documents, and who serves the jobs.

use configs::search::{ModelKind, QuestionsConfig, SearchConfig};
use search::scripted::{self, Coupling, Ending, Scripted};
use search::serving::Backend;
use tch::Device;

use crate::exit::{BAD_CONFIG, Failure};

use super::questions::Asked;

/// Made-up chains that are asked where the configuration does not say how many.
const CHAINS: u64 = 100;

/// Questions, and what there is to be searched for them.
pub struct Material {
    /// What is asked.
    pub asked: Vec<Asked>,
    /// What tools search.
    pub documents: Documents,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What tools search.
pub enum Documents {
    /// Nothing.
    None,
}

/// Loads what the configuration names; `given` are other questions about the same documents.
///
/// # Errors
/// A file that cannot be read, a world that cannot be made, no question at all.
pub fn load(config: &SearchConfig, given: Option<&[Asked]>) -> Result<Material, Failure> {
    let mut material = match config.model.kind {
        ModelKind::Scripted => Material {
            asked: chains(&config.questions),
            documents: Documents::None,
            notes: Vec::new(),
        },
        _ => return Err(Failure::new(BAD_CONFIG, "not yet")),
    };
    if let Some(given) = given {
        material.asked = given.to_vec();
    }
    if material.asked.is_empty() {
        return Err(Failure::new(
            BAD_CONFIG,
            "no question is left: questions.offset passes over all of them - lower it",
        ));
    }
    Ok(material)
}

fn chains(config: &QuestionsConfig) -> Vec<Asked> {
    scripted::questions(config.offset, config.count.unwrap_or(CHAINS))
        .map(|question| Asked {
            question,
            expected: vec![scripted::RIGHT.to_owned()],
        })
        .collect()
}

/// Opens who serves the jobs.
///
/// # Errors
/// A model that is not here, a server that is not named.
pub fn backend(
    config: &SearchConfig,
    documents: Documents,
    device: Device,
) -> Result<Box<dyn Backend>, Failure> {
    let _ = (documents, device);
    match config.model.kind {
        ModelKind::Scripted => {
            // Trajectories have no critic: their policy sees when it is done.
            let ending = match config.method.kind.judges() {
                true => Ending::Critic,
                false => Ending::Policy,
            };
            Ok(Box::new(Scripted::new(
                &config.scripted,
                config.seed,
                ending,
                Coupling::Job,
            )))
        }
        _ => Err(Failure::new(BAD_CONFIG, "not yet")),
    }
}
