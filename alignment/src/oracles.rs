//! Who says which response is better.
//!
//! | module | what it holds |
//! |---|---|
//! | [`win_matrix`] | `P(i beats k)` of one prompt, checked; win rates, best and worst |
//! | [`aggregation`] | from a pair model's logits or a scorer's scores to that matrix |
//! | [`verifiers`] | exact, numeric and boxed answers against a reference answer |
//! | [`scores_file`] | judgements read from JSON lines |
//! | [`synthetic`] | matrices made up for tests and games, intransitive ones included |
//! | [`pair_model`] | PairRM |
//! | [`reward_model`] | a model that scores each response |
//! | [`judge`] | a language model at an OpenAI-compatible server |
//! | [`text_games`] | preferences made up from a response's text |
//! | [`opening`] | from settings to an oracle |

pub mod aggregation;
pub mod judge;
pub mod opening;
pub mod pair_model;
pub mod reward_model;
pub mod scores_file;
pub mod synthetic;
pub mod text_games;
pub mod verifiers;
pub mod win_matrix;

use std::ops::ControlFlow;

use dataset::Message;
use serde::{Deserialize, Serialize};

use openai::ServerError;

pub use aggregation::{Aggregation, PairLogits};
pub use win_matrix::{SelfTerm, WinMatrix};

/// The responses to one prompt, in the order in which they are judged.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Candidates {
    /// The prompt's id in its data set.
    pub id: String,
    /// What was asked, as the oracle should read it.
    pub prompt: String,
    /// The turns of what was asked, for oracles with a chat template of their own; empty where `prompt`
    /// is the one turn of a user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// The reference answer, for verifiers.
    pub answer: Option<String>,
    /// K responses, without their thinking traces.
    pub responses: Vec<String>,
}

impl Candidates {
    /// The turns of what was asked; `prompt` as a user's where there are none.
    #[must_use]
    pub fn turns(&self) -> Vec<Message> {
        if self.messages.is_empty() {
            vec![Message::new("user", self.prompt.as_str())]
        } else {
            self.messages.clone()
        }
    }
}

/// The responses that differ, in the order of their first, and for each response its place among them.
pub(crate) fn distinct(responses: &[String]) -> (Vec<&str>, Vec<usize>) {
    let mut unlike: Vec<&str> = Vec::new();
    let places = responses
        .iter()
        .map(|response| {
            let known = unlike.iter().position(|other| other == response);
            known.unwrap_or_else(|| {
                unlike.push(response);
                unlike.len() - 1
            })
        })
        .collect();
    (unlike, places)
}

/// What an oracle computes before anything is aggregated; kept with the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Raw {
    /// `[K][K]`: logit of "the first shown, i, beats the second shown, k". The diagonal is ignored.
    Logits(Vec<Vec<f64>>),
    /// `[K]`: a score of each response by itself.
    Scores(Vec<f64>),
    /// `[K][K]`: a judge's verdict on the response that is shown first, 1, 1/2 or 0; none where there was
    /// no verdict, 1/2 on the diagonal and between identical responses.
    Verdicts(Vec<Vec<Option<f64>>>),
    /// None of these: the oracle says probabilities directly.
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

    /// Says of a prompt with so many responses, before they are generated, whether it can be judged:
    /// whether it is in a file, or has the answer that is needed.
    ///
    /// # Errors
    /// What is missing.
    fn knows(&self, id: &str, answer: Option<&str>, responses: usize) -> Result<(), OracleError> {
        let _ = (id, answer, responses);
        Ok(())
    }

    /// One judgement per entry of the batch, in order.
    ///
    /// # Errors
    /// What keeps it from judging at all; single failures are counted in the judgement instead.
    fn judge(&mut self, batch: &[Candidates]) -> Result<Vec<Judgement>, OracleError>;

    /// The same, for oracles that wait: they ask `go_on` ten times a second and break off at `Break`.
    ///
    /// # Errors
    /// As [`PreferenceOracle::judge`]; [`OracleError::Stopped`] after `Break`.
    fn judge_while(
        &mut self,
        batch: &[Candidates],
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Vec<Judgement>, OracleError> {
        let _ = go_on;
        self.judge(batch)
    }

    /// What a user should know of the judgements so far, a sentence each: texts that were cut,
    /// failures.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Figures of the judgements so far, by name, such as tokens that were paid for.
    fn figures(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
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
    /// A prompt or response that the oracle's model cannot take, or what it said of it.
    #[error("prompt {id}: {problem}")]
    About {
        /// The prompt.
        id: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A model that does not do what its oracle needs.
    #[error("{0}")]
    Model(String),
    /// Too many judgements without a verdict.
    #[error(
        "{oracle}: {failed} of {asked} judgements failed, more than the share of {allowed} that oracle.max_failures allows - mend the judge or its instructions, or raise it; first {first}"
    )]
    Failures {
        /// Who judges.
        oracle: String,
        /// Failed.
        failed: u64,
        /// Asked for.
        asked: u64,
        /// The share that may fail.
        allowed: f64,
        /// The first of them.
        first: String,
    },
    /// The caller broke it off.
    #[error("judging was stopped")]
    Stopped,
    /// A server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A model's folder, tokenizer or template.
    #[error(transparent)]
    Hub(#[from] hub::HubError),
    /// A model's arithmetic or weights.
    #[error(transparent)]
    Lm(#[from] lm::LmError),
}
