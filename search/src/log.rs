//! The event log of a search: everything that happened, enough to come to the same state again.
//!
//! One file for each question, one JSON object in a line. A line that decides (`settings`,
//! `question`, `job`, `result`, `branch`) comes before the lines that follow from it, so that a
//! file that ends anywhere is the beginning of what the search would write again.

mod branch;
mod event;
mod reading;
mod replay;
mod resume;
mod writer;

pub use branch::{Cut, branch};
pub(crate) use event::unit;
pub use event::{Event, LOG_VERSION, LogEvent};
pub use reading::{Lines, read};
pub use replay::{LogError, Replayed, replay};
pub use resume::resume;
pub use writer::{Sink, Writer};
