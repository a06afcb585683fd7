//! The log of one question on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::exit::{ENVIRONMENT, Failure};

/// A log that is written to its last whole line before the search goes on.
pub struct Record {
    path: PathBuf,
    file: File,
    /// Lines of one step, written in one go.
    buffer: String,
}

impl Record {
    /// Opens the log of a question, and gives the whole lines that are there. A line that was cut
    /// off by a kill is removed.
    ///
    /// # Errors
    /// The folder or file cannot be written.
    pub fn open(path: &Path) -> Result<(Self, String), Failure> {
        let failed = |error: io::Error| cannot_write(path, &error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut text = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(failed)?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(failed)?;
            text.truncate(whole);
        }
        let text = String::from_utf8(text).map_err(|_| {
            Failure::new(
                ENVIRONMENT,
                format!(
                    "{} is damaged: it is no text - remove it, and its question is searched anew",
                    path.display()
                ),
            )
        })?;
        let record = Self {
            path: path.to_owned(),
            file,
            buffer: String::new(),
        };
        Ok((record, text))
    }

    /// Cuts the file to its first bytes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn cut(&mut self, bytes: usize) -> Result<(), Failure> {
        self.file
            .set_len(bytes as u64)
            .map_err(|error| cannot_write(&self.path, &error))
    }

    /// Adds a line to the step.
    pub fn line(&mut self, line: &str) {
        self.buffer.push_str(line);
        self.buffer.push('\n');
    }

    /// Writes the step.
    ///
    /// # Errors
    /// A full disk, or another reason why nothing can be written.
    pub fn flush(&mut self) -> Result<(), Failure> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file
            .write_all(self.buffer.as_bytes())
            .map_err(|error| cannot_write(&self.path, &error))?;
        self.buffer.clear();
        Ok(())
    }
}

/// A file of the run that cannot be written.
pub fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        ENVIRONMENT,
        format!(
            "cannot write {}: {error} - free disk space or mend its folder, then `concord resume`",
            path.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_removed_and_the_next_ones_follow_the_whole_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("search/q1.jsonl");
        let (mut record, before) = Record::open(&path).unwrap();
        assert_eq!(before, "");
        record.line("{\"a\":1}");
        record.flush().unwrap();
        drop(record);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"b\":").unwrap();
        let (mut record, before) = Record::open(&path).unwrap();
        assert_eq!(before, "{\"a\":1}\n");
        record.line("{\"c\":2}");
        record.line("{\"d\":3}");
        record.flush().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"a\":1}\n{\"c\":2}\n{\"d\":3}\n");
    }
}
