//! One question that is being searched, with its log.

use std::path::Path;
use std::time::Instant;

use search::SearchError;
use search::job::{Job, JobId, Outcome, Question};
use search::log::{self, Event, Replayed};
use search::machine::Search;
use search::metrics::Variant;
use search::resource::Limits;
use search::settings::Settings;
use tracking::evaluation::contender::Fnv;

use crate::exit::{BAD_CONFIG, Failure};

use super::judging;
use super::questions::Asked;
use super::record::Record;

/// What is the same for all questions of a run.
pub struct Common {
    /// What decides a search.
    pub settings: Settings,
    /// What each may spend.
    pub limits: Limits,
    /// The run's seed.
    pub seed: u64,
    /// How answers are scored.
    pub variant: Variant,
}

/// A question under way.
pub struct Ongoing {
    /// Its place among the questions of the run.
    pub place: usize,
    search: Search,
    record: Record,
    expected: Vec<String>,
    variant: Variant,
    /// Jobs that were asked for and not told.
    pub jobs: Vec<Job>,
    /// Failures of the model in a row.
    pub failures: u32,
    started: Instant,
    before: f64, // seconds of earlier processes
}

impl Ongoing {
    /// Begins a search, or goes on with the one whose log is there.
    ///
    /// # Errors
    /// Budgets that pay for no answer, a log of something else, a disk that cannot be written.
    pub fn open(
        place: usize,
        asked: &Asked,
        path: &Path,
        common: &Common,
    ) -> Result<Self, Failure> {
        let (mut record, text) = Record::open(path)?;
        let mut missing = Vec::new();
        let (search, before) = if text.is_empty() {
            (begun(&asked.question, common)?, 0.0)
        } else {
            let replayed = continued(path, &text, &asked.question)?;
            record.cut(replayed.bytes)?;
            missing = replayed.missing;
            (replayed.search, replayed.time)
        };
        let mut ongoing = Self {
            place,
            jobs: search.outstanding(),
            failures: 0,
            search,
            record,
            expected: asked.expected.clone(),
            variant: common.variant,
            started: Instant::now(),
            before,
        };
        ongoing.keep(missing)?;
        ongoing.write()?;
        Ok(ongoing)
    }

    /// Asks for jobs until so many are under way.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn ask(&mut self, most: usize) -> Result<(), Failure> {
        let room = most.saturating_sub(self.jobs.len());
        if room > 0 {
            self.jobs.extend(self.search.ask(room));
            self.write()?;
        }
        Ok(())
    }

    /// Tells the outcome of a job.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn tell(&mut self, id: JobId, outcome: Outcome) -> Result<(), Failure> {
        self.search.tell(id, outcome);
        self.jobs.retain(|job| job.id != id);
        self.write()
    }

    /// Whether the search is over.
    pub fn is_over(&self) -> bool {
        self.search.verdict().is_some()
    }

    /// The search.
    pub fn search(&self) -> &Search {
        &self.search
    }

    /// Writes what happened, to the last event.
    fn write(&mut self) -> Result<(), Failure> {
        let events = self.search.events();
        self.keep(events)
    }

    fn keep(&mut self, events: Vec<Event>) -> Result<(), Failure> {
        let time = self.before + self.started.elapsed().as_secs_f64();
        // Milliseconds are what a reader can use.
        let time = (time * 1e3).round() / 1e3;
        for event in events {
            let line = judging::line(time, event, &self.expected, self.variant);
            self.record.line(&line);
        }
        self.record.flush()
    }
}

/// The seed of a question's search: of the run's and its identity, so that it does not depend on
/// which other questions are asked (FNV-1a, 64 bits).
pub fn seed(run: u64, question: &str) -> u64 {
    let mut hash = Fnv::default();
    hash.add(&run.to_le_bytes());
    hash.add(question.as_bytes());
    hash.finish()
}

fn begun(question: &Question, common: &Common) -> Result<Search, Failure> {
    let seed = seed(common.seed, &question.id);
    Search::new(&common.settings, question.clone(), common.limits, seed)
        .map_err(|error: SearchError| Failure::new(BAD_CONFIG, error.to_string()))
}

/// The search of a log, with what a kill kept from being written.
fn continued(path: &Path, text: &str, question: &Question) -> Result<Replayed, Failure> {
    let wrong = |what: String| {
        Failure::new(
            BAD_CONFIG,
            format!(
                "cannot go on with {}: {what} - remove the file, and its question is searched anew",
                path.display()
            ),
        )
    };
    let replayed = log::replay(text.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    let logged = replayed.search.question();
    if logged != question {
        return Err(wrong(format!(
            "it is of another question: `{}`, and `{}` is asked",
            logged.text, question.text
        )));
    }
    Ok(replayed)
}
