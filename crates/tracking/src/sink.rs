//! Observers of a run's events.
//!
//! The event log is not an observer: it is the record, and [`crate::TrackerThread`]
//! writes it itself. Everything else implements [`Sink`], and a sink that fails is
//! dropped with one warning event while training goes on.

use std::io;

use serde::{Deserialize, Serialize};

use crate::event::Event;

mod console;
mod tensorboard;

pub use console::ConsoleSink;
pub use tensorboard::TensorBoardSink;

/// Takes events on the sink thread.
pub trait Sink: Send {
    /// Short name for warnings.
    fn name(&self) -> &'static str;

    /// Takes one event; `line` is its JSON without the line feed. May buffer.
    ///
    /// # Errors
    /// Any error ends the sink.
    fn write(&mut self, event: &Event, line: &str) -> io::Result<()>;

    /// Hands over what is buffered. Called whenever the queue has run empty.
    ///
    /// # Errors
    /// Any error ends the sink.
    fn flush(&mut self) -> io::Result<()>;

    /// Flushes and makes durable; the last call.
    ///
    /// # Errors
    /// Reported in [`SinkReport`].
    fn close(&mut self) -> io::Result<()> {
        self.flush()
    }
}

/// What the console shows of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsoleMode {
    /// Nothing.
    #[default]
    None,
    /// Each event as one JSON line on stdout.
    Json,
}

/// Which observers to start, besides the event log.
#[derive(Default)]
pub struct SinkOptions {
    /// Write TensorBoard files to `tb/`.
    pub tensorboard: bool,
    /// Show events on stdout.
    pub console: ConsoleMode,
    /// Events that may wait for the sink thread; 0 for the default (16,384).
    pub queue_capacity: usize,
    /// Further observers.
    pub extra: Vec<Box<dyn Sink>>,
}

/// How the record and its observers fare; part of `status.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct SinkHealth {
    /// Events in `events.jsonl` from this process.
    pub events_written: u64,
    /// Events that wait for room on the disk.
    pub events_waiting: u64,
    /// Events lost: the disk stayed full, or the sink thread fell behind.
    pub events_lost: u64,
    /// Why `events.jsonl` cannot be written now; `None` when it can.
    pub log_error: Option<String>,
    /// Observers that failed, in order.
    pub dropped: Vec<DroppedSink>,
}

/// An observer that failed and was let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedSink {
    /// Its name.
    pub name: String,
    /// Its error.
    pub error: String,
}

/// The end of a sink thread.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SinkReport {
    /// Events in `events.jsonl` from this process.
    pub events_written: u64,
    /// Events lost.
    pub events_lost: u64,
    /// Observers that failed.
    pub dropped: Vec<DroppedSink>,
    /// The thread did not end in time and was left behind.
    pub timed_out: bool,
    /// The thread panicked; what it had not written is lost.
    pub died: bool,
}
