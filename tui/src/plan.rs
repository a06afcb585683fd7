//! What a run would do and need, worked out before it starts: for `--dry-run` of `concord train`,
//! `finetune` and `search`, and for the launcher.

use configs::DeviceChoice;
use configs::train::TrainConfig;
use serde::Serialize;

mod disk;
mod finetune;
mod memory;
mod networks;
mod rows;
mod search;
mod time;

pub use finetune::{FinetunePlan, FinetuneSizes, texts};
pub use rows::Row;
pub use search::{SearchPlan, SearchSizes};
pub use time::{Earlier, Time};

/// What the plan needs to know of an environment, which only the caller can make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// The environment's id.
    pub environment: String,
    /// Agents that act in every step.
    pub agents: u64,
    /// Actions of each agent.
    pub actions: u64,
    /// Numbers that each agent sees.
    pub observation: u64,
    /// Steps after which an episode ends at the latest.
    pub episode_limit: u64,
    /// Dots of the picture of one step, for films; 0 where it cannot be drawn.
    pub picture: u64,
}

/// One line of an estimate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What it is.
    pub name: String,
    /// How much, in bytes.
    pub bytes: u64,
    /// The numbers that it comes from.
    pub from: String,
}

/// Amounts with their sum and what is known of its error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// The parts, in the order in which they are worked out.
    pub items: Vec<Item>,
    /// How far off it may be, in words.
    pub uncertainty: String,
}

impl Estimate {
    /// The sum of the parts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.items
            .iter()
            .map(|item| item.bytes)
            .fold(0, u64::saturating_add)
    }

    fn add(&mut self, name: &str, bytes: u64, from: String) {
        self.items.push(Item {
            name: name.to_owned(),
            bytes,
            from,
        });
    }
}

/// The plan of a job of any kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum JobPlan {
    /// Of a team in training.
    Train(Plan),
    /// Of a fine-tuning.
    Finetune(FinetunePlan),
    /// Of a search over questions.
    Search(SearchPlan),
}

impl JobPlan {
    /// The whole plan as rows, sums after their parts.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        match self {
            Self::Train(plan) => plan.rows(),
            Self::Finetune(plan) => plan.rows(),
            Self::Search(plan) => plan.rows(),
        }
    }

    /// Memory of the worker at its peak; none where it cannot be told.
    #[must_use]
    pub fn memory(&self) -> Option<&Estimate> {
        match self {
            Self::Train(plan) => Some(&plan.memory),
            Self::Finetune(plan) => plan.memory.as_ref(),
            Self::Search(plan) => plan.memory.as_ref(),
        }
    }

    /// How long it would take.
    #[must_use]
    pub fn time(&self) -> &Time {
        match self {
            Self::Train(plan) => &plan.time,
            Self::Finetune(plan) => &plan.time,
            Self::Search(plan) => &plan.time,
        }
    }
}

/// What a training would do and need.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// What it plays in.
    #[serde(rename = "environment")]
    pub sizes: Sizes,
    /// Environments that step at the same time.
    pub environments: u64,
    /// Environment steps in all.
    pub total_steps: u64,
    /// Episodes at the least: when each lasts as long as it may.
    pub episodes_at_least: u64,
    /// Learner updates at the least, with the same assumption; at most `max_updates`.
    pub updates_at_least: u64,
    /// Evaluations along the way, the first one before training included.
    pub evaluations: u64,
    /// Episodes of each.
    pub evaluation_episodes: u64,
    /// Episodes of the last evaluation by the best checkpoint; 0 without one.
    pub final_episodes: u64,
    /// Checkpoints written along the way and at the end.
    pub checkpoints: u64,
    /// Of these, how many stay.
    pub checkpoints_kept: u64,
    /// Numbers that are learnt.
    pub parameters: u64,
    /// Space on disk at the end.
    pub disk: Estimate,
    /// Memory of the worker at its peak.
    pub memory: Estimate,
    /// How long it would take, from earlier runs.
    pub time: Time,
}

impl Plan {
    /// Works it out; `earlier` are the runs whose speed is known.
    #[must_use]
    pub fn of(config: &TrainConfig, sizes: Sizes, earlier: &[Earlier]) -> Self {
        let total_steps = config.total_steps;
        let limit = sizes.episode_limit.max(1);
        let episodes_at_least = total_steps.div_ceil(limit);
        let interval = |steps: u64| total_steps / steps.max(1);
        let checkpoints = interval(config.checkpoint.interval_steps).saturating_add(1);
        let kept = (config.checkpoint.keep_last as u64).min(checkpoints);
        let networks = networks::Networks::of(config, &sizes);
        let mut plan = Self {
            environments: config.environments() as u64,
            total_steps,
            episodes_at_least,
            updates_at_least: updates(config, episodes_at_least),
            evaluations: interval(config.evaluation.interval_steps).saturating_add(1),
            evaluation_episodes: config.evaluation.episodes as u64,
            final_episodes: config.evaluation.absolute_episodes as u64,
            checkpoints,
            checkpoints_kept: kept + u64::from(config.checkpoint.keep_best),
            parameters: networks.learnt(),
            disk: Estimate::default(),
            memory: memory::estimate(config, &sizes, &networks),
            time: time::of(config, earlier),
            sizes,
        };
        plan.disk = disk::estimate(config, &plan, &networks);
        plan
    }
}

/// Updates that so many episodes earn.
fn updates(config: &TrainConfig, episodes: u64) -> u64 {
    let batch = (config.replay.batch_episodes as u64).max(1);
    let earned = if config.algorithm.on_policy() {
        episodes / batch
    } else {
        let learning = episodes.saturating_sub(batch.saturating_sub(1));
        (learning as f64 * config.runtime.updates_per_episode) as u64
    };
    config.max_updates.map_or(earned, |most| earned.min(most))
}

/// Whether the learner computes on a graphics card, as far as the configuration tells.
fn on_cuda(config: &TrainConfig) -> bool {
    matches!(config.runtime.device, DeviceChoice::Cuda(_))
}

/// An amount of bytes in words: `950 B`, `12.5 MiB`.
#[must_use]
pub fn bytes(amount: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = amount as f64;
    let mut unit = 0;
    while value >= 1_023.95 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{amount} B")
    } else if value < 100.0 {
        format!("{value:.1} {}", UNITS[unit])
    } else {
        format!("{value:.0} {}", UNITS[unit])
    }
}
