//! A search that was interrupted goes on in its own file.

use std::fs::{File, OpenOptions};
use std::path::Path;

use super::{LogError, Sink, Writer, replay};
use crate::Search;

/// Replays a log, cuts off a half-written line, adds what a crash kept from being written, and
/// gives the search with the writer that goes on.
///
/// # Errors
/// As [`replay`]; the file cannot be read or written.
pub fn resume(path: &Path) -> Result<(Search, Writer<File>), LogError> {
    let replayed = replay(&std::fs::read(path)?)?;
    let file = OpenOptions::new().append(true).open(path)?;
    file.set_len(replayed.bytes as u64)?;
    let mut writer = Writer::after(file, replayed.time);
    writer.record(replayed.missing)?;
    Ok((replayed.search, writer))
}
