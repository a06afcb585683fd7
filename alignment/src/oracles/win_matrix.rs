//! `P(i beats k)` of one prompt's responses.

use serde::{Deserialize, Serialize};

use super::OracleError;

/// How far `P(i > k) + P(k > i)` may be from 1 before the matrix is refused.
const TOLERANCE: f64 = 1e-4;

/// Whether a response meets itself in its win rate, at 1/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfTerm {
    /// Paper and released code of SPPO: the mean over K.
    #[default]
    Counted,
    /// The mean over the K - 1 others; 1/2 for a single response.
    LeftOut,
}

/// K x K probabilities: diagonal exactly 1/2, `P + P^T = 1` to the last bit of the lower half.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<f64>>", into = "Vec<Vec<f64>>")]
pub struct WinMatrix {
    rows: Vec<Vec<f64>>,
}

impl WinMatrix {
    /// Checks a matrix and makes it complementary: the upper half stays, the lower is one less it.
    ///
    /// # Errors
    /// Not square or empty; an entry that is not a number or outside 0..=1; a diagonal other than
    /// 1/2 or sums other than 1, by more than 1e-4.
    #[expect(
        clippy::needless_range_loop,
        reason = "each entry is set from its mirror image"
    )]
    pub fn new(mut rows: Vec<Vec<f64>>) -> Result<Self, OracleError> {
        square("win matrix", &rows)?;
        for (row, entries) in rows.iter().enumerate() {
            for (column, value) in entries.iter().copied().enumerate() {
                if !(0.0..=1.0).contains(&value) {
                    return Err(OracleError::Entry {
                        what: "win matrix",
                        row,
                        column,
                        value,
                        allowed: "0 to 1",
                    });
                }
            }
        }
        for row in 0..rows.len() {
            for column in row..rows.len() {
                let sum = rows[row][column] + rows[column][row];
                if (sum - 1.0).abs() > TOLERANCE {
                    return Err(OracleError::NotComplementary { row, column, sum });
                }
                rows[column][row] = 1.0 - rows[row][column];
            }
            rows[row][row] = 0.5;
        }
        Ok(Self { rows })
    }

    /// From the entries above the diagonal: `win(i, k)` for each `i < k`.
    ///
    /// # Errors
    /// No response; a probability that is not in 0..=1.
    #[expect(
        clippy::needless_range_loop,
        reason = "each entry is set with its mirror image"
    )]
    pub fn from_upper(
        responses: usize,
        mut win: impl FnMut(usize, usize) -> f64,
    ) -> Result<Self, OracleError> {
        let mut rows = vec![vec![0.5; responses]; responses];
        for second in 1..responses {
            for first in 0..second {
                let value = win(first, second);
                rows[first][second] = value;
                rows[second][first] = 1.0 - value;
            }
        }
        Self::new(rows)
    }

    /// K.
    pub fn responses(&self) -> usize {
        self.rows.len()
    }

    /// Row `i` holds `P(i beats k)` for each `k`.
    pub fn rows(&self) -> &[Vec<f64>] {
        &self.rows
    }

    /// `P(first beats second)`; none out of range.
    pub fn get(&self, first: usize, second: usize) -> Option<f64> {
        self.rows.get(first)?.get(second).copied()
    }

    /// Mean probability of each response to beat a response of the same policy, `[K]`.
    pub fn win_rates(&self, self_term: SelfTerm) -> Vec<f64> {
        let responses = self.responses() as f64;
        self.rows
            .iter()
            .map(|row| {
                let sum: f64 = row.iter().sum();
                match self_term {
                    SelfTerm::Counted => sum / responses,
                    SelfTerm::LeftOut if row.len() == 1 => 0.5,
                    SelfTerm::LeftOut => (sum - 0.5) / (responses - 1.0),
                }
            })
            .collect()
    }

    /// Mean log-odds against all K, the response itself at 0: the paper's mean relative score,
    /// which picks winner and loser. Probabilities of 0 and 1 count as 1e-12 short of it.
    pub fn mean_scores(&self) -> Vec<f64> {
        let log_odds = |win: f64| {
            let win = win.clamp(1e-12, 1.0 - 1e-12);
            (win / (1.0 - win)).ln()
        };
        self.rows
            .iter()
            .map(|row| row.iter().map(|win| log_odds(*win)).sum::<f64>() / row.len() as f64)
            .collect()
    }

    /// Best and worst by mean score; see [`best_and_worst`].
    pub fn best_and_worst(&self) -> Option<(usize, usize)> {
        best_and_worst(&self.mean_scores())
    }
}

/// Places of the largest and the smallest score, the first of those equal up to rounding; none
/// where the two are equal (a tie, to be dropped and counted), where a score is not finite, or
/// below two scores.
pub fn best_and_worst(scores: &[f64]) -> Option<(usize, usize)> {
    if !scores.iter().all(|score| score.is_finite()) {
        return None;
    }
    let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
    // Scores of equal responses may differ by the order of their sums.
    let rounding = 1e-12 * high.abs().max(low.abs()).max(1.0);
    let best = scores.iter().position(|score| high - score <= rounding)?;
    let worst = scores.iter().position(|score| score - low <= rounding)?;
    (high - low > rounding).then_some((best, worst))
}

pub(super) fn square(what: &'static str, rows: &[Vec<f64>]) -> Result<(), OracleError> {
    let wrong = rows.iter().position(|row| row.len() != rows.len());
    if rows.is_empty() || wrong.is_some() {
        let row = wrong.unwrap_or(0);
        return Err(OracleError::NotSquare {
            what,
            rows: rows.len(),
            row,
            columns: rows.get(row).map_or(0, Vec::len),
        });
    }
    Ok(())
}

impl TryFrom<Vec<Vec<f64>>> for WinMatrix {
    type Error = OracleError;

    fn try_from(rows: Vec<Vec<f64>>) -> Result<Self, OracleError> {
        Self::new(rows)
    }
}

impl From<WinMatrix> for Vec<Vec<f64>> {
    fn from(matrix: WinMatrix) -> Self {
        matrix.rows
    }
}
