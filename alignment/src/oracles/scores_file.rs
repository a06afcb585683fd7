//! Judgements from a file: one JSON object per line, `{"id": ..}` with one of `scores` (`[K]`),
//! `logits` (`[K][K]`, as in [`super::Raw::Logits`]) and `win_matrix` (`[K][K]`).

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::aggregation::{Aggregation, PairLogits, bradley_terry};
use super::{Candidates, Judgement, OracleError, OracleKind, PreferenceOracle, Raw, WinMatrix};

#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    scores: Option<Vec<f64>>,
    logits: Option<Vec<Vec<f64>>>,
    win_matrix: Option<Vec<Vec<f64>>>,
}

/// An oracle that looks up what was judged before, by the prompt's id.
#[derive(Debug)]
pub struct ScoresFile {
    name: String,
    kind: OracleKind,
    judged: HashMap<String, Judgement>,
}

impl ScoresFile {
    /// Reads the file; every matrix is checked here. `temperature` is that of scalar scores.
    ///
    /// # Errors
    /// A file that cannot be read; a line, named by number, that is not such an object, that holds
    /// none or several of the three, repeats an id, or whose numbers are refused.
    pub fn read(
        path: &Path,
        aggregation: Aggregation,
        temperature: f64,
    ) -> Result<Self, OracleError> {
        let at = |line: usize, problem: String| OracleError::File {
            path: path.display().to_string(),
            line,
            problem,
        };
        let text = fs::read_to_string(path).map_err(|error| at(0, error.to_string()))?;
        let mut judged = HashMap::new();
        let mut kind = OracleKind::Scalar;
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let number = index + 1;
            let line: Line =
                serde_json::from_str(line).map_err(|error| at(number, error.to_string()))?;
            let judgement = judged_line(
                line.scores,
                line.logits,
                line.win_matrix,
                aggregation,
                temperature,
            )
            .map_err(|problem| at(number, problem))?;
            if !matches!(judgement.raw, Raw::Scores(_)) {
                kind = OracleKind::Pairwise;
            }
            if judged.contains_key(&line.id) {
                return Err(at(number, format!("id {:?} a second time", line.id)));
            }
            judged.insert(line.id, judgement);
        }
        Ok(Self {
            name: path.display().to_string(),
            kind,
            judged,
        })
    }
}

fn judged_line(
    scores: Option<Vec<f64>>,
    logits: Option<Vec<Vec<f64>>>,
    win_matrix: Option<Vec<Vec<f64>>>,
    aggregation: Aggregation,
    temperature: f64,
) -> Result<Judgement, String> {
    let told = |error: OracleError| error.to_string();
    let (raw, wins) = match (scores, logits, win_matrix) {
        (Some(scores), None, None) => {
            let wins = bradley_terry(&scores, temperature).map_err(told)?;
            (Raw::Scores(scores), wins)
        }
        (None, Some(logits), None) => {
            let pairs = PairLogits::new(&logits).map_err(told)?;
            (Raw::Logits(logits), pairs.wins(aggregation).map_err(told)?)
        }
        (None, None, Some(rows)) => (Raw::Wins, WinMatrix::new(rows).map_err(told)?),
        _ => return Err("one of scores, logits and win_matrix is needed".to_owned()),
    };
    Ok(Judgement {
        raw,
        wins,
        failures: 0,
    })
}

impl ScoresFile {
    fn of(&self, id: &str, responses: usize) -> Result<&Judgement, OracleError> {
        let Some(judgement) = self.judged.get(id) else {
            return Err(OracleError::Prompt {
                id: id.to_owned(),
                problem: "not in the file of scores - add a line with this id to oracle.path",
            });
        };
        if judgement.wins.responses() != responses {
            return Err(OracleError::Count {
                id: id.to_owned(),
                found: judgement.wins.responses(),
                responses,
            });
        }
        Ok(judgement)
    }
}

impl PreferenceOracle for ScoresFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> OracleKind {
        self.kind
    }

    fn knows(&self, id: &str, _answer: Option<&str>, responses: usize) -> Result<(), OracleError> {
        self.of(id, responses).map(|_| ())
    }

    fn judge(&mut self, batch: &[Candidates]) -> Result<Vec<Judgement>, OracleError> {
        batch
            .iter()
            .map(|candidates| {
                let judgement = self.of(&candidates.id, candidates.responses.len())?;
                Ok(judgement.clone())
            })
            .collect()
    }
}
