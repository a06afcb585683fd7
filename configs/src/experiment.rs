//! Experiments: tasks x methods x seeds, and a sweep, as one list of configurations.
//!
//! ```toml
//! # concord experiment experiments/example.toml
//! version = 1
//! job = "experiment"
//! preset = "smoke"                      # a preset or file below everything else
//! seeds = 5                             # or a list
//! tasks = ["Foraging-8x8-2p-2f-coop-v3"]   # or [[tasks]] with id, name and set
//! scalars = ["train/loss"]              # curves that the report summarises
//! return_range = [0, 1]                 # what the report normalises returns by
//!
//! [set]                                 # for every run
//! total_steps = 500_000
//!
//! [[methods]]
//! name = "IQL"
//! set = { "algorithm.kind" = "iql" }
//!
//! [sweep]                               # optional
//! kind = "grid"                         # or "random" with samples and seed
//! [[sweep.axes]]
//! path = "algorithm.learning_rate"
//! values = [1e-4, 3e-4]                 # or min, max and scale in a random sweep
//! ```
//!
//! Layers of a run, the later over the earlier: default, preset, file, `CONCORD_*`
//! environment, `[set]`, task, method, sweep, `--set`. A setting of `[set]`, a task or
//! the sweep that does not exist for a method's kinds is left out there; one that exists
//! for no run is a problem. Points of the sweep that come out equal for a method are run
//! once.

use std::path::PathBuf;

use toml::Value;

use crate::env::Environment;
use crate::load::read_file;
use crate::origin::Origins;
use crate::problem::Problem;
use crate::run::{Job, RunConfig};
use crate::schema::Schema;

mod expand;
mod file;
mod section;
mod sweep;

/// What [`load`] needs.
#[derive(Debug, Clone, Default)]
pub struct ExperimentRequest {
    /// The experiment's file.
    pub file: PathBuf,
    /// Variables of the process; they stand below the experiment's own settings.
    pub environment: Environment,
    /// Arguments of `--set`, for every run, above everything else.
    pub sets: Vec<String>,
}

/// Everything that an experiment runs and reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Its name, also of its folder.
    pub name: String,
    /// Tasks in the order of the file.
    pub tasks: Vec<String>,
    /// Methods in the order of the file.
    pub methods: Vec<String>,
    /// Seeds in the order of the file.
    pub seeds: Vec<u64>,
    /// Swept settings, as dotted paths; empty without a sweep.
    pub axes: Vec<String>,
    /// Curves to summarise, by name.
    pub scalars: Vec<String>,
    /// Lowest and highest return of every task, for normalising.
    pub return_range: Option<(f64, f64)>,
    /// The runs: all of the first seed first, so that what is done after an interruption
    /// compares all methods.
    pub runs: Vec<ExperimentRun>,
    /// What works, though hardly as meant.
    pub warnings: Vec<Problem>,
}

/// One run of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentRun {
    /// The task's name, its environment's id unless the file gives another.
    pub task: String,
    /// The method's name.
    pub method: String,
    /// The point of the sweep; empty without one and for methods that it leaves alone.
    pub point: SweepPoint,
    /// The seed.
    pub seed: u64,
    /// Every setting.
    pub config: RunConfig,
    /// Where each came from.
    pub origins: Origins,
}

/// Values of the swept settings that exist for a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SweepPoint(pub Vec<(String, Value)>);

impl SweepPoint {
    /// Short text such as `cost=0.01 data="own"`, empty for no values. Settings of the
    /// same last name are told apart by their paths.
    #[must_use]
    pub fn label(&self) -> String {
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
        let texts: Vec<String> = self
            .0
            .iter()
            .map(|(path, value)| {
                let alike = self.0.iter().filter(|(other, _)| last(other) == last(path));
                let name = if alike.count() > 1 || last(path) == "kind" {
                    path.clone()
                } else {
                    last(path)
                };
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                format!("{name}={value}")
            })
            .collect();
        texts.join(" ")
    }

    /// True without values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ExperimentRun {
    /// What it is called, without the seed: method, task and point.
    #[must_use]
    pub fn group(&self) -> String {
        let mut name = format!("{}-{}", self.method, self.task);
        if !self.point.is_empty() {
            name.push_str(&format!("-{}", self.point.label()));
        }
        name
    }

    /// The same with the seed, such as `MANSA-Foraging-8x8-2p-2f-coop-v3-cost=0.01-s3`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-s{}", self.group(), self.seed)
    }
}

/// Reads an experiment's file, makes the configuration of every run and checks them.
/// `environment_id` and `environment` tell what is wrong with an environment's id and
/// with a configuration's environment as a whole, since this crate does not know the
/// environments (see [`crate::validate_with`]).
///
/// # Errors
/// All problems at once: of the file, and of every run, equal ones once.
pub fn load(
    request: &ExperimentRequest,
    environment_id: &dyn Fn(&str) -> Option<Problem>,
    environment: &dyn Fn(&RunConfig) -> Option<Problem>,
) -> Result<Experiment, Vec<Problem>> {
    let mut problems = Vec::new();
    let Some(text) = read_file(&request.file, &mut problems) else {
        return Err(problems);
    };
    let schema = Schema::of(Job::Train);
    let draft = file::read(&request.file, &text, &schema, &mut problems);
    let expansion = expand::Expansion {
        request,
        schema: &schema,
        draft: &draft,
        environment_id,
        environment,
    };
    let runs = expansion.runs(&mut problems);
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    let mut tasks: Vec<String> = Vec::new();
    for run in &runs {
        if !tasks.contains(&run.task) {
            tasks.push(run.task.clone());
        }
    }
    Ok(Experiment {
        tasks,
        methods: draft.methods.iter().map(|one| one.name.clone()).collect(),
        axes: draft
            .sweep
            .iter()
            .flat_map(|sweep| sweep.axes.iter().map(|axis| axis.path.clone()))
            .collect(),
        name: draft.name,
        seeds: draft.seeds,
        scalars: draft.scalars,
        return_range: draft.return_range,
        runs,
        warnings: problems,
    })
}
