//! What the searches of a run came to, a line per question, read while they go on.

use std::path::{Path, PathBuf};

use super::reader::{SLICE, SearchReader, questions};
use super::{SearchEvent, SearchEventKind, exceeds};
use crate::error::TrackingError;

/// What was spent of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Spent {
    /// Its name.
    pub resource: String,
    /// Spent so far.
    pub amount: f64,
    /// Its ceiling; infinite for none.
    pub limit: f64,
}

impl Spent {
    /// Whether more was spent than allowed.
    pub fn is_over(&self) -> bool {
        exceeds(self.amount, self.limit)
    }
}

/// What the search of one question came to, or how far it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The name of its file.
    pub name: String,
    /// The question's identity in the data set.
    pub id: String,
    /// As asked.
    pub text: String,
    /// The method.
    pub policy: String,
    /// Answers that count as correct, where they are known.
    pub expected: Vec<String>,
    /// The chosen answer.
    pub answer: Option<String>,
    /// Whether it is correct, where that is known.
    pub correct: Option<bool>,
    /// Token F1 of it, where that is known.
    pub f1: Option<f64>,
    /// It was forced because a budget ran out.
    pub backstop: bool,
    /// What was spent, in order of appearance.
    pub spent: Vec<Spent>,
    /// Jobs that cost more than they were allowed.
    pub exceeded: usize,
    /// Nodes of its tree.
    pub nodes: u64,
    /// Seconds since it began.
    pub seconds: f64,
    /// It is over.
    pub over: bool,
    /// Why it is.
    pub why: String,
}

impl Outcome {
    /// Of the log in this file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_file(path: &Path) -> Result<Self, TrackingError> {
        let name = path.file_stem().unwrap_or_default();
        let mut outcome = Self {
            name: name.to_string_lossy().into_owned(),
            ..Self::default()
        };
        let mut reader = SearchReader::open(path);
        loop {
            let slice = reader.poll(SLICE)?;
            let events = slice.events.into_iter();
            events.for_each(|event| outcome.take(event));
            if !slice.more {
                return Ok(outcome);
            }
        }
    }

    /// Takes the next event of the question's log.
    pub fn take(&mut self, event: SearchEvent) {
        if event.time.is_finite() {
            self.seconds = self.seconds.max(event.time);
        }
        match event.kind {
            SearchEventKind::Question {
                id,
                text,
                policy,
                expected,
            } => {
                (self.id, self.text, self.policy, self.expected) = (id, text, policy, expected);
            }
            SearchEventKind::Budget { resource, limit } if limit >= 0.0 => {
                self.resource(resource).limit = limit;
            }
            SearchEventKind::Spend {
                resource, amount, ..
            } if amount.is_finite() && amount >= 0.0 => {
                self.resource(resource).amount += amount;
            }
            SearchEventKind::Node { .. } => self.nodes += 1,
            SearchEventKind::Violation { .. } => self.exceeded += 1,
            SearchEventKind::Answer {
                text,
                chosen: true,
                backstop,
                correct,
                f1,
                ..
            } => {
                self.answer = Some(text);
                (self.backstop, self.correct) = (backstop, correct);
                self.f1 = f1.filter(|f1| f1.is_finite());
            }
            SearchEventKind::End { why } => (self.over, self.why) = (true, why),
            _ => {}
        }
    }

    fn resource(&mut self, name: String) -> &mut Spent {
        let at = self.spent.iter().position(|one| one.resource == name);
        let at = at.unwrap_or_else(|| {
            self.spent.push(Spent {
                resource: name,
                amount: 0.0,
                limit: f64::INFINITY,
            });
            self.spent.len() - 1
        });
        &mut self.spent[at]
    }

    /// Spent of a resource; 0 for one that it does not have.
    pub fn spent_of(&self, resource: &str) -> f64 {
        let found = self.spent.iter().find(|one| one.resource == resource);
        found.map_or(0.0, |one| one.amount)
    }

    /// Jobs that cost more than they were allowed, and resources of which more was spent than
    /// allowed. To be 0.
    pub fn violations(&self) -> usize {
        self.exceeded + self.spent.iter().filter(|one| one.is_over()).count()
    }

    /// Whether it has begun and is not over.
    pub fn is_at_work(&self) -> bool {
        self.nodes > 0 && !self.over
    }

    /// Right, wrong, or not known. A search that ended without an answer is wrong where answers
    /// are known at all.
    pub fn verdict(&self) -> Option<bool> {
        match (&self.answer, self.over) {
            (Some(_), _) => self.correct,
            (None, true) if !self.expected.is_empty() => Some(false),
            _ => None,
        }
    }

    /// Token F1 as far as it is known; 0 without an answer, as a wrong one.
    pub fn f1(&self) -> Option<f64> {
        match (&self.answer, self.verdict()) {
            (None, Some(false)) => Some(0.0),
            _ => self.f1,
        }
    }
}

