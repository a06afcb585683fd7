//! A language model as the judge: two responses side by side, in both orders, at an OpenAI-compatible
//! server.
//!
//! Each order is one request, whose answer has to end in `[[A]]`, `[[B]]` or `[[C]]` for a tie. With the
//! verdict `v = 1, 0, 1/2` for the response that is shown first, `P(i > k) = (v_ik + 1 - v_ki) / 2`.

mod prompt;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use dataset::Message;

use super::{
    Candidates, Judgement, OracleError, OracleKind, PreferenceOracle, Raw, WinMatrix, distinct,
};
use openai::{Answer, Ask, Client, Event, ServerError, Usage};

pub use prompt::{BUILT_IN, JudgePrompt, verdict};

/// Tokens after which a judge is cut off; enough for a reason, and for a short trace of thinking.
const LONGEST_VERDICT: usize = 2048;

/// An oracle over a server.
pub struct Judge {
    name: String,
    client: Client,
    prompt: JudgePrompt,
    max_failures: f64,
    tally: Tally,
}

/// What was asked since the judge was made.
#[derive(Debug, Clone, Default)]
struct Tally {
    asked: u64,
    failed: u64,
    first_failure: Option<String>,
    usage: Usage,
}

/// One order of two distinct responses of a prompt, by their places among the distinct ones.
#[derive(Debug, Clone, Copy)]
struct Comparison {
    prompt: usize,
    first: usize,
    second: usize,
}

impl Judge {
    /// A judge that stops with an error when more than the share `max_failures` of its judgements fail.
    #[must_use]
    pub fn new(client: Client, prompt: JudgePrompt, max_failures: f64) -> Self {
        Self {
            name: format!("{} at {}", client.model(), client.url()),
            client,
            prompt,
            max_failures,
            tally: Tally::default(),
        }
    }

    /// Tokens read and written so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.tally.usage
    }

    /// Refuses when more have failed than may of `asked`.
    fn tolerates(&self, asked: u64) -> Result<(), OracleError> {
        let Tally {
            failed,
            first_failure: Some(first),
            ..
        } = &self.tally
        else {
            return Ok(());
        };
        if *failed as f64 <= self.max_failures * asked as f64 {
            return Ok(());
        }
        Err(OracleError::Failures {
            oracle: self.name.clone(),
            failed: *failed,
            asked,
            allowed: self.max_failures,
            first: first.clone(),
        })
    }

    /// The verdict of each comparison, none where it failed.
    fn verdicts(
        &mut self,
        asks: &[Ask],
        describe: &dyn Fn(usize) -> String,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Vec<Option<f64>>, OracleError> {
        let mut verdicts = vec![None; asks.len()];
        // By place, so that the first one does not depend on who was faster.
        let mut failures = BTreeMap::new();
        let mut fatal = None;
        let most = self.max_failures * (self.tally.asked + asks.len() as u64) as f64;
        let tally = &mut self.tally;
        let ended = self.client.chat_all(asks, &mut |event| {
            if let Event::Answered(place, answer) = event {
                match read(answer, &mut tally.usage) {
                    Ok(verdict) => verdicts[place] = Some(verdict),
                    Err(Unread::Fatal(error)) => {
                        fatal.get_or_insert(error);
                        return ControlFlow::Break(());
                    }
                    Err(Unread::Failed(why)) => {
                        failures.insert(place, why);
                        if (tally.failed + failures.len() as u64) as f64 > most {
                            return ControlFlow::Break(());
                        }
                    }
                }
            }
            go_on()
        });
        tally.failed += failures.len() as u64;
        if let (None, Some((place, why))) = (&tally.first_failure, failures.first_key_value()) {
            tally.first_failure = Some(format!("{}: {why}", describe(*place)));
        }
        let asked = tally.asked + asks.len() as u64;
        if let Some(error) = fatal {
            return Err(error.into());
        }
        self.tolerates(asked)?;
        ended.map_err(|error| match error {
            ServerError::Stopped => OracleError::Stopped,
            other => other.into(),
        })?;
        self.tally.asked = asked;
        Ok(verdicts)
    }
}

enum Unread {
    /// Every other request would end alike.
    Fatal(ServerError),
    /// This one only.
    Failed(String),
}

