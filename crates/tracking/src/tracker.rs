//! The handle that reports events and the one thread that writes them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{self, Receiver, RecvTimeoutError, SendTimeoutError, Sender};

use crate::clock::unix_seconds;
use crate::error::TrackingError;
use crate::event::{Axis, EVENT_VERSION, Event, EventKind, shortened};
use crate::event_log::EventWriter;
use crate::run_folder::RunFolder;
use crate::sink::{
    ConsoleMode, ConsoleSink, DroppedSink, Sink, SinkHealth, SinkOptions, SinkReport,
    TensorBoardSink,
};

const DEFAULT_QUEUE: usize = 16_384;
/// How long a caller waits for room in the queue before the event is given up.
const SEND_LIMIT: Duration = Duration::from_millis(250);
/// How long [`Tracker::flush`] and [`TrackerThread::close`] wait for the thread.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);
/// Pause between attempts to write to a disk that refused.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Bytes of lines to gather before writing while the queue is never empty.
const WRITE_BLOCK: usize = 128 * 1024;

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
    /// to it can be lost. Returns false when the sink thread did not answer in 30 s.
    pub fn flush(&self) -> bool {
        let Some(sender) = &self.sender else {
            return true;
        };
        let (done, finished) = channel::bounded(1);
        sender
            .send_timeout(Message::Flush { done }, CLOSE_LIMIT)
            .is_ok()
            && finished.recv_timeout(CLOSE_LIMIT).is_ok()
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
        let timed_out = !self.end();
        let health = self.tracker.health();
        SinkReport {
            events_written: health.events_written,
            events_lost: health.events_lost,
            dropped: health.dropped,
            timed_out,
        }
    }

    fn end(&mut self) -> bool {
        let Some(thread) = self.thread.take() else {
            return true;
        };
        if let Some(sender) = &self.tracker.sender {
            // A thread that hangs in a system call is left behind: the process must end.
            if let Err(SendTimeoutError::Timeout(_)) =
                sender.send_timeout(Message::Close, CLOSE_LIMIT)
            {
                return false;
            }
        }
        if let Err(RecvTimeoutError::Timeout) = self.ended.recv_timeout(CLOSE_LIMIT) {
            return false;
        }
        thread.join().is_ok()
    }
}

impl Drop for TrackerThread {
    fn drop(&mut self) {
        self.end();
    }
}

/// State of the sink thread.
struct Writing<'a> {
    log: EventWriter,
    observers: Vec<Box<dyn Sink>>,
    shared: &'a Shared,
    dropped: Vec<DroppedSink>,
    log_error: Option<String>,
    log_warned: bool,
    last_attempt: Option<Instant>,
}

impl<'a> Writing<'a> {
    fn new(log: EventWriter, shared: &'a Shared) -> Self {
        Self {
            log,
            observers: Vec::new(),
            shared,
            dropped: Vec::new(),
            log_error: None,
            log_warned: false,
            last_attempt: None,
        }
    }

    fn start_observers(&mut self, run: &RunFolder, options: SinkOptions) {
        if options.console == ConsoleMode::Json {
            self.observers.push(Box::new(ConsoleSink::stdout()));
        }
        self.observers.extend(options.extra);
        if options.tensorboard {
            match TensorBoardSink::create(run) {
                Ok(sink) => self.observers.push(Box::new(sink)),
                Err(error) => self.drop_observer("tensorboard", error.to_string()),
            }
        }
    }

