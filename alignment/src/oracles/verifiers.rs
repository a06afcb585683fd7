//! Verifiers: a response is right or wrong by its final answer.

pub mod boxed;
pub mod number;

use serde::{Deserialize, Serialize};

use super::{Candidates, Judgement, OracleError, OracleKind, PreferenceOracle, Raw, WinMatrix};
use boxed::last_boxed;
use number::{last_number, number};

/// How the answer is read off a response and compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verifier {
    /// The whole response, runs of blanks counted as one and letter case kept.
    Exact,
    /// The number in the last `\boxed{}`, else the last number of the response.
    Numeric {
        /// How far from the reference answer a number may be, relative to it (absolute below 1).
        tolerance: f64,
    },
    /// What the last `\boxed{}` holds: as numbers where both sides are, else as text without
    /// blanks and LaTeX's spacing.
    Boxed {
        /// As for numbers.
        tolerance: f64,
    },
}

impl Verifier {
    /// Whether a response's answer is the reference answer; none where the response has no answer
    /// of the sort.
    pub fn check(&self, response: &str, answer: &str) -> Option<bool> {
        match *self {
            Self::Exact => Some(words(response) == words(answer)),
            Self::Numeric { tolerance } => {
                let given = last_boxed(response)
                    .and_then(number)
                    .or_else(|| last_number(response))?;
                let wanted = last_boxed(answer)
                    .and_then(number)
                    .or_else(|| number(answer))
                    .or_else(|| last_number(answer))?;
                Some(near(given, wanted, tolerance))
            }
            Self::Boxed { tolerance } => {
                let given = last_boxed(response)?;
                let wanted = last_boxed(answer).unwrap_or(answer);
                Some(match (number(given), number(wanted)) {
                    (Some(given), Some(wanted)) => near(given, wanted, tolerance),
                    _ => plain(given) == plain(wanted),
                })
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Numeric { .. } => "numeric",
            Self::Boxed { .. } => "boxed",
        }
    }
}

fn near(given: f64, wanted: f64, tolerance: f64) -> bool {
    (given - wanted).abs() <= tolerance.max(1e-12) * wanted.abs().max(1.0)
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn plain(text: &str) -> String {
    let mut text: String = text.split_whitespace().collect();
    for spacing in [r"\,", r"\;", r"\!", r"\left", r"\right", "$"] {
        text = text.replace(spacing, "");
    }
    text.replace(r"\dfrac", r"\frac")
        .replace(r"\tfrac", r"\frac")
}

impl Verifier {
    /// The answer that responses are compared with.
    fn reference<'a>(&self, id: &str, answer: Option<&'a str>) -> Result<&'a str, OracleError> {
        let refuse = |problem| {
            Err(OracleError::Prompt {
                id: id.to_owned(),
                problem,
            })
        };
        let Some(answer) = answer else {
            return refuse(
                "no reference answer, which a verifier needs - give every row an `answer`, or choose another oracle.kind",
            );
        };
        let numeric = matches!(self, Self::Numeric { .. });
        if numeric && last_number(answer).is_none() && number(answer).is_none() {
            return refuse("a reference answer without a number - the numeric verifier needs one");
        }
        Ok(answer)
    }
}

impl PreferenceOracle for Verifier {
    fn name(&self) -> &str {
        Verifier::name(self)
    }

    fn kind(&self) -> OracleKind {
        OracleKind::Scalar
    }

    fn knows(&self, id: &str, answer: Option<&str>, _responses: usize) -> Result<(), OracleError> {
        self.reference(id, answer).map(|_| ())
    }

    /// Right beats wrong with 1, equals tie. Scores are 1 and 0; a response without an answer is
    /// wrong and counted among the failures.
    fn judge(&mut self, batch: &[Candidates]) -> Result<Vec<Judgement>, OracleError> {
        batch
            .iter()
            .map(|candidates| {
                let answer = self.reference(&candidates.id, candidates.answer.as_deref())?;
                let checked: Vec<_> = candidates
                    .responses
                    .iter()
                    .map(|response| self.check(response, answer))
                    .collect();
                let scores: Vec<f64> = checked
                    .iter()
                    .map(|right| if *right == Some(true) { 1.0 } else { 0.0 })
                    .collect();
                Ok(Judgement {
                    wins: WinMatrix::from_upper(scores.len(), |first, second| {
                        0.5 + (scores[first] - scores[second]) / 2.0
                    })?,
                    raw: Raw::Scores(scores),
                    failures: checked.iter().filter(|right| right.is_none()).count(),
                })
            })
            .collect()
    }
}
