//! Training of agents in a run folder.

use std::path::PathBuf;

use agents::report::Reporter;
use agents::training::{self, Training};
use configs::RunConfig;
use configs::train::TrainConfig;
use tracking::RunFolder;

use crate::exit::{ENVIRONMENT, Failure};
use crate::job::{Desk, Outcome};

/// Says whether there is something to resume from.
pub fn check_resumable(run: &RunFolder, config: &RunConfig) -> Result<(), Failure> {
    // A fine-tuning goes on from whatever stage it has finished.
    if let RunConfig::Train(_) = config {
        newest_checkpoint(run)?;
    }
    Ok(())
}

/// Trains until done or told to stop.
pub fn work(config: &TrainConfig, desk: Desk<'_>) -> Result<Outcome, Failure> {
    let checkpoint = if desk.resume {
        Some(newest_checkpoint(desk.run)?)
    } else {
        None
    };
    let device_name = desk.device_name();
    let reporter = Reporter::new(desk.run, desk.tracker, device_name, config.total_steps);
    let training = Training::new(
        config,
        desk.device,
        desk.commands,
        reporter,
        desk.stage,
        checkpoint
            .as_ref()
            .map(|(name, path)| (name.as_str(), path.as_path())),
    )?;
    Ok(match training.run()? {
        training::Outcome::Finished => Outcome::Finished,
        training::Outcome::Stopped => Outcome::Stopped,
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
