//! Where every run of an experiment stands, read from the run folders.

use std::collections::BTreeMap;

use configs::RunConfig;
use configs::experiment::{Experiment, ExperimentRun};
use tracking::{RunFolder, RunState, unix_seconds};

use super::Place;
use crate::failure::{ENVIRONMENT, Failure};

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has no folder, or one that no worker ever took.
    New,
    /// It ended early and goes on from its last checkpoint.
    Interrupted,
    /// It ended early before its first checkpoint and begins again.
    Abandoned,
    /// A worker of an earlier command is still at it.
    Running,
    /// It ended by an error.
    Failed {
        /// The worker's exit code.
        code: u8,
        /// What it said.
        message: String,
    },
    /// Done; never run again.
    Finished,
}

impl Standing {
    /// The word in tables.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Interrupted => "interrupted",
            Self::Abandoned => "without checkpoint",
            Self::Running => "running",
            Self::Failed { .. } => "failed",
            Self::Finished => "finished",
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        *self == Self::Finished
    }

    pub(super) fn is_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    fn of(folder: &RunFolder) -> Self {
        let status = folder.status().unwrap_or_default();
        let has_checkpoint = !folder.checkpoints().is_empty();
        match status.observed_state(unix_seconds()) {
            RunState::Finished => Self::Finished,
            RunState::Queued => Self::New,
            RunState::Failed => Self::Failed {
                code: status
                    .exit_code
                    .and_then(|code| u8::try_from(code).ok())
                    .unwrap_or(ENVIRONMENT),
                message: status.message,
            },
            state if state.is_final() && has_checkpoint => Self::Interrupted,
            state if state.is_final() => Self::Abandoned,
            _ => Self::Running,
        }
    }
}

/// One run with its folder.
#[derive(Debug, Clone)]
pub(super) struct Planned<'a> {
    pub(super) run: &'a ExperimentRun,
    pub(super) folder: Option<RunFolder>,
    pub(super) standing: Standing,
}

impl Planned<'_> {
    /// Steps that it takes in all.
    pub(super) fn total_steps(&self) -> u64 {
        match &self.run.config {
            RunConfig::Train(train) => train.total_steps,
            _ => 0,
        }
    }

    /// Steps done.
    pub(super) fn step(&self) -> u64 {
        let status = self.folder.as_ref().and_then(|run| run.status().ok());
        status.map_or(0, |status| status.progress.step)
    }
}

/// All runs of an experiment, in its order.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) runs: Vec<Planned<'a>>,
    /// What the user should know of the folder.
    pub(super) notes: Vec<String>,
}

/// What `meta.json` keeps of a run's place in its experiment.
pub(super) fn marks(experiment: &Experiment, run: &ExperimentRun) -> BTreeMap<String, String> {
    [
        ("experiment", experiment.name.clone()),
        ("task", run.task.clone()),
        ("method", run.method.clone()),
        ("point", run.point.label()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

impl<'a> Plan<'a> {
    /// Finds the folder of every run: the marks and the whole configuration must agree,
    /// so that a run whose settings have changed since is another run.
    pub(super) fn read(place: &Place, experiment: &'a Experiment) -> Result<Self, Failure> {
        type Key = (BTreeMap<String, String>, u64);
        let mut known: BTreeMap<Key, Vec<(RunFolder, Option<RunConfig>)>> = BTreeMap::new();
        let folders = RunFolder::list(&place.runs())?;
        let all = folders.len();
        for folder in folders {
            let Ok(meta) = folder.meta() else { continue };
            let text = std::fs::read_to_string(folder.config()).unwrap_or_default();
            let config = RunConfig::from_toml("config.toml", &text).ok();
            let key = (meta.extra, meta.seed);
            known.entry(key).or_default().push((folder, config));
        }
        let mut used = 0;
        let runs = experiment
            .runs
            .iter()
            .map(|run| {
                let candidates = known.get(&(marks(experiment, run), run.seed));
                let mut fitting: Vec<(&RunFolder, Standing)> = candidates
                    .into_iter()
                    .flatten()
                    .filter(|(_, config)| config.as_ref() == Some(&run.config))
                    .map(|(folder, _)| (folder, Standing::of(folder)))
                    .collect();
                used += fitting.len();
                // The finished one, else the newest.
                let best = fitting
                    .iter()
                    .rposition(|(_, standing)| standing.is_finished())
                    .or(fitting.len().checked_sub(1));
                match best.map(|index| fitting.swap_remove(index)) {
                    Some((folder, standing)) => Planned {
                        run,
                        folder: Some(folder.clone()),
                        standing,
                    },
                    None => Planned {
                        run,
                        folder: None,
                        standing: Standing::New,
                    },
                }
            })
            .collect();
        let mut notes = Vec::new();
        if all > used {
            notes.push(format!(
                "{} of {all} run folders belong to another form of this experiment (settings, tasks or methods changed since); they stay where they are and out of the report",
                all - used
            ));
        }
        Ok(Plan {
            experiment,
            runs,
            notes,
        })
    }

    /// How many runs stand so.
    pub(super) fn count(&self, stands: impl Fn(&Standing) -> bool) -> usize {
        self.runs.iter().filter(|one| stands(&one.standing)).count()
    }

    /// What there is to do, in this order: followed, resumed, begun. Failed runs are taken
    /// up only when asked for.
    pub(super) fn to_do(&self, retry_failed: bool) -> Vec<usize> {
        let rank = |one: &Planned<'_>| match one.standing {
            Standing::Running => Some(0),
            Standing::Interrupted => Some(1),
            Standing::Failed { .. } if retry_failed => Some(1),
            Standing::New | Standing::Abandoned => Some(2),
            Standing::Failed { .. } | Standing::Finished => None,
        };
        let mut indices: Vec<usize> = (0..self.runs.len())
            .filter(|index| rank(&self.runs[*index]).is_some())
            .collect();
        indices.sort_by_key(|index| rank(&self.runs[*index]));
        indices
    }
}
