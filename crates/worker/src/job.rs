//! `concord-worker run`: does the job of a run folder, and leaves its last state there.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use configs::RunConfig;
use configs::search::ModelKind;
use crossbeam::channel::Receiver;
use signal_hook::iterator::Signals;
use tch::Device;
use tracking::event::HyperParameter;
use tracking::{
    ConsoleMode, ControlCommand, ControlServer, EventKind, LiveStage, RunFolder, RunState,
    SinkOptions, Status, StatusWriter, Tracker, TrackerThread,
};

use crate::commands;
use crate::exit::{
    BAD_CONFIG, DONE, ENVIRONMENT, Failure, INTERNAL, INTERRUPTED, LEFT_AT_ONCE, complain,
};
use crate::{finetune, search, train};

/// Who starts a worker holds the folder's lock until he has written so.
const STARTER: Duration = Duration::from_secs(5);

/// How a job ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done.
    Finished,
    /// Told to stop; it can be resumed.
    Stopped,
}

/// What a job is given.
pub struct Desk<'a> {
    /// The run's folder.
    pub run: &'a RunFolder,
    /// Where it computes.
    pub device: Device,
    /// Where events go.
    pub tracker: Tracker,
    /// What it is told.
    pub commands: Receiver<ControlCommand>,
    /// Where live scenes go.
    pub stage: &'a Arc<LiveStage>,
    /// Whether an earlier process began the run.
    pub resume: bool,
}

impl Desk<'_> {
    /// The device's name in the status.
    pub fn device_name(&self) -> String {
        tracking::queue::device_key(&format!("{:?}", self.device).to_lowercase())
    }
}

/// Runs the job of the folder and leaves its last state in it, whatever happens.
pub fn run(run_dir: &Path, resume: bool, json: bool) -> Result<u8, Failure> {
    // First of all: loading and preparing takes a while, and a signal that comes meanwhile
    // is a stop like any other.
    let signals = commands::catch()
        .map_err(|error| Failure::new(ENVIRONMENT, format!("signals: {error}")))?;
    let run = RunFolder::open(run_dir)?;
    let _lock = run.lock_within(STARTER)?;
    starting(&run);
    let result = prepared(&run, resume, json, signals);
    if let Err(failure) = &result {
        // Failures before the events are open show in the status alone.
        leave_status(&run, RunState::Failed, failure.code, &failure.to_string());
    }
    result
}

/// The state until the job says `running`. A disk too full for it ends the run
/// later, with better words.
fn starting(run: &RunFolder) {
    let status = Status {
        state: RunState::Starting,
        exit_code: None,
        message: String::new(),
        ..run.status().unwrap_or_default()
    };
    if let Err(error) = StatusWriter::new(run).write(&status, true) {
        complain(&error.to_string());
    }
}

/// What the shell needs to know of a job's settings.
struct Surroundings {
    threads: usize,
    device: String,
    tensorboard: bool,
    environments: usize,
}

fn surroundings(config: &RunConfig) -> Result<Surroundings, Failure> {
    match config {
        RunConfig::Train(config) => Ok(Surroundings {
            threads: config.runtime.threads,
            device: config.runtime.device.to_string(),
            tensorboard: config.logging.tensorboard,
            environments: config.environments(),
        }),
        RunConfig::Finetune(config) => Ok(Surroundings {
            threads: match config.runtime.threads {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                threads => threads,
            },
            device: config.runtime.device.to_string(),
            tensorboard: config.logging.tensorboard,
            environments: 0,
        }),
        RunConfig::Search(config) => Ok(Surroundings {
            threads: match config.runtime.threads {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                threads => threads,
            },
            // Only a model on this machine computes.
            device: match config.model.kind {
                ModelKind::Local => config.runtime.device.to_string(),
                ModelKind::Server | ModelKind::Scripted => "cpu".to_owned(),
            },
            tensorboard: config.logging.tensorboard,
            environments: 0,
        }),
        _ => Err(Failure::new(
            BAD_CONFIG,
            "this worker runs jobs of kind `train`, `finetune` and `search` only",
        )),
    }
}

