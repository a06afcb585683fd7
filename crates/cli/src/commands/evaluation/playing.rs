//! Lets workers play the games that are missing, several at a time.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tracking::evaluation::{EvaluationFolder, Games, TeamGames, Unit};

use crate::failure::Failure;
use crate::output::tell;
use crate::surroundings::has_bars;

/// How often a thread looks whether its worker is done or everything is to stop.
const LOOK: Duration = Duration::from_millis(10);
/// Failures in a row, with nothing played in between, after which no more are tried.
const MOST_BROKEN: usize = 3;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Played {
    /// Nothing is missing.
    Everything,
    /// Something failed; the rest was played.
    WithFailures,
    /// A signal ended it.
    Stopped,
}

/// What the worker answers: about a policy alone, or about teams.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    returns: Vec<f64>,
    #[serde(default)]
    lengths: Vec<u64>,
    #[serde(default)]
    calls: Vec<u64>,
    #[serde(default)]
    teams: Vec<TeamGames>,
}

/// What the threads share.
struct Table<'a> {
    folder: &'a EvaluationFolder,
    worker: &'a Path,
    queue: Mutex<VecDeque<Unit>>,
    failures: Mutex<BTreeMap<String, String>>,
    /// Failures since a unit was played.
    broken: Mutex<usize>,
    /// Ends everything: the disk's failure.
    fatal: Mutex<Option<Failure>>,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Plays everything that has no games yet.
pub(super) fn play(
    folder: &EvaluationFolder,
    worker: &Path,
    jobs: usize,
) -> Result<Played, Failure> {
    let units = folder.plan.units();
    let there = folder.all_games();
    let queue: VecDeque<Unit> = units
        .iter()
        .copied()
        .filter(|unit| !there.contains_key(unit))
        .collect();
    if queue.is_empty() {
        return Ok(Played::Everything);
    }
    if !there.is_empty() {
        tell(&format!(
            "{} of {} games are there already; going on in {}",
            there.len(),
            units.len(),
            folder.path().display()
        ));
    }
    // What failed before is tried again.
    folder.keep_failures(&BTreeMap::new())?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Failure::environment(format!("cannot take signals: {error}")))?;
    }
    let threads = jobs.min(queue.len());
    let table = Table {
        folder,
        worker,
        queue: Mutex::new(queue),
        failures: Mutex::default(),
        broken: Mutex::new(0),
        fatal: Mutex::new(None),
        stop,
        bar: bar(units.len(), there.len()),
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| sit(&table));
        }
    });
    table.bar.finish_and_clear();
    if let Some(failure) = lock(&table.fatal).take() {
        return Err(failure);
    }
    let failed = !lock(&table.failures).is_empty();
    Ok(if table.stop.load(Ordering::Relaxed) {
        Played::Stopped
    } else if failed {
        Played::WithFailures
    } else {
        Played::Everything
    })
}

fn bar(units: usize, done: usize) -> ProgressBar {
    let bar = if has_bars() {
        ProgressBar::new(units as u64)
    } else {
        ProgressBar::hidden()
    };
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} games  {elapsed} {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_position(done as u64);
    bar
}

/// One thread: takes units until there are none.
fn sit(table: &Table<'_>) {
    loop {
        let over = table.stop.load(Ordering::Relaxed) || lock(&table.fatal).is_some();
        if over || *lock(&table.broken) >= MOST_BROKEN {
            return;
        }
        let Some(unit) = lock(&table.queue).pop_front() else {
            return;
        };
        let outcome = one(table, unit);
        if table.stop.load(Ordering::Relaxed) {
            return;
        }
        match outcome {
            Ok(games) => {
                *lock(&table.broken) = 0;
                if let Err(error) = table.folder.keep(unit, &games) {
                    *lock(&table.fatal) = Some(error.into());
                    return;
                }
                table.bar.inc(1);
            }
            Err(reason) => {
                *lock(&table.broken) += 1;
                let mut failures = lock(&table.failures);
                failures.insert(unit.key(), reason);
                // Told at the end in any case; the file is for whoever looks in between.
                let _ = table.folder.keep_failures(&failures);
            }
        }
    }
}

