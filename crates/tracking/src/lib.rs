//! Run folders, events, sinks, status, control and statistics.
//!
//! A run is a folder, and the folder is the truth: the worker writes it, every
//! other program only reads it. One line of `events.jsonl` per thing that
//! happened, a `status.json` that is replaced atomically, checkpoints that are
//! renamed into place. This crate owns those formats; it knows nothing of
//! tensors, environments or screens.
//!
//! ```
//! use tracking::{Axis, EventReader, NewRun, RunFolder, SinkOptions, TrackerThread};
//!
//! let root = tempfile::tempdir().unwrap();
//! let run = RunFolder::create(root.path(), &NewRun { name: "iql lbf coop s1".into(), ..NewRun::default() }).unwrap();
//! let (tracker, thread) = TrackerThread::start(&run, SinkOptions::default()).unwrap();
//! tracker.scalar("train/loss", 0.25, Axis::LearnerUpdates, 10);
//! let report = thread.close();
//! assert_eq!(report.events_written, 1);
//! assert_eq!(EventReader::open(&run.events()).poll().unwrap().len(), 1);
//! ```

pub mod atomic;
mod clock;
pub mod console;
pub mod control;
mod error;
pub mod evaluation;
pub mod event;
pub mod event_log;
pub mod export;
mod git;
pub mod history;
pub mod liveness;
pub mod measure;
pub mod meta;
pub mod queue;
pub mod report;
pub mod run_folder;
pub mod samples;
pub mod search_log;
pub mod series;
pub mod sink;
pub mod statistics;
pub mod status;
mod stopwatch;
pub mod summary;
pub mod switching;
mod tracker;

pub use atomic::{AtomicFolder, write_atomic};
pub use clock::{unix_seconds, utc_stamp};
pub use console::{ConsoleReader, Level, LogLine};
pub use control::{
    ControlClient, ControlCommand, ControlReply, ControlServer, LiveFrame, LiveFrames, LiveStage,
    LiveWatcher,
};
pub use error::TrackingError;
pub use event::{Axis, EvaluationPurpose, Event, EventKind, Progress};
pub use event_log::{EventReader, EventWriter};
pub use history::History;
pub use liveness::{Liveness, ProcessIdentity};
pub use measure::Measure;
pub use meta::Meta;
pub use run_folder::{NewRun, RunFolder, RunLock};
pub use samples::{Label, Response, Sample, Stage, TokenLogProb};
pub use sink::{ConsoleMode, DroppedSink, Sink, SinkHealth, SinkOptions, SinkReport};
pub use status::{RunState, Status, StatusWriter};
pub use stopwatch::Stopwatch;
pub use tracker::{Tracker, TrackerThread};