/// The verdict of an answer, 1, 1/2 or 0 for the response that was shown first.
fn read(answer: Result<Answer, ServerError>, usage: &mut Usage) -> Result<f64, Unread> {
    let answer = answer.map_err(|error| {
        if error.concerns_all() {
            Unread::Fatal(error)
        } else {
            Unread::Failed(error.to_string())
        }
    })?;
    usage.add(answer.usage);
    let choice = answer.choices.first();
    let text = choice.map_or("", |choice| choice.text.as_str());
    verdict(text).ok_or_else(|| {
        let cut = choice.and_then(|choice| choice.finish.as_deref()) == Some("length");
        let why = if cut {
            format!("cut after {LONGEST_VERDICT} tokens without a verdict")
        } else {
            "no verdict [[A]], [[B]] or [[C]]".to_owned()
        };
        Unread::Failed(format!("{why} in {:?}", end_of(text)))
    })
}

/// The last part of an answer, where the verdict should have been.
fn end_of(text: &str) -> String {
    const LONGEST: usize = 160;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let count = text.chars().count();
    if count <= LONGEST {
        return text;
    }
    let end: String = text.chars().skip(count - LONGEST).collect();
    format!("..{end}")
}

impl PreferenceOracle for Judge {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> OracleKind {
        OracleKind::Pairwise
    }

    fn judge(&mut self, batch: &[Candidates]) -> Result<Vec<Judgement>, OracleError> {
        self.judge_while(batch, &mut || ControlFlow::Continue(()))
    }

    /// Both orders of all pairs of unlike responses are requests, side by side over the whole batch;
    /// identical ones tie unasked. A request that fails or whose answer has no verdict counts as a tie
    /// of its order and as a failure.
    fn judge_while(
        &mut self,
        batch: &[Candidates],
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Vec<Judgement>, OracleError> {
        let parts: Vec<_> = batch
            .iter()
            .map(|candidates| distinct(&candidates.responses))
            .collect();
        let mut comparisons = Vec::new();
        for (prompt, (unlike, _)) in parts.iter().enumerate() {
            for first in 0..unlike.len() {
                for second in (0..unlike.len()).filter(|second| *second != first) {
                    comparisons.push(Comparison {
                        prompt,
                        first,
                        second,
                    });
                }
            }
        }
        let asks: Vec<Ask> = comparisons
            .iter()
            .map(|comparison| {
                let unlike = &parts[comparison.prompt].0;
                let text = self.prompt.fill(
                    &batch[comparison.prompt].prompt,
                    unlike[comparison.first],
                    unlike[comparison.second],
                );
                Ask {
                    messages: vec![Message::new("user", text)],
                    choices: 1,
                    temperature: Some(0.0),
                    max_tokens: Some(LONGEST_VERDICT),
                    lenient: true,
                    ..Ask::default()
                }
            })
            .collect();
        let describe = |place: usize| {
            let Comparison {
                prompt,
                first,
                second,
            } = comparisons[place];
            // The first response of each text stands for those like it.
            let number = |at: usize| parts[prompt].1.iter().position(|place| *place == at);
            format!(
                "prompt {}, responses {} and {}",
                batch[prompt].id,
                number(first).map_or(0, |number| number + 1),
                number(second).map_or(0, |number| number + 1)
            )
        };
        let verdicts = self.verdicts(&asks, &describe, go_on)?;
        let mut shown: Vec<Vec<Vec<Option<f64>>>> = parts
            .iter()
            .map(|(unlike, _)| vec![vec![Some(0.5); unlike.len()]; unlike.len()])
            .collect();
        let mut failures = vec![0; batch.len()];
        for (comparison, verdict) in comparisons.iter().zip(&verdicts) {
            shown[comparison.prompt][comparison.first][comparison.second] = *verdict;
            failures[comparison.prompt] += usize::from(verdict.is_none());
        }
        parts
            .iter()
            .zip(shown)
            .zip(failures)
            .map(|(((_, places), shown), failures)| {
                let rows: Vec<Vec<Option<f64>>> = places
                    .iter()
                    .map(|row| places.iter().map(|column| shown[*row][*column]).collect())
                    .collect();
                let wins = WinMatrix::from_upper(rows.len(), |first, second| {
                    let one = rows[first][second].unwrap_or(0.5);
                    let other = rows[second][first].unwrap_or(0.5);
                    (one + 1.0 - other) / 2.0
                })?;
                Ok(Judgement {
                    raw: Raw::Verdicts(rows),
                    wins,
                    failures,
                })
            })
            .collect()
    }

    fn notes(&self) -> Vec<String> {
        let Tally {
            asked,
            failed,
            first_failure: Some(first),
            ..
        } = &self.tally
        else {
            return Vec::new();
        };
        vec![format!(
            "{}: {failed} of {asked} judgements failed and tie, first {first}",
            self.name
        )]
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let usage = self.tally.usage;
        vec![
            ("judgements", self.tally.asked as f64),
            ("judge_tokens_read", usage.prompt_tokens as f64),
            ("judge_tokens_written", usage.completion_tokens as f64),
        ]
    }
}
