//! Generate, judge, select: from prompts to pairs, each stage a file of JSON lines.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use configs::finetune::UnclosedTraces;
use dataset::{Content, Message, Response};
use hub::ThinkMarks;
use serde::{Deserialize, Serialize};

use super::data::PromptRow;
use super::files::{GrowingFile, finished, write_all};
use super::journal::{Journal, Order, StagePlace};
use crate::failure::FinetuneError;
use crate::oracles::win_matrix::best_and_worst;
use crate::oracles::{
    Candidates, Judgement, OracleError, PairLogits, PreferenceOracle, Raw, SelfTerm, WinMatrix,
};
use crate::responding::{Ask, Responder, is_unclosed};

/// Prompts that an oracle judges at once.
pub(super) const JUDGED_AT_ONCE: usize = 16;

/// A line of `responses.jsonl`: a prompt in one mode with what was sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The prompt's id.
    pub id: String,
    /// Whether a trace was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<bool>,
    /// What was asked.
    pub prompt: Content,
    /// The right answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The K responses.
    pub responses: Vec<Response>,
}

/// A line of `judgements.jsonl`: what the oracle said, before and after aggregation, so that
/// nothing has to be judged again to try another selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The prompt's id.
    pub id: String,
    /// As in [`Answered`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<bool>,
    /// Before aggregation, of the responses that were shown.
    pub raw: Raw,
    /// Places of the responses that were shown; others never closed their trace.
    pub shown: Vec<usize>,
    /// `P(i beats k)` of all K.
    pub win_matrix: WinMatrix,
    /// Of each response against the policy.
    pub win_rates: Vec<f64>,
    /// Comparisons that failed and count as ties.
    pub failures: usize,
}

/// A line of `pairs.jsonl`, readable as SPPO's released data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Selected {
    /// The prompt's id.
    pub id: String,
    /// As in [`Answered`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<bool>,
    /// The conversation with the best response.
    pub chosen: Vec<Message>,
    /// With the worst one.
    pub rejected: Vec<Message>,
    /// `P(chosen beats rejected)`.
    pub chosen_probs: f64,
    /// Win rate of the chosen one.
    pub chosen_probs_win: f64,
    /// Of the rejected one.
    pub chosen_probs_lose: f64,
    /// Its place among the responses.
    pub chosen_index: usize,
    /// Of the other.
    pub rejected_index: usize,
}

type Key = (String, Option<bool>);

/// What is to be sampled.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The prompts of the iteration.
    pub prompts: &'a [PromptRow],
    /// The modes in which each is answered.
    pub modes: &'a [Option<bool>],
    /// Responses in each mode.
    pub responses: usize,
    /// Of all random streams.
    pub seed: u64,
}

/// Has every prompt answered in every mode; none when told to stop.
///
/// # Errors
/// What keeps the responder from answering.
pub fn generate(
    path: &Path,
    wanted: &Wanted<'_>,
    responder: &mut dyn Responder,
    journal: &mut Journal<'_>,
    place: &StagePlace,
) -> Result<Option<Vec<Answered>>, FinetuneError> {
    if let Some(rows) = finished(path)? {
        return Ok(Some(rows));
    }
    let Wanted {
        prompts,
        modes,
        responses,
        seed,
    } = *wanted;
    let (mut rows, mut file) = GrowingFile::open::<Answered>(path)?;
    let known: HashSet<Key> = rows
        .iter()
        .map(|row| (row.id.clone(), row.thinking))
        .collect();
    let total = (prompts.len() * modes.len()) as u64;
    let mut asks = Vec::new();
    let mut asked = Vec::new();
    for (number, prompt) in prompts.iter().enumerate() {
        for (mode, thinking) in modes.iter().enumerate() {
            if known.contains(&(prompt.id.clone(), *thinking)) {
                continue;
            }
            asks.push(Ask {
                id: prompt.id.clone(),
                content: prompt.prompt.clone(),
                thinking: *thinking,
                stream: ((number * modes.len() + mode) * responses) as u64,
            });
            asked.push(prompt);
        }
    }
    // What an earlier process generated counts from the beginning.
    journal.counters.tokens += tokens(&rows);
    journal.stage(place, rows.len() as u64, total);
    let shared = RefCell::new(journal);
    let mut told = |at: usize, responses: Vec<Response>| {
        let mut journal = shared.borrow_mut();
        journal.counters.tokens += responses.iter().filter_map(|one| one.tokens).sum::<u64>();
        let row = Answered {
            id: asks[at].id.clone(),
            thinking: asks[at].thinking,
            prompt: asked[at].prompt.clone(),
            answer: asked[at].answer.clone(),
            responses,
        };
        file.push(&row)?;
        rows.push(row);
        journal.stage(place, rows.len() as u64, total);
        Ok(journal.go_on())
    };
    let mut go_on = || shared.borrow_mut().go_on();
    let whole = responder.respond_while(&asks, responses, seed, &mut told, &mut go_on)?;
    let journal = shared.into_inner();
    if !whole {
        return Ok(None);
    }
    journal.stage(place, total, total);
    // In the order of the prompts, whatever the order in which they were done.
    let order: HashMap<Key, usize> = prompts
        .iter()
        .flat_map(|prompt| modes.iter().map(|mode| (prompt.id.clone(), *mode)))
        .enumerate()
        .map(|(at, key)| (key, at))
        .collect();
    rows.sort_by_key(|row| order.get(&(row.id.clone(), row.thinking)).copied());
    file.finish_as(&rows)?;
    Ok(Some(rows))
}

