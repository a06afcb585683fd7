//! Games that an earlier evaluation played in the same way.
//!
//! Equal policies, options and starts give equal returns, so a tournament with one more
//! policy plays only that policy's games.

use std::path::Path;

use super::folder::{EvaluationFolder, Games};
use super::plan::{Plan, PlayOptions, Unit};
use crate::error::TrackingError;

/// Everything that decides the returns of a unit.
#[derive(PartialEq)]
struct Conditions {
    fingerprints: Vec<String>,
    options: PlayOptions,
    calls: Option<u64>,
    environments: usize,
}

impl Conditions {
    fn of(plan: &Plan, unit: Unit) -> Self {
        let (options, calls) = plan.options_of(unit);
        let policies = unit.policies().into_iter();
        Self {
            fingerprints: policies
                .filter_map(|policy| plan.contenders.get(policy))
                .map(|one| one.fingerprint.clone())
                .collect(),
            options,
            calls,
            environments: plan.environments(),
        }
    }
}

impl EvaluationFolder {
    /// Takes over what the other evaluations in the same folder have played in the same
    /// way; how many units that were.
    ///
    /// # Errors
    /// A full disk, missing rights. That others cannot be read is no error.
    pub fn take_over(&self) -> Result<usize, TrackingError> {
        let mut taken = 0;
        let missing: Vec<Unit> = self
            .plan
            .units()
            .into_iter()
            .filter(|unit| self.games(*unit).is_none())
            .collect();
        let others = if missing.is_empty() {
            Vec::new()
        } else {
            self.neighbours()
        };
        for unit in missing {
            let wanted = Conditions::of(&self.plan, unit);
            let mut found = others.iter().filter_map(|other| played(other, &wanted));
            if let Some(games) = found.next() {
                self.keep(unit, &games)?;
                taken += 1;
            }
        }
        Ok(taken)
    }

    fn neighbours(&self) -> Vec<EvaluationFolder> {
        let folder = self.path().parent().unwrap_or(Path::new("."));
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path != self.path())
            .filter_map(|path| EvaluationFolder::open(&path).ok())
            .collect()
    }
}

fn played(other: &EvaluationFolder, wanted: &Conditions) -> Option<Games> {
    let mut units = other.plan.units().into_iter();
    let unit = units.find(|unit| Conditions::of(&other.plan, *unit) == *wanted)?;
    other.games(unit)
}
