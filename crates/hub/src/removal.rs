//! Taking a model out of the cache: a whole snapshot, never a file out of one.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::cache::{folders, read_references, repo};
use crate::error::{HubError, io_error};
use crate::name::{ModelName, check_revision};
use crate::selection;

/// Removes the snapshot of a commit with the blobs that no other snapshot of the model uses, and the
/// revisions that point to it. With the last snapshot the model's folder goes. Returns the bytes freed.
///
/// # Errors
///
/// [`HubError::NotCached`] without such a snapshot, [`HubError::Busy`] while the model is being fetched,
/// [`HubError::Io`].
pub fn remove_cached(cache: &Path, name: &ModelName, commit: &str) -> Result<u64, HubError> {
    check_revision(commit)?;
    let folder_name = repo(name, commit).folder_name();
    let root = cache.join(&folder_name);
    let snapshot = root.join("snapshots").join(commit);
    if commit.contains('/') || !snapshot.is_dir() {
        return Err(HubError::NotCached {
            name: name.clone(),
            revision: commit.to_owned(),
            missing: "there is no such snapshot".to_owned(),
            cache: cache.to_path_buf(),
            offline: false,
        });
    }
    let _held = hold(&cache.join(".locks").join(&folder_name), name)?;
    let others: Vec<PathBuf> = folders(&root.join("snapshots"))
        .filter(|folder| *folder != snapshot)
        .collect();
    let mut kept = BTreeSet::new();
    for other in &others {
        blobs(other, &mut kept);
    }
    let mut used = BTreeSet::new();
    blobs(&snapshot, &mut used);
    let mut freed = own_bytes(&snapshot);
    // Without it the snapshot counts as unfinished, should this break off.
    match fs::remove_file(snapshot.join(selection::CONFIG)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io_error("cannot remove", &snapshot)(error));
        }
        _ => {}
    }
    fs::remove_dir_all(&snapshot).map_err(io_error("cannot remove", &snapshot))?;
    for blob in fs::read_dir(root.join("blobs"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let is_own = used.contains(&blob.file_name()) || others.is_empty();
        if is_own && !kept.contains(&blob.file_name()) {
            freed += blob.metadata().map_or(0, |data| data.len());
            let path = blob.path();
            fs::remove_file(&path).map_err(io_error("cannot remove", &path))?;
        }
    }
    let mut references = Vec::new();
    read_references(&root.join("refs"), "", &mut references);
    for (revision, _) in references.iter().filter(|(_, to)| to == commit) {
        // A revision that points nowhere is fetched anew.
        let _ = fs::remove_file(root.join("refs").join(revision));
    }
    if others.is_empty() {
        fs::remove_dir_all(&root).map_err(io_error("cannot remove", &root))?;
    }
    Ok(freed)
}

/// The locks of the model's files, all of them.
fn hold(locks: &Path, name: &ModelName) -> Result<Vec<File>, HubError> {
    let mut held = Vec::new();
    for entry in fs::read_dir(locks).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(lock) = File::options().append(true).open(&path) else {
            continue;
        };
        match lock.try_lock() {
            Ok(()) => held.push(lock),
            Err(fs::TryLockError::WouldBlock) => {
                return Err(HubError::Busy {
                    what: name.to_string(),
                    lock: path,
                });
            }
            Err(fs::TryLockError::Error(source)) => {
                return Err(io_error("cannot lock", &path)(source));
            }
        }
    }
    Ok(held)
}

/// The blobs that a snapshot's links lead to.
fn blobs(snapshot: &Path, into: &mut BTreeSet<OsString>) {
    for entry in fs::read_dir(snapshot).into_iter().flatten().flatten() {
        let path = entry.path();
        if let Ok(target) = fs::read_link(&path) {
            into.extend(target.file_name().map(ToOwned::to_owned));
        } else if path.is_dir() {
            blobs(&path, into);
        }
    }
}

/// Bytes of files that are no links, as where the disk has none.
fn own_bytes(snapshot: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(snapshot).into_iter().flatten().flatten() {
        match fs::symlink_metadata(entry.path()) {
            Ok(data) if data.is_dir() => bytes += own_bytes(&entry.path()),
            Ok(data) if data.is_file() => bytes += data.len(),
            _ => {}
        }
    }
    bytes
}
