//! Reading the log while it grows.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::TrackingError;
use crate::event::Event;
use crate::event::line::{Line, each_line};

/// Bytes read at once; a longer line widens the buffer.
const BLOCK: usize = 256 * 1024;
/// A line longer than this is no event of ours.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// What [`EventReader::poll_lines`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// The log was read to its end.
    End,
    /// There is more to read.
    More,
    /// The log is shorter than what was read of it: someone replaced it. Nothing was
    /// handed over; the next poll begins at its start.
    Replaced,
}

/// Reads `events.jsonl` while it grows.
///
/// Keeps its offset between polls, leaves a half-written last line for the next poll,
/// starts over when the file shrank below the offset (someone replaced it), and counts
/// lines that are no events instead of failing on them.
#[derive(Debug)]
pub struct EventReader {
    path: PathBuf,
    offset: u64,
    last_sequence: Option<u64>,
    /// The number that the next event should have.
    expected: Option<u64>,
    damaged: u64,
    missing: u64,
}

impl EventReader {
    /// A reader at the start of the file, which need not exist yet.
    pub fn open(path: &Path) -> Self {
        Self {
            expected: Some(0),
            ..Self::open_at(path, 0)
        }
    }

    /// A reader that starts at the border of a line: the events before it are neither
    /// read nor missed.
    pub fn open_at(path: &Path, offset: u64) -> Self {
        Self {
            path: path.to_path_buf(),
            offset,
            last_sequence: None,
            expected: None,
            damaged: 0,
            missing: 0,
        }
    }

    /// The events appended since the last poll; none when the file does not exist.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn poll(&mut self) -> Result<Vec<Event>, TrackingError> {
        let mut events = Vec::new();
        self.poll_into(&mut |event| events.push(event))?;
        Ok(events)
    }

    /// [`EventReader::poll`] without the list in between.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn poll_into(&mut self, take: &mut dyn FnMut(Event)) -> Result<(), TrackingError> {
        loop {
            let polled = self.poll_lines(u64::MAX, &mut |line| take(line.into_event()))?;
            if polled != Polled::Replaced {
                return Ok(());
            }
        }
    }

    /// [`EventReader::poll`] line by line, which spares an allocation for each point of
    /// a curve, and at most about `most` bytes of it.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn poll_lines(
        &mut self,
        most: u64,
        take: &mut dyn FnMut(Line<'_>),
    ) -> Result<Polled, TrackingError> {
        let path = self.path.clone();
        let failed = |source| TrackingError::io("read the event log", &path, source);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Polled::End),
            Err(error) => return Err(failed(error)),
        };
        let length = file.metadata().map_err(failed)?.len();
        if length < self.offset {
            self.offset = 0;
            self.last_sequence = None;
            self.expected = Some(0);
            return Ok(Polled::Replaced);
        }
        if length == self.offset {
            return Ok(Polled::End);
        }
        file.seek(SeekFrom::Start(self.offset)).map_err(failed)?;
        let room = usize::try_from(length - self.offset).unwrap_or(BLOCK);
        let mut buffer = vec![0; room.clamp(1, BLOCK)];
        let (mut filled, mut done) = (0, 0);
        loop {
            let read = match file.read(&mut buffer[filled..]) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            filled += read;
            let mut used = each_line(&buffer[..filled], &mut |line| self.count(line, take));
            if used == 0 && filled >= LONGEST_LINE {
                self.damaged += 1;
                used = filled;
            }
            self.offset += used as u64;
            done += used as u64;
            buffer.copy_within(used..filled, 0);
            filled -= used;
            if read == 0 {
                return Ok(Polled::End);
            }
            if done >= most {
                return Ok(Polled::More);
            }
            if filled == buffer.len() {
                buffer.resize((filled * 2).min(LONGEST_LINE), 0);
            }
        }
    }

    fn count(&mut self, line: Option<Line<'_>>, take: &mut dyn FnMut(Line<'_>)) {
        let Some(line) = line else {
            self.damaged += 1;
            return;
        };
        let sequence = line.sequence();
        let expected = self.expected.unwrap_or(sequence);
        self.missing += sequence.saturating_sub(expected);
        self.last_sequence = Some(sequence);
        self.expected = Some(sequence.saturating_add(1));
        take(line);
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Number of the last event read.
    pub fn last_sequence(&self) -> Option<u64> {
        self.last_sequence
    }

    /// Lines that were no events.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Events missing by their numbers (lost to a full disk, or damaged).
    pub fn missing(&self) -> u64 {
        self.missing
    }
}
