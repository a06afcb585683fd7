//! A run of searches: questions, a budget for each, and a log for each.
//!
//! | file of the run folder | what |
//! |---|---|
//! | `questions.jsonl` | what is asked, with the answers that count |
//! | `search/<question>.jsonl` | everything that happened, from which the search is replayed |
//!
//! The logs are all that a run needs to go on: finished questions are kept, others replayed.

mod journal;
mod judging;
mod local;
mod material;
mod ongoing;
mod orders;
mod questions;
mod record;
mod running;
mod server;
mod serving;
mod web;

use std::collections::VecDeque;
use std::time::Duration;

use configs::search::SearchConfig;
use search::settings::{self, Settings};
use tracking::search_log::Outcome as Searched;

use crate::exit::Failure;
use crate::job::{Desk, Outcome};

use journal::Journal;
use ongoing::Common;
use orders::Orders;
use running::Running;

/// Searches until all questions are finished, or until told to stop.
pub fn work(config: &SearchConfig, desk: Desk<'_>) -> Result<Outcome, Failure> {
    let run = desk.run;
    let device_name = desk.device_name();
    let given = questions::kept(run)?;
    let is_new = given.is_none();
    let material = material::load(config, given)?;
    if is_new {
        questions::keep(run, &material.asked)?;
    }
    let asked = material.asked.clone();
    let logs: Vec<_> = questions::names(&asked)
        .into_iter()
        .map(|name| run.searches().join(format!("{name}.jsonl")))
        .collect();
    let mut waiting = VecDeque::new();
    let mut finished = Vec::new();
    for (place, log) in logs.iter().enumerate() {
        match log.exists().then(|| Searched::read_file(log)).transpose()? {
            Some(outcome) if outcome.over => finished.push(outcome),
            _ => waiting.push_back(place),
        }
    }
    let orders = Orders::new(desk.commands);
    let mut journal = Journal::new(
        run,
        desk.tracker,
        orders.clone(),
        device_name,
        Duration::from_secs_f64(config.logging.interval_secs),
        asked.len() as u64,
    );
    if desk.resume {
        let seconds = run.status().map_or(0.0, |status| status.progress.seconds);
        journal.resume(finished, seconds);
    }
    for note in &material.notes {
        journal.warning("questions", note.clone());
    }
    let backend = serving::open(config, &material.documents, desk.device, &orders)?;
    let running = Running {
        asked,
        logs,
        waiting,
        common: Common {
            settings: Settings::of(config),
            limits: settings::limits(config),
            seed: config.seed,
            variant: judging::variant(config.questions.metric, material.metric),
        },
        backend,
        journal,
        parallel: config.runtime.parallel_questions,
        jobs_each: config.runtime.jobs_per_question,
        waits: 0,
        held: Vec::new(),
    };
    running.run()
}
