//! What a run would do and need: the plan of [`tui::plan`] with the sizes of environment, model and
//! data, and the speeds of earlier runs.

use std::path::Path;

use configs::train::TrainConfig;
use configs::{Problem, RunConfig};
use envs::EnvironmentError;
use serde_json::json;
use tracking::RunFolder;
use tui::plan::{Earlier, FinetunePlan, JobPlan, Plan, SearchPlan, Sizes};

use crate::output::{Table, json_option};
use crate::settings;

mod finetune;
mod search;

pub(crate) use finetune::{Counted, LARGEST, located};

/// Runs that are looked at for their speed, newest first.
const EARLIER: usize = 200;
/// Seconds of training after which a speed counts.
const SETTLED: f64 = 5.0;

/// Works the plan of a job out; `earlier` are the runs whose speed is known, `counted` the files
/// that were counted before.
///
/// # Errors
/// The environment cannot be made, a file of data cannot be used, a job that has no plan.
pub(crate) fn of(
    config: &RunConfig,
    earlier: &[Earlier],
    counted: &mut Counted,
) -> Result<JobPlan, Vec<Problem>> {
    match config {
        RunConfig::Train(config) => {
            if let Some(problem) = settings::id_problem(&config.environment.id) {
                return Err(vec![problem]);
            }
            let sizes = sizes(config).map_err(|error| vec![settings::option_problem(&error)])?;
            Ok(JobPlan::Train(Plan::of(config, sizes, earlier)))
        }
        RunConfig::Finetune(config) => {
            let sizes = finetune::sizes(config, counted)?;
            Ok(JobPlan::Finetune(FinetunePlan::of(config, sizes, earlier)))
        }
        RunConfig::Search(config) => {
            let sizes = search::sizes(config)?;
            Ok(JobPlan::Search(SearchPlan::of(config, sizes, earlier)))
        }
        _ => Err(vec![Problem::error(
            "job",
            "there is no plan for this job yet",
        )]),
    }
}

fn sizes(config: &TrainConfig) -> Result<Sizes, EnvironmentError> {
    let options = settings::options(&config.environment);
    let mut environment = envs::make(&config.environment.id, &options)?;
    let spec = environment.spec().clone();
    environment.seed(config.seed);
    environment.reset();
    let picture = envs::render::frame(&environment.scene());
    Ok(Sizes {
        environment: spec.id,
        agents: spec.agents as u64,
        actions: spec.actions as u64,
        observation: spec.observation_size as u64,
        episode_limit: spec.max_episode_steps as u64,
        picture: (picture.width * picture.height) as u64,
    })
}

/// The speeds of the runs in a folder; what cannot be read is passed over.
pub(crate) fn earlier(root: &Path) -> Vec<Earlier> {
    let speed = |run: &RunFolder| {
        let progress = run.status().ok()?.progress;
        if progress.seconds < SETTLED {
            return None;
        }
        let text = std::fs::read_to_string(run.config()).ok()?;
        Some(Earlier {
            id: run.id(),
            config: RunConfig::from_toml("config.toml", &text).ok()?,
            steps: progress.step,
            steps_per_second: progress.step as f64 / progress.seconds,
        })
    };
    let mut runs = RunFolder::list(root).unwrap_or_default();
    runs.sort_by_key(|run| std::cmp::Reverse(run.id()));
    runs.iter().take(EARLIER).filter_map(speed).collect()
}

/// The plan as a table.
pub(crate) fn table(plan: &JobPlan) -> Table {
    let columns = ["part", "what", "amount", "value", "unit", "from"];
    let mut table = Table::new(&columns).hide(&["value", "unit"]);
    for row in plan.rows() {
        let unit = (!row.unit.is_empty()).then_some(row.unit);
        table.row(vec![
            json!(row.part),
            json!(row.name),
            json!(row.shown),
            json_option(row.value),
            json!(unit),
            json!(row.from),
        ]);
    }
    table
}
