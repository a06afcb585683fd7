//! The questions of a search and the log of one of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracking::RunFolder;
use tracking::search_log::{self, SLICE, SearchReader};

use super::{LIST_EVERY, POLL, Seen, due};

/// The search of one run.
pub(super) struct Search {
    run: String,
    folder: PathBuf,
    listed: Option<Instant>,
    names: Vec<(String, PathBuf)>,
    wanted: Option<String>,
    reader: Option<(String, SearchReader)>,
    /// Nothing of the log was told yet.
    fresh: bool,
}

impl Search {
    pub(super) fn new(run: String, folder: &RunFolder, question: Option<String>) -> Self {
        Search {
            run,
            folder: folder.searches(),
            listed: None,
            names: Vec::new(),
            wanted: question,
            reader: None,
            fresh: true,
        }
    }

    pub(super) fn read(&mut self, tell: &dyn Fn(Seen) -> bool) -> Option<Duration> {
        let run = self.run.clone();
        if due(&mut self.listed)
            && let Ok(names) = search_log::questions(&self.folder)
            && names != self.names
        {
            self.names = names;
            let questions = self.names.iter().map(|(name, _)| name.clone()).collect();
            let run = run.clone();
            tell(Seen::Questions { run, questions }).then_some(())?;
        }
        if self.reader.is_none() {
            let wanted = |(name, _): &&(String, PathBuf)| {
                self.wanted.as_ref().is_none_or(|wanted| wanted == name)
            };
            let found = self.names.iter().find(wanted);
            self.reader = found.map(|(name, path)| (name.clone(), SearchReader::open(path)));
        }
        let Some((question, reader)) = &mut self.reader else {
            return Some(POLL);
        };
        // A file that cannot be read now may be readable later.
        let Ok(slice) = reader.poll(SLICE) else {
            return Some(LIST_EVERY);
        };
        let more = slice.more;
        if slice.anew || !slice.events.is_empty() {
            let anew = slice.anew || std::mem::take(&mut self.fresh);
            tell(Seen::Search {
                run,
                question: question.clone(),
                anew,
                events: slice.events,
                damaged: reader.damaged(),
                more,
            })
            .then_some(())?;
        }
        Some(if more { Duration::ZERO } else { POLL })
    }
}
