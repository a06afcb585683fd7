//! A run as the list shows it.

pub use tracking::RunState;

use crate::figures::gauge_ratio;
use crate::theme::Role;

/// The word of a state and its symbols: with Unicode, and in ASCII.
#[must_use]
pub fn shown(state: RunState) -> (&'static str, &'static str, &'static str) {
    match state {
        RunState::Queued => ("queued", "·", "."),
        RunState::Starting => ("starting", "◌", "o"),
        RunState::Running => ("running", "●", "*"),
        RunState::Pausing => ("pausing", "‖", "="),
        RunState::Paused => ("paused", "‖", "="),
        RunState::Stopping => ("stopping", "◌", "o"),
        RunState::Finished => ("done", "✓", "+"),
        RunState::Failed => ("failed", "✗", "x"),
        RunState::Interrupted => ("stopped", "■", "#"),
        RunState::Killed => ("killed", "✗", "x"),
        RunState::Lost => ("lost", "?", "?"),
    }
}

/// The role of a state in the theme.
#[must_use]
pub fn role(state: RunState) -> Role {
    match state {
        RunState::Running => Role::Ok,
        RunState::Finished => Role::Series(0),
        RunState::Failed | RunState::Killed => Role::Bad,
        RunState::Lost => Role::Warn,
        RunState::Queued | RunState::Interrupted => Role::Muted,
        RunState::Starting | RunState::Pausing | RunState::Paused | RunState::Stopping => {
            Role::Series(1)
        }
    }
}

/// Whether a worker process stands behind a state.
#[must_use]
pub fn is_alive(state: RunState) -> bool {
    !state.is_final() && state != RunState::Queued
}

/// One row of the run list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSummary {
    /// The folder's name.
    pub id: String,
    /// Its state.
    pub state: RunState,
    /// Steps done.
    pub step: f64,
    /// Steps planned; 0 when unknown.
    pub total_steps: f64,
    /// Learner updates done.
    pub updates: f64,
    /// Mean return of the last evaluation.
    pub last_return: Option<f64>,
    /// Environment steps per second, as the worker measured it.
    pub steps_per_second: Option<f64>,
    /// When it was last heard of, in Unix seconds.
    pub heard: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// The last message of the worker, or its error.
    pub message: String,
    /// The worker's exit code once it left.
    pub exit_code: Option<i32>,
    /// The kind of job: `train`, `finetune`, `search`.
    pub job: String,
    /// The method, such as `mansa`.
    pub algorithm: String,
    /// The environment or data set.
    pub task: String,
    /// The device in use.
    pub device: String,
    /// Seed of the run.
    pub seed: u64,
    /// When the folder was made, in Unix seconds; 0 when unknown.
    pub created: f64,
    /// Tokens processed.
    pub tokens: f64,
    /// Share of comparisons won, where the job reports one.
    pub win_rate: Option<f64>,
    /// Mean return of the best evaluation.
    pub best_return: Option<f64>,
    /// Hidden from the list unless asked for.
    pub archived: bool,
    /// What a queued run waits for.
    pub waits_for: String,
    /// Its worker's process, while it lives on this machine.
    pub pid: Option<u32>,
    /// What is not as it should be with its folder or its process; empty when all is well.
    pub trouble: String,
}

impl RunSummary {
    /// Progress in 0..=1, `None` while the total is unknown.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        if self.state == RunState::Finished {
            return Some(1.0);
        }
        let (done, _) = self.done();
        (self.total_steps > 0.0).then(|| gauge_ratio(done / self.total_steps))
    }

    /// What was done of the total, and what a kind of job counts.
    #[must_use]
    pub fn done(&self) -> (f64, &'static str) {
        match self.job.as_str() {
            "finetune" => (self.updates, "updates"),
            "search" => (self.step, "questions"),
            _ => (self.step, "steps"),
        }
    }
}
