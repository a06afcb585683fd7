//! What a run reports: one event per line of `events.jsonl`.
//!
//! ```json
//! {"v":1,"seq":17,"time":1795500902.25,"kind":"scalar","name":"train/loss","value":0.25,"axis":"learner_updates","step":10}
//! ```
//!
//! Readers skip kinds that they do not know ([`EventKind::Unknown`]) and ignore keys
//! that they do not know, so that a newer worker can be watched by an older program.
//! Numbers that JSON lacks are the strings `"NaN"`, `"inf"` and `"-inf"`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::samples::{Sample, Stage};
use crate::status::RunState;

pub(crate) mod encoding;
pub mod line;

use encoding::{named_numbers, number, numbers};

/// Version of the event lines.
pub const EVENT_VERSION: u32 = 1;

/// What the `step` of a point counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Environment steps, summed over environments.
    EnvSteps,
    /// Updates of the learner.
    LearnerUpdates,
    /// Tokens processed.
    Tokens,
    /// Whole seconds of training.
    Seconds,
}

impl Axis {
    /// The name in files (`env_steps`).
    pub fn name(self) -> &'static str {
        match self {
            Self::EnvSteps => "env_steps",
            Self::LearnerUpdates => "learner_updates",
            Self::Tokens => "tokens",
            Self::Seconds => "seconds",
        }
    }
}

/// How far a run is, on every axis.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Environment steps, summed over environments.
    pub step: u64,
    /// Updates of the learner.
    pub updates: u64,
    /// Tokens processed.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens: u64,
    /// Seconds of training, without the time between a stop and a resume.
    #[serde(with = "number")]
    pub seconds: f64,
}

impl Progress {
    /// The position on one axis.
    pub fn on(&self, axis: Axis) -> u64 {
        match axis {
            Axis::EnvSteps => self.step,
            Axis::LearnerUpdates => self.updates,
            Axis::Tokens => self.tokens,
            Axis::Seconds => self.seconds.max(0.0) as u64,
        }
    }
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Why episodes were scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationPurpose {
    /// One of the evenly spaced evaluations during training.
    Interval,
    /// The final score of the best checkpoint (marl-eval's `absolute_metrics`).
    Absolute,
}

/// One hyper-parameter, as TensorBoard's hparams plugin types them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HyperParameter {
    /// A switch.
    Switch(bool),
    /// A number.
    Number(#[serde(with = "number")] f64),
    /// Anything else.
    Text(String),
}

/// What happened. The JSON key `kind` names the variant in snake case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The run entered a state.
    State {
        /// The new state.
        state: RunState,
        /// Where the run is.
        #[serde(flatten)]
        progress: Progress,
        /// For people; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
    },
    /// One point of a curve.
    Scalar {
        /// Curve, with `/` for groups (`train/loss`).
        name: String,
        /// May be non-finite.
        #[serde(with = "number")]
        value: f64,
        /// What `step` counts.
        axis: Axis,
        /// Position.
        step: u64,
    },
    /// A text worth keeping (a configuration, a generated answer).
    Text {
        /// Name, with `/` for groups.
        name: String,
        /// The text, at most [`LONGEST_TEXT`] bytes.
        text: String,
        /// What `step` counts.
        axis: Axis,
        /// Position.
        step: u64,
    },
    /// Episodes of the current policy, scored.
    Evaluation {
        /// Why.
        purpose: EvaluationPurpose,
        /// Where the run is.
        #[serde(flatten)]
        progress: Progress,
        /// Return of each episode (summed over its steps).
        #[serde(with = "numbers")]
        returns: Vec<f64>,
        /// Steps of each episode.
        lengths: Vec<u64>,
        /// Further numbers per episode, by name (`win_rate`).
        #[serde(
            default,
            skip_serializing_if = "BTreeMap::is_empty",
            with = "named_numbers"
        )]
        extra: BTreeMap<String, Vec<f64>>,
        /// The checkpoint that played, relative to the run folder; empty for the
        /// weights in memory.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        checkpoint: String,
    },
    /// A checkpoint is on disk.
    Checkpoint {
        /// Where the run is.
        #[serde(flatten)]
        progress: Progress,
        /// Folder, relative to the run folder (`ckpt/step-500`).
        path: String,
        /// It is the best so far by the last evaluation.
        #[serde(default)]
        best: bool,
    },
    /// A recorded episode.
    Episode {
        /// Where the run is.
        #[serde(flatten)]
        progress: Progress,
        /// File, relative to the run folder (`media/step-500.gif`).
        path: String,
        /// Its return.
        #[serde(with = "number", rename = "return")]
        episode_return: f64,
        /// Its steps.
        length: u64,
    },
    /// Something that the user should know and that did not stop the run.
    Warning {
        /// Who warns (`tensorboard`, `learner`).
        source: String,
        /// What, and what to do.
        message: String,
    },
    /// The settings to compare runs by.
    Hparams {
        /// By dotted path.
        values: BTreeMap<String, HyperParameter>,
    },
    /// The run continues from a checkpoint. Everything reported before this line and
    /// lying beyond the checkpoint belongs to work that was lost: readers drop it
    /// (see [`crate::history`]).
    Resumed {
        /// Where the checkpoint is.
        #[serde(flatten)]
        progress: Progress,
        /// The checkpoint, relative to the run folder.
        checkpoint: String,
    },
    /// The run ended.
    Finished {
        /// `finished`, `failed` or `interrupted`.
        outcome: RunState,
        /// The process's exit code.
        exit_code: i32,
        /// Where it ended.
        #[serde(flatten)]
        progress: Progress,
        /// For people; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
    },
    /// A prompt with generated responses; report it through [`crate::Tracker::sample`].
    Sample(Sample),
    /// How far a stage of fine-tuning is.
    Stage(Stage),
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Longest text kept in one event, in bytes; longer ones are cut with a note.
pub const LONGEST_TEXT: usize = 256 * 1024;

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// [`EVENT_VERSION`] of the writer.
    #[serde(rename = "v")]
    pub version: u32,
    /// Grows by one per event; a gap means lost events.
    #[serde(rename = "seq")]
    pub sequence: u64,
    /// Seconds since 1970 UTC, taken where the event arose.
    pub time: f64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl Event {
    /// The event as one line of JSON, without the line feed.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self)
            .expect("events hold strings, numbers and string-keyed maps only")
    }
}

