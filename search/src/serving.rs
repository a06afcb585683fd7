//! Who serves the jobs of searches, and how searches and backend are brought together.

use std::collections::BTreeMap;
use std::io;

use crate::Search;
use crate::job::{Job, JobId, Outcome};
use crate::log::Sink;

/// Calls of a backend in a row that serve nothing, after which it is given up.
const MOST_IDLE_CALLS: u32 = 1_000;

/// A policy, a critic and tools: whatever serves jobs.
pub trait Backend {
    /// Serves jobs, in any order. It may leave some out; they are asked again.
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)>;

    /// What a user should know of how jobs are served, each told once: what a server would not take.
    fn notes(&mut self) -> Vec<String> {
        Vec::new()
    }
}

impl<B: Backend + ?Sized> Backend for &mut B {
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)> {
        (**self).serve(jobs)
    }

    fn notes(&mut self) -> Vec<String> {
        (**self).notes()
    }
}

impl<B: Backend + ?Sized> Backend for Box<B> {
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)> {
        (**self).serve(jobs)
    }

    fn notes(&mut self) -> Vec<String> {
        (**self).notes()
    }
}

/// Why searches could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServingError {
    /// The log could not be written.
    #[error("the search log cannot be written: {0} - free the disk and resume")]
    Log(#[from] io::Error),
    /// The backend serves nothing.
    #[error(
        "the backend served none of {jobs} jobs in {MOST_IDLE_CALLS} calls - \
         see its messages, and resume"
    )]
    Stalled {
        /// Jobs that wait.
        jobs: usize,
    },
    /// The search neither asks nor ends.
    #[error(
        "internal error: question {question} asks for nothing and has no end - please report it"
    )]
    Stuck {
        /// The question.
        question: String,
    },
}

/// How full the batches were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Calls of the backend.
    pub calls: u64,
    /// Jobs in all calls.
    pub jobs: u64,
    /// Calls with as many jobs as fit.
    pub full: u64,
}

/// How much is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    /// Questions.
    pub questions: usize,
    /// Jobs of one question.
    pub jobs: usize,
}

impl Default for AtOnce {
    fn default() -> Self {
        Self {
            questions: 1,
            jobs: 1,
        }
    }
}

/// Searches one question to its end. Events go to the sink before anything is served; jobs that
/// were under way before a crash are served first.
///
/// # Errors
/// [`ServingError`].
pub fn serve<B: Backend + ?Sized, S: Sink>(
    search: Search,
    sink: S,
    backend: &mut B,
    jobs: usize,
) -> Result<(Search, S), ServingError> {
    let mut first = Some((search, sink));
    let mut last = None;
    let at_once = AtOnce { questions: 1, jobs };
    serve_all(
        || first.take(),
        backend,
        at_once,
        |search, sink| last = Some((search, sink)),
    )?;
    last.ok_or_else(|| ServingError::Stuck {
        question: String::new(),
    })
}

/// Searches many questions, some at a time, with one backend. `next` gives a question to begin,
/// `done` takes one that is over.
///
/// A backend sees job identities that are unique over all questions.
///
/// # Errors
/// [`ServingError`].
pub fn serve_all<B: Backend + ?Sized, S: Sink>(
    mut next: impl FnMut() -> Option<(Search, S)>,
    backend: &mut B,
    at_once: AtOnce,
    mut done: impl FnMut(Search, S),
) -> Result<Occupancy, ServingError> {
    let mut lanes: BTreeMap<u64, Lane<S>> = BTreeMap::new();
    let mut occupancy = Occupancy::default();
    let (mut lane_number, mut job_number, mut idle) = (0, 0, 0);
    let mut more = true;
    loop {
        while more && lanes.len() < at_once.questions.max(1) {
            match next() {
                Some((search, sink)) => {
                    lanes.insert(lane_number, Lane::new(search, sink));
                    lane_number += 1;
                }
                None => more = false,
            }
        }
        let mut batch: Vec<Job> = Vec::new();
        let mut owners: BTreeMap<JobId, (u64, JobId)> = BTreeMap::new();
        let mut over = Vec::new();
        for (number, lane) in &mut lanes {
            lane.fill(at_once.jobs.max(1))?;
            if lane.search.verdict().is_some() {
                over.push(*number);
            }
            for job in &lane.waiting {
                let outer = JobId(job_number);
                job_number += 1;
                owners.insert(outer, (*number, job.id));
                batch.push(Job {
                    id: outer,
                    ..job.clone()
                });
            }
        }
        let finished = !over.is_empty();
        for lane in over.into_iter().filter_map(|number| lanes.remove(&number)) {
            done(lane.search, lane.sink);
        }
        if finished {
            continue;
        }
        if batch.is_empty() {
            return Ok(occupancy);
        }
        occupancy.calls += 1;
        occupancy.jobs += batch.len() as u64;
        let room = at_once.questions.max(1) * at_once.jobs.max(1);
        occupancy.full += u64::from(batch.len() >= room);
        let outcomes = backend.serve(&batch);
        idle = if outcomes.is_empty() { idle + 1 } else { 0 };
        if idle >= MOST_IDLE_CALLS {
            return Err(ServingError::Stalled { jobs: batch.len() });
        }
        for (outer, outcome) in outcomes {
            if let Some((number, id)) = owners.get(&outer)
                && let Some(lane) = lanes.get_mut(number)
            {
                lane.tell(*id, outcome)?;
            }
        }
    }
}

/// One question that is under way.
struct Lane<S> {
    search: Search,
    sink: S,
    waiting: Vec<Job>,
}

impl<S: Sink> Lane<S> {
    fn new(search: Search, sink: S) -> Self {
        let waiting = search.outstanding();
        Self {
            search,
            sink,
            waiting,
        }
    }

    /// Asks for jobs up to `most`, and writes that down before they are served.
    fn fill(&mut self, most: usize) -> Result<(), ServingError> {
        let room = most.saturating_sub(self.waiting.len());
        self.waiting.extend(self.search.ask(room));
        self.record()?;
        if self.waiting.is_empty() && self.search.verdict().is_none() {
            return Err(ServingError::Stuck {
                question: self.search.question().id.to_string(),
            });
        }
        Ok(())
    }

    fn tell(&mut self, id: JobId, outcome: Outcome) -> Result<(), ServingError> {
        self.waiting.retain(|job| job.id != id);
        self.search.tell(id, outcome);
        self.record()
    }

    fn record(&mut self) -> Result<(), ServingError> {
        let events = self.search.events();
        if !events.is_empty() {
            self.sink.record(events)?;
        }
        Ok(())
    }
}