fn prepared(run: &RunFolder, resume: bool, json: bool, signals: Signals) -> Result<u8, Failure> {
    tracking::atomic::recover_folders(&run.checkpoints_folder())?;
    let config = read_config(run)?;
    let around = surroundings(&config)?;
    nn::runtime::prepare(around.threads);
    let device = nn::runtime::resolve_device(&around.device)?;
    if resume {
        train::check_resumable(run, &config)?;
    }
    let options = SinkOptions {
        tensorboard: around.tensorboard,
        console: if json {
            ConsoleMode::Json
        } else {
            ConsoleMode::None
        },
        ..SinkOptions::default()
    };
    let (tracker, sinks) = TrackerThread::start(run, options)?;
    let stage = LiveStage::new(around.environments);
    let (control, server) = match ControlServer::start_on_stage(run, Arc::clone(&stage)) {
        Ok((receiver, server)) => (Some(receiver), Some(server)),
        Err(error) => {
            tracker.warning(
                "control",
                format!("{error} - stop this run with a signal instead"),
            );
            (None, None)
        }
    };
    let leaving = run.clone();
    let (commands, listeners) = commands::listen(signals, control, move || {
        leave_status(
            &leaving,
            RunState::Interrupted,
            LEFT_AT_ONCE,
            "told twice to leave",
        );
    })
    .map_err(|error| Failure::new(ENVIRONMENT, format!("signals: {error}")))?;
    if !resume {
        tracker.event(EventKind::Hparams {
            values: hyper_parameters(&config),
        });
    }
    let desk = Desk {
        run,
        device,
        tracker: tracker.clone(),
        commands,
        stage: &stage,
        resume,
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| match &config {
        RunConfig::Train(config) => train::work(config, desk),
        RunConfig::Finetune(config) => finetune::work(config, desk),
        RunConfig::Search(config) => search::work(config, desk),
        _ => Ok(Outcome::Stopped),
    }));
    let (state, code, message) = match outcome {
        Ok(Ok(Outcome::Finished)) => (RunState::Finished, DONE, String::new()),
        Ok(Ok(Outcome::Stopped)) => (RunState::Interrupted, INTERRUPTED, String::new()),
        Ok(Err(failure)) => (RunState::Failed, failure.code, failure.to_string()),
        Err(panic) => (RunState::Failed, INTERNAL, panic_text(panic.as_ref())),
    };
    finish(run, &tracker, state, code, &message);
    drop(listeners);
    drop(server);
    for dropped in sinks.close().dropped {
        complain(&format!("{} was dropped: {}", dropped.name, dropped.error));
    }
    if state == RunState::Failed {
        Err(Failure::new(code, message))
    } else {
        Ok(code)
    }
}

fn read_config(run: &RunFolder) -> Result<RunConfig, Failure> {
    let path = run.config();
    let text = fs::read_to_string(&path)
        .map_err(|error| Failure::new(ENVIRONMENT, format!("{}: {error}", path.display())))?;
    RunConfig::from_toml(&path.display().to_string(), &text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::new(BAD_CONFIG, lines.join("\n"))
    })
}

fn hyper_parameters(config: &RunConfig) -> BTreeMap<String, HyperParameter> {
    config
        .values()
        .into_iter()
        .map(|(path, value)| {
            let value = match value.as_bool() {
                Some(switch) => HyperParameter::Switch(switch),
                None => value
                    .as_integer()
                    .map(|number| number as f64)
                    .or_else(|| value.as_float())
                    .map_or_else(
                        || HyperParameter::Text(value.to_string().trim_matches('"').to_owned()),
                        HyperParameter::Number,
                    ),
            };
            (path, value)
        })
        .collect()
}

fn finish(run: &RunFolder, tracker: &Tracker, state: RunState, code: u8, message: &str) {
    let progress = run
        .status()
        .map(|status| status.progress)
        .unwrap_or_default();
    tracker.event(EventKind::Finished {
        outcome: state,
        exit_code: i32::from(code),
        progress,
        message: message.to_owned(),
    });
    leave_status(run, state, code, message);
}

/// Rewrites the state in `status.json`, keeping the rest.
fn leave_status(run: &RunFolder, state: RunState, code: u8, message: &str) {
    let mut status: Status = run.status().unwrap_or_default();
    status.state = state;
    status.exit_code = Some(i32::from(code));
    status.message = message.to_owned();
    status.heartbeat = tracking::unix_seconds();
    if let Err(error) = status.write(&run.status_file()) {
        complain(&error.to_string());
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    format!(
        "internal error: {} - please report it",
        text.unwrap_or("panic without a message")
    )
}
