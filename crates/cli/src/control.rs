//! What can be done to runs, for commands and for the dashboard: asked, then awaited.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use configs::Job;
use tracking::{ControlCommand, RunFolder, RunState, queue};

use crate::failure::{ENVIRONMENT, Failure};
use crate::worker;

/// Something that is asked of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Stop,
    Pause,
    Unpause,
    Checkpoint,
    Kill,
    Archive,
    TakeBack,
}

impl Wish {
    /// The verb of a refusal.
    fn verb(self) -> &'static str {
        match self {
            Wish::Stop => "stop",
            Wish::Pause => "pause",
            Wish::Unpause => "unpause",
            Wish::Checkpoint => "write a checkpoint of",
            Wish::Kill => "kill",
            Wish::Archive => "archive",
            Wish::TakeBack => "take back",
        }
    }

    /// Why a run in this state cannot have it, and what to do.
    fn refusal(self, state: RunState, id: &str) -> Option<String> {
        let ended = state.is_final();
        Some(match (self, state) {
            (Wish::Stop | Wish::Kill, RunState::Queued) => format!(
                "only a run with a living worker can be - `concord queue remove {id}` takes a waiting run out of the queue"
            ),
            (Wish::Stop | Wish::Kill, _) if ended => {
                "only a run with a living worker can be - see `concord runs`".to_owned()
            }
            (Wish::Stop | Wish::Kill, _) => return None,
            (Wish::Pause, RunState::Paused) => {
                format!("it holds already - `concord unpause {id}` lets it go on")
            }
            (Wish::Pause, RunState::Starting | RunState::Running | RunState::Pausing) => {
                return None;
            }
            (Wish::Pause, _) if ended => {
                "only a running run can be - see `concord runs`".to_owned()
            }
            (Wish::Pause, _) => {
                "only a running run can be - wait, and see `concord runs`".to_owned()
            }
            (Wish::Unpause, RunState::Paused | RunState::Pausing) => return None,
            (Wish::Unpause, _) if ended => {
                format!("only a paused run can be - `concord resume {id}` continues one that ended")
            }
            (Wish::Unpause, _) => "only a paused run can be - see `concord runs`".to_owned(),
            (Wish::Checkpoint, RunState::Queued) => {
                "only a run with a living worker writes one - it has not begun".to_owned()
            }
            (Wish::Checkpoint, _) if ended => {
                format!(
                    "only a run with a living worker writes one - `concord show {id}` names those it has"
                )
            }
            (Wish::Checkpoint, _) => return None,
            (Wish::Archive, RunState::Queued) => {
                format!(
                    "it may start any moment - first take it out with `concord queue remove {id}`"
                )
            }
            (Wish::Archive, _) if ended => return None,
            (Wish::Archive, _) => {
                format!(
                    "only a run that ended can be - `concord stop {id}` ends it with a checkpoint"
                )
            }
            (Wish::TakeBack, _) => return None,
        })
    }
}

/// What a run looked like before, to see that a wish came true.
pub(crate) struct Pending {
    wish: Wish,
    checkpoint: Option<(u64, u64, i64)>,
    /// For the user, at once.
    pub(crate) said: String,
}

/// Asks it of a run.
///
/// # Errors
/// Its state forbids it, or the worker cannot be reached.
pub(crate) fn ask(run: &RunFolder, wish: Wish) -> Result<Pending, Failure> {
    let (id, state) = (run.id(), worker::state(run));
    let waits = state == RunState::Queued && queue::ticket(run).is_some();
    // A run that was made and never begun, by an interrupted command, can be put aside.
    let idle = state == RunState::Queued && !waits && wish == Wish::Archive;
    if let Some(reason) = wish.refusal(state, &id).filter(|_| !idle) {
        return Err(Failure::arguments(format!(
            "cannot {} {id}: it is {state} - {reason}",
            wish.verb()
        )));
    }
    let checkpoint = newest_checkpoint(run);
    let said = match wish {
        Wish::Stop => match worker::ask_to_stop(run)? {
            worker::Asked::Socket => format!("{id} finishes its step and writes a checkpoint"),
            worker::Asked::Signal => format!("{id} does not answer on its socket; sent SIGTERM"),
        },
        Wish::Pause => {
            worker::ask(run, ControlCommand::Pause)?;
            format!("{id} pauses after its step")
        }
        Wish::Unpause => {
            worker::ask(run, ControlCommand::Resume)?;
            format!("{id} goes on")
        }
        Wish::Checkpoint => {
            worker::ask(run, ControlCommand::CheckpointNow)?;
            format!("{id} writes a checkpoint after its step")
        }
        Wish::Kill => {
            if !worker::kill(run)? {
                return Err(Failure::arguments(format!(
                    "cannot kill {id}: its process is gone already - see `concord runs`"
                )));
            }
            format!("{id} was killed; `concord resume {id}` continues it from its last checkpoint")
        }
        Wish::Archive => {
            run.set_archived(true)?;
            format!("{id} is archived; `concord archive --undo {id}` takes it back")
        }
        Wish::TakeBack => {
            run.set_archived(false)?;
            format!("{id} is listed again")
        }
    };
    Ok(Pending {
        wish,
        checkpoint,
        said,
    })
}

