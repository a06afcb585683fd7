//! The questions of a search, where they stand, and the log of one of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracking::RunFolder;
use tracking::search_log::{Outcome, Outcomes, SLICE, SearchReader};

use super::{LIST_EVERY, POLL, Seen, due};

/// Bytes of other questions' logs that are read in one go.
const READ_AHEAD: usize = 4 * SLICE;

/// What the searches of one run came to.
pub(super) struct Searches {
    run: String,
    outcomes: Outcomes,
    told: bool,
}

impl Searches {
    pub(super) fn of(folder: &RunFolder) -> Self {
        Searches {
            run: folder.id(),
            outcomes: Outcomes::of(&folder.searches()),
            told: false,
        }
    }

    /// Reads on; nobody listens any more when there is no time to wait.
    pub(super) fn read(&mut self, tell: &dyn Fn(Seen) -> bool) -> Option<Duration> {
        let Ok((changed, more)) = self.outcomes.poll(READ_AHEAD) else {
            return Some(LIST_EVERY);
        };
        // What changed is told with the last part of it.
        self.told &= !changed;
        if more {
            return Some(Duration::ZERO);
        }
        if !self.told {
            self.told = true;
            let (run, outcomes) = (self.run.clone(), self.outcomes.all().cloned().collect());
            tell(Seen::Outcomes { run, outcomes }).then_some(())?;
        }
        Some(LIST_EVERY)
    }
}

/// The search of one run.
pub(super) struct Search {
    run: String,
    folder: PathBuf,
    listed: Option<Instant>,
    outcomes: Outcomes,
    /// The question that is asked for; none for the one that is searched now.
    wanted: Option<String>,
    /// The question that was read last.
    present: Option<String>,
    reader: Option<(String, SearchReader)>,
    /// Nothing of the log was told yet.
    fresh: bool,
}

impl Search {
    pub(super) fn new(run: String, folder: &RunFolder, question: Option<String>) -> Self {
        Search {
            run,
            outcomes: Outcomes::of(&folder.searches()),
            folder: folder.searches(),
            listed: None,
            wanted: question,
            present: None,
            reader: None,
            fresh: true,
        }
    }

    pub(super) fn is_of(&self, run: &str) -> bool {
        self.run == run
    }

    /// Another question of the same run: what is known of the others stays known. The log is read
    /// from its beginning, since whoever asks may have forgotten it.
    pub(super) fn turn(&mut self, question: Option<String>) {
        self.wanted = question;
        self.reader = None;
        self.listed = None;
    }

    pub(super) fn read(&mut self, tell: &dyn Fn(Seen) -> bool) -> Option<Duration> {
        let mut behind = false;
        if due(&mut self.listed)
            && let Ok((changed, more)) = self.outcomes.poll(READ_AHEAD)
        {
            if more {
                (self.listed, behind) = (None, true);
            }
            if changed {
                let outcomes = self.outcomes.all().cloned().collect();
                let run = self.run.clone();
                tell(Seen::Outcomes { run, outcomes }).then_some(())?;
            }
            self.choose();
        }
        let Some((question, reader)) = &mut self.reader else {
            return Some(if behind { Duration::ZERO } else { POLL });
        };
        // A file that cannot be read now may be readable later.
        let Ok(slice) = reader.poll(SLICE) else {
            return Some(LIST_EVERY);
        };
        let more = slice.more;
        if slice.anew || !slice.events.is_empty() {
            let anew = slice.anew || std::mem::take(&mut self.fresh);
            tell(Seen::Search {
                run: self.run.clone(),
                question: question.clone(),
                anew,
                events: slice.events,
                damaged: reader.damaged(),
                more,
            })
            .then_some(())?;
        }
        Some(if more || behind { Duration::ZERO } else { POLL })
    }

    /// The log that is read: of the question that is asked for, or of the one that is searched.
    /// Where none is searched, the one before stays, or else the first.
    fn choose(&mut self) {
        let all = || self.outcomes.all();
        let found = match &self.wanted {
            Some(wanted) => all().find(|one| one.name == *wanted),
            None => {
                let at_work = |one: &&Outcome| one.is_at_work();
                let present = all().find(|one| Some(&one.name) == self.present.as_ref());
                present
                    .filter(at_work)
                    .or_else(|| all().find(at_work))
                    .or(present)
                    .or_else(|| all().next())
            }
        };
        let reading = self.reader.as_ref().map(|(name, _)| name);
        if let Some(name) = found.map(|one| one.name.clone())
            && reading != Some(&name)
        {
            let path = self.folder.join(format!("{name}.jsonl"));
            self.reader = Some((name.clone(), SearchReader::open(&path)));
            self.present = Some(name);
            self.fresh = true;
        }
    }
}
