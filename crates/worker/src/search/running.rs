//! Several questions side by side, so that the backend's batches stay full.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use search::job::{Job, JobId, JobKind, Outcome};
use search::serving::Backend;
use tracking::RunState;
use tracking::search_log::Outcome as Searched;

use crate::exit::{ENVIRONMENT, Failure, INTERNAL};
use crate::job;

use super::journal::{Journal, Order};
use super::ongoing::{Common, Ongoing};
use super::questions::Asked;

/// How long to wait when the backend has nothing yet, and how often before it is given up.
const NOTHING_YET: Duration = Duration::from_millis(5);
const MOST_WAITS: u32 = 10_000;
/// Failures of the model in a row that a question is told: fewer than make it give up its root.
const TOLD_FAILURES: u32 = 2;
/// Bits of a job's identity within its search; those above are its question's place.
const JOB_BITS: u32 = 32;

/// A run over questions.
pub struct Running {
    /// What is asked, in the order in which it is searched.
    pub asked: Vec<Asked>,
    /// The log of each.
    pub logs: Vec<PathBuf>,
    /// Places of the questions that are not finished.
    pub waiting: VecDeque<usize>,
    /// What is the same for all of them.
    pub common: Common,
    /// Who serves the jobs.
    pub backend: Box<dyn Backend>,
    /// Who hears of it.
    pub journal: Journal,
    /// Questions that are searched at the same time.
    pub parallel: usize,
    /// Jobs of one question that are under way at the same time.
    pub jobs_each: usize,
    /// How often in a row the backend had nothing.
    pub waits: u32,
    /// Failures that are told once the model has served anything again: until then it may be out
    /// of order altogether, and no question is to be given up for that.
    pub held: Vec<Held>,
}

/// A failure that was not told yet.
pub struct Held {
    place: usize,
    job: JobId,
    why: String,
    outcome: Outcome,
}

impl Running {
    /// Searches until all questions are finished, or until told to stop.
    ///
    /// # Errors
    /// A backend that cannot serve any more, a disk that cannot be written.
    pub fn run(mut self) -> Result<job::Outcome, Failure> {
        self.journal.state(RunState::Running);
        let mut active: Vec<Ongoing> = Vec::new();
        loop {
            if self.journal.order() == Order::Stop {
                return Ok(job::Outcome::Stopped);
            }
            self.fill(&mut active)?;
            if active.is_empty() {
                break;
            }
            for one in &mut active {
                one.ask(self.jobs_each)?;
            }
            self.close(&mut active)?;
            let jobs = self.batch(&active);
            if !jobs.is_empty() {
                self.serve(&mut active, &jobs)?;
            } else if let Some(held) = self.held.first() {
                return Err(out_of_order(&held.why));
            } else if let Some(stuck) = active.first() {
                return Err(Failure::new(
                    INTERNAL,
                    format!(
                        "{}: the search neither ends nor asks for anything - please report it with this log",
                        self.logs[stuck.place].display()
                    ),
                ));
            }
        }
        self.journal.evaluation();
        Ok(job::Outcome::Finished)
    }

    /// Takes up questions while there is room.
    fn fill(&mut self, active: &mut Vec<Ongoing>) -> Result<(), Failure> {
        while active.len() < self.parallel {
            let Some(place) = self.waiting.pop_front() else {
                break;
            };
            let (asked, log) = (&self.asked[place], &self.logs[place]);
            active.push(Ongoing::open(place, asked, log, &self.common)?);
        }
        Ok(())
    }

    /// Tells what became of the questions that are over, and takes up others.
    fn close(&mut self, active: &mut Vec<Ongoing>) -> Result<(), Failure> {
        while let Some(at) = active.iter().position(Ongoing::is_over) {
            let over = active.remove(at);
            let outcome = Searched::read_file(&self.logs[over.place])?;
            self.journal.finished(outcome, over.search().counters());
            self.fill(active)?;
            if let Some(one) = active.last_mut().filter(|one| one.jobs.is_empty()) {
                one.ask(self.jobs_each)?;
            }
        }
        Ok(())
    }

