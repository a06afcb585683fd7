//! Held-out prompts: answered, compared with the right answers and with the model that the run
//! began with.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use dataset::Response;
use tracking::{Label, Sample, measure};

use super::data::PromptRow;
use super::files::{finished, write_all};
use super::journal::{Journal, Order};
use super::stages::{Answered, Selected};
use crate::evaluation::statistics::wilson;
use crate::failure::FinetuneError;
use crate::oracles::verifiers::Verifier;
use crate::responding::{Ask, Responder, is_unclosed, trace_length};

/// The random streams of an evaluation are the same every time, and of no iteration.
const SEED: u64 = 0x0e7a_15ed;

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// Of each prompt in each mode: the share of right answers, else that of comparisons won.
    pub returns: Vec<f64>,
    /// Tokens of the responses.
    pub lengths: Vec<u64>,
    /// Curves by their names.
    pub curves: BTreeMap<String, f64>,
    /// What was measured of each prompt, under the keys of [`tracking::measure`].
    pub extra: BTreeMap<String, Vec<f64>>,
}

/// What an evaluation works with.
pub struct Evaluation<'a> {
    /// Held-out prompts.
    pub prompts: &'a [PromptRow],
    /// The modes they are answered in.
    pub modes: &'a [Option<bool>],
    /// Responses to each.
    pub responses: usize,
    /// How answers are compared, where prompts have them.
    pub verifier: Verifier,
    /// How many prompts are shown as samples.
    pub shown: usize,
}