/// Tokens of all responses.
pub fn tokens(answered: &[Answered]) -> u64 {
    let responses = answered.iter().flat_map(|row| &row.responses);
    responses.filter_map(|response| response.tokens).sum()
}

/// Has every prompt's responses judged; none when told to stop.
///
/// # Errors
/// What keeps the oracle from judging; a number that is none.
pub fn judge(
    path: &Path,
    answered: &[Answered],
    oracle: &mut dyn PreferenceOracle,
    journal: &mut Journal<'_>,
    place: &StagePlace,
) -> Result<Option<Vec<Judged>>, FinetuneError> {
    if let Some(rows) = finished(path)? {
        return Ok(Some(rows));
    }
    let (mut rows, mut file) = GrowingFile::open::<Judged>(path)?;
    rows.truncate(answered.len());
    let total = answered.len() as u64;
    journal.stage(place, rows.len() as u64, total);
    for batch in answered[rows.len()..].chunks(JUDGED_AT_ONCE) {
        let shown: Vec<Vec<usize>> = batch.iter().map(shown).collect();
        let candidates: Vec<Candidates> = batch
            .iter()
            .zip(&shown)
            .map(|(row, shown)| candidates(row, shown))
            .collect();
        // Responses that all lack an answer are nothing to judge.
        let asked: Vec<Candidates> = candidates
            .iter()
            .filter(|one| !one.responses.is_empty())
            .cloned()
            .collect();
        let judgements = match oracle.judge_while(&asked, &mut || journal.go_on()) {
            Err(OracleError::Stopped) => return Ok(None),
            judged => judged?,
        };
        let mut judgements = judgements.into_iter();
        for ((row, shown), candidates) in batch.iter().zip(shown).zip(&candidates) {
            let judgement = if candidates.responses.is_empty() {
                None
            } else {
                judgements.next()
            };
            let judged = judged(row, shown, judgement)?;
            file.push(&judged)?;
            rows.push(judged);
        }
        journal.stage(place, rows.len() as u64, total);
        if journal.order() == Order::Stop {
            return Ok(None);
        }
    }
    file.finish()?;
    journal.stage(place, total, total);
    Ok(Some(rows))
}

/// Responses that an oracle can read: those with an answer.
fn shown(row: &Answered) -> Vec<usize> {
    (0..row.responses.len())
        .filter(|at| !is_unclosed(&row.responses[*at]))
        .collect()
}

fn candidates(row: &Answered, shown: &[usize]) -> Candidates {
    Candidates {
        id: row.id.clone(),
        prompt: row.prompt.last_text().to_owned(),
        messages: row.prompt.messages("user"),
        answer: row.answer.clone(),
        responses: shown
            .iter()
            .map(|at| row.responses[*at].text.clone())
            .collect(),
    }
}

/// The judgement of the responses that were shown, with the others as losers to each of them.
fn judged(
    row: &Answered,
    shown: Vec<usize>,
    judgement: Option<Judgement>,
) -> Result<Judged, FinetuneError> {
    let place: HashMap<usize, usize> = shown
        .iter()
        .enumerate()
        .map(|(at, one)| (*one, at))
        .collect();
    let wins = WinMatrix::from_upper(row.responses.len(), |first, second| {
        match (place.get(&first), place.get(&second)) {
            (Some(first), Some(second)) => judgement
                .as_ref()
                .and_then(|judgement| judgement.wins.get(*first, *second))
                .unwrap_or(0.5),
            (Some(_), None) => 1.0,
            (None, Some(_)) => 0.0,
            (None, None) => 0.5,
        }
    })?;
    Ok(Judged {
        id: row.id.clone(),
        thinking: row.thinking,
        win_rates: wins.win_rates(SelfTerm::Counted),
        win_matrix: wins,
        shown,
        failures: judgement.as_ref().map_or(0, |judgement| judgement.failures),
        raw: judgement.map_or(Raw::Wins, |judgement| judgement.raw),
    })
}

