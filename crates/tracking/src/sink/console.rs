//! Events on a stream, one JSON line each.

use std::io::{self, Stdout, Write};

use crate::event::Event;
use crate::sink::Sink;

/// Writes each event line to a stream, stdout unless a test says otherwise.
#[derive(Debug)]
pub struct ConsoleSink<W> {
    stream: W,
}

impl ConsoleSink<Stdout> {
    /// On stdout.
    pub fn stdout() -> Self {
        Self {
            stream: io::stdout(),
        }
    }
}

impl<W: Write> ConsoleSink<W> {
    /// On any stream.
    pub fn new(stream: W) -> Self {
        Self { stream }
    }
}

impl<W: Write + Send> Sink for ConsoleSink<W> {
    fn name(&self) -> &'static str {
        "console"
    }

    fn write(&mut self, _event: &Event, line: &str) -> io::Result<()> {
        self.stream.write_all(line.as_bytes())?;
        self.stream.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
