//! The watcher's end of a live episode.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::live::LiveFrame;
use super::{CONTROL_VERSION, Request, connect, unreachable, write_line};
use crate::error::TrackingError;
use crate::run_folder::RunFolder;

/// A line longer than this is no frame.
const LONGEST_LINE: usize = 4 * 1024 * 1024;

/// Frames of one environment of a running worker; dropped, the worker stops making them.
#[derive(Debug)]
pub struct LiveFrames {
    socket: PathBuf,
    stream: UnixStream,
    received: Vec<u8>,
}

impl LiveFrames {
    /// Asks a run's worker to show an environment; waits at most `limit` for its answer.
    ///
    /// # Errors
    /// [`TrackingError::Unreachable`] when nobody answers, [`TrackingError::Refused`] when
    /// the run has no such environment or its worker is too old to show any.
    pub fn open(
        run: &RunFolder,
        environment: usize,
        limit: Duration,
    ) -> Result<Self, TrackingError> {
        let socket = run.control_socket();
        let stream = connect(&socket, limit)?;
        let request = Request {
            v: CONTROL_VERSION,
            command: "watch".to_owned(),
            environment: Some(environment),
        };
        write_line(&stream, &request).map_err(|error| unreachable(&socket, limit, &error))?;
        let mut frames = Self {
            socket,
            stream,
            received: Vec::new(),
        };
        let end = Instant::now() + limit;
        loop {
            if let Some(line) = frames.line() {
                super::accepted(&frames.socket, &line)?;
                return Ok(frames);
            }
            if !frames.receive(end)? {
                let late = io::Error::from(io::ErrorKind::TimedOut);
                return Err(unreachable(&frames.socket, limit, &late));
            }
        }
    }

    /// The newest frame that has arrived, waiting at most `limit` for one; older ones that
    /// were not asked for in time are skipped.
    ///
    /// # Errors
    /// The worker has left or sends what is no frame.
    pub fn next(&mut self, limit: Duration) -> Result<Option<LiveFrame>, TrackingError> {
        let end = Instant::now() + limit;
        loop {
            let mut newest = None;
            while let Some(line) = self.line() {
                if !line.trim_ascii().is_empty() {
                    newest = Some(line);
                }
            }
            if let Some(line) = newest {
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|error| self.broken(&format!("no frame: {error}")));
            }
            if self.received.len() > LONGEST_LINE {
                return Err(self.broken("a line without end"));
            }
            if !self.receive(end)? {
                return Ok(None);
            }
        }
    }

    /// Takes the first complete line.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.received.iter().position(|&byte| byte == b'\n')?;
        Some(self.received.drain(..=end).collect())
    }

    /// Waits for bytes until `end`; false when none came.
    fn receive(&mut self, end: Instant) -> Result<bool, TrackingError> {
        let mut chunk = [0; 64 * 1024];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let got = self
                .stream
                .set_read_timeout(Some(left))
                .and_then(|()| self.stream.read(&mut chunk));
            match got {
                Ok(0) => return Err(self.broken("the worker closed the connection")),
                Ok(count) => {
                    self.received.extend_from_slice(&chunk[..count]);
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return Ok(false);
                }
                Err(error) => return Err(self.broken(&error.to_string())),
            }
        }
    }

    fn broken(&self, message: &str) -> TrackingError {
        TrackingError::Unreachable {
            path: self.socket.clone(),
            message: message.to_owned(),
        }
    }
}