/// What selection left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SelectionCounts {
    /// Prompts, in each mode.
    pub prompts: u64,
    /// Left out: no response was better than another.
    pub ties: u64,
    /// Responses whose trace never closed.
    pub unclosed: u64,
    /// Comparisons that failed.
    pub failures: u64,
}

/// Best and worst response of every prompt, with their win rates.
///
/// `win_rate_responses` takes the win rates from that many responses only, beginning with the two.
///
/// # Errors
/// A full disk.
pub fn select(
    path: &Path,
    answered: &[Answered],
    judged: &[Judged],
    win_rate_responses: Option<u64>,
    unclosed: UnclosedTraces,
    marks: &ThinkMarks,
) -> Result<(Vec<Selected>, SelectionCounts), FinetuneError> {
    let mut counts = SelectionCounts::default();
    let mut selected = Vec::new();
    for (row, judged) in answered.iter().zip(judged) {
        counts.prompts += 1;
        counts.failures += judged.failures as u64;
        counts.unclosed += (row.responses.len() - judged.shown.len()) as u64;
        let Some((best, worst)) = best_of(judged, unclosed)? else {
            counts.ties += 1;
            continue;
        };
        let rates = rates(judged, best, worst, win_rate_responses);
        let conversation = |at: usize| {
            let mut messages = row.prompt.messages("user");
            messages.push(Message::new(
                "assistant",
                written(&row.responses[at], marks),
            ));
            messages
        };
        selected.push(Selected {
            id: row.id.clone(),
            thinking: row.thinking,
            chosen: conversation(best),
            rejected: conversation(worst),
            chosen_probs: judged.win_matrix.get(best, worst).unwrap_or(0.5),
            chosen_probs_win: rates.0,
            chosen_probs_lose: rates.1,
            chosen_index: best,
            rejected_index: worst,
        });
    }
    write_all(path, &selected)?;
    Ok((selected, counts))
}

/// By mean relative score, as the paper picks: of pair logits where there are some, of scores, or
/// of the matrix.
fn best_of(
    judged: &Judged,
    unclosed: UnclosedTraces,
) -> Result<Option<(usize, usize)>, FinetuneError> {
    let scores = match &judged.raw {
        Raw::Logits(logits) => PairLogits::new(logits)?.mean_scores(),
        Raw::Scores(scores) => scores.clone(),
        Raw::Verdicts(_) | Raw::Wins => judged
            .shown
            .iter()
            .map(|at| {
                let row = &judged.win_matrix.rows()[*at];
                judged.shown.iter().map(|other| row[*other]).sum::<f64>()
            })
            .collect(),
    };
    let all = judged.win_rates.len();
    let lost = (0..all).find(|at| !judged.shown.contains(at));
    if let (Some(lost), UnclosedTraces::Lose) = (lost, unclosed) {
        let best = (0..scores.len()).max_by(|left, right| {
            scores[*left]
                .total_cmp(&scores[*right])
                .then(right.cmp(left))
        });
        return Ok(best.map(|best| (judged.shown[best], lost)));
    }
    Ok(best_and_worst(&scores).map(|(best, worst)| (judged.shown[best], judged.shown[worst])))
}

/// Win rates of best and worst, the responses themselves among those they meet.
fn rates(judged: &Judged, best: usize, worst: usize, responses: Option<u64>) -> (f64, f64) {
    let Some(responses) = responses else {
        return (judged.win_rates[best], judged.win_rates[worst]);
    };
    let others = (0..judged.win_rates.len()).filter(|at| *at != best && *at != worst);
    let met: Vec<usize> = [best, worst]
        .into_iter()
        .chain(others)
        .take(usize::try_from(responses).unwrap_or(usize::MAX))
        .collect();
    let mean = |of: usize| {
        let row = &judged.win_matrix.rows()[of];
        met.iter().map(|other| row[*other]).sum::<f64>() / met.len() as f64
    };
    (mean(best), mean(worst))
}

/// A response with its trace as a model writes it.
pub fn written(response: &Response, marks: &ThinkMarks) -> String {
    match &response.trace {
        None => response.text.clone(),
        Some(trace) if is_unclosed(response) => format!("{}\n{trace}", marks.open),
        Some(trace) => format!(
            "{}\n{trace}\n{}\n\n{}",
            marks.open, marks.close, response.text
        ),
    }
}