impl Pending {
    /// Waits until it came true; `limit` counts from `asked`.
    ///
    /// # Errors
    /// It did not in time.
    pub(crate) fn wait(
        &self,
        run: &RunFolder,
        asked: Instant,
        limit: Duration,
    ) -> Result<(), Failure> {
        loop {
            let state = worker::state(run);
            let done = match self.wish {
                Wish::Stop => state.is_final(),
                Wish::Pause => state == RunState::Paused || state.is_final(),
                Wish::Unpause => state != RunState::Paused,
                // None for a moment, while one of the same step is replaced.
                Wish::Checkpoint => {
                    let newest = newest_checkpoint(run);
                    (newest.is_some() && newest != self.checkpoint) || state.is_final()
                }
                Wish::Kill | Wish::Archive | Wish::TakeBack => true,
            };
            if done {
                return Ok(());
            }
            if asked.elapsed() >= limit {
                let id = run.id();
                return Err(Failure {
                    code: ENVIRONMENT,
                    message: format!(
                        "{id} is still {state} after {} s - a long step or a slow disk - wait longer with --timeout, or see `concord show {id} --log 20`",
                        limit.as_secs_f64()
                    ),
                });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The newest checkpoint, told apart from an older one of the same step.
fn newest_checkpoint(run: &RunFolder) -> Option<(u64, u64, i64)> {
    let (step, path) = run.checkpoints().pop()?;
    let found = std::fs::metadata(path).ok()?;
    Some((step, found.ino(), found.ctime_nsec()))
}

/// Why a run cannot be resumed now; `Ok(true)` when from a checkpoint, `Ok(false)` when
/// it never began and starts from the beginning.
pub(crate) fn resumable(run: &RunFolder) -> Result<bool, Failure> {
    let id = run.id();
    let state = worker::state(run);
    let job = run
        .meta()
        .map_or_else(|_| Job::Train.name().to_owned(), |meta| meta.job);
    let finetunes = job == Job::Finetune.name();
    let searches = job == Job::Search.name();
    // A fine-tuning goes on from whatever stage it has finished, from none where its data had to be
    // mended first; a search from the logs of its questions.
    let begun = !run.checkpoints().is_empty() || ((finetunes || searches) && run.events().exists());
    match state {
        RunState::Finished if searches => Err(Failure::arguments(format!(
            "cannot resume {id}: it is finished - only an interrupted, failed or lost run can go on - search again with `concord search {}`",
            run.config().display()
        ))),
        RunState::Finished if finetunes => Err(Failure::arguments(format!(
            "cannot resume {id}: it is finished - only an interrupted, failed or lost run can go on - go on from its model with `concord finetune {} --set model.create=none --set model.name={}`",
            run.config().display(),
            run.path().join("model").display()
        ))),
        RunState::Finished => Err(Failure::arguments(format!(
            "cannot resume {id}: it is finished - only an interrupted, failed or lost run can go on - train longer with `concord train {} --set total_steps=N`",
            run.config().display()
        ))),
        RunState::Queued => Ok(begun),
        _ if state.is_final() && (begun || !run.events().exists()) => Ok(begun),
        _ if state.is_final() => Err(Failure::arguments(format!(
            "cannot resume {id}: it has no checkpoint - it ended before the first one - start again with `concord {job} {}`",
            run.config().display()
        ))),
        _ => Err(Failure::arguments(format!(
            "cannot resume {id}: it is {state} - one worker may write a run - follow it with `concord attach {id}`"
        ))),
    }
}
