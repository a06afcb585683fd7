//! The folder of an evaluation.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::contender::Contender;
use super::plan::{Plan, Unit};
use super::results::Results;
use crate::atomic::write_atomic;
use crate::clock::{unix_seconds, utc_stamp};
use crate::error::TrackingError;
use crate::event::encoding::numbers;
use crate::liveness::{Liveness, ProcessIdentity};
use crate::statistics::Bootstrap;

/// The folder of a root that holds its evaluations.
pub const EVALUATIONS: &str = "evaluations";

const PLAN: &str = "evaluation.json";
const GAMES: &str = "games";
const FAILURES: &str = "failures.json";
const PROCESS: &str = "process.json";
const RESULTS: &str = "results.json";

/// Episodes of one team.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeamGames {
    /// Which policy has which seat, by their place in the unit (0 or 1).
    pub seats: Vec<usize>,
    /// Return of each episode.
    #[serde(with = "numbers")]
    pub returns: Vec<f64>,
    /// Steps of each episode.
    pub lengths: Vec<u64>,
    /// Central calls of each episode; empty unless a switch decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<u64>,
}

/// What a finished unit left: one file of `games/`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Games {
    /// Fingerprints of the policies that played.
    pub fingerprints: Vec<String>,
    /// Every team of the unit.
    pub teams: Vec<TeamGames>,
}

/// Where an evaluation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvaluationState {
    /// A process plays it.
    Running,
    /// Everything is played.
    Done,
    /// Something is missing and nobody plays it.
    Interrupted,
    /// Something is missing because it failed, and nobody plays it.
    Failed,
}

impl EvaluationState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// A folder with an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationFolder {
    path: PathBuf,
    /// What is played.
    pub plan: Plan,
}

/// The right to play an evaluation; ends with the process.
#[derive(Debug)]
pub struct EvaluationLock {
    _file: File,
    process: PathBuf,
}

impl Drop for EvaluationLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.process);
    }
}

