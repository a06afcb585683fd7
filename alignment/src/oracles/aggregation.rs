//! From what a model says to win matrices.

use serde::{Deserialize, Serialize};

use super::win_matrix::square;
use super::{OracleError, WinMatrix};

/// How a pair model's logits become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// SPPO's paper: `P(i > k) = sigmoid((s_ik - s_ki) / 2)`, each pair by itself. Keeps cycles.
    #[default]
    Pairwise,
    /// SPPO's released code: `r_i = (1/K) sum_k (s_ik - s_ki)`, `P(i > k) = sigmoid(r_i - r_k)`.
    /// Transitive by construction, and each probability depends on all K responses.
    AveragedScores,
}

/// `[K][K]` logits `s_ik` of "i, shown first, beats k", off the diagonal finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<f64>>", into = "Vec<Vec<f64>>")]
pub struct PairLogits {
    /// Antisymmetric: `(s_ik - s_ki) / 2`.
    logits: Vec<Vec<f64>>,
}

impl PairLogits {
    /// Averages the two orders of each pair; the diagonal is not read.
    ///
    /// # Errors
    /// Not square or empty; a logit off the diagonal that is not finite.
    pub fn new(shown: &[Vec<f64>]) -> Result<Self, OracleError> {
        square("logits", shown)?;
        let responses = shown.len();
        let mut logits = vec![vec![0.0; responses]; responses];
        for row in 0..responses {
            for column in 0..responses {
                if row == column {
                    continue;
                }
                finite("logits", row, column, shown[row][column])?;
                logits[row][column] = (shown[row][column] - shown[column][row]) / 2.0;
            }
        }
        Ok(Self { logits })
    }

    /// Mean logit of each response against all K, itself at 0: `[K]`, the paper's mean relative
    /// score. Half of the released code's `r_i`, so of the same order.
    pub fn mean_scores(&self) -> Vec<f64> {
        let responses = self.logits.len() as f64;
        self.logits
            .iter()
            .map(|row| row.iter().sum::<f64>() / responses)
            .collect()
    }

    /// The win matrix.
    ///
    /// # Errors
    /// None for finite logits; the matrix checks itself.
    pub fn wins(&self, aggregation: Aggregation) -> Result<WinMatrix, OracleError> {
        let scores = self.mean_scores();
        WinMatrix::from_upper(self.logits.len(), |first, second| {
            sigmoid(match aggregation {
                Aggregation::Pairwise => self.logits[first][second],
                Aggregation::AveragedScores => 2.0 * (scores[first] - scores[second]),
            })
        })
    }
}

impl TryFrom<Vec<Vec<f64>>> for PairLogits {
    type Error = OracleError;

    fn try_from(shown: Vec<Vec<f64>>) -> Result<Self, OracleError> {
        Self::new(&shown)
    }
}

impl From<PairLogits> for Vec<Vec<f64>> {
    fn from(logits: PairLogits) -> Self {
        logits.logits
    }
}

/// Bradley-Terry: `P(i > k) = sigmoid((r_i - r_k) / temperature)` of scores `[K]`.
///
/// # Errors
/// No score, a score that is not finite, a temperature that is not finite and above 0.
pub fn bradley_terry(scores: &[f64], temperature: f64) -> Result<WinMatrix, OracleError> {
    if !(temperature.is_finite() && temperature > 0.0) {
        return Err(OracleError::Number {
            what: "temperature",
            value: temperature,
            allowed: "a finite number above 0",
        });
    }
    for (row, score) in scores.iter().enumerate() {
        finite("scores", row, 0, *score)?;
    }
    WinMatrix::from_upper(scores.len(), |first, second| {
        sigmoid((scores[first] - scores[second]) / temperature)
    })
}

fn finite(what: &'static str, row: usize, column: usize, value: f64) -> Result<(), OracleError> {
    if value.is_finite() {
        Ok(())
    } else {
        Err(OracleError::Entry {
            what,
            row,
            column,
            value,
            allowed: "a finite number",
        })
    }
}

/// `1 / (1 + e^-x)`, without overflow.
pub(crate) fn sigmoid(logit: f64) -> f64 {
    if logit >= 0.0 {
        1.0 / (1.0 + (-logit).exp())
    } else {
        let odds = logit.exp();
        odds / (1.0 + odds)
    }
}
