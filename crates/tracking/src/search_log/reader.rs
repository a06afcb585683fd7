//! Reads search logs in slices while they grow.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::SearchEvent;
use crate::error::TrackingError;

/// Bytes read in one slice: some ten milliseconds of work.
pub const SLICE: usize = 1024 * 1024;
/// A line longer than this is no event of ours.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// What a poll gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slice {
    /// The next events.
    pub events: Vec<SearchEvent>,
    /// The file holds more whole lines, or may.
    pub more: bool,
    /// The file was replaced: everything read before is void.
    pub anew: bool,
    /// Bytes that were read.
    pub bytes: usize,
}

/// Follows one search log. Keeps its place between polls, leaves a half-written last
/// line for the next poll and counts lines that are no events.
#[derive(Debug, Clone)]
pub struct SearchReader {
    path: PathBuf,
    offset: u64,
    /// The beginning of a line whose end was not read yet.
    rest: Vec<u8>,
    damaged: u64,
}

impl SearchReader {
    /// A reader at the start of the file, which need not exist yet.
    pub fn open(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            offset: 0,
            rest: Vec::new(),
            damaged: 0,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next events within about `limit` bytes; none when the file does not exist.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn poll(&mut self, limit: usize) -> Result<Slice, TrackingError> {
        let path = self.path.clone();
        let failed = |source| TrackingError::io("read the search log", &path, source);
        let mut slice = Slice::default();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(slice),
            Err(error) => return Err(failed(error)),
        };
        let length = file.metadata().map_err(failed)?.len();
        if length < self.offset {
            slice.anew = true;
            self.offset = 0;
            self.rest.clear();
            self.damaged = 0;
        }
        if length == self.offset {
            return Ok(slice);
        }
        file.seek(SeekFrom::Start(self.offset)).map_err(failed)?;
        let read = file
            .take(limit.max(1) as u64)
            .read_to_end(&mut self.rest)
            .map_err(failed)?;
        self.offset += read as u64;
        slice.bytes = read;
        slice.more = self.offset < length;
        self.take_lines(&mut slice.events);
        Ok(slice)
    }

    fn take_lines(&mut self, events: &mut Vec<SearchEvent>) {
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            if self.rest.len() > LONGEST_LINE {
                self.rest.clear();
                self.damaged += 1;
            }
            return;
        };
        for line in self.rest[..end].split(|byte| *byte == b'\n') {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(event) => events.push(event),
                Err(_) => self.damaged += 1,
            }
        }
        self.rest.drain(..=end);
    }

    /// Lines that were no events.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }
}

/// The search logs in a folder, as (question, file): `q2` before `q10`. None when the
/// folder is missing.
///
/// # Errors
/// The folder exists and cannot be listed.
pub fn questions(folder: &Path) -> Result<Vec<(String, PathBuf)>, TrackingError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(TrackingError::io("list the searches", folder, source)),
    };
    let mut found: Vec<(String, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            Some((name.strip_suffix(".jsonl")?.to_owned(), path))
        })
        .collect();
    found.sort_by_cached_key(|(name, _)| natural(name));
    Ok(found)
}

/// Digits compare as numbers.
fn natural(name: &str) -> Vec<(u128, String)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|one: char| one.is_ascii_digit());
        let (word, tail) = rest.split_at(text.unwrap_or(rest.len()));
        let digits = tail.find(|one: char| !one.is_ascii_digit());
        let (number, tail) = tail.split_at(digits.unwrap_or(tail.len()));
        parts.push((0, word.to_owned()));
        if !number.is_empty() {
            parts.push((number.parse().unwrap_or(u128::MAX), number.to_owned()));
        }
        rest = tail;
    }
    parts
}
