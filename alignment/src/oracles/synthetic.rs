//! Win matrices made up for tests and games, and an oracle that applies one to known responses.

use super::{Candidates, Judgement, OracleError, OracleKind, PreferenceOracle, Raw, WinMatrix};

/// A cycle: each response beats the next with `strength`, the one before it with one less that,
/// and all others with 1/2. Three of them are rock, paper, scissors.
///
/// # Errors
/// Below three responses; a strength outside 0..=1.
pub fn cycle(responses: usize, strength: f64) -> Result<WinMatrix, OracleError> {
    if responses < 3 {
        return Err(OracleError::Number {
            what: "responses of a cycle",
            value: responses as f64,
            allowed: "3 or more",
        });
    }
    WinMatrix::from_upper(responses, |first, second| {
        if second == first + 1 {
            strength
        } else if first == 0 && second == responses - 1 {
            1.0 - strength
        } else {
            0.5
        }
    })
}

/// An order: the earlier response wins with `strength`.
///
/// # Errors
/// No response; a strength outside 0..=1.
pub fn order(responses: usize, strength: f64) -> Result<WinMatrix, OracleError> {
    WinMatrix::from_upper(responses, |_, _| strength)
}

/// A matrix over the K responses it knows by text, of whatever shape; repeats and subsets allowed.
#[derive(Debug)]
pub struct SyntheticOracle {
    known: Vec<String>,
    wins: WinMatrix,
}

impl SyntheticOracle {
    /// `known[i]` is the response of row `i`; texts are compared without surrounding blanks.
    ///
    /// # Errors
    /// Not one text for each row.
    pub fn new(known: Vec<String>, wins: WinMatrix) -> Result<Self, OracleError> {
        if known.len() == wins.responses() {
            Ok(Self { known, wins })
        } else {
            Err(OracleError::Count {
                id: "synthetic matrix".to_owned(),
                found: wins.responses(),
                responses: known.len(),
            })
        }
    }
}

impl PreferenceOracle for SyntheticOracle {
    fn name(&self) -> &str {
        "synthetic"
    }

    fn kind(&self) -> OracleKind {
        OracleKind::Pairwise
    }

    /// A response that is not known ties with all others and counts as a failure.
    fn judge(&mut self, batch: &[Candidates]) -> Result<Vec<Judgement>, OracleError> {
        let place = |response: &String| {
            let known = |text: &String| text.trim() == response.trim();
            self.known.iter().position(known)
        };
        batch
            .iter()
            .map(|candidates| {
                let places: Vec<_> = candidates.responses.iter().map(place).collect();
                let wins = WinMatrix::from_upper(places.len(), |first, second| {
                    let pair = places[first].zip(places[second]);
                    pair.and_then(|(first, second)| self.wins.get(first, second))
                        .unwrap_or(0.5)
                })?;
                Ok(Judgement {
                    raw: Raw::Wins,
                    wins,
                    failures: places.iter().filter(|place| place.is_none()).count(),
                })
            })
            .collect()
    }
}