impl Evaluation<'_> {
    /// Answers every prompt and writes them to `path`; what is there already is not asked again.
    /// None when told to stop.
    ///
    /// # Errors
    /// What keeps the responder from answering.
    pub fn answer(
        &self,
        path: &Path,
        responder: &mut dyn Responder,
        journal: &mut Journal<'_>,
        told: &mut dyn FnMut(&mut Journal<'_>, u64, u64),
    ) -> Result<Option<Vec<Answered>>, FinetuneError> {
        if let Some(rows) = finished(path)? {
            return Ok(Some(rows));
        }
        let asks: Vec<Ask> = self
            .prompts
            .iter()
            .flat_map(|prompt| self.modes.iter().map(move |mode| (prompt, *mode)))
            .enumerate()
            .map(|(number, (prompt, thinking))| Ask {
                id: prompt.id.clone(),
                content: prompt.prompt.clone(),
                thinking,
                stream: (number * self.responses) as u64,
            })
            .collect();
        let mut answers: Vec<Option<Vec<Response>>> = vec![None; asks.len()];
        let total = asks.len() as u64;
        let mut done = 0;
        told(journal, 0, total);
        let whole = responder.respond(&asks, self.responses, SEED, &mut |at, responses| {
            answers[at] = Some(responses);
            done += 1;
            told(journal, done, total);
            Ok(if journal.order() == Order::Stop {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        if !whole {
            return Ok(None);
        }
        let rows: Vec<Answered> = asks
            .iter()
            .zip(answers)
            .enumerate()
            .map(|(number, (ask, responses))| {
                let prompt = &self.prompts[number / self.modes.len()];
                Answered {
                    id: ask.id.clone(),
                    thinking: ask.thinking,
                    prompt: prompt.prompt.clone(),
                    answer: prompt.answer.clone(),
                    responses: responses.unwrap_or_default(),
                }
            })
            .collect();
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(FinetuneError::file("create", parent))?;
        }
        write_all(path, &rows)?;
        Ok(Some(rows))
    }

    /// Scores answers; `won` are their comparisons with the model that the run began with, one for each row.
    pub fn score(&self, rows: &[Answered], won: Option<Vec<f64>>) -> Scores {
        let mut scores = Scores::default();
        let right: Option<Vec<f64>> = rows.iter().map(|row| self.share_right(row)).collect();
        if let Some(right) = &right {
            self.by_mode("evaluation/accuracy", rows, right, &mut scores.curves);
        }
        let mean = |of: &dyn Fn(&Response) -> f64| -> Vec<f64> {
            rows.iter()
                .map(|row| {
                    row.responses.iter().map(of).sum::<f64>() / row.responses.len().max(1) as f64
                })
                .collect()
        };
        let trace = |response: &Response| trace_length(response).unwrap_or(0) as f64;
        let length = mean(&|response| response.tokens.unwrap_or(0) as f64);
        self.by_mode("evaluation/length", rows, &length, &mut scores.curves);
        if rows
            .iter()
            .any(|row| row.responses.iter().any(|one| one.trace.is_some()))
        {
            let traces = mean(&trace);
            self.by_mode("evaluation/trace_length", rows, &traces, &mut scores.curves);
            let unclosed = mean(&|response| f64::from(u8::from(is_unclosed(response))));
            self.by_mode("evaluation/unclosed", rows, &unclosed, &mut scores.curves);
        }
        let cut = mean(&|one| f64::from(u8::from(one.finish.as_deref() == Some("length"))));
        self.by_mode("evaluation/cut", rows, &cut, &mut scores.curves);
        if let Some(won) = won.as_ref().filter(|won| !won.is_empty()) {
            let interval = wilson(won.iter().sum(), won.len());
            for (name, value) in [
                ("preference/win_rate", interval.estimate),
                ("preference/win_rate_low", interval.low),
                ("preference/win_rate_high", interval.high),
            ] {
                scores.curves.insert(name.to_owned(), value);
            }
        }
        let measured = [(measure::ACCURACY, &right), (measure::WIN_RATE, &won)];
        for (name, values) in measured {
            if let Some(values) = values.as_ref().filter(|all| all.len() == rows.len()) {
                scores.extra.insert(name.to_owned(), values.clone());
            }
        }
        if scores.extra.is_empty() {
            let none = vec![0.0; rows.len()];
            scores.extra.insert(measure::UNSCORED.to_owned(), none);
        }
        scores.returns = right.or(won).unwrap_or_else(|| vec![0.0; rows.len()]);
        scores.lengths = length.iter().map(|length| length.round() as u64).collect();
        scores.extra.insert(measure::LENGTH.to_owned(), length);
        scores
    }

    fn share_right(&self, row: &Answered) -> Option<f64> {
        let answer = row.answer.as_deref()?;
        let right = row
            .responses
            .iter()
            .filter(|one| self.verifier.check(&one.text, answer) == Some(true));
        Some(right.count() as f64 / row.responses.len().max(1) as f64)
    }

    /// The mean over all rows, and where there are several modes over those of each.
    fn by_mode(
        &self,
        name: &str,
        rows: &[Answered],
        values: &[f64],
        curves: &mut BTreeMap<String, f64>,
    ) {
        curves.insert(name.to_owned(), tracking::statistics::mean(values));
        if self.modes.len() < 2 {
            return;
        }
        for (mode, suffix) in [(Some(true), "thinking"), (Some(false), "direct")] {
            let of_mode: Vec<f64> = rows
                .iter()
                .zip(values)
                .filter(|(row, _)| row.thinking == mode)
                .map(|(_, value)| *value)
                .collect();
            if !of_mode.is_empty() {
                let mean = tracking::statistics::mean(&of_mode);
                curves.insert(format!("{name}_{suffix}"), mean);
            }
        }
    }

    /// The first prompts with their responses, as people look at them.
    pub fn samples(&self, rows: &[Answered], update: u64, iteration: usize) -> Vec<Sample> {
        let shown = self.shown * self.modes.len();
        rows.iter()
            .take(shown)
            .map(|row| Sample {
                axis: tracking::Axis::LearnerUpdates,
                step: update,
                iteration: iteration as u32,
                prompt: row.prompt.last_text().to_owned(),
                responses: row
                    .responses
                    .iter()
                    .map(|response| self.shown_response(row, response))
                    .collect(),
            })
            .collect()
    }

    fn shown_response(&self, row: &Answered, response: &Response) -> tracking::samples::Response {
        let right = row
            .answer
            .as_deref()
            .map(|answer| self.verifier.check(&response.text, answer) == Some(true));
        tracking::samples::Response {
            reward: right.map(|right| f64::from(u8::from(right))),
            ..shown(response)
        }
    }
}

/// A response as people look at it.
fn shown(response: &Response) -> tracking::samples::Response {
    tracking::samples::Response {
        text: response.text.clone(),
        trace: response.trace.clone().unwrap_or_default(),
        tokens: response.tokens.unwrap_or(0),
        trace_tokens: trace_length(response).unwrap_or(0) as u64,
        cut: response.finish.as_deref() == Some("length"),
        ..tracking::samples::Response::default()
    }
}

/// A prompt with the two responses that are learnt from.
pub(super) fn pair_sample(
    answered: &Answered,
    selected: &Selected,
    update: u64,
    iteration: usize,
) -> Sample {
    let response = |at: usize, label: Label, win_rate: f64| tracking::samples::Response {
        label: Some(label),
        win_rate: Some(win_rate),
        ..shown(&answered.responses[at])
    };
    Sample {
        axis: tracking::Axis::LearnerUpdates,
        step: update,
        iteration: iteration as u32,
        prompt: answered.prompt.last_text().to_owned(),
        responses: vec![
            response(
                selected.chosen_index,
                Label::Chosen,
                selected.chosen_probs_win,
            ),
            response(
                selected.rejected_index,
                Label::Rejected,
                selected.chosen_probs_lose,
            ),
        ],
    }
}
