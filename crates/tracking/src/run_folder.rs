//! The run folder: names, creation, search and the lock.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::atomic::sync_folder;
use crate::clock::{unix_seconds, utc_stamp};
use crate::error::TrackingError;
use crate::git;
use crate::meta::{Meta, processor_model};
use crate::status::{RunState, Status};

/// Version of the run folder's layout, written to `meta.json`.
pub const RUN_FOLDER_VERSION: u32 = 1;

const LONGEST_NAME: usize = 64;

/// What [`RunFolder::create`] needs to know.
#[derive(Debug, Clone, Default)]
pub struct NewRun {
    /// Readable name; lower-cased and reduced to `a-z 0-9 . _ -` for the id.
    pub name: String,
    /// Job kind (`train`).
    pub job: String,
    /// Algorithm (`iql`).
    pub algorithm: String,
    /// Environment family (`lbf`).
    pub environment: String,
    /// Task within the family (the environment id).
    pub task: String,
    /// Seed.
    pub seed: u64,
    /// Resolved configuration, the text of `config.toml`.
    pub config_toml: String,
    /// Where each value came from, the text of `origin.json`; empty for `{}`.
    pub origin_json: String,
    /// Device asked for.
    pub device: String,
    /// Steps the run will take in all, for progress before the worker reports.
    pub total_steps: u64,
    /// Command line that made the run.
    pub command: Vec<String>,
    /// Versions of what takes part (`concord`, `libtorch`).
    pub versions: BTreeMap<String, String>,
    /// Anything else worth keeping in `meta.json`.
    pub extra: BTreeMap<String, String>,
}

