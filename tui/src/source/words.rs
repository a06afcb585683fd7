//! Events in words, and evaluations as scores.

use std::collections::HashMap;

use tracking::history::Evaluation;
use tracking::{EvaluationPurpose, Event, EventKind, Level, LogLine, Measure, RunState};

use crate::detail::EvaluationPoint;
use crate::figures::{count, number, printable};

/// Scores kept at most; a run with more is scored again.
const KEPT: usize = 50_000;

/// Scores of evaluations, each computed once: a bootstrap takes its time.
#[derive(Debug, Default)]
pub struct Scores {
    known: HashMap<(EvaluationPurpose, u64), (Print, EvaluationPoint)>,
}

/// Tells one set of returns from another.
type Print = (usize, u64);

impl Scores {
    /// The score of an evaluation. One whose returns were given up has the score that it
    /// had with them.
    pub fn of(&mut self, evaluation: &Evaluation) -> EvaluationPoint {
        let key = (evaluation.purpose, evaluation.progress.step);
        self.point(key, &evaluation.returns, evaluation.measure())
    }

    fn point(
        &mut self,
        key: (EvaluationPurpose, u64),
        returns: &[f64],
        measure: Measure,
    ) -> EvaluationPoint {
        let sum: f64 = returns.iter().sum();
        let print = (returns.len(), sum.to_bits());
        if let Some((known, point)) = self.known.get(&key)
            && (*known == print || returns.is_empty())
        {
            return *point;
        }
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        let point = EvaluationPoint::of(key.1, returns, measure);
        self.known.insert(key, (print, point));
        point
    }

    /// The line of the log that an event deserves, if any.
    pub fn tell(&mut self, event: &Event) -> Option<LogLine> {
        let point = match &event.kind {
            EventKind::Evaluation {
                purpose,
                progress,
                returns,
                extra,
                ..
            } => Some(self.point((*purpose, progress.step), returns, Measure::of(extra))),
            _ => None,
        };
        let (level, target) = match &event.kind {
            EventKind::Warning { source, message } => {
                return Some(LogLine {
                    level: Level::Warning,
                    target: printable(source),
                    time: Some(event.time),
                    text: printable(message),
                });
            }
            EventKind::Evaluation { .. } => (Level::Info, "evaluation"),
            EventKind::Checkpoint { .. } => (Level::Info, "checkpoint"),
            EventKind::State { state, .. } | EventKind::Finished { outcome: state, .. } => {
                (level_of(*state), "run")
            }
            _ => (Level::Info, "run"),
        };
        Some(LogLine {
            level,
            target: target.to_owned(),
            time: Some(event.time),
            text: words(event, point)?,
        })
    }
}

fn level_of(state: RunState) -> Level {
    match state {
        RunState::Failed | RunState::Killed | RunState::Lost => Level::Error,
        _ => Level::Info,
    }
}

/// A score with its interval, such as `accuracy 0.310 [0.220, 0.400]`.
#[must_use]
pub fn score(point: &EvaluationPoint) -> String {
    let name = point.measure.name();
    if point.measure == Measure::Unscored {
        return name.to_owned();
    }
    let (low, high) = point.interval;
    format!(
        "{name} {} [{}, {}]",
        number(point.mean),
        number(low),
        number(high)
    )
}

/// What of an event deserves a line for people.
#[must_use]
pub fn describe(event: &Event) -> Option<String> {
    words(event, None)
}

fn words(event: &Event, scored: Option<EvaluationPoint>) -> Option<String> {
    let text = match &event.kind {
        EventKind::Evaluation {
            purpose,
            progress,
            returns,
            lengths,
            extra,
            ..
        } => {
            let measure = Measure::of(extra);
            let point =
                scored.unwrap_or_else(|| EvaluationPoint::of(progress.step, returns, measure));
            let length = number(tracking::measure::mean_length(lengths, extra));
            let what = match purpose {
                EvaluationPurpose::Interval => {
                    format!("evaluation at {}", count(point.step as f64))
                }
                EvaluationPurpose::Absolute => measure.final_name().to_owned(),
            };
            format!(
                "{what}: {} over {}",
                score(&point),
                measure.extent(point.episodes, &length),
            )
        }
        EventKind::Checkpoint { path, best, .. } => {
            format!(
                "{} written: {path}",
                if *best { "best policy" } else { "checkpoint" }
            )
        }
        EventKind::Warning { source, message } => format!("warning: {source}: {message}"),
        EventKind::Resumed { checkpoint, .. } => format!("continuing from {checkpoint}"),
        EventKind::State { state, message, .. } if message.is_empty() => state.to_string(),
        EventKind::State { state, message, .. } => format!("{state}: {message}"),
        EventKind::Finished {
            outcome,
            exit_code,
            message,
            ..
        } => {
            let colon = if message.is_empty() { "" } else { ": " };
            format!("{outcome} with exit code {exit_code}{colon}{message}")
        }
        _ => return None,
    };
    Some(printable(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracking::Progress;

    #[test]
    fn events_are_told_in_words() {
        let kind = EventKind::Evaluation {
            purpose: EvaluationPurpose::Interval,
            progress: Progress {
                step: 40_000,
                ..Progress::default()
            },
            returns: vec![0.5; 4],
            lengths: vec![10, 20, 10, 20],
            extra: std::collections::BTreeMap::new(),
            checkpoint: String::new(),
        };
        let mut answers = kind.clone();
        if let EventKind::Evaluation { extra, .. } = &mut answers {
            extra.insert("accuracy".to_owned(), vec![0.5; 4]);
        }
        let told = |kind| {
            describe(&Event {
                version: 1,
                sequence: 0,
                time: 0.0,
                kind,
            })
        };
        let expected =
            "evaluation at 40k: return 0.500 [0.500, 0.500] over 4 episodes of 15.00 steps";
        assert_eq!(told(kind).as_deref(), Some(expected));
        let expected = "evaluation at 40k: accuracy 0.500 [0.500, 0.500] over 4 prompts, answers of 15.00 tokens";
        assert_eq!(told(answers).as_deref(), Some(expected));
        let warning = EventKind::Warning {
            source: "disk".to_owned(),
            message: "\u{1b}full".to_owned(),
        };
        assert_eq!(told(warning).as_deref(), Some("warning: disk: full"));
        assert_eq!(told(EventKind::Unknown), None);
    }
}
