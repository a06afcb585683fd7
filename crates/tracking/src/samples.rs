//! What a fine-tuning job reports beside its curves: generated samples and stages.
//!
//! Both are events of `events.jsonl` (see [`crate::event`]); `docs/terminal-formats.md`
//! has the table of metric names that belong with them.
//!
//! ```json
//! {"v":1,"seq":9,"time":1795500902.25,"kind":"sample","axis":"learner_updates","step":40,"iteration":1,"prompt":"Why is the sky blue?","responses":[{"text":"Air scatters blue light more.","label":"chosen","win_rate":0.74,"log_prob":-14.2,"tokens":8}]}
//! {"v":1,"seq":10,"time":1795500903.0,"kind":"stage","iteration":1,"iterations":3,"name":"train","index":4,"count":4,"done":40,"total":312,"unit":"updates","step":40}
//! ```
//!
//! Texts are what a model generated: nothing may be assumed of them, and whoever shows
//! them must first make them printable.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::encoding::{number, optional_number};
use crate::event::{Axis, Progress, shortened};

/// Samples that a reader keeps of a run.
pub const SAMPLES_KEPT: usize = 400;
/// Bytes of text that a reader keeps of a run's samples.
pub const SAMPLE_BYTES_KEPT: usize = 8 * 1024 * 1024;

/// What a response was taken for in a preference pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// The preferred one.
    Chosen,
    /// The other one.
    Rejected,
    /// A label that this version does not know.
    #[serde(other)]
    Other,
}

impl Label {
    /// The word in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Rejected => "rejected",
            Self::Other => "other",
        }
    }
}

/// One token of a response and its natural logarithm of probability, in JSON
/// `["blue",-0.31]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogProb(
    /// The token's text.
    pub String,
    /// Natural logarithm of its probability under the policy that wrote it.
    #[serde(with = "number")]
    pub f64,
);

/// A generated answer to a prompt.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Response {
    /// The answer, without the trace.
    pub text: String,
    /// What the model thought before answering; empty where it did not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trace: String,
    /// What it was taken for in training; none for responses that were left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Estimated probability to beat a response of the policy that wrote it.
    #[serde(skip_serializing_if = "Option::is_none", with = "optional_number")]
    pub win_rate: Option<f64>,
    /// A reward model's or verifier's score.
    #[serde(skip_serializing_if = "Option::is_none", with = "optional_number")]
    pub reward: Option<f64>,
    /// Sum of the tokens' log-probabilities under the policy.
    #[serde(skip_serializing_if = "Option::is_none", with = "optional_number")]
    pub log_prob: Option<f64>,
    /// The same under the reference policy.
    #[serde(skip_serializing_if = "Option::is_none", with = "optional_number")]
    pub reference_log_prob: Option<f64>,
    /// Tokens generated, trace and end mark included.
    pub tokens: u64,
    /// Tokens of the trace.
    #[serde(skip_serializing_if = "is_zero")]
    pub trace_tokens: u64,
    /// It was cut at the longest length allowed.
    #[serde(skip_serializing_if = "is_false")]
    pub cut: bool,
    /// Its tokens one by one; empty where they were not recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_log_probs: Vec<TokenLogProb>,
}

/// A prompt with the responses that the policy gave to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What `step` counts.
    #[serde(default = "updates")]
    pub axis: Axis,
    /// When in training.
    #[serde(default)]
    pub step: u64,
    /// Iteration, from 1; 0 where there are none.
    #[serde(default)]
    pub iteration: u32,
    /// The prompt as a person wrote it, without the chat template.
    pub prompt: String,
    /// The responses, in the order in which they were generated.
    pub responses: Vec<Response>,
}

impl Sample {
    /// Cuts texts to [`crate::event::LONGEST_TEXT`] bytes each, with a note, and drops
    /// the tokens of a response that is cut.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.prompt = shortened(self.prompt);
        for response in &mut self.responses {
            let before = response.text.len();
            response.text = shortened(std::mem::take(&mut response.text));
            response.trace = shortened(std::mem::take(&mut response.trace));
            if response.text.len() != before {
                response.token_log_probs.clear();
            }
        }
        self
    }

    /// The first response with a label.
    pub fn labelled(&self, label: Label) -> Option<&Response> {
        self.responses
            .iter()
            .find(|response| response.label == Some(label))
    }

    /// Bytes of text in it, about what it holds in memory.
    pub fn bytes(&self) -> usize {
        let of_response = |response: &Response| {
            let tokens = response.token_log_probs.iter();
            let tokens: usize = tokens.map(|token| token.0.len() + 32).sum();
            response.text.len() + response.trace.len() + tokens + 128
        };
        self.prompt.len() + self.responses.iter().map(of_response).sum::<usize>()
    }
}

/// How far a stage of an iteration is. A job reports each stage when it begins, now and
/// then while it goes on, and when it is done (`done == total`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Iteration, from 1.
    #[serde(default = "one")]
    pub iteration: u32,
    /// Iterations planned; 0 when unknown.
    #[serde(default)]
    pub iterations: u32,
    /// What is done (`generate`, `score`, `pair`, `train`, `evaluate`).
    pub name: String,
    /// Its number within the iteration, from 1.
    #[serde(default = "one")]
    pub index: u32,
    /// Stages of an iteration.
    #[serde(default)]
    pub count: u32,
    /// Done so far, in `unit`.
    #[serde(default)]
    pub done: u64,
    /// To do in all; 0 when unknown.
    #[serde(default)]
    pub total: u64,
    /// What `done` and `total` count (`prompts`, `pairs`, `updates`).
    #[serde(default)]
    pub unit: String,
    /// Where the run is.
    #[serde(flatten)]
    pub progress: Progress,
}