/// The questions of a run and where they stand. Files are read on from where they were left.
#[derive(Debug, Clone, Default)]
pub struct Outcomes {
    folder: PathBuf,
    known: Vec<(SearchReader, Outcome)>,
}

impl Outcomes {
    /// Of the logs in a run's folder of searches, which need not exist yet.
    pub fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            ..Self::default()
        }
    }

    /// Reads what was added, about `bytes` of it at most; whether anything changed, and whether
    /// there is more.
    ///
    /// # Errors
    /// The folder exists and cannot be listed.
    pub fn poll(&mut self, bytes: usize) -> Result<(bool, bool), TrackingError> {
        let mut changed = self.list()?;
        let (read, more) = self.read_logs(bytes);
        changed |= read;
        Ok((changed, more))
    }

    fn read_logs(&mut self, bytes: usize) -> (bool, bool) {
        let (mut changed, mut left) = (false, bytes);
        for (reader, outcome) in &mut self.known {
            // A log that cannot be read now may be readable later.
            while let Ok(slice) = reader.poll(left.clamp(1, SLICE)) {
                if slice.anew {
                    *outcome = Outcome {
                        name: std::mem::take(&mut outcome.name),
                        ..Outcome::default()
                    };
                }
                changed |= slice.anew || !slice.events.is_empty();
                left = left.saturating_sub(slice.bytes);
                slice
                    .events
                    .into_iter()
                    .for_each(|event| outcome.take(event));
                if left == 0 {
                    return (changed, true);
                }
                if !slice.more {
                    break;
                }
            }
        }
        (changed, false)
    }

    /// New files are taken in, those that went are dropped.
    fn list(&mut self) -> Result<bool, TrackingError> {
        let names = questions(&self.folder)?;
        let known = self.known.iter().map(|(_, outcome)| &outcome.name);
        if known.eq(names.iter().map(|(name, _)| name)) {
            return Ok(false);
        }
        let mut before = std::mem::take(&mut self.known);
        for (name, path) in names {
            let at = before.iter().position(|(_, outcome)| outcome.name == name);
            self.known.push(match at {
                Some(at) => before.swap_remove(at),
                None => {
                    let outcome = Outcome {
                        name,
                        ..Outcome::default()
                    };
                    (SearchReader::open(&path), outcome)
                }
            });
        }
        Ok(true)
    }

    /// All questions, `q2` before `q10`.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Outcome> {
        self.known.iter().map(|(_, outcome)| outcome)
    }

    /// All outcomes of a folder.
    ///
    /// # Errors
    /// The folder exists and cannot be listed.
    pub fn read(folder: &Path) -> Result<Vec<Outcome>, TrackingError> {
        let mut outcomes = Self::of(folder);
        outcomes.poll(usize::MAX)?;
        Ok(outcomes
            .known
            .into_iter()
            .map(|(_, outcome)| outcome)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"{"v":1,"time":0,"kind":"question","id":"q1","text":"?","policy":"bavt","expected":["a"]}
{"v":1,"time":0,"kind":"budget","resource":"tokens","limit":100}
{"v":1,"time":0,"kind":"node","id":0,"role":"root","text":"?"}
{"v":1,"time":1,"kind":"spend","resource":"tokens","amount":60,"node":0}
{"v":1,"time":1,"kind":"sp"#;
    const REST: &str = r#"end","resource":"tokens","amount":60}
{"v":1,"time":2,"kind":"answer","text":"b","node":0,"correct":true}
{"v":1,"time":2,"kind":"violation","id":3,"resource":"tokens","allowed":5,"used":9,"charged":5}
{"v":1,"time":3,"kind":"answer","text":"a","node":0,"chosen":true,"backstop":true,"correct":true,"f1":1.0}
{"v":1,"time":3,"kind":"end","why":"budget"}
"#;

    #[test]
    fn a_growing_folder_is_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut outcomes = Outcomes::of(&folder.path().join("search"));
        assert_eq!(
            outcomes.poll(1 << 20).expect("no folder yet"),
            (false, false)
        );
        let folder = folder.path().join("search");
        std::fs::create_dir(&folder).expect("made");
        std::fs::write(folder.join("q10.jsonl"), FIRST).expect("written");
        assert_eq!(outcomes.poll(1 << 20).expect("read"), (true, false));
        let one = outcomes.all().next().expect("one question");
        assert_eq!(
            (one.nodes, one.over, one.spent_of("tokens")),
            (1, false, 60.0)
        );
        assert_eq!((one.verdict(), one.violations()), (None, 0));
        assert!(one.is_at_work() && !one.spent[0].is_over());
        std::fs::write(folder.join("q10.jsonl"), format!("{FIRST}{REST}")).expect("written");
        std::fs::write(folder.join("q2.jsonl"), FIRST).expect("written");
        assert_eq!(outcomes.poll(1 << 20).expect("read"), (true, false));
        let names: Vec<&str> = outcomes.all().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["q2", "q10"]);
        let one = outcomes.all().nth(1).expect("two questions");
        assert_eq!(one.answer.as_deref(), Some("a"));
        assert_eq!(
            (one.verdict(), one.f1(), one.backstop),
            (Some(true), Some(1.0), true)
        );
        // 120 of 100 tokens, and a job that cost more than it might; the answer that was not chosen does not count.
        assert_eq!((one.violations(), one.over, one.seconds), (2, true, 3.0));
        assert!(!one.is_at_work() && one.spent[0].is_over());
        assert_eq!(outcomes.poll(1 << 20).expect("read"), (false, false));
        // A log that is written anew counts anew.
        std::fs::write(folder.join("q10.jsonl"), FIRST).expect("written");
        assert_eq!(outcomes.poll(1 << 20).expect("read"), (true, false));
        let one = outcomes.all().nth(1).expect("two questions");
        assert_eq!((one.nodes, one.over, one.name.as_str()), (1, false, "q10"));
    }

    #[test]
    fn large_logs_are_read_in_pieces() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a.jsonl"), format!("{FIRST}{REST}")).expect("written");
        let mut outcomes = Outcomes::of(folder.path());
        let mut polls = 0;
        while outcomes.poll(64).expect("read").1 {
            polls += 1;
        }
        assert!(polls > 5, "{polls}");
        let whole = Outcomes::read(folder.path()).expect("read");
        assert_eq!(outcomes.all().cloned().collect::<Vec<_>>(), whole);
    }

    #[test]
    fn no_answer_is_wrong_where_answers_are_known() {
        let mut outcome = Outcome {
            over: true,
            ..Outcome::default()
        };
        assert_eq!(outcome.verdict(), None);
        assert!(!Outcome::default().is_at_work(), "it has not begun");
        outcome.expected = vec!["a".to_owned()];
        assert_eq!((outcome.verdict(), outcome.f1()), (Some(false), Some(0.0)));
        outcome.over = false;
        assert_eq!(outcome.verdict(), None);
    }
}
