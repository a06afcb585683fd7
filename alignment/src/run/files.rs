//! Files of JSON lines that grow while a stage works and are whole or unfinished by their name.
//!
//! A stage writes `NAME.part` line by line, so that a kill costs the line it met, and renames it
//! to `NAME` when it is done: a finished stage is a file that is there, and is never paid for
//! twice.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::FinetuneError;

/// The rows of a finished stage; none where it is not finished.
///
/// # Errors
/// A file that cannot be read, a line that is not such a row.
pub fn finished<T: DeserializeOwned>(path: &Path) -> Result<Option<Vec<T>>, FinetuneError> {
    if !path.exists() {
        return Ok(None);
    }
    let file = File::open(path).map_err(FinetuneError::file("read", path))?;
    let mut rows = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(FinetuneError::file("read", path))?;
        if line.trim().is_empty() {
            continue;
        }
        rows.push(serde_json::from_str(&line).map_err(|error| {
            FinetuneError::damaged(
                path,
                format!(
                    "line {} does not read ({error}) - remove the file, and the stage is done again",
                    number + 1
                ),
            )
        })?);
    }
    Ok(Some(rows))
}

/// Writes all rows of a stage at once.
///
/// # Errors
/// A full disk, missing permissions.
pub fn write_all<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), FinetuneError> {
    let mut bytes = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut bytes, row).expect("a row is plain data");
        bytes.push(b'\n');
    }
    Ok(tracking::write_atomic(path, &bytes)?)
}

/// A file that grows by rows.
pub struct GrowingFile {
    target: PathBuf,
    part: PathBuf,
    file: File,
}

impl GrowingFile {
    /// Goes on where an earlier process ended; its whole rows come back, half a line is cut off.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn open<T: DeserializeOwned>(target: &Path) -> Result<(Vec<T>, Self), FinetuneError> {
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        if let Some(parent) = part.parent() {
            fs::create_dir_all(parent).map_err(FinetuneError::file("create", parent))?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)
            .map_err(FinetuneError::file("open", &part))?;
        let (rows, whole) = whole_rows(&file).map_err(FinetuneError::file("read", &part))?;
        file.set_len(whole)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(FinetuneError::file("write", &part))?;
        let target = target.to_path_buf();
        Ok((rows, Self { target, part, file }))
    }

    /// Adds a row; a kill after this does not lose it.
    ///
    /// # Errors
    /// A full disk.
    pub fn push<T: Serialize>(&mut self, row: &T) -> Result<(), FinetuneError> {
        let mut line = serde_json::to_vec(row).expect("a row is plain data");
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(FinetuneError::file("write", &self.part))
    }

    /// The stage is done, and its rows are to be in another order than they came in.
    ///
    /// # Errors
    /// A full disk.
    pub fn finish_as<T: Serialize>(self, rows: &[T]) -> Result<(), FinetuneError> {
        write_all(&self.target, rows)?;
        // What is left of it after a kill right here is not looked at again.
        let _ = fs::remove_file(&self.part);
        Ok(())
    }

    /// The stage is done.
    ///
    /// # Errors
    /// A full disk.
    pub fn finish(self) -> Result<(), FinetuneError> {
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.part, &self.target))
            .map_err(FinetuneError::file("finish", &self.target))
    }
}

fn whole_rows<T: DeserializeOwned>(file: &File) -> std::io::Result<(Vec<T>, u64)> {
    let mut reader = BufReader::new(file);
    let (mut rows, mut whole) = (Vec::new(), 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Ok((rows, whole));
        }
        let Ok(row) = serde_json::from_slice(&line) else {
            return Ok((rows, whole));
        };
        rows.push(row);
        whole += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_stage_goes_on_behind_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/rows.jsonl");
        let (rows, mut file) = GrowingFile::open::<u32>(&path).unwrap();
        assert!(rows.is_empty());
        file.push(&7).unwrap();
        file.push(&8).unwrap();
        file.file.write_all(b"123").unwrap();
        drop(file);
        assert!(finished::<u32>(&path).unwrap().is_none());
        let (rows, mut file) = GrowingFile::open::<u32>(&path).unwrap();
        assert_eq!(rows, [7, 8]);
        file.push(&9).unwrap();
        file.finish().unwrap();
        assert_eq!(finished::<u32>(&path).unwrap(), Some(vec![7, 8, 9]));
        fs::write(&path, "1\nx\n").unwrap();
        let message = finished::<u32>(&path).unwrap_err().to_string();
        assert!(
            message.contains("line 2") && message.contains("done again"),
            "{message}"
        );
    }
}
