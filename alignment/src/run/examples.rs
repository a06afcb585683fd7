//! From pairs of responses, rows of preferences and demonstrations to what an update takes.

use std::collections::HashMap;

use configs::finetune::FinetuneConfig;
use dataset::{Content, Message, Response};
use rayon::prelude::*;

use super::data::{self, Demonstration, Preference};
use super::stages::{Answered, Selected, written};
use crate::failure::FinetuneError;
use crate::preparation::{Counts, Example, Pair, Preparation, Sequence};
use crate::responding::{sampled_ids, trace_length};
use crate::text_model::TextModel;
use crate::training::mixing::Redraws;

/// Examples, and what was noticed.
pub struct Prepared {
    /// In the order of the rows.
    pub examples: Vec<Example>,
    /// Other traces of the first few examples, by their place.
    pub redraws: HashMap<usize, Redraws>,
    /// Sentences for the user.
    pub notes: Vec<String>,
}

fn prepared(examples: Vec<Example>, counts: Counts, mut notes: Vec<String>) -> Prepared {
    notes.extend(counts.sentence());
    Prepared {
        examples,
        redraws: HashMap::new(),
        notes,
    }
}

/// Rows that a thread prepares before it takes the next ones.
const PREPARED_AT_ONCE: usize = 64;

/// Prepares each row on some thread; in their order, none where nothing of a row is left.
fn each<R: Sync, T: Send>(
    preparation: &mut Preparation<'_>,
    rows: &[R],
    one: impl Fn(&mut Preparation<'_>, usize, &R) -> Result<Option<T>, FinetuneError> + Sync,
) -> Result<Vec<Option<T>>, FinetuneError> {
    let empty = preparation.afresh();
    let chunks: Vec<_> = rows
        .par_chunks(PREPARED_AT_ONCE)
        .enumerate()
        .map(|(chunk, rows)| {
            let mut preparation = empty.clone();
            let prepared: Result<Vec<Option<T>>, FinetuneError> = rows
                .iter()
                .enumerate()
                .map(|(row, content)| {
                    one(&mut preparation, chunk * PREPARED_AT_ONCE + row, content)
                })
                .collect();
            (prepared, preparation.counts)
        })
        .collect();
    let mut all = Vec::with_capacity(rows.len());
    // The first error in the order of the rows, whichever came first in time.
    for (prepared, counts) in chunks {
        all.extend(prepared?);
        preparation.counts += counts;
    }
    Ok(all)
}

/// The pairs of an iteration; `mixes` puts the two modes of a prompt together, the first `measured` of
/// them with the other traces of their prompt.
///
/// # Errors
/// What the chat template or the tokenizer refuses.
pub fn of_iteration(
    model: &TextModel,
    config: &FinetuneConfig,
    answered: &[Answered],
    selected: &[Selected],
    mixes: bool,
    measured: usize,
) -> Result<Prepared, FinetuneError> {
    let mut preparation = Preparation::new(model, &config.data);
    let mut redraws = HashMap::new();
    let mut of_traces: HashMap<&str, Redraws> = HashMap::new();
    let answers: HashMap<(&str, Option<bool>), &Answered> = answered
        .iter()
        .map(|row| ((row.id.as_str(), row.thinking), row))
        .collect();
    let pairs = each(&mut preparation, selected, |preparation, _, row| {
        let Some(answers) = answers.get(&(row.id.as_str(), row.thinking)) else {
            return Ok(None);
        };
        let prompt = preparation.prompt(&answers.prompt, row.thinking)?;
        let mut sequence = |at: usize| -> Result<Option<Sequence>, FinetuneError> {
            let response = &answers.responses[at];
            match sampled_ids(response) {
                Some(ids) => Ok(preparation.sampled(&prompt, &ids)),
                None => {
                    let text = written(response, &preparation.marks);
                    let turn = Content::Messages(vec![Message::new("assistant", text)]);
                    preparation.written(&answers.prompt, &turn, row.thinking)
                }
            }
        };
        let both = (sequence(row.chosen_index)?, sequence(row.rejected_index)?);
        let (Some(chosen), Some(rejected)) = both else {
            return Ok(None);
        };
        Ok(Some(Pair {
            chosen,
            rejected,
            chosen_win_rate: row.chosen_probs_win,
            rejected_win_rate: row.chosen_probs_lose,
            chosen_wins: row.chosen_probs,
            reference: None,
        }))
    })?;
    let mut examples = Vec::new();
    let mut waiting: HashMap<&str, (Option<bool>, Pair)> = HashMap::new();
    let mut alone = selected.len();
    for (row, pair) in selected.iter().zip(pairs) {
        let Some(pair) = pair else {
            alone -= 1;
            continue;
        };
        if !mixes {
            examples.push(Example::Pair(pair));
            continue;
        }
        if row.thinking == Some(true)
            && redraws.len() + of_traces.len() < measured
            && let Some(answers) = answers.get(&(row.id.as_str(), row.thinking))
        {
            let prompt = preparation.afresh().prompt(&answers.prompt, row.thinking)?;
            let longest = config.data.max_tokens.saturating_sub(prompt.ids.len());
            let found = other_traces(&prompt.ids, answers, row, longest);
            of_traces.extend(found.map(|found| (row.id.as_str(), found)));
        }
        match waiting.remove(row.id.as_str()) {
            Some((other, first)) if other != row.thinking => {
                let (trace, empty) = if row.thinking == Some(true) {
                    (pair, first)
                } else {
                    (first, pair)
                };
                alone -= 2;
                let found = of_traces.remove(row.id.as_str());
                redraws.extend(found.map(|found| (examples.len(), found)));
                examples.push(Example::Both { trace, empty });
            }
            _ => {
                waiting.insert(row.id.as_str(), (row.thinking, pair));
            }
        }
    }
    let mut notes = Vec::new();
    if mixes && alone > 0 {
        notes.push(format!(
            "{alone} pairs were left out: BVPO needs one with a trace and one without for the same prompt, and the other mode had none"
        ));
    }
    Ok(Prepared {
        redraws,
        ..prepared(examples, preparation.counts, notes)
    })
}

/// The answers of a pair behind every trace of its prompt; none where one of the two has no answer, or
/// fewer than two traces were closed in time.
fn other_traces(
    prompt: &[i64],
    answers: &Answered,
    row: &Selected,
    longest: usize,
) -> Option<Redraws> {
    let split = |response: &Response| -> Option<(Vec<i64>, Vec<i64>)> {
        let mut trace = sampled_ids(response)?;
        let answer = trace.split_off(trace_length(response)?.min(trace.len()));
        (!answer.is_empty()).then_some((trace, answer))
    };
    let (_, chosen) = split(&answers.responses[row.chosen_index])?;
    let (_, rejected) = split(&answers.responses[row.rejected_index])?;
    let room = longest.saturating_sub(chosen.len().max(rejected.len()));
    let traces: Vec<Vec<i64>> = answers
        .responses
        .iter()
        .filter_map(split)
        .map(|(trace, _)| trace)
        .filter(|trace| trace.len() <= room)
        .collect();
    let traces: Vec<&[i64]> = traces.iter().map(Vec::as_slice).collect();
    (traces.len() > 1).then(|| Redraws::new(prompt, &traces, &chosen, &rejected))
}

/// Preferences of a file.
///
/// # Errors
/// As [`of_iteration`]; a loss that needs win rates that the file does not have.
pub fn of_preferences(
    model: &TextModel,
    config: &FinetuneConfig,
    rows: Vec<Preference>,
    needs_wins: bool,
    mixes: bool,
) -> Result<Prepared, FinetuneError> {
    let mut preparation = Preparation::new(model, &config.data);
    if let (true, Some(row)) = (
        needs_wins,
        rows.iter()
            .find(|row| row.row.chosen_wins.is_none() && row.row.chosen_win_rate.is_none()),
    ) {
        return Err(FinetuneError::Settings(format!(
            "prompt {}: no win rate - allowed for this form of SPPO: rows with chosen_probs_win and chosen_probs_lose; or set algorithm.form = hard, which needs none",
            row.row.prompt.id
        )));
    }
    let pair = |preparation: &mut Preparation<'_>,
                row: &Preference|
     -> Result<Option<Pair>, FinetuneError> {
        let prompt = &row.row.prompt.content;
        let chosen = preparation.written(prompt, &row.row.chosen, row.thinking)?;
        let rejected = preparation.written(prompt, &row.row.rejected, row.thinking)?;
        let chosen_wins = row.row.chosen_wins.unwrap_or(1.0);
        Ok(chosen.zip(rejected).map(|(chosen, rejected)| Pair {
            chosen,
            rejected,
            chosen_win_rate: row.row.chosen_win_rate.unwrap_or(chosen_wins),
            rejected_win_rate: row.row.rejected_win_rate.unwrap_or(1.0 - chosen_wins),
            chosen_wins,
            reference: None,
        }))
    };
    let path = config.data.path.as_deref().unwrap_or_default();
    let about = |row: &Preference, error: FinetuneError| of_row(path, &row.row.prompt.id, &error);
    let mut examples = Vec::new();
    let mut notes = Vec::new();
    if mixes {
        let all = rows.len();
        let (partners, alone) = data::partners(rows);
        if partners.is_empty() {
            return Err(FinetuneError::Settings(format!(
                "{path}: none of {all} rows has a partner - allowed with algorithm.kind = bvpo: for each prompt a row with \"thinking\": true and one with \"thinking\": false"
            )));
        }
        if alone > 0 {
            notes.push(format!(
                "{alone} rows were left out: their prompt has no row of the other mode"
            ));
        }
        let both = each(
            &mut preparation,
            &partners,
            |preparation, _, (trace, empty)| {
                let first = pair(preparation, trace).map_err(|error| about(trace, error))?;
                let second = pair(preparation, empty).map_err(|error| about(empty, error))?;
                let both = first.zip(second);
                Ok(both.map(|(trace, empty)| Example::Both { trace, empty }))
            },
        )?;
        examples.extend(both.into_iter().flatten());
    } else {
        let pairs = each(&mut preparation, &rows, |preparation, _, row| {
            let pair = pair(preparation, row).map_err(|error| about(row, error))?;
            Ok(pair.map(Example::Pair))
        })?;
        examples.extend(pairs.into_iter().flatten());
    }
    Ok(prepared(examples, preparation.counts, notes))
}

/// Demonstrations.
///
/// # Errors
/// As [`of_iteration`]; a conversation without an answer.
pub fn of_demonstrations(
    model: &TextModel,
    config: &FinetuneConfig,
    rows: &[Demonstration],
) -> Result<Prepared, FinetuneError> {
    let mut preparation = Preparation::new(model, &config.data);
    let path = config.data.path.as_deref().unwrap_or_default();
    let lessons = each(&mut preparation, rows, |preparation, number, row| {
        let lesson = preparation.demonstration(&row.messages, row.thinking);
        let lesson = lesson.map_err(|error| of_row(path, &(number + 1).to_string(), &error))?;
        Ok(lesson.map(Example::Lesson))
    })?;
    let examples = lessons.into_iter().flatten().collect();
    Ok(prepared(examples, preparation.counts, Vec::new()))
}

/// The same error with the row it is about.
fn of_row(path: &str, row: &str, error: &FinetuneError) -> FinetuneError {
    FinetuneError::Settings(format!("{path}, row {row}: {error}"))
}
