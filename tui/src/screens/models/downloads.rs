//! Downloads: one at a time, the others wait. They go on while other screens are looked at.

use std::collections::VecDeque;

use super::requests::{Failed, Request, Step};
use crate::figures::{duration, gauge_ratio};
use crate::plan::bytes as size;

/// Seconds over which the rate is taken.
const RATE_SECONDS: f64 = 10.0;
/// Points of the rate that are kept at most.
const RATE_POINTS: usize = 256;

/// Where a download stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Others come first.
    #[default]
    Waiting,
    /// Under way.
    Running,
    /// Asked to stop.
    Stopping,
    /// All of it is here; what there is to say.
    Done(String),
    /// Stopped by the user.
    Stopped,
    /// Broken off, with what to do.
    Failed(String),
}

/// A file of a download.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// Bytes that are here.
    pub done: u64,
    /// Bytes that were here when it began.
    base: u64,
    /// Whether it is complete.
    pub finished: bool,
}

/// A download.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Download {
    /// Its number.
    pub id: u64,
    /// `OWNER/NAME[@REVISION]`.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// Files in the order in which they begin.
    pub parts: Vec<Part>,
    /// Files that are needed; zero until it is known.
    pub files: usize,
    /// Bytes of them.
    pub bytes: u64,
    present: u64,
    /// Why an attempt failed, until the next bytes.
    pub setback: Option<String>,
    /// When, and how many bytes had come: the newest last.
    rate: VecDeque<(f64, u64)>,
}

