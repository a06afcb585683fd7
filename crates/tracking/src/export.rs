//! Runs as files that other tools read.

use std::collections::BTreeMap;

use crate::error::TrackingError;
use crate::history::History;
use crate::meta::Meta;
use crate::run_folder::RunFolder;

pub mod csv;
pub mod marl_eval;

/// What the exports need of one run: its description and its valid events.
#[derive(Debug, Clone, Default)]
pub struct RunRecord {
    /// `meta.json`.
    pub meta: Meta,
    /// The events, resumes taken into account.
    pub history: History,
}

impl RunRecord {
    /// Reads a run.
    ///
    /// # Errors
    /// Missing or malformed `meta.json`, unreadable events.
    pub fn read(run: &RunFolder) -> Result<Self, TrackingError> {
        Ok(Self {
            meta: run.meta()?,
            history: History::read(&run.events())?,
        })
    }

    /// Reads several runs.
    ///
    /// # Errors
    /// As [`RunRecord::read`], for the first run that fails.
    pub fn read_all(runs: &[RunFolder]) -> Result<Vec<Self>, TrackingError> {
        runs.iter().map(Self::read).collect()
    }

    /// Environment, task and algorithm, with `unknown` for what was not recorded.
    pub(crate) fn labels(&self) -> (String, String, String) {
        let known = |text: &str| {
            if text.is_empty() {
                "unknown".to_owned()
            } else {
                text.to_owned()
            }
        };
        (
            known(&self.meta.environment),
            known(&self.meta.task),
            known(&self.meta.algorithm),
        )
    }
}

/// Runs of one algorithm on one task: the seeds of an experiment.
pub(crate) fn by_experiment(
    records: &[RunRecord],
) -> BTreeMap<(String, String, String), Vec<&RunRecord>> {
    let mut groups: BTreeMap<_, Vec<&RunRecord>> = BTreeMap::new();
    for record in records {
        groups.entry(record.labels()).or_default().push(record);
    }
    for group in groups.values_mut() {
        group.sort_by_key(|record| record.meta.seed);
    }
    groups
}
