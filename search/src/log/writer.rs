//! From events to text.

use std::io::{self, Write};
use std::time::Instant;

use super::{Event, LogEvent};

/// Where the events of a search go, before the search goes on.
pub trait Sink {
    /// Keeps events, in order.
    ///
    /// # Errors
    /// They could not be kept: the search stops, since it could not be resumed.
    fn record(&mut self, events: Vec<Event>) -> io::Result<()>;
}

/// Keeps nothing.
impl Sink for () {
    fn record(&mut self, _events: Vec<Event>) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps all in memory.
impl Sink for Vec<Event> {
    fn record(&mut self, events: Vec<Event>) -> io::Result<()> {
        self.extend(events);
        Ok(())
    }
}

/// Writes lines, with the time since it was made.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    since: Instant,
    /// Seconds that the search took before, where it was resumed.
    before: f64,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A writer of a search that begins.
    pub fn new(out: W) -> Self {
        Self::after(out, 0.0)
    }

    /// A writer of a search that took so many seconds before.
    pub fn after(out: W, before: f64) -> Self {
        Self {
            out,
            since: Instant::now(),
            before,
            line: Vec::new(),
        }
    }

    /// Seconds since the search began.
    pub fn time(&self) -> f64 {
        self.before + self.since.elapsed().as_secs_f64()
    }

    /// What it writes to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write> Sink for Writer<W> {
    fn record(&mut self, events: Vec<Event>) -> io::Result<()> {
        // Whole lines in one write: a crash leaves at most one line half-written.
        self.line.clear();
        // Milliseconds are what a reader can use.
        let time = (self.time() * 1e3).round() / 1e3;
        for event in events {
            serde_json::to_writer(&mut self.line, &LogEvent::at(time, event))?;
            self.line.push(b'\n');
        }
        self.out.write_all(&self.line)?;
        self.out.flush()
    }
}
