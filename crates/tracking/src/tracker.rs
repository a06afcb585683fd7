//! The handle that reports events and the one thread that writes them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{self, Receiver, RecvTimeoutError, SendTimeoutError, Sender};

use crate::clock::unix_seconds;
use crate::error::TrackingError;
use crate::event::{Axis, EventKind, shortened};
use crate::event_log::EventWriter;
use crate::run_folder::RunFolder;
use crate::samples::Sample;
use crate::sink::{SinkHealth, SinkOptions, SinkReport};

mod writing;

use writing::Writing;

const DEFAULT_QUEUE: usize = 16_384;
/// How long a caller waits for room in the queue before the event is given up.
const SEND_LIMIT: Duration = Duration::from_millis(250);
/// How long [`Tracker::flush`] and [`TrackerThread::close`] wait for the thread.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);
/// How often a waiting caller looks whether the thread still lives.
const LIFE_CHECK: Duration = Duration::from_millis(100);

enum Message {
    Event { time: f64, kind: EventKind },
    Flush { done: Sender<()> },
    Close,
}

#[derive(Default)]
struct Shared {
    health: Mutex<SinkHealth>,
    refused: AtomicU64,
    stalled: AtomicBool,
    /// The sink thread is gone, whether it closed or died.
    ended: AtomicBool,
}

/// Marks the end of the sink thread, also when it panics.
struct EndMark(Arc<Shared>);

impl Drop for EndMark {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::SeqCst);
    }
}

/// How a sink thread came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Closed,
    TimedOut,
    Died,
}

impl Shared {
    fn health(&self) -> SinkHealth {
        let mut health = self
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        health.events_lost += self.refused.load(Ordering::Relaxed);
        health
    }
}

/// Reports events from any thread; clones share one queue.
///
/// Reporting costs one bounded channel send. When the queue is full the caller waits
/// up to a quarter of a second, once; while the thread stays behind, further events
/// are counted as lost at no wait, so that a hanging disk cannot hold up training.
#[derive(Clone)]
pub struct Tracker {
    sender: Option<Sender<Message>>,
    shared: Arc<Shared>,
}

impl Tracker {
    /// A tracker that forgets everything, for tests and benchmarks.
    pub fn silent() -> Self {
        Self {
            sender: None,
            shared: Arc::default(),
        }
    }

    /// Reports one point of a curve.
    pub fn scalar(&self, name: &str, value: f64, axis: Axis, step: u64) {
        self.event(EventKind::Scalar {
            name: name.to_owned(),
            value,
            axis,
            step,
        });
    }

    /// Reports a text; cut at [`crate::event::LONGEST_TEXT`] bytes.
    pub fn text(&self, name: &str, text: String, axis: Axis, step: u64) {
        let text = shortened(text);
        self.event(EventKind::Text {
            name: name.to_owned(),
            text,
            axis,
            step,
        });
    }

    /// Reports generated responses; their texts are cut as in [`Sample::bounded`].
    pub fn sample(&self, sample: Sample) {
        self.event(EventKind::Sample(sample.bounded()));
    }

    /// Reports something the user should know that did not stop the run.
    pub fn warning(&self, source: &str, message: impl Into<String>) {
        self.event(EventKind::Warning {
            source: source.to_owned(),
            message: message.into(),
        });
    }