    fn serve(&mut self, receiver: &Receiver<Message>) {
        loop {
            let message = match receiver.try_recv() {
                Ok(message) => message,
                Err(_) => {
                    self.flush(false);
                    let waited = if self.log.waiting() > 0 {
                        receiver.recv_timeout(RETRY_PAUSE)
                    } else {
                        receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
                    };
                    match waited {
                        Ok(message) => message,
                        Err(RecvTimeoutError::Timeout) => continue,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            };
            match message {
                Message::Event { time, kind } => {
                    // Observers may read the log when a run resumes; see TensorBoardSink.
                    if matches!(kind, EventKind::Resumed { .. }) {
                        self.flush(false);
                    }
                    self.record(time, kind);
                    if self.log.waiting_bytes() > WRITE_BLOCK {
                        self.flush_log(false);
                    }
                }
                Message::Flush { done } => {
                    self.flush(true);
                    let _ = done.send(());
                }
                Message::Close => return,
            }
        }
    }

    /// Numbers an event, queues it for the log and shows it to the observers; failures
    /// add warning events behind it.
    fn record(&mut self, time: f64, kind: EventKind) {
        let mut queue = VecDeque::from([(time, kind)]);
        while let Some((time, kind)) = queue.pop_front() {
            let event = Event {
                version: EVENT_VERSION,
                sequence: self.log.next_sequence(),
                time,
                kind,
            };
            let line = event.to_line();
            self.log.push(event.sequence, &line);
            for error in self.each_observer(|sink| sink.write(&event, &line)) {
                queue.push_back((unix_seconds(), dropped_warning(&error)));
            }
        }
    }

    /// Runs one action on every observer and lets those go that fail or panic.
    fn each_observer(
        &mut self,
        mut action: impl FnMut(&mut dyn Sink) -> std::io::Result<()>,
    ) -> Vec<DroppedSink> {
        let mut failed = Vec::new();
        let mut kept = Vec::with_capacity(self.observers.len());
        for mut sink in self.observers.drain(..) {
            let outcome = catch_unwind(AssertUnwindSafe(|| action(sink.as_mut())));
            let error = match outcome {
                Ok(Ok(())) => {
                    kept.push(sink);
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it panicked".to_owned(),
            };
            failed.push(DroppedSink {
                name: sink.name().to_owned(),
                error,
            });
            // A destructor of a broken observer may flush again, or panic.
            std::mem::forget(sink);
        }
        self.observers = kept;
        if !failed.is_empty() {
            self.dropped.extend(failed.iter().cloned());
            self.publish();
        }
        failed
    }

    fn drop_observer(&mut self, name: &str, error: String) {
        let dropped = DroppedSink {
            name: name.to_owned(),
            error,
        };
        self.dropped.push(dropped.clone());
        self.record(unix_seconds(), dropped_warning(&dropped));
    }

    fn flush(&mut self, durable: bool) {
        for error in self.each_observer(|sink| sink.flush()) {
            self.record(unix_seconds(), dropped_warning(&error));
        }
        self.flush_log(durable);
        self.publish();
    }

    fn flush_log(&mut self, durable: bool) {
        let too_soon = self
            .last_attempt
            .is_some_and(|at| at.elapsed() < RETRY_PAUSE);
        if self.log_error.is_some() && too_soon && !durable {
            return;
        }
        let outcome = if durable {
            self.log.sync()
        } else {
            self.log.flush()
        };
        match outcome {
            Ok(()) => self.log_error = None,
            Err(error) => {
                self.last_attempt = Some(Instant::now());
                self.log_error = Some(error.to_string());
                if !self.log_warned {
                    self.log_warned = true;
                    let message = format!(
                        "cannot write {}: {error} - events wait in memory (4 MiB) and are written when there is room - free disk space",
                        self.log.path().display()
                    );
                    let source = "events.jsonl".to_owned();
                    self.record(unix_seconds(), EventKind::Warning { source, message });
                }
            }
        }
    }

    fn publish(&self) {
        let mut health = self
            .shared
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *health = SinkHealth {
            events_written: self.log.written(),
            events_waiting: self.log.waiting(),
            events_lost: self.log.lost(),
            log_error: self.log_error.clone(),
            dropped: self.dropped.clone(),
        };
    }

    fn end(&mut self) {
        for error in self.each_observer(|sink| sink.close()) {
            self.record(unix_seconds(), dropped_warning(&error));
        }
        self.observers.clear();
        self.flush_log(true);
        self.log.abandon();
        self.publish();
    }
}

fn dropped_warning(sink: &DroppedSink) -> EventKind {
    EventKind::Warning {
        source: sink.name.clone(),
        message: format!(
            "{} is off for the rest of this run: {} - training goes on",
            sink.name, sink.error
        ),
    }
}
