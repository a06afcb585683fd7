//! What the chat asks of the program around the dashboard.

use super::protocol::{Event, Order};

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Start a worker with a model; answered by [`Answer::Heard`] on the way and [`Answer::Ended`].
    Open {
        /// Comes back with the answers.
        id: u64,
        /// A folder, a name of the hub, or a run's id.
        model: String,
    },
    /// Tell it something.
    Tell(u64, Order),
    /// End it.
    Close(u64),
}

impl Request {
    /// Whether it takes longer than a moment.
    #[must_use]
    pub fn is_long(&self) -> bool {
        matches!(self, Request::Open { .. })
    }
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The worker said something.
    Heard(u64, Event),
    /// The worker is gone: as asked, or why.
    Ended(u64, Result<(), String>),
}
