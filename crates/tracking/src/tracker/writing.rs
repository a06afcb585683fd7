//! What the sink thread does.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::{Message, Shared};
use crate::clock::unix_seconds;
use crate::event::{EVENT_VERSION, Event, EventKind};
use crate::event_log::EventWriter;
use crate::run_folder::RunFolder;
use crate::sink::{
    ConsoleMode, ConsoleSink, DroppedSink, Sink, SinkHealth, SinkOptions, TensorBoardSink,
};

/// Pause between attempts to write to a disk that refused.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Bytes of lines to gather before writing while the queue is never empty.
const WRITE_BLOCK: usize = 128 * 1024;

/// State of the sink thread.
pub(super) struct Writing<'a> {
    log: EventWriter,
    observers: Vec<Box<dyn Sink>>,
    shared: &'a Shared,
    dropped: Vec<DroppedSink>,
    log_error: Option<String>,
    log_warned: bool,
    last_attempt: Option<Instant>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(log: EventWriter, shared: &'a Shared) -> Self {
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

    pub(super) fn start_observers(&mut self, run: &RunFolder, options: SinkOptions) {
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

    pub(super) fn serve(&mut self, receiver: &Receiver<Message>) {
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

    pub(super) fn end(&mut self) {
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