/// The state of a stage for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageState {
    /// Over.
    Done,
    /// The one in work.
    Current,
    /// To come.
    Planned,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

fn is_false(value: &bool) -> bool {
    !value
}

fn one() -> u32 {
    1
}

fn updates() -> Axis {
    Axis::LearnerUpdates
}

/// Iterations and stages beyond this are no plan of ours.
const MOST_STAGES: u32 = 10_000;

/// The stages of a run as reported, with those to come.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stages {
    reported: BTreeMap<(u32, u32), Stage>,
    last: Option<(u32, u32)>,
}

impl Stages {
    /// Takes the next report.
    pub fn apply(&mut self, stage: Stage) {
        if stage.iteration > MOST_STAGES || stage.index > MOST_STAGES {
            return;
        }
        let place = (stage.iteration, stage.index);
        self.last = Some(place);
        self.reported.insert(place, stage);
    }

    /// Drops what lies beyond a position from which the run goes on.
    pub fn resume(&mut self, position: &Progress) {
        self.reported.retain(|_, stage| {
            stage.progress.step <= position.step && stage.progress.updates <= position.updates
        });
        self.last = self.reported.keys().next_back().copied();
    }

    /// Whether none was reported.
    pub fn is_empty(&self) -> bool {
        self.reported.is_empty()
    }

    /// The stage reported last.
    pub fn current(&self) -> Option<&Stage> {
        self.reported.get(&self.last?)
    }

    /// Iterations planned, at least those seen.
    pub fn iterations(&self) -> u32 {
        let seen = self.reported.keys().map(|(iteration, _)| *iteration);
        let planned = self.reported.values().map(|stage| stage.iterations);
        seen.chain(planned).max().unwrap_or(0).min(MOST_STAGES)
    }

    /// The stages of an iteration: as reported, or, for what is to come, as the last
    /// known iteration had them.
    pub fn of(&self, iteration: u32) -> Vec<(StageState, Stage)> {
        let count = self.reported.values().map(|stage| stage.count);
        let seen = self.reported.keys().map(|(_, index)| *index);
        let count = count.chain(seen).max().unwrap_or(0).min(MOST_STAGES);
        (1..=count)
            .map(|index| {
                let place = (iteration, index);
                let stage = self.reported.get(&place).cloned();
                let stage = stage.unwrap_or_else(|| self.planned(iteration, index));
                (self.state(place, &stage), stage)
            })
            .collect()
    }

    fn state(&self, place: (u32, u32), stage: &Stage) -> StageState {
        let finished = stage.total > 0 && stage.done >= stage.total;
        match self.last {
            Some(last) if place < last || (place == last && finished) => StageState::Done,
            Some(last) if place == last => StageState::Current,
            _ => StageState::Planned,
        }
    }

    /// A stage to come, named as the same stage of another iteration.
    fn planned(&self, iteration: u32, index: u32) -> Stage {
        let like = self.reported.iter().rev();
        let like = like
            .map(|(_, stage)| stage)
            .find(|stage| stage.index == index);
        Stage {
            iteration,
            iterations: self.iterations(),
            name: like.map_or_else(|| format!("stage {index}"), |stage| stage.name.clone()),
            index,
            count: like.map_or(0, |stage| stage.count),
            done: 0,
            total: like.map_or(0, |stage| stage.total),
            unit: like.map_or_else(String::new, |stage| stage.unit.clone()),
            progress: Progress::default(),
        }
    }
}

/// The newest samples of a run, in bounded memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Shared, since a history is copied to be shown.
    kept: VecDeque<(f64, Arc<Sample>)>,
    bytes: usize,
    seen: u64,
}

impl Samples {
    /// Takes the next sample with its time; the oldest go when there are too many.
    pub fn push(&mut self, time: f64, sample: Sample) {
        self.seen += 1;
        self.bytes += sample.bytes();
        self.kept.push_back((time, Arc::new(sample)));
        while self.kept.len() > SAMPLES_KEPT
            || (self.bytes > SAMPLE_BYTES_KEPT && self.kept.len() > 1)
        {
            let oldest = self.kept.pop_front();
            self.bytes -= oldest.map_or(0, |(_, sample)| sample.bytes());
        }
    }

    /// Drops what lies beyond a position from which the run goes on.
    pub fn resume(&mut self, position: &Progress) {
        let before = self.kept.len();
        self.kept
            .retain(|(_, sample)| sample.step <= position.on(sample.axis));
        self.seen -= (before - self.kept.len()) as u64;
        self.bytes = self.kept.iter().map(|(_, sample)| sample.bytes()).sum();
    }

    /// Those kept, oldest first, each with the time of its event.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &(f64, Arc<Sample>)> + ExactSizeIterator {
        self.kept.iter()
    }

    /// One of those kept, 0 the oldest.
    pub fn get(&self, index: usize) -> Option<&Sample> {
        self.kept.get(index).map(|(_, sample)| &**sample)
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many the run reported.
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests;
