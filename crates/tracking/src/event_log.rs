//! `events.jsonl`: the append-only file of a run.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::TrackingError;

mod reader;

pub use reader::{EventReader, Polled};

/// Lines kept in memory while the file cannot be written, in bytes.
const BACKLOG_LIMIT: usize = 4 * 1024 * 1024;

/// Appends event lines. Survives a full disk: lines wait in a bounded backlog and are
/// written when there is room again; what the backlog cannot hold is counted as lost.
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: File,
    /// Length of the file up to its last whole line.
    whole: u64,
    /// The file may hold a part of a line beyond `whole`.
    torn: bool,
    backlog: Vec<u8>,
    backlog_lines: u64,
    next_sequence: u64,
    written: u64,
    lost: u64,
}

impl EventWriter {
    /// Opens or creates the file for appending. A half-written last line (the writer
    /// was killed) is cut off, and numbering goes on after the last whole line.
    ///
    /// # Errors
    /// The file cannot be opened, read or cut.
    pub fn open(path: &Path) -> Result<Self, TrackingError> {
        let failed = |source| TrackingError::io("open the event log", path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let whole = end_of_last_line(&mut file, length).map_err(failed)?;
        if whole < length {
            file.set_len(whole).map_err(failed)?;
        }
        let next_sequence = last_sequence(&mut file, whole)
            .map_err(failed)?
            .map_or(0, |last| last + 1);
        Ok(Self {
            path: path.to_path_buf(),
            file,
            whole,
            torn: false,
            backlog: Vec::new(),
            backlog_lines: 0,
            next_sequence,
            written: 0,
            lost: 0,
        })
    }

    /// The number for the next event.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Lines on disk since this writer was opened.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Lines given up because the disk stayed full and the backlog overflowed.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Lines that wait for room on the disk or for the next [`EventWriter::flush`].
    pub fn waiting(&self) -> u64 {
        self.backlog_lines
    }

    /// Queues one line (without line feed) for the next [`EventWriter::flush`].
    pub fn push(&mut self, sequence: u64, line: &str) {
        self.next_sequence = sequence + 1;
        if self.backlog.len() + line.len() >= BACKLOG_LIMIT {
            self.lost += 1;
            return;
        }
        self.backlog.extend_from_slice(line.as_bytes());
        self.backlog.push(b'\n');
        self.backlog_lines += 1;
    }

    /// Bytes queued.
    pub fn waiting_bytes(&self) -> usize {
        self.backlog.len()
    }

    /// Appends everything queued. After an error the file ends in a whole line (or
    /// will, at the next attempt) and everything stays queued.
    ///
    /// # Errors
    /// Full or read-only disk.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.backlog.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.file.set_len(self.whole)?;
            self.torn = false;
        }
        if let Err(error) = self.file.write_all(&self.backlog) {
            self.keep_landed_lines();
            self.torn = self.file.set_len(self.whole).is_err();
            return Err(error);
        }
        self.whole += self.backlog.len() as u64;
        self.written += self.backlog_lines;
        self.backlog.clear();
        self.backlog_lines = 0;
        Ok(())
    }

    /// After a failed write: lines that reached the file stay there, since a reader may
    /// have taken them already.
    fn keep_landed_lines(&mut self) {
        let length = self
            .file
            .metadata()
            .map_or(self.whole, |metadata| metadata.len());
        let landed = usize::try_from(length.saturating_sub(self.whole)).unwrap_or(0);
        let landed = &self.backlog[..landed.min(self.backlog.len())];
        let end = landed
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let lines = landed[..end].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.backlog.drain(..end);
        self.whole += end as u64;
        self.written += lines;
        self.backlog_lines -= lines;
    }

    /// [`EventWriter::flush`], then asks the disk to keep it.
    ///
    /// # Errors
    /// Full or read-only disk.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }

    /// Counts everything still queued as lost; called when the writer gives up.
    pub fn abandon(&mut self) {
        self.lost += self.backlog_lines;
        self.backlog.clear();
        self.backlog_lines = 0;
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Offset just after the last line feed.
fn end_of_last_line(file: &mut File, length: u64) -> io::Result<u64> {
    let mut block = vec![0; 64 * 1024];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Sequence number of the last line that has one.
fn last_sequence(file: &mut File, whole: u64) -> io::Result<Option<u64>> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        seq: u64,
    }
    let mut end = whole;
    // One line back at a time: a damaged last line must not restart the numbering.
    while end > 0 {
        let start = end_of_last_line(file, end - 1)?;
        file.seek(SeekFrom::Start(start))?;
        let mut line = Vec::new();
        file.take(end - start).read_to_end(&mut line)?;
        if let Ok(numbered) = serde_json::from_slice::<Numbered>(&line) {
            return Ok(Some(numbered.seq));
        }
        end = start;
    }
    Ok(None)
}