impl EvaluationFolder {
    /// Makes `path` with the plan.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn create(path: &Path, plan: Plan) -> Result<Self, TrackingError> {
        let games = path.join(GAMES);
        fs::create_dir_all(&games)
            .map_err(|source| TrackingError::io("create the folder", &games, source))?;
        write_json(&path.join(PLAN), &plan)?;
        Ok(Self {
            path: path.to_path_buf(),
            plan,
        })
    }

    /// A path for a new evaluation of a root: `root/evaluations/<stamp>-<kind>`.
    pub fn new_path(root: &Path, plan: &Plan) -> PathBuf {
        let folder = root.join(EVALUATIONS);
        let base = format!("{}-{}", utc_stamp(plan.created), plan.kind.word());
        let names = (1_u32..).map(|attempt| match attempt {
            1 => base.clone(),
            more => format!("{base}-{more}"),
        });
        let mut paths = names.map(|name| folder.join(name));
        paths
            .find(|path| !path.exists())
            .unwrap_or_else(|| folder.join(&base))
    }

    /// The evaluation at `path`.
    ///
    /// # Errors
    /// None there, or one that does not read.
    pub fn open(path: &Path) -> Result<Self, TrackingError> {
        let plan = read_json(&path.join(PLAN), "evaluation")?;
        Ok(Self {
            path: path.to_path_buf(),
            plan,
        })
    }

    /// Whether a folder is an evaluation's.
    pub fn is_one(path: &Path) -> bool {
        path.join(PLAN).is_file()
    }

    /// All evaluations of a root, newest first. A folder that does not read is left out.
    ///
    /// # Errors
    /// The folder is there and cannot be listed.
    pub fn list(root: &Path) -> Result<Vec<Self>, TrackingError> {
        let folder = root.join(EVALUATIONS);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(TrackingError::io("list", &folder, source)),
        };
        let mut found: Vec<Self> = entries
            .flatten()
            .filter_map(|entry| Self::open(&entry.path()).ok())
            .collect();
        found.sort_by(|left, right| {
            let order = right.plan.created.total_cmp(&left.plan.created);
            order.then_with(|| right.path.cmp(&left.path))
        });
        Ok(found)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder's name.
    pub fn id(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// `games/UNIT.json`.
    pub fn game_file(&self, unit: Unit) -> PathBuf {
        self.path.join(GAMES).join(format!("{}.json", unit.key()))
    }

    /// What a unit left; none when it is not played, or its file is damaged or of other
    /// policies: it is played again then.
    pub fn games(&self, unit: Unit) -> Option<Games> {
        let games: Games = read_json(&self.game_file(unit), "games").ok()?;
        self.fits(unit, &games).then_some(games)
    }

    /// Whether games are those of a unit: its policies, and as many episodes as the plan
    /// wants.
    pub fn fits(&self, unit: Unit, games: &Games) -> bool {
        let episodes = self.plan.options.episodes as usize;
        let prints = unit.policies();
        let prints = prints
            .iter()
            .filter_map(|&policy| self.plan.contenders.get(policy))
            .map(|one| &one.fingerprint);
        let whole = |team: &TeamGames| {
            team.returns.len() == episodes
                && team.lengths.len() == episodes
                && (team.calls.is_empty() || team.calls.len() == episodes)
        };
        prints.eq(&games.fingerprints) && !games.teams.is_empty() && games.teams.iter().all(whole)
    }

    /// Keeps what a unit left.
    ///
    /// # Errors
    /// A full disk, missing rights.
    pub fn keep(&self, unit: Unit, games: &Games) -> Result<(), TrackingError> {
        // One line: a number per line would take several times the room.
        let text = serde_json::to_string(games).map_err(|error| unwritable(&self.path, &error))?;
        write_atomic(&self.game_file(unit), text.as_bytes())
    }

    /// Everything that is played so far.
    pub fn all_games(&self) -> BTreeMap<Unit, Games> {
        let units = self.plan.units().into_iter();
        units
            .filter_map(|unit| Some((unit, self.games(unit)?)))
            .collect()
    }

    /// Units that are played, by the files that are there.
    pub fn done(&self) -> usize {
        let units = self.plan.units();
        let there = units.iter().filter(|unit| self.game_file(**unit).is_file());
        there.count()
    }

    /// What went wrong, by the key of the unit.
    pub fn failures(&self) -> BTreeMap<String, String> {
        read_json(&self.path.join(FAILURES), "failures").unwrap_or_default()
    }

    /// Writes down what went wrong.
    ///
    /// # Errors
    /// A full disk, missing rights.
    pub fn keep_failures(&self, failures: &BTreeMap<String, String>) -> Result<(), TrackingError> {
        let path = self.path.join(FAILURES);
        if failures.is_empty() && !path.exists() {
            return Ok(());
        }
        write_json(&path, failures)
    }

    /// Takes the right to play, until the returned value is dropped or the process ends.
    ///
    /// # Errors
    /// [`TrackingError::Unusable`] when another process has it; or the folder is not
    /// writable.
    pub fn lock(&self) -> Result<EvaluationLock, TrackingError> {
        let path = self.path.join("lock");
        let failed = |source| TrackingError::io("lock", &path, source);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(TrackingError::Unusable {
                    what: "this evaluation is being played",
                    value: self.path.display().to_string(),
                    allowed: "one process may play it",
                    hint: "wait for it, or choose another folder with --out",
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let process = self.path.join(PROCESS);
        write_json(&process, &ProcessIdentity::current())?;
        Ok(EvaluationLock {
            _file: file,
            process,
        })
    }

    /// The process that plays it, if one does.
    pub fn player(&self) -> Option<ProcessIdentity> {
        let identity: Option<ProcessIdentity> =
            read_json(&self.path.join(PROCESS), "process").ok()?;
        let identity = identity?;
        // It reports nothing but its games: only whether it is there counts.
        let now = unix_seconds();
        (identity.liveness(now, now) == Liveness::Alive).then_some(identity)
    }

    /// Where it stands.
    pub fn state(&self) -> EvaluationState {
        if self.player().is_some() {
            EvaluationState::Running
        } else if self.done() == self.plan.units().len() {
            EvaluationState::Done
        } else if self.failures().is_empty() {
            EvaluationState::Interrupted
        } else {
            EvaluationState::Failed
        }
    }

    /// The tables of everything that is played so far.
    pub fn results(&self) -> Results {
        Results::of(
            &self.plan,
            &self.all_games(),
            &self.failures(),
            &Bootstrap::default(),
        )
    }

    /// Keeps the tables as `results.json`.
    ///
    /// # Errors
    /// A full disk, missing rights.
    pub fn keep_results(&self, results: &Results) -> Result<(), TrackingError> {
        write_json(&self.path.join(RESULTS), results)
    }

    /// Writes a further file into the folder.
    ///
    /// # Errors
    /// A full disk, missing rights.
    pub fn keep_text(&self, name: &str, text: &str) -> Result<(), TrackingError> {
        write_atomic(&self.path.join(name), text.as_bytes())
    }
}

impl Contender {
    /// Reads the checkpoint of a run's folder.
    ///
    /// # Errors
    /// No such policy, or one that does not read.
    pub fn of_run(run: &crate::RunFolder, checkpoint: &str) -> Result<Self, TrackingError> {
        let folder = run.checkpoints_folder().join(checkpoint);
        Self::read(&run.id(), run.path(), checkpoint, &folder)
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TrackingError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| unwritable(path, &error))?;
    bytes.push(b'\n');
    write_atomic(path, &bytes)
}

fn unwritable(path: &Path, error: &serde_json::Error) -> TrackingError {
    TrackingError::Malformed {
        what: "evaluation",
        path: path.to_path_buf(),
        message: error.to_string(),
        hint: "this is a mistake of the program",
    }
}

fn read_json<T: serde::de::DeserializeOwned>(
    path: &Path,
    what: &'static str,
) -> Result<T, TrackingError> {
    let text =
        fs::read_to_string(path).map_err(|source| TrackingError::io("read", path, source))?;
    serde_json::from_str(&text).map_err(|error| TrackingError::Malformed {
        what,
        path: path.to_path_buf(),
        message: error.to_string(),
        hint: "remove the file; what it held is played again",
    })
}