    /// Reports any event, stamped with the time of this call.
    pub fn event(&self, kind: EventKind) {
        let Some(sender) = &self.sender else { return };
        let message = Message::Event {
            time: unix_seconds(),
            kind,
        };
        let wait = if self.shared.stalled.load(Ordering::Relaxed) {
            Duration::ZERO
        } else {
            SEND_LIMIT
        };
        match sender.send_timeout(message, wait) {
            Ok(()) => self.shared.stalled.store(false, Ordering::Relaxed),
            Err(SendTimeoutError::Timeout(_)) => {
                self.shared.stalled.store(true, Ordering::Relaxed);
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(SendTimeoutError::Disconnected(_)) => {
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until everything reported before this call is on disk (fsynced) as far as
    /// the disk takes it. Call it before committing a checkpoint, so that no event up
    /// to it can be lost. Returns false when the sink thread is gone or did not answer in
    /// 30 s.
    pub fn flush(&self) -> bool {
        let Some(sender) = &self.sender else {
            return true;
        };
        let (done, finished) = channel::bounded(1);
        if sender
            .send_timeout(Message::Flush { done }, CLOSE_LIMIT)
            .is_err()
        {
            return false;
        }
        let start = Instant::now();
        // What a dead thread left in the queue is never dropped while senders live, so
        // waiting for the answer alone would take the whole limit.
        while start.elapsed() < CLOSE_LIMIT {
            match finished.recv_timeout(LIFE_CHECK) {
                Ok(()) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) if self.shared.ended.load(Ordering::SeqCst) => {
                    return false;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        false
    }

    /// How the log and the observers fare now.
    pub fn health(&self) -> SinkHealth {
        self.shared.health()
    }
}

/// The thread `tracking-sink`: the only one that writes events.
pub struct TrackerThread {
    tracker: Tracker,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl TrackerThread {
    /// Opens `events.jsonl` (cutting a half-written last line and continuing its
    /// numbers) and starts the thread. An observer that cannot start is dropped with a
    /// warning.
    ///
    /// # Errors
    /// `events.jsonl` cannot be opened: better known before training than after.
    pub fn start(run: &RunFolder, options: SinkOptions) -> Result<(Tracker, Self), TrackingError> {
        let log = EventWriter::open(&run.events())?;
        let capacity = if options.queue_capacity == 0 {
            DEFAULT_QUEUE
        } else {
            options.queue_capacity
        };
        let (sender, receiver) = channel::bounded(capacity);
        let (end, ended) = channel::bounded(1);
        let shared = Arc::<Shared>::default();
        let tracker = Tracker {
            sender: Some(sender),
            shared: Arc::clone(&shared),
        };
        let run = run.clone();
        let thread = std::thread::Builder::new()
            .name("tracking-sink".to_owned())
            .spawn(move || {
                let _mark = EndMark(Arc::clone(&shared));
                let mut writing = Writing::new(log, &shared);
                writing.start_observers(&run, options);
                writing.serve(&receiver);
                writing.end();
                let _ = end.send(());
            })
            .map_err(|source| TrackingError::Io {
                action: "start the sink thread for",
                path: std::path::PathBuf::from("events.jsonl"),
                source,
            })?;
        Ok((
            tracker.clone(),
            Self {
                tracker,
                ended,
                thread: Some(thread),
            },
        ))
    }

    /// Writes everything reported so far, closes every sink and joins the thread.
    pub fn close(mut self) -> SinkReport {
        let outcome = self.end();
        let health = self.tracker.health();
        SinkReport {
            events_written: health.events_written,
            events_lost: health.events_lost,
            dropped: health.dropped,
            timed_out: outcome == Outcome::TimedOut,
            died: outcome == Outcome::Died,
        }
    }

    fn end(&mut self) -> Outcome {
        let Some(thread) = self.thread.take() else {
            return Outcome::Closed;
        };
        if let Some(sender) = &self.tracker.sender {
            // A thread that hangs in a system call is left behind: the process must end.
            if let Err(SendTimeoutError::Timeout(_)) =
                sender.send_timeout(Message::Close, CLOSE_LIMIT)
            {
                return Outcome::TimedOut;
            }
        }
        if let Err(RecvTimeoutError::Timeout) = self.ended.recv_timeout(CLOSE_LIMIT) {
            return Outcome::TimedOut;
        }
        match thread.join() {
            Ok(()) => Outcome::Closed,
            Err(_) => Outcome::Died,
        }
    }
}

impl Drop for TrackerThread {
    fn drop(&mut self) {
        self.end();
    }
}
