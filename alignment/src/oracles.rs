//! Who says which response is better, without network and without tensors.
//!
//! | module | what it holds |
//! |---|---|
//! | [`win_matrix`] | `P(i beats k)` of one prompt, checked; win rates, best and worst |
//! | [`aggregation`] | from a pair model's logits or a scorer's scores to that matrix |
//! | [`verifiers`] | exact, numeric and boxed answers against a reference answer |
//! | [`scores_file`] | judgements read from JSON lines |
//! | [`synthetic`] | matrices made up for tests and games, intransitive ones included |

pub mod aggregation;
pub mod scores_file;
pub mod synthetic;
pub mod verifiers;
pub mod win_matrix;

use serde::{Deserialize, Serialize};

pub use aggregation::{Aggregation, PairLogits};
pub use win_matrix::{SelfTerm, WinMatrix};

/// The responses to one prompt, in the order in which they are judged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Candidates {
    /// The prompt's id in its data set.
    pub id: String,
    /// What was asked, as the oracle should read it.
    pub prompt: String,
    /// The reference answer, for verifiers.
    pub answer: Option<String>,
    /// K responses, without their thinking traces.
    pub responses: Vec<String>,
}

/// What an oracle computes before anything is aggregated; kept with the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Raw {
    /// `[K][K]`: logit of "the first shown, i, beats the second shown, k". The diagonal is ignored.
    Logits(Vec<Vec<f64>>),
    /// `[K]`: a score of each response by itself.
    Scores(Vec<f64>),
    /// Neither: the oracle says probabilities directly.
    Wins,
}

/// What an oracle says of one prompt's candidates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Before aggregation.
    pub raw: Raw,
    /// `P(i beats k)`, K x K.
    pub wins: WinMatrix,
    /// Comparisons or responses that could not be judged and count as ties.
    pub failures: usize,
}

/// Whether an oracle compares pairs or scores responses one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OracleKind {
    /// Any preference, intransitive ones included.
    Pairwise,
    /// A Bradley-Terry order.
    Scalar,
}

/// A source of preferences between responses to the same prompt.
pub trait PreferenceOracle: Send {
    /// A name for files and messages.
    fn name(&self) -> &str;

    /// What it can express.
    fn kind(&self) -> OracleKind;

    /// One judgement per entry of the batch, in order.
    ///
    /// # Errors
    /// What keeps it from judging at all; single failures are counted in the judgement instead.
    fn judge(&mut self, batch: &[Candidates]) -> Result<Vec<Judgement>, OracleError>;
}

/// What can go wrong in judging.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OracleError {
    /// Not a K x K matrix with K at least 1.
    #[error(
        "{what}: {rows} rows, row {row} has {columns} entries - allowed is a square, one row for each response"
    )]
    NotSquare {
        /// Which matrix.
        what: &'static str,
        /// Its rows.
        rows: usize,
        /// The row that does not fit.
        row: usize,
        /// Its entries.
        columns: usize,
    },
    /// An entry that is not a number, infinite, or outside its range.
    #[error("{what}[{row}][{column}]: {value} - allowed is {allowed}")]
    Entry {
        /// Which matrix or list (a list has column 0).
        what: &'static str,
        /// Row.
        row: usize,
        /// Column.
        column: usize,
        /// The entry.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// `P(i > k) + P(k > i)` is not 1.
    #[error(
        "P({row} > {column}) + P({column} > {row}) = {sum} - has to be 1; average an oracle's two orders"
    )]
    NotComplementary {
        /// Row.
        row: usize,
        /// Column; the row itself for a diagonal that is not 1/2.
        column: usize,
        /// The sum.
        sum: f64,
    },
    /// A number outside its range.
    #[error("{what}: {value} - allowed is {allowed}")]
    Number {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// As many judgements as responses are needed.
    #[error("{id}: {found} judged responses for {responses} - one each is needed")]
    Count {
        /// The prompt.
        id: String,
        /// Judged.
        found: usize,
        /// Responses there are.
        responses: usize,
    },
    /// A prompt that the oracle knows nothing of, or too little.
    #[error("prompt {id}: {problem}")]
    Prompt {
        /// The prompt.
        id: String,
        /// What is missing.
        problem: &'static str,
    },
    /// A file of scores that cannot be read.
    #[error("{path}, line {line}: {problem}")]
    File {
        /// The file.
        path: String,
        /// Counted from 1; 0 for the file as a whole.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}
