//! From settings to an oracle that is ready to judge.

use std::path::Path;

use configs::env::Environment;
use configs::finetune::{self as settings, OracleConfig};
use tch::Device;

use super::judge::{Judge, JudgePrompt};
use super::pair_model::PairModel;
use super::reward_model::RewardModel;
use super::scores_file::ScoresFile;
use super::text_games::TextGame;
use super::verifiers::Verifier;
use super::{Aggregation, PreferenceOracle};
use crate::failure::FinetuneError;
use crate::text_model::locate;
use openai::Client;

/// Relative distance within which numbers are the same answer.
const TOLERANCE: f64 = 1e-6;

/// The oracle that the settings name; a model computes on `device`.
///
/// # Errors
/// Files and models that are missing or of the wrong sort, before anything is judged.
pub fn open(
    config: &OracleConfig,
    device: Device,
) -> Result<Box<dyn PreferenceOracle>, FinetuneError> {
    let aggregation = match config.aggregation {
        settings::Aggregation::Pairwise => Aggregation::Pairwise,
        settings::Aggregation::AveragedScores => Aggregation::AveragedScores,
    };
    Ok(match config.kind {
        settings::OracleKind::Verifier => Box::new(verifier(config.verifier)),
        settings::OracleKind::ScoresFile => {
            let path = config.path.as_deref().unwrap_or_default();
            Box::new(ScoresFile::read(
                Path::new(path),
                aggregation,
                config.temperature,
            )?)
        }
        settings::OracleKind::Synthetic => Box::new(TextGame::new(config.game)),
        settings::OracleKind::PairModel => {
            let name = model(config)?;
            let folder = locate(name, None)?;
            Box::new(PairModel::load(name, &folder, aggregation, None, device)?)
        }
        settings::OracleKind::RewardModel => {
            let name = model(config)?;
            let folder = locate(name, None)?;
            let temperature = config.temperature;
            Box::new(RewardModel::load(name, &folder, temperature, None, device)?)
        }
        settings::OracleKind::Judge => {
            let prompt = match &config.prompt {
                Some(path) => JudgePrompt::read(Path::new(path))?,
                None => JudgePrompt::default(),
            };
            let client = Client::new("oracle.server", &config.server, &Environment::process())?;
            Box::new(Judge::new(client, prompt, config.max_failures))
        }
    })
}

fn model(config: &OracleConfig) -> Result<&str, FinetuneError> {
    config.model.as_deref().ok_or_else(|| {
        FinetuneError::Settings(
            "oracle.model: none - name a folder or a model of the hub that judges".to_owned(),
        )
    })
}

/// The verifier that a setting names.
pub fn verifier(kind: settings::VerifierKind) -> Verifier {
    match kind {
        settings::VerifierKind::Exact => Verifier::Exact,
        settings::VerifierKind::Numeric => Verifier::Numeric {
            tolerance: TOLERANCE,
        },
        settings::VerifierKind::Boxed => Verifier::Boxed {
            tolerance: TOLERANCE,
        },
    }
}
