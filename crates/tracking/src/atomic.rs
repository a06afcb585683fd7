//! Files and folders that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::TrackingError;

/// Distinguishes temporary files of threads that write the same path.
static NEXT_TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// Replaces `path` by `bytes`: temporary file beside it, fsync, rename, fsync of
/// the folder. After a crash at any moment the path holds the old or the new
/// bytes, whole.
///
/// # Errors
/// The folder is missing, read-only or full; the old file is then untouched and
/// the temporary file is removed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), TrackingError> {
    replace(path, bytes, true)
}

/// Like [`write_atomic`] without the fsyncs: readers never see half a file, but a
/// power cut may bring the old one back. For heartbeats.
pub(crate) fn write_renamed(path: &Path, bytes: &[u8]) -> Result<(), TrackingError> {
    replace(path, bytes, false)
}

fn replace(path: &Path, bytes: &[u8], durable: bool) -> Result<(), TrackingError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(
        ".{name}.{}-{}.tmp",
        std::process::id(),
        NEXT_TEMPORARY.fetch_add(1, Ordering::Relaxed)
    ));
    let written = write_file(&temporary, bytes, durable)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| {
            if durable {
                sync_folder(parent_of(path))
            } else {
                Ok(())
            }
        });
    written.map_err(|source| {
        let _ = fs::remove_file(&temporary);
        TrackingError::io("write", path, source)
    })
}

fn write_file(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    if durable { file.sync_all() } else { Ok(()) }
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A folder built under a hidden name and renamed into place when complete.
///
/// `AtomicFolder::create(ckpt, "step-500")` gives `ckpt/.tmp-step-500` to write
/// into; [`AtomicFolder::commit`] fsyncs every file and folder in it and renames it
/// to `ckpt/step-500`. Dropped without a commit, it removes what it built.
#[derive(Debug)]
pub struct AtomicFolder {
    temporary: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl AtomicFolder {
    /// Starts `parent/.tmp-NAME`; leftovers of a killed process under that name go.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn create(parent: &Path, name: &str) -> Result<Self, TrackingError> {
        let temporary = parent.join(format!(".tmp-{name}"));
        let make = || {
            if temporary.exists() {
                fs::remove_dir_all(&temporary)?;
            }
            fs::create_dir_all(&temporary)
        };
        make().map_err(|source| TrackingError::io("create the folder", &temporary, source))?;
        Ok(Self {
            temporary,
            target: parent.join(name),
            committed: false,
        })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Where it will be after [`AtomicFolder::commit`].
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Makes everything durable and renames it into place; a folder already there is
    /// replaced (set aside as `.old-NAME` for the moment between the two renames;
    /// [`recover_folders`] brings it back after a crash right there).
    ///
    /// # Errors
    /// A file cannot be fsynced or the rename fails; nothing at the target changes.
    pub fn commit(mut self) -> Result<PathBuf, TrackingError> {
        let moved = self.move_into_place();
        moved.map_err(|source| TrackingError::io("commit the folder", &self.target, source))?;
        self.committed = true;
        Ok(self.target.clone())
    }

    fn move_into_place(&self) -> io::Result<()> {
        sync_tree(&self.temporary)?;
        let parent = parent_of(&self.target);
        let name = self
            .target
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let aside = parent.join(format!(".old-{name}"));
        let replaces = self.target.exists();
        if replaces {
            if aside.exists() {
                fs::remove_dir_all(&aside)?;
            }
            fs::rename(&self.target, &aside)?;
        }
        if let Err(error) = fs::rename(&self.temporary, &self.target) {
            if replaces {
                let _ = fs::rename(&aside, &self.target);
            }
            return Err(error);
        }
        sync_folder(parent)?;
        if replaces {
            // The new folder is in place; a leftover of the old one costs disk, no data.
            let _ = fs::remove_dir_all(&aside);
        }
        Ok(())
    }
}

impl Drop for AtomicFolder {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

/// Repairs a folder of [`AtomicFolder`]s after a crash: unfinished ones are removed,
/// and one that had been set aside for a replacement that never came is put back.
///
/// Call it only while holding the run's lock.
///
/// # Errors
/// The folder cannot be listed or a leftover cannot be removed.
pub fn recover_folders(parent: &Path) -> Result<(), TrackingError> {
    let failed = |source| TrackingError::io("clean up the folder", parent, source);
    if !parent.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(parent).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".tmp-") {
            fs::remove_dir_all(entry.path()).map_err(failed)?;
        } else if let Some(target) = name.strip_prefix(".old-") {
            if parent.join(target).exists() {
                fs::remove_dir_all(entry.path()).map_err(failed)?;
            } else {
                fs::rename(entry.path(), parent.join(target)).map_err(failed)?;
            }
        }
    }
    Ok(())
}

fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_no_temporary_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        write_atomic(&path, b"one").unwrap();
        write_renamed(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["status.json"]);
    }

    #[test]
    fn a_failed_write_says_where_and_leaves_the_folder_clean() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("taken")).unwrap();
        let error = write_atomic(&folder.path().join("taken"), b"x")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("cannot write: ") && error.contains("taken"),
            "{error}"
        );
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[test]
    fn a_folder_appears_on_commit_and_replaces_the_old_one() {
        let parent = tempfile::tempdir().unwrap();
        for content in ["first", "second"] {
            let folder = AtomicFolder::create(parent.path(), "step-5").unwrap();
            fs::create_dir(folder.path().join("sub")).unwrap();
            fs::write(folder.path().join("sub/weights"), content).unwrap();
            assert_eq!(parent.path().join("step-5").exists(), content == "second");
            let target = folder.commit().unwrap();
            assert_eq!(
                fs::read_to_string(target.join("sub/weights")).unwrap(),
                content
            );
        }
        assert_eq!(names(parent.path()), ["step-5"]);
    }

    #[test]
    fn a_dropped_folder_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = AtomicFolder::create(parent.path(), "step-5").unwrap();
        fs::write(folder.path().join("weights"), "x").unwrap();
        drop(folder);
        assert_eq!(names(parent.path()), Vec::<String>::new());
    }

    #[test]
    fn recovery_puts_the_set_aside_folder_back_and_removes_unfinished_ones() {
        let parent = tempfile::tempdir().unwrap();
        for name in [".old-step-5", ".tmp-step-6", ".old-step-7", "step-7"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        recover_folders(parent.path()).unwrap();
        assert_eq!(names(parent.path()), ["step-5", "step-7"]);
    }
}
