//! How surely the policy's answers to held-out prompts beat those of the model that the run began with.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{GrowingFile, finished};
use super::journal::{Journal, Order};
use super::stages::{Answered, JUDGED_AT_ONCE};
use crate::failure::FinetuneError;
use crate::oracles::{Candidates, OracleError, PreferenceOracle};
use crate::responding::is_unclosed;

/// One comparison, a line of `evaluations/wins-<updates>.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Win {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thinking: Option<bool>,
    /// Probability that the answer is preferred to the start's, 0 to 1.
    won: f64,
}

/// Compares the first response of each row with that of `start`, in the order of the rows. What `path` holds
/// already is not judged, and so not paid for, again. None when told to stop.
///
/// # Errors
/// What keeps the oracle from judging, or the file from being written.
pub fn held_out_wins(
    path: &Path,
    rows: &[Answered],
    start: &[Answered],
    oracle: &mut dyn PreferenceOracle,
    journal: &mut Journal<'_>,
) -> Result<Option<Vec<f64>>, FinetuneError> {
    let won = |wins: Vec<Win>| Ok(Some(wins.into_iter().map(|win| win.won).collect()));
    if let Some(wins) = finished::<Win>(path)? {
        return won(wins);
    }
    let (mut wins, mut file) = GrowingFile::open::<Win>(path)?;
    let pairs: Vec<(&Answered, &Answered)> = rows.iter().zip(start).collect();
    wins.truncate(pairs.len());
    for batch in pairs[wins.len()..].chunks(JUDGED_AT_ONCE) {
        let known: Vec<Option<f64>> = batch.iter().map(|pair| without_oracle(*pair)).collect();
        let asked: Vec<Candidates> = batch
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none())
            .map(|(pair, _)| candidates(*pair))
            .collect();
        let judgements = match oracle.judge_while(&asked, &mut || journal.go_on()) {
            Err(OracleError::Stopped) => return Ok(None),
            judged => judged?,
        };
        let mut judged = judgements
            .iter()
            .map(|judgement| judgement.wins.get(0, 1).unwrap_or(0.5));
        for ((row, _), known) in batch.iter().zip(known) {
            let win = Win {
                id: row.id.clone(),
                thinking: row.thinking,
                won: known.or_else(|| judged.next()).unwrap_or(0.5),
            };
            file.push(&win)?;
            wins.push(win);
        }
        if journal.order() == Order::Stop {
            return Ok(None);
        }
    }
    file.finish()?;
    won(wins)
}

/// A trace that never closed has no answer: it loses against one, and ties with its like.
fn without_oracle((now, then): (&Answered, &Answered)) -> Option<f64> {
    let (Some(now), Some(then)) = (now.responses.first(), then.responses.first()) else {
        return Some(0.5);
    };
    match (is_unclosed(now), is_unclosed(then)) {
        (false, false) => None,
        (false, true) => Some(1.0),
        (true, false) => Some(0.0),
        (true, true) => Some(0.5),
    }
}

fn candidates((now, then): (&Answered, &Answered)) -> Candidates {
    let first = |row: &Answered| row.responses.first().map(|one| one.text.clone());
    Candidates {
        id: now.id.clone(),
        prompt: now.prompt.last_text().to_owned(),
        messages: now.prompt.messages("user"),
        answer: now.answer.clone(),
        responses: [first(now), first(then)].into_iter().flatten().collect(),
    }
}
