//! From settings to an oracle that is ready to judge.

use std::path::Path;

use configs::finetune::{self as settings, OracleConfig};

use super::scores_file::ScoresFile;
use super::text_games::TextGame;
use super::verifiers::Verifier;
use super::{Aggregation, PreferenceOracle};
use crate::failure::FinetuneError;

/// Relative distance within which numbers are the same answer.
const TOLERANCE: f64 = 1e-6;

/// The oracle that the settings name.
///
/// # Errors
/// Files and models that are missing or of the wrong sort, before anything is judged.
pub fn open(config: &OracleConfig) -> Result<Box<dyn PreferenceOracle>, FinetuneError> {
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
        other => {
            return Err(FinetuneError::Settings(format!(
                "oracle.kind: {other:?} cannot judge yet - allowed: verifier, scores_file, synthetic"
            )));
        }
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
