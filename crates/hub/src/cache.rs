//! The cache on the disk, shared with the Python tools:
//! `models--OWNER--NAME/{blobs,refs,snapshots}` with links from snapshots to blobs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use crate::error::{HubError, io_error};
use crate::folder::ModelFolder;
use crate::name::{ModelName, check_revision, is_commit};
use crate::selection;
use crate::summary::{ModelKind, Summary};

/// One model's folder in the cache.
pub(crate) struct CachedModel {
    root: PathBuf,
    repo: CacheRepo,
    revision: String,
}

/// The repository as hf-hub names it.
pub(crate) fn repo(name: &ModelName, revision: &str) -> Repo {
    Repo::with_revision(
        name.as_str().to_owned(),
        RepoType::Model,
        revision.to_owned(),
    )
}

impl CachedModel {
    pub(crate) fn new(cache: &Path, name: &ModelName, revision: &str) -> Result<Self, HubError> {
        check_revision(revision)?;
        let repo = repo(name, revision);
        Ok(CachedModel {
            root: cache.join(repo.folder_name()),
            repo: Cache::new(cache.to_path_buf()).repo(repo),
            revision: revision.to_owned(),
        })
    }

    pub(crate) fn blob(&self, etag: &str) -> PathBuf {
        self.repo.blob_path(etag)
    }

    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.repo.pointer_path(commit)
    }

    /// The commit that the revision stood for when it was last fetched.
    pub(crate) fn commit(&self) -> Option<String> {
        if is_commit(&self.revision) {
            return Some(self.revision.clone());
        }
        let text = fs::read_to_string(self.root.join("refs").join(&self.revision)).ok()?;
        let commit = text.trim();
        (!commit.is_empty() && !commit.contains(['/', '\\', '.'])).then(|| commit.to_owned())
    }

    /// Remembers the commit. A revision that is a commit needs no memory.
    pub(crate) fn remember(&self, commit: &str) -> Result<(), HubError> {
        if is_commit(&self.revision) {
            return Ok(());
        }
        self.repo
            .create_ref(commit)
            .map_err(io_error("cannot write", &self.root.join("refs")))
    }

    /// Links a file of a snapshot to its blob.
    pub(crate) fn link(&self, commit: &str, file: &str, blob: &Path) -> Result<(), HubError> {
        let link = self.snapshot(commit).join(file);
        let folder = link.parent().unwrap_or(&link);
        fs::create_dir_all(folder).map_err(io_error("cannot make", folder))?;
        let mut target = PathBuf::new();
        // Up from the file's folder to the model's.
        for _ in 0..file.split('/').count() + 1 {
            target.push("..");
        }
        target.push("blobs");
        target.push(blob.file_name().unwrap_or_default());
        if fs::read_link(&link).is_ok_and(|old| old == target) {
            return Ok(());
        }
        match fs::remove_file(&link) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_error("cannot replace", &link)(error));
            }
            _ => {}
        }
        place(&target, blob, &link).map_err(io_error("cannot link", &link))
    }

    /// Removes a damaged blob and the link of the snapshot to it.
    pub(crate) fn forget(&self, commit: &str, file: &str, blob: &Path) {
        // What cannot be removed is found damaged again.
        let _ = fs::remove_file(blob);
        let _ = fs::remove_file(self.snapshot(commit).join(file));
    }

    /// A lock that other processes see, Python's among them.
    pub(crate) fn lock(&self, file: &str, etag: &str) -> Result<File, HubError> {
        let model = self.root.file_name().unwrap_or_default();
        let folder = self
            .root
            .parent()
            .unwrap_or(&self.root)
            .join(".locks")
            .join(model);
        fs::create_dir_all(&folder).map_err(io_error("cannot make", &folder))?;
        let path = folder.join(format!("{etag}.lock"));
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(io_error("cannot open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(fs::TryLockError::WouldBlock) => Err(HubError::Busy {
                what: file.to_owned(),
                lock: path,
            }),
            Err(fs::TryLockError::Error(source)) => Err(io_error("cannot lock", &path)(source)),
        }
    }

    /// Why a snapshot is not complete.
    pub(crate) fn missing(&self, commit: &str) -> Option<String> {
        let folder = self.snapshot(commit);
        if !folder.is_dir() {
            return Some("this revision was never fetched".to_owned());
        }
        // It is linked last.
        if !folder.join(selection::CONFIG).exists() {
            return Some("config.json is missing; the fetch was not finished".to_owned());
        }
        ModelFolder::open(&folder)
            .and_then(|folder| folder.weights().map(|_| ()))
            .err()
            .map(|error| error.to_string())
    }
}

#[cfg(unix)]
fn place(target: &Path, _blob: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn place(_target: &Path, blob: &Path, link: &Path) -> std::io::Result<()> {
    fs::hard_link(blob, link).or_else(|_| fs::copy(blob, link).map(|_| ()))
}

/// A model of the local cache, for lists to pick from.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedEntry {
    /// Its name.
    pub name: ModelName,
    /// Revisions that point to this snapshot, such as main; empty for a commit alone.
    pub revisions: Vec<String>,
    /// The commit.
    pub commit: String,
    /// The snapshot's folder.
    pub folder: PathBuf,
    /// What is known of its files.
    pub summary: Summary,
}

/// The models of a cache, by name. A cache that does not exist is empty; folders that cannot be read
/// are left out.
#[must_use]
pub fn cached_models(cache: &Path) -> Vec<CachedEntry> {
    let mut entries: Vec<CachedEntry> = folders(cache)
        .filter_map(|folder| {
            let name = ModelName::of_folder(folder.file_name()?.to_str()?)?;
            Some(snapshots(cache, &name, &folder))
        })
        .flatten()
        .collect();
    entries.sort_by(|a, b| (&a.name, &a.commit).cmp(&(&b.name, &b.commit)));
    entries
}

fn snapshots(cache: &Path, name: &ModelName, root: &Path) -> Vec<CachedEntry> {
    let mut references = Vec::new();
    read_references(&root.join("refs"), "", &mut references);
    folders(&root.join("snapshots"))
        .filter_map(|folder| {
            let commit = folder.file_name()?.to_str()?.to_owned();
            let cached = CachedModel::new(cache, name, &commit).ok()?;
            let mut summary = Summary::of(&folder);
            // An adapter has no config.json, and needs none.
            if summary.kind != ModelKind::Adapter {
                summary.problem = cached.missing(&commit).or(summary.problem);
            }
            Some(CachedEntry {
                name: name.clone(),
                revisions: references
                    .iter()
                    .filter(|(_, to)| *to == commit)
                    .map(|(from, _)| from.clone())
                    .collect(),
                summary,
                commit,
                folder,
            })
        })
        .collect()
}

pub(crate) fn read_references(folder: &Path, prefix: &str, into: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_dir() {
            read_references(&path, &format!("{name}/"), into);
        } else if let Ok(commit) = fs::read_to_string(&path) {
            into.push((name, commit.trim().to_owned()));
        }
    }
    into.sort();
}

pub(crate) fn folders(of: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
}