    fn serve(&mut self, active: &mut [Ongoing], jobs: &[Job]) -> Result<(), Failure> {
        let began = Instant::now();
        let outcomes = self.backend.serve(jobs);
        for note in self.backend.notes() {
            self.journal.warning("model", note);
        }
        if !is_tool(&jobs[0]) {
            let full = jobs.len() >= self.parallel * self.jobs_each;
            self.journal.batch(began.elapsed(), full);
        }
        self.waits = match outcomes.is_empty() {
            true => self.waits + 1,
            false => 0,
        };
        if self.waits > MOST_WAITS {
            return Err(Failure::new(
                ENVIRONMENT,
                format!(
                    "the model served none of {} jobs for {} calls - see its own log, then `concord resume`",
                    jobs.len(),
                    self.waits
                ),
            ));
        }
        if self.waits > 0 {
            std::thread::sleep(NOTHING_YET);
        }
        let mut fatal = None;
        let mut served = false;
        for (id, outcome) in outcomes {
            let (place, job) = split(id);
            let asked = jobs.iter().find(|asked| asked.id == id);
            let (Some(asked), Some(one)) =
                (asked, active.iter_mut().find(|one| one.place == place))
            else {
                continue;
            };
            match &outcome {
                Outcome::Failed {
                    why, fatal: true, ..
                } => {
                    // Not told: the question goes on with this job when the run is resumed.
                    fatal.get_or_insert(why.clone());
                    continue;
                }
                Outcome::Failed { why, .. } if !is_tool(asked) => {
                    one.failures += 1;
                    let last = matches!(asked.kind, JobKind::Answer { .. });
                    if last || one.failures > TOLD_FAILURES {
                        let why = why.clone();
                        self.held.push(Held {
                            place,
                            job,
                            why,
                            outcome,
                        });
                        continue;
                    }
                }
                _ if is_tool(asked) => {}
                _ => {
                    one.failures = 0;
                    served = true;
                }
            }
            one.tell(job, outcome)?;
        }
        if let Some(why) = fatal {
            // A server is no longer waited for after a stop: its jobs are asked again by the next process.
            return match self.journal.order() {
                Order::Stop => Ok(()),
                Order::GoOn => Err(out_of_order(&why)),
            };
        }
        if served {
            self.release(active)?;
        }
        Ok(())
    }

    /// Tells what was held: the model works, so the failures were of those jobs alone.
    fn release(&mut self, active: &mut [Ongoing]) -> Result<(), Failure> {
        for held in self.held.drain(..) {
            if let Some(one) = active.iter_mut().find(|one| one.place == held.place) {
                one.failures = 0;
                one.tell(held.job, held.outcome)?;
            }
        }
        Ok(())
    }

    /// The jobs that are served next: calls of tools first, since those of the model are the dearer
    /// the fewer there are at once.
    fn batch(&self, active: &[Ongoing]) -> Vec<Job> {
        let is_held = |place: usize, id: JobId| {
            let mut held = self.held.iter();
            held.any(|held| held.place == place && held.job == id)
        };
        let all = active.iter().flat_map(|one| {
            let place = one.place;
            let jobs = one.jobs.iter().filter(move |job| !is_held(place, job.id));
            jobs.map(move |job| Job {
                id: joined(place, job.id),
                ..job.clone()
            })
        });
        let all: Vec<Job> = all.collect();
        match all.iter().any(is_tool) {
            true => all.into_iter().filter(is_tool).collect(),
            false => all,
        }
    }
}

/// A model that cannot serve any more.
fn out_of_order(why: &str) -> Failure {
    Failure::new(
        ENVIRONMENT,
        format!(
            "{why} - what was searched is kept; mend it (settings stand in config.toml of the run's folder), then `concord resume`"
        ),
    )
}

fn is_tool(job: &Job) -> bool {
    matches!(job.kind, JobKind::Tool { .. })
}

/// An identity that no job of another question has.
fn joined(place: usize, id: JobId) -> JobId {
    JobId((place as u64) << JOB_BITS | id.0)
}

fn split(id: JobId) -> (usize, JobId) {
    let within = id.0 & ((1 << JOB_BITS) - 1);
    ((id.0 >> JOB_BITS) as usize, JobId(within))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_of_jobs_name_their_question() {
        for (place, id) in [(0, 0), (3, 7), (4_000, u64::from(u32::MAX))] {
            assert_eq!(split(joined(place, JobId(id))), (place, JobId(id)));
        }
    }
}
