//! Records and answers on disk: whole at every moment, and not only at the end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alignment::failure::FinetuneError;

use crate::exit::{BAD_CONFIG, ENVIRONMENT, Failure};

/// Time between two writings while the work goes on.
const EVERY: Duration = Duration::from_secs(30);

/// A file that is written anew now and then.
pub(super) struct Keeping {
    path: Option<PathBuf>,
    written: Instant,
}

impl Keeping {
    /// Nothing is written over, and where nothing can be written is told before the work.
    pub(super) fn new(path: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = path {
            if path.exists() {
                return Err(Failure::new(
                    BAD_CONFIG,
                    format!(
                        "--output {}: is there already - allowed: a new file - name another one, or remove it",
                        path.display()
                    ),
                ));
            }
            if let Some(folder) = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
            {
                std::fs::create_dir_all(folder).map_err(|error| {
                    Failure::new(
                        ENVIRONMENT,
                        format!(
                            "--output {}: cannot make its folder: {error} - choose another place",
                            path.display()
                        ),
                    )
                })?;
            }
        }
        Ok(Self {
            path: path.map(Path::to_owned),
            written: Instant::now(),
        })
    }

    /// Writes what there is so far, when it is time.
    pub(super) fn now_and_then(
        &mut self,
        text: impl FnOnce() -> String,
    ) -> Result<(), FinetuneError> {
        if self.written.elapsed() < EVERY {
            return Ok(());
        }
        self.write(text)
    }

    /// Writes what there is.
    pub(super) fn write(&mut self, text: impl FnOnce() -> String) -> Result<(), FinetuneError> {
        if let Some(path) = &self.path {
            tracking::write_atomic(path, text().as_bytes())?;
        }
        self.written = Instant::now();
        Ok(())
    }

    /// Where it is, for the last words.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// Records as JSON lines.
pub(super) fn lines<'a, T: serde::Serialize + 'a>(records: impl Iterator<Item = &'a T>) -> String {
    records
        .map(|record| serde_json::to_string(record).expect("a record is plain data") + "\n")
        .collect()
}
