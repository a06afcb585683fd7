//! Fine-tuning of a language model in a run folder.

use alignment::run::{self, FinetuneRun, Setting};
use configs::finetune::FinetuneConfig;

use crate::exit::Failure;
use crate::job::{Desk, Outcome};

/// Fine-tunes until done or told to stop.
pub fn work(config: &FinetuneConfig, desk: Desk<'_>) -> Result<Outcome, Failure> {
    let device_name = desk.device_name();
    let run = FinetuneRun::new(
        config,
        Setting {
            folder: desk.run,
            tracker: desk.tracker,
            commands: desk.commands,
            device: desk.device,
            device_name,
            resume: desk.resume,
        },
    )?;
    Ok(match run.run()? {
        run::Outcome::Finished => Outcome::Finished,
        run::Outcome::Stopped => Outcome::Stopped,
    })
}
