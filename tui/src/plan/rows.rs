//! A plan as rows: the launcher draws them, `--dry-run` prints them.

use super::{Estimate, Plan, Time, bytes};
use crate::figures::{count, duration};

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it belongs to: `plan`, `time`, `disk` or `memory`.
    pub part: &'static str,
    /// What it is.
    pub name: String,
    /// How much; none where it is not known.
    pub value: Option<f64>,
    /// Of what.
    pub unit: &'static str,
    /// The value for people.
    pub shown: String,
    /// The numbers that it comes from, and how sure it is.
    pub from: String,
}

impl Plan {
    /// The whole plan as rows, sums after their parts.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let sizes = &self.sizes;
        let mut rows = vec![
            amount(
                "environment steps",
                self.total_steps,
                format!(
                    "{} of {} in {} environments at once",
                    sizes.environment,
                    agents(sizes.agents),
                    self.environments
                ),
            ),
            amount(
                "episodes",
                self.episodes_at_least,
                format!(
                    "at least: episodes end after {} steps or earlier",
                    sizes.episode_limit
                ),
            ),
            amount(
                "updates",
                self.updates_at_least,
                "at least: shorter episodes are more".to_owned(),
            ),
            amount("evaluations", self.evaluations, self.evaluation_words()),
            amount(
                "checkpoints",
                self.checkpoints,
                format!("{} stay", self.checkpoints_kept),
            ),
            amount(
                "parameters",
                self.parameters,
                format!(
                    "from {} numbers seen and {} actions",
                    sizes.observation, sizes.actions
                ),
            ),
            self.time.row(),
        ];
        rows.extend(estimate_rows("disk", &self.disk));
        rows.extend(estimate_rows("memory", &self.memory));
        rows
    }

    fn evaluation_words(&self) -> String {
        let last = match self.final_episodes {
            0 => String::new(),
            episodes => format!(
                ", and {} by the best policy at the end",
                count(episodes as f64)
            ),
        };
        format!(
            "{} episodes each{last}",
            count(self.evaluation_episodes as f64)
        )
    }
}

impl Time {
    pub(super) fn row(&self) -> Row {
        let shown = match (self.seconds, self.range) {
            (Some(seconds), Some((least, most))) if most > 1.1 * least => {
                format!(
                    "{} ({} to {})",
                    duration(seconds),
                    duration(least),
                    duration(most)
                )
            }
            (Some(seconds), _) => duration(seconds),
            (None, _) => "unknown".to_owned(),
        };
        Row {
            part: "time",
            name: "duration".to_owned(),
            value: self.seconds,
            unit: "seconds",
            shown,
            from: self.from.clone(),
        }
    }
}

fn agents(count: u64) -> String {
    if count == 1 {
        "1 agent".to_owned()
    } else {
        format!("{count} agents")
    }
}

pub(super) fn amount(name: &str, value: u64, from: String) -> Row {
    Row {
        part: "plan",
        name: name.to_owned(),
        value: Some(value as f64),
        unit: "",
        shown: count(value as f64),
        from,
    }
}

/// A row of something that is not known, with the reason.
pub(super) fn unknown(part: &'static str, name: &str, unit: &'static str, from: String) -> Row {
    Row {
        part,
        name: name.to_owned(),
        value: None,
        unit,
        shown: "unknown".to_owned(),
        from,
    }
}

/// The parts of an estimate and their sum.
pub(super) fn estimate_rows(part: &'static str, estimate: &Estimate) -> Vec<Row> {
    let items = estimate.items.iter();
    let mut rows: Vec<Row> = items
        .map(|item| size(part, &item.name, item.bytes, &item.from))
        .collect();
    rows.push(total(part, estimate));
    rows
}

fn size(part: &'static str, name: &str, value: u64, from: &str) -> Row {
    Row {
        part,
        name: name.to_owned(),
        value: Some(value as f64),
        unit: "bytes",
        shown: bytes(value),
        from: from.to_owned(),
    }
}

fn total(part: &'static str, estimate: &Estimate) -> Row {
    let mut row = size(part, "in all", estimate.total(), &estimate.uncertainty);
    row.shown = format!("about {}", row.shown);
    row
}