impl Download {
    /// Whether it is under way or will be.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(
            self.state,
            State::Waiting | State::Running | State::Stopping
        )
    }

    /// Bytes that are here.
    #[must_use]
    pub fn done(&self) -> u64 {
        if matches!(self.state, State::Done(_)) {
            return self.bytes;
        }
        // A file that began anew lost what was here of it.
        let change = |part: &Part| part.done as i128 - part.base as i128;
        let moved: i128 = self.parts.iter().map(change).sum();
        let done = (i128::from(self.present) + moved).clamp(0, i128::from(self.bytes));
        u64::try_from(done).unwrap_or(0)
    }

    /// The share that is here, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.bytes == 0 {
            return f64::from(u8::from(matches!(self.state, State::Done(_))));
        }
        gauge_ratio(self.done() as f64 / self.bytes as f64)
    }

    /// Bytes per second of the last seconds, once there are some.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let (from, to) = (self.rate.front()?, self.rate.back()?);
        let seconds = to.0 - from.0;
        (seconds > 0.2 && to.1 > from.1).then(|| (to.1 - from.1) as f64 / seconds)
    }

    /// Seconds that are left by the rate.
    #[must_use]
    pub fn left(&self) -> Option<f64> {
        let rest = self.bytes.saturating_sub(self.done());
        Some(rest as f64 / self.rate()?)
    }

    /// How far it is, in words.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.state {
            State::Waiting => "waits".to_owned(),
            State::Stopping => "stopping".to_owned(),
            State::Stopped => format!(
                "stopped at {} of {}; r goes on",
                size(self.done()),
                size(self.bytes)
            ),
            State::Done(_) => format!("done, {}", size(self.bytes)),
            State::Failed(_) => "failed; r tries again".to_owned(),
            State::Running if self.files == 0 => "asking the hub".to_owned(),
            State::Running => {
                let mut words = format!("{} of {}", size(self.done()), size(self.bytes));
                if let Some(rate) = self.rate() {
                    words.push_str(&format!("  {}/s", size(rate as u64)));
                }
                if let Some(left) = self.left() {
                    words.push_str(&format!("  {} left", duration(left)));
                }
                words
            }
        }
    }

    fn begin(&mut self) {
        *self = Download {
            id: self.id,
            name: std::mem::take(&mut self.name),
            state: State::Running,
            ..Download::default()
        };
    }

    fn part(&mut self, name: &str, bytes: u64, base: u64) -> &mut Part {
        let at = self.parts.iter().position(|part| part.name == name);
        let at = at.unwrap_or_else(|| {
            self.parts.push(Part {
                name: name.to_owned(),
                bytes,
                done: base,
                base,
                finished: false,
            });
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    fn take(&mut self, step: Step, now: f64) {
        match step {
            Step::Planned {
                files,
                bytes,
                present,
            } => (self.files, self.bytes, self.present) = (files, bytes, present),
            Step::Started { file, bytes, from } => {
                self.setback = None;
                self.part(&file, bytes, from).done = from;
                // What follows is this attempt's own speed.
                self.rate.clear();
            }
            Step::Advanced { file, done, bytes } => self.part(&file, bytes, done).done = done,
            Step::Retrying { file, reason } => {
                self.setback = Some(format!("{file}: {reason}; trying again"));
            }
            Step::Stopping => return,
            Step::Finished { file, bytes } => {
                // One that never began was here from the beginning.
                let part = self.part(&file, bytes, bytes);
                (part.done, part.finished) = (bytes, true);
            }
        }
        let done = self.done();
        self.rate.push_back((now, done));
        while self.rate.len() > RATE_POINTS
            || self
                .rate
                .front()
                .is_some_and(|(when, _)| now - when > RATE_SECONDS)
        {
            self.rate.pop_front();
        }
    }
}

/// All downloads since the dashboard was opened, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Downloads {
    /// The downloads.
    pub list: Vec<Download>,
    last: u64,
}

impl Downloads {
    /// Those under way or waiting.
    pub fn open(&self) -> impl Iterator<Item = &Download> {
        self.list.iter().filter(|one| one.is_open())
    }

    /// The one under way.
    #[must_use]
    pub fn running(&self) -> Option<&Download> {
        self.list
            .iter()
            .find(|one| matches!(one.state, State::Running | State::Stopping))
    }

    /// Puts a model into the queue; one that broke off goes on. The request that begins it, if its
    /// turn has come.
    pub(super) fn add(&mut self, name: &str) -> Option<Request> {
        match self.list.iter_mut().find(|one| one.name == name) {
            Some(known) if known.is_open() => {}
            Some(known) => known.state = State::Waiting,
            None => {
                self.last += 1;
                self.list.push(Download {
                    id: self.last,
                    name: name.to_owned(),
                    ..Download::default()
                });
            }
        }
        self.next()
    }

    /// The request for the next one, if none is under way.
    pub(super) fn next(&mut self) -> Option<Request> {
        if self.running().is_some() {
            return None;
        }
        let next = self
            .list
            .iter_mut()
            .find(|one| one.state == State::Waiting)?;
        // Another number: late answers for an earlier attempt are not this one's.
        self.last += 1;
        next.id = self.last;
        next.begin();
        Some(Request::Fetch {
            id: next.id,
            name: next.name.clone(),
        })
    }

    /// Stops one: the request for it, if it is under way.
    pub(super) fn cancel(&mut self, at: usize) -> Option<Request> {
        let one = self.list.get_mut(at)?;
        match one.state {
            State::Waiting => {
                one.state = State::Stopped;
                None
            }
            State::Running => {
                one.state = State::Stopping;
                Some(Request::Cancel(one.id))
            }
            _ => None,
        }
    }

    pub(super) fn step(&mut self, id: u64, step: Step, now: f64) {
        if let Some(one) = self.list.iter_mut().find(|one| one.id == id) {
            one.take(step, now);
        }
    }

    /// One ended; its name.
    pub(super) fn ended(&mut self, id: u64, outcome: &Result<String, Failed>) -> Option<String> {
        let one = self.list.iter_mut().find(|one| one.id == id)?;
        one.setback = None;
        one.state = match outcome {
            Ok(said) => State::Done(said.clone()),
            Err(Failed::Stopped) => State::Stopped,
            Err(Failed::Refused(why)) => State::Failed(why.clone()),
        };
        Some(one.name.clone())
    }

    /// In a few words for the line at the top of every screen; none without downloads.
    #[must_use]
    pub fn headline(&self) -> Option<String> {
        let count = self.open().count();
        let running = self.running()?;
        let short = running.name.rsplit('/').next().unwrap_or(&running.name);
        let share = (running.share() * 100.0).floor();
        let more = if count > 1 {
            format!(" +{}", count - 1)
        } else {
            String::new()
        };
        Some(format!("fetching {short} {share:.0}%{more}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advanced(file: &str, done: u64, bytes: u64) -> Step {
        Step::Advanced {
            file: file.to_owned(),
            done,
            bytes,
        }
    }

    #[test]
    fn what_was_here_counts_and_the_rate_is_that_of_what_came() {
        let mut all = Downloads::default();
        let Some(Request::Fetch { id, .. }) = all.add("a/b") else {
            panic!("it begins at once")
        };
        let plan = Step::Planned {
            files: 3,
            bytes: 1_000,
            present: 400,
        };
        all.step(id, plan, 0.0);
        assert_eq!(all.list[0].done(), 400);
        let cached = Step::Finished {
            file: "config.json".into(),
            bytes: 100,
        };
        all.step(id, cached, 0.0);
        assert_eq!(all.list[0].done(), 400);
        let start = Step::Started {
            file: "w".into(),
            bytes: 900,
            from: 300,
        };
        all.step(id, start, 0.0);
        all.step(id, advanced("w", 400, 900), 1.0);
        all.step(id, advanced("w", 500, 900), 2.0);
        let one = &all.list[0];
        assert_eq!((one.done(), one.share()), (600, 0.6));
        assert_eq!(one.rate(), Some(100.0));
        assert_eq!(one.left(), Some(4.0));
        // The server had another file: it begins again, and less is here.
        let again = Step::Started {
            file: "w".into(),
            bytes: 900,
            from: 0,
        };
        all.step(id, again, 3.0);
        assert_eq!(all.list[0].done(), 100);
        assert_eq!(all.list[0].rate(), None);
    }

    #[test]
    fn one_runs_and_the_others_wait_their_turn() {
        let mut all = Downloads::default();
        let first = all.add("a/b");
        assert_eq!(all.add("c/d"), None);
        assert_eq!(all.add("a/b"), None, "it is under way");
        assert_eq!(all.list.len(), 2);
        let Some(Request::Fetch { id, .. }) = first else {
            panic!("{first:?}")
        };
        assert_eq!(all.headline().as_deref(), Some("fetching b 0% +1"));
        assert_eq!(all.cancel(0), Some(Request::Cancel(id)));
        assert_eq!(all.cancel(0), None, "once is enough");
        all.ended(id, &Err(Failed::Stopped));
        let Some(Request::Fetch { id: second, name }) = all.next() else {
            panic!("the next one begins")
        };
        assert_eq!(name, "c/d");
        // Late words of the first change nothing of the second.
        all.step(id, advanced("w", 5, 10), 1.0);
        assert!(all.list[1].parts.is_empty());
        assert_eq!(all.add("a/b"), None);
        assert_eq!(all.list[0].state, State::Waiting);
        all.ended(second, &Ok(String::new()));
        assert!(matches!(all.next(), Some(Request::Fetch { name, .. }) if name == "a/b"));
    }
}