/// Plays a unit, or says why not.
fn one(table: &Table<'_>, unit: Unit) -> Result<Games, String> {
    let unchanged = || {
        let policies = unit.policies().into_iter();
        let mut changes =
            policies.filter_map(|policy| table.folder.plan.contenders[policy].change());
        changes.next().map_or(Ok(()), Err)
    };
    unchanged()?;
    let mut command = command(table, unit);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", table.worker.display()))?;
    let (out, said) = read(&mut child);
    let status = wait(&mut child, &table.stop)
        .map_err(|error| format!("cannot wait for {}: {error}", table.worker.display()))?;
    let out = out.join().unwrap_or_default();
    let said = said.join().unwrap_or_default();
    if !status.success() {
        unchanged()?;
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.map(|line| line.trim_start_matches("error: "));
        return Err(format!(
            "the worker failed ({status}): {}",
            tui::figures::printable(last.unwrap_or("it said nothing"))
        ));
    }
    let answer: Answer = serde_json::from_slice(&out).map_err(|error| {
        format!("cannot read the worker's answer: {error} - build it with `cargo build`")
    })?;
    // A policy that was replaced while the worker read it has played for another.
    unchanged()?;
    let games = games(table.folder, unit, answer);
    if table.folder.fits(unit, &games) {
        Ok(games)
    } else {
        Err("the worker's answer has too few episodes - `concord` and `concord-worker` may be of different versions - build both with `cargo build`".to_owned())
    }
}

fn games(folder: &EvaluationFolder, unit: Unit, answer: Answer) -> Games {
    let contenders = &folder.plan.contenders;
    let policies = unit.policies();
    let prints = policies
        .iter()
        .map(|&policy| contenders[policy].fingerprint.clone());
    let teams = match unit {
        Unit::Alone { policy, .. } => vec![TeamGames {
            seats: vec![0; contenders[policy].sizes.agents],
            returns: answer.returns,
            lengths: answer.lengths,
            calls: answer.calls,
        }],
        Unit::Pair { .. } => answer.teams,
    };
    Games {
        fingerprints: prints.collect(),
        teams,
    }
}

fn command(table: &Table<'_>, unit: Unit) -> Command {
    let plan = &table.folder.plan;
    let policies: Vec<_> = unit
        .policies()
        .into_iter()
        .map(|policy| &plan.contenders[policy])
        .collect();
    let (options, calls) = plan.options_of(unit);
    let mut command = crate::worker::command(table.worker);
    command
        .arg("eval")
        .arg("--run-dir")
        .arg(&policies[0].run_folder)
        .arg("--checkpoint")
        .arg(&policies[0].folder)
        .args(["--episodes", &options.episodes.to_string()])
        .args(["--seed", &options.seed.to_string()])
        .args(["--epsilon", &options.epsilon.to_string()])
        .args(["--format", "json"]);
    for partner in &policies[1..] {
        command.arg("--with").arg(&partner.folder);
    }
    if let Some(id) = &options.environment {
        command.args(["--environment", id]);
    }
    if let Some(limit) = options.time_limit {
        command.args(["--time-limit", &limit.to_string()]);
    }
    if let Some(half) = &options.execution
        && policies.iter().any(|policy| policy.switched)
    {
        command.args(["--execution", half]);
    }
    if let Some(calls) = calls {
        command.args(["--calls-per-episode", &calls.to_string()]);
    }
    // How many are played at once decides which start an episode gets.
    if policies[0].environments != plan.environments() {
        command.args(["--environments", &plan.environments().to_string()]);
    }
    command
}

type Reading = std::thread::JoinHandle<Vec<u8>>;

/// Reads both outputs of a worker while it runs, so that it never waits for a full pipe.
fn read(child: &mut Child) -> (Reading, Reading) {
    fn all(pipe: Option<impl Read + Send + 'static>) -> Reading {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut bytes);
            }
            bytes
        })
    }
    (all(child.stdout.take()), all(child.stderr.take()))
}

/// Waits for a worker, or ends it when everything is to stop.
fn wait(child: &mut Child, stop: &AtomicBool) -> std::io::Result<std::process::ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if stop.load(Ordering::Relaxed) {
            // It may have left on its own in between.
            let _ = child.kill();
            return child.wait();
        }
        std::thread::sleep(LOOK);
    }
}