/// A run's folder. Holding one says nothing about who may write: see [`RunFolder::lock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes `root/<stamp>-<name>/` with `config.toml`, `origin.json`, `meta.json`, a
    /// `status.json` in state `queued` and empty `tb ckpt media`. The folder appears
    /// complete: it is built under a hidden name and renamed. A second run of that
    /// name in the same second gets `-2`.
    ///
    /// # Errors
    /// `root` cannot be made or written.
    pub fn create(root: &Path, new: &NewRun) -> Result<Self, TrackingError> {
        let now = unix_seconds();
        let failed = |source| TrackingError::io("create the run folder", root, source);
        fs::create_dir_all(root).map_err(failed)?;
        let base = format!("{}-{}", utc_stamp(now), slug(&new.name));
        let building = Building::start(root, &base).map_err(failed)?;

        for attempt in 1_u32.. {
            let id = if attempt == 1 {
                base.clone()
            } else {
                format!("{base}-{attempt}")
            };
            let target = root.join(&id);
            if target.exists() {
                continue;
            }
            fill(&building.path, &id, new, now)?;
            match fs::rename(&building.path, &target) {
                Ok(()) => {
                    sync_folder(root).map_err(failed)?;
                    return Ok(Self { path: target });
                }
                // Another process took the name between the test and the rename.
                Err(_) if target.exists() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        unreachable!("u32 counts more names than a file system holds")
    }

    /// The run folder at `path`.
    ///
    /// # Errors
    /// No folder there, or one without `config.toml` and `meta.json`.
    pub fn open(path: &Path) -> Result<Self, TrackingError> {
        let folder = Self {
            path: path.to_path_buf(),
        };
        if folder.config().is_file() && folder.meta_file().is_file() {
            Ok(folder)
        } else {
            Err(TrackingError::NotARunFolder {
                path: path.to_path_buf(),
            })
        }
    }

    /// All run folders directly under `root`, oldest id first; none when `root` is
    /// missing.
    ///
    /// # Errors
    /// `root` exists and cannot be listed.
    pub fn list(root: &Path) -> Result<Vec<Self>, TrackingError> {
        let failed = |source| TrackingError::io("list the runs", root, source);
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let hidden = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if !hidden && let Ok(run) = Self::open(&path) {
                runs.push(run);
            }
        }
        runs.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(runs)
    }

    /// The run that a user means: a path, an id, a part of an id that fits one run
    /// only, or `last`. Archived runs give way to others that fit.
    ///
    /// # Errors
    /// No run or several runs fit; the message offers the nearest.
    pub fn find(root: &Path, reference: &str) -> Result<Self, TrackingError> {
        if let Ok(run) = Self::open(Path::new(reference)) {
            return Ok(run);
        }
        let runs = Self::list(root)?;
        if let Some(run) = runs.iter().find(|run| run.id() == reference) {
            return Ok(run.clone());
        }
        if reference == "last"
            && let Some(run) = (runs.iter().rev())
                .find(|run| !run.is_archived())
                .or(runs.last())
        {
            return Ok(run.clone());
        }
        let mut fitting: Vec<&Self> = runs
            .iter()
            .filter(|run| !reference.is_empty() && run.id().contains(reference))
            .collect();
        if fitting.len() > 1 && fitting.iter().any(|run| !run.is_archived()) {
            fitting.retain(|run| !run.is_archived());
        }
        match fitting.as_slice() {
            [run] => Ok((*run).clone()),
            [] => Err(TrackingError::UnknownRun {
                name: reference.to_owned(),
                root: root.to_path_buf(),
                nearest: nearest(reference, &runs),
            }),
            several => Err(TrackingError::AmbiguousRun {
                name: reference.to_owned(),
                matches: several.iter().map(|run| run.id()).collect(),
            }),
        }
    }

    /// The folder's name.
    pub fn id(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.toml`: the resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// `origin.json`: where each value came from.
    pub fn origin(&self) -> PathBuf {
        self.path.join("origin.json")
    }

    /// `meta.json`: versions, commit, device.
    pub fn meta_file(&self) -> PathBuf {
        self.path.join("meta.json")
    }

    /// `events.jsonl`: everything that happened.
    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// `status.json`: where the run stands.
    pub fn status_file(&self) -> PathBuf {
        self.path.join("status.json")
    }

    /// `console.log`: the worker's stdout and stderr.
    pub fn console_log(&self) -> PathBuf {
        self.path.join("console.log")
    }

    /// `control.sock`: where a running worker takes commands.
    pub fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// `tb/`: TensorBoard's files.
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join("tb")
    }

    /// `ckpt/`: checkpoints.
    pub fn checkpoints_folder(&self) -> PathBuf {
        self.path.join("ckpt")
    }

    /// `ckpt/step-N`.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints_folder().join(format!("step-{step}"))
    }

    /// `media/`: rendered episodes.
    pub fn media(&self) -> PathBuf {
        self.path.join("media")
    }

    /// `search/`: a log per question of a search (see [`crate::search_log`]).
    pub fn searches(&self) -> PathBuf {
        self.path.join("search")
    }

    /// `questions.jsonl`: what a search is asked.
    pub fn questions(&self) -> PathBuf {
        self.path.join("questions.jsonl")
    }

    /// `lock`: the file that the writing process locks.
    pub fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// `queue.json`: the run's place in the queue; see [`crate::queue`].
    pub fn ticket(&self) -> PathBuf {
        self.path.join("queue.json")
    }

    /// `archived`: there when the run was put aside; lists leave it out.
    pub fn archive_mark(&self) -> PathBuf {
        self.path.join("archived")
    }

    /// Whether the run was put aside.
    pub fn is_archived(&self) -> bool {
        self.archive_mark().exists()
    }

    /// Puts the run aside, or takes it back; nothing of it is changed or deleted.
    ///
    /// # Errors
    /// The folder is gone or cannot be written.
    pub fn set_archived(&self, archived: bool) -> Result<(), TrackingError> {
        let mark = self.archive_mark();
        if archived {
            let text = format!("put aside {}\n", utc_stamp(unix_seconds()));
            return crate::write_atomic(&mark, text.as_bytes());
        }
        match fs::remove_file(&mark) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(TrackingError::io("take back", &mark, error))
            }
            _ => Ok(()),
        }
    }

    /// Reads `meta.json`.
    ///
    /// # Errors
    /// Missing or malformed file.
    pub fn meta(&self) -> Result<Meta, TrackingError> {
        Meta::read(&self.meta_file())
    }

    /// Reads `status.json`.
    ///
    /// # Errors
    /// Missing or malformed file.
    pub fn status(&self) -> Result<Status, TrackingError> {
        Status::read(&self.status_file())
    }

    /// Complete checkpoints as (step, folder), lowest step first.
    pub fn checkpoints(&self) -> Vec<(u64, PathBuf)> {
        let Ok(entries) = fs::read_dir(self.checkpoints_folder()) else {
            return Vec::new();
        };
        let mut found: Vec<(u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                Some((name.strip_prefix("step-")?.parse().ok()?, entry.path()))
            })
            .collect();
        found.sort();
        found
    }

    /// As [`RunFolder::lock`], waiting at most `limit` for a holder who is about to give
    /// it up: whoever starts a worker holds it until he has written so.
    ///
    /// # Errors
    /// As there.
    pub fn lock_within(&self, limit: Duration) -> Result<RunLock, TrackingError> {
        let end = Instant::now() + limit;
        loop {
            match self.lock() {
                Err(TrackingError::InUse { .. }) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                other => return other,
            }
        }
    }

    /// Takes the right to write this run, until the returned value is dropped or the
    /// process ends (an advisory `flock` on `lock`, so a killed holder never blocks).
    ///
    /// # Errors
    /// [`TrackingError::InUse`] with the holder's pid; or `lock` cannot be opened.
    pub fn lock(&self) -> Result<RunLock, TrackingError> {
        let path = self.lock_file();
        let failed = |source| TrackingError::io("lock", &path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Err(TrackingError::InUse {
                    path: self.path.clone(),
                    pid: text.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(RunLock { _file: file })
    }
}

/// The right to write a run; see [`RunFolder::lock`].
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// The hidden folder of a run in the making; removed unless it was renamed away.
struct Building {
    path: PathBuf,
}

impl Building {
    fn start(root: &Path, base: &str) -> io::Result<Self> {
        let mut number = 0_u32;
        loop {
            let path = root.join(format!(".new-{base}-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn fill(folder: &Path, id: &str, new: &NewRun, now: f64) -> Result<(), TrackingError> {
    let run = RunFolder {
        path: folder.to_path_buf(),
    };
    let failed = |source| TrackingError::io("create the run folder", folder, source);
    for sub in [run.tensorboard(), run.checkpoints_folder(), run.media()] {
        fs::create_dir_all(sub).map_err(failed)?;
    }
    let origin = if new.origin_json.is_empty() {
        "{}\n"
    } else {
        &new.origin_json
    };
    crate::write_atomic(&run.config(), new.config_toml.as_bytes())?;
    crate::write_atomic(&run.origin(), origin.as_bytes())?;
    let meta = Meta {
        version: RUN_FOLDER_VERSION,
        id: id.to_owned(),
        name: new.name.clone(),
        job: new.job.clone(),
        algorithm: new.algorithm.clone(),
        environment: new.environment.clone(),
        task: new.task.clone(),
        seed: new.seed,
        created: now,
        command: new.command.clone(),
        versions: new.versions.clone(),
        git_commit: git::commit_around(Path::new(".")),
        device: new.device.clone(),
        threads: 0,
        processor: processor_model(),
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        extra: new.extra.clone(),
    };
    meta.write(&run.meta_file())?;
    Status {
        state: RunState::Queued,
        total_steps: new.total_steps,
        device: new.device.clone(),
        heartbeat: now,
        ..Status::default()
    }
    .write(&run.status_file())
}

/// `IQL, LBF coop (s1)` to `iql-lbf-coop-s1`.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.to_lowercase().chars() {
        let kept = character.is_ascii_alphanumeric() || matches!(character, '.' | '_');
        if kept {
            slug.push(character);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= LONGEST_NAME {
            break;
        }
    }
    let slug = slug.trim_matches(['-', '.']);
    if slug.is_empty() {
        "run".to_owned()
    } else {
        slug.to_owned()
    }
}

/// The three ids with most characters in common with what was typed.
fn nearest(reference: &str, runs: &[RunFolder]) -> Vec<String> {
    let mut scored: Vec<(usize, String)> = runs
        .iter()
        .map(|run| (edit_distance(reference, &run.id()), run.id()))
        .collect();
    scored.sort();
    scored.into_iter().take(3).map(|(_, id)| id).collect()
}

fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
