//! What can go wrong while agents learn.

use std::path::PathBuf;

/// Errors of the learners and the actor-learner runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentsError {
    /// The environment refused to be built or stepped.
    #[error(transparent)]
    Environment(#[from] envs::EnvironmentError),
    /// LibTorch, a device or a file of arrays.
    #[error(transparent)]
    Network(#[from] nn::NnError),
    /// The run folder.
    #[error(transparent)]
    Tracking(#[from] tracking::TrackingError),
    /// The books of the budget of central calls do not balance.
    #[error(transparent)]
    Budget(#[from] crate::mansa::budget::BudgetError),
    /// A checkpoint could not be used.
    #[error("checkpoint {}: {problem}", path.display())]
    Checkpoint {
        /// The checkpoint's folder or file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A loss or gradient is not a finite number.
    #[error(
        "the {quantity} is {value} at update {update} (replay episodes {episodes:?}) - \
         lower algorithm.learning_rate or set algorithm.gradient_clip; {last_checkpoint}"
    )]
    Diverged {
        /// Which number.
        quantity: &'static str,
        /// Its value.
        value: f64,
        /// The learner update.
        update: u64,
        /// Replay slots of the batch.
        episodes: Vec<usize>,
        /// Where the last good checkpoint lies, in words.
        last_checkpoint: String,
    },
    /// A thread of the runtime died.
    #[error("thread `{thread}` died: {reason}")]
    Thread {
        /// The thread's name.
        thread: String,
        /// Its last words.
        reason: String,
    },
}

impl AgentsError {
    /// The text of a panic, from what `catch_unwind` or `join` returned.
    pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
        payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panic without a message".to_owned())
    }
}
