//! `concord-worker run`: trains in a run folder.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agents::report::Reporter;
use agents::training::{Outcome, Training};
use configs::RunConfig;
use configs::train::TrainConfig;
use signal_hook::iterator::Signals;
use tracking::event::HyperParameter;
use tracking::{
    ConsoleMode, ControlServer, EventKind, LiveStage, RunFolder, RunState, SinkOptions, Status,
    StatusWriter, Tracker, TrackerThread,
};

use crate::commands;
use crate::exit::{
    BAD_CONFIG, DONE, ENVIRONMENT, Failure, INTERNAL, INTERRUPTED, LEFT_AT_ONCE, complain,
};

/// Who starts a worker holds the folder's lock until he has written so.
const STARTER: Duration = Duration::from_secs(5);

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

/// The state until the training says `running`. A disk too full for it ends the run
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

fn prepared(run: &RunFolder, resume: bool, json: bool, signals: Signals) -> Result<u8, Failure> {
    tracking::atomic::recover_folders(&run.checkpoints_folder())?;
    let RunConfig::Train(config) = read_config(run)? else {
        return Err(Failure::new(
            BAD_CONFIG,
            "this worker runs jobs of kind `train` only",
        ));
    };
    nn::runtime::prepare(config.runtime.threads);
    let device = nn::runtime::resolve_device(&config.runtime.device.to_string())?;
    let checkpoint = if resume {
        Some(newest_checkpoint(run)?)
    } else {
        None
    };
    let options = SinkOptions {
        tensorboard: config.logging.tensorboard,
        console: if json {
            ConsoleMode::Json
        } else {
            ConsoleMode::None
        },
        ..SinkOptions::default()
    };
    let (tracker, sinks) = TrackerThread::start(run, options)?;
    let stage = LiveStage::new(config.environments());
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
    if checkpoint.is_none() {
        tracker.event(EventKind::Hparams {
            values: hyper_parameters(&config),
        });
    }
    let device_name = tracking::queue::device_key(&format!("{device:?}").to_lowercase());
    let reporter = Reporter::new(run, tracker.clone(), device_name, config.total_steps);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let training = Training::new(
            &config,
            device,
            commands,
            reporter,
            &stage,
            checkpoint
                .as_ref()
                .map(|(name, path)| (name.as_str(), path.as_path())),
        )?;
        training.run()
    }));
    let (state, code, message) = match outcome {
        Ok(Ok(Outcome::Finished)) => (RunState::Finished, DONE, String::new()),
        Ok(Ok(Outcome::Stopped)) => (RunState::Interrupted, INTERRUPTED, String::new()),
        Ok(Err(error)) => {
            let failure = Failure::from(error);
            (RunState::Failed, failure.code, failure.to_string())
        }
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

fn newest_checkpoint(run: &RunFolder) -> Result<(String, PathBuf), Failure> {
    let newest = run.checkpoints().into_iter().max_by_key(|(step, _)| *step);
    let Some((step, path)) = newest else {
        let message = format!(
            "{}: no checkpoint to resume from - start a new run with `concord train`",
            run.checkpoints_folder().display()
        );
        return Err(Failure::new(ENVIRONMENT, message));
    };
    Ok((format!("ckpt/step-{step}"), path))
}

fn hyper_parameters(config: &TrainConfig) -> BTreeMap<String, HyperParameter> {
    let values = RunConfig::Train(config.clone()).values();
    values
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