/// Cuts a text to [`LONGEST_TEXT`] at a character border and says so.
pub(crate) fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        let whole = text.len();
        let mut end = LONGEST_TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(&format!("\n[cut: {whole} bytes, {end} kept]"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind) -> Event {
        Event {
            version: EVENT_VERSION,
            sequence: 17,
            time: 1_795_500_902.25,
            kind,
        }
    }

    fn scalar(value: f64) -> Event {
        event(EventKind::Scalar {
            name: "train/loss".into(),
            value,
            axis: Axis::LearnerUpdates,
            step: 10,
        })
    }

    #[test]
    fn the_line_is_the_documented_one() {
        assert_eq!(
            scalar(0.25).to_line(),
            r#"{"v":1,"seq":17,"time":1795500902.25,"kind":"scalar","name":"train/loss","value":0.25,"axis":"learner_updates","step":10}"#
        );
    }

    #[test]
    fn numbers_survive_to_the_last_bit_and_non_finite_ones_by_name() {
        for value in [
            0.1 + 0.2,
            f64::MIN_POSITIVE,
            -0.0,
            f64::MAX,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            let back: Event = serde_json::from_str(&scalar(value).to_line()).unwrap();
            let EventKind::Scalar { value: read, .. } = back.kind else {
                panic!("{back:?}")
            };
            assert_eq!(read.to_bits(), value.to_bits());
        }
        let line = scalar(f64::NAN).to_line();
        assert!(line.contains(r#""value":"NaN""#), "{line}");
        let back: Event = serde_json::from_str(&line).unwrap();
        assert!(matches!(back.kind, EventKind::Scalar { value, .. } if value.is_nan()));
        assert!(serde_json::from_str::<Event>(&line.replace("NaN", "nan?")).is_err());
    }

    #[test]
    fn every_kind_survives_a_round_trip() {
        let progress = Progress {
            step: 500,
            updates: 20,
            tokens: 0,
            seconds: 1.5,
        };
        let kinds = [
            EventKind::State {
                state: RunState::Running,
                progress,
                message: String::new(),
            },
            EventKind::Text {
                name: "a".into(),
                text: "b\nc\u{1F980}".into(),
                axis: Axis::Tokens,
                step: 3,
            },
            EventKind::Evaluation {
                purpose: EvaluationPurpose::Absolute,
                progress,
                returns: vec![0.5, 1.0, f64::NEG_INFINITY],
                lengths: vec![50, 3, 9],
                extra: BTreeMap::from([("win_rate".to_owned(), vec![0.0, 1.0, 1.0])]),
                checkpoint: "ckpt/step-500".into(),
            },
            EventKind::Checkpoint {
                progress,
                path: "ckpt/step-500".into(),
                best: true,
            },
            EventKind::Episode {
                progress,
                path: "media/a.gif".into(),
                episode_return: 1.0,
                length: 9,
            },
            EventKind::Warning {
                source: "tensorboard".into(),
                message: "off".into(),
            },
            EventKind::Hparams {
                values: BTreeMap::from([
                    ("double_q".to_owned(), HyperParameter::Switch(true)),
                    ("learning_rate".to_owned(), HyperParameter::Number(3e-4)),
                    ("kind".to_owned(), HyperParameter::Text("iql".into())),
                ]),
            },
            EventKind::Resumed {
                progress,
                checkpoint: "ckpt/step-500".into(),
            },
            EventKind::Finished {
                outcome: RunState::Failed,
                exit_code: 4,
                progress,
                message: "x".into(),
            },
        ];
        for kind in kinds {
            let before = event(kind);
            let after: Event = serde_json::from_str(&before.to_line()).unwrap();
            assert_eq!(after, before);
        }
    }

    #[test]
    fn an_unknown_kind_and_unknown_keys_are_tolerated() {
        let line = r#"{"v":2,"seq":3,"time":1.0,"kind":"hologram","depth":[1,{"a":2}]}"#;
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!((event.sequence, event.kind), (3, EventKind::Unknown));
        let line =
            r#"{"v":1,"seq":4,"time":1,"kind":"warning","source":"a","message":"b","later":1}"#;
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!(
            event.kind,
            EventKind::Warning {
                source: "a".into(),
                message: "b".into()
            }
        );
    }

    #[test]
    fn long_texts_are_cut_at_a_character_with_a_note() {
        let cut = shortened("\u{1F980}".repeat(LONGEST_TEXT / 4 + 10));
        assert!(cut.ends_with(&format!(
            "[cut: {} bytes, {LONGEST_TEXT} kept]",
            LONGEST_TEXT + 40
        )));
        assert_eq!(shortened("short".into()), "short");
    }
}
