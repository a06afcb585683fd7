//! The plan of a fine-tuning: everything is an upper bound, since what a model writes and what can
//! be learnt from it shows only then.

use configs::RunConfig;
use configs::finetune::{AdapterKind, Algorithm, FinetuneConfig, OptimiserKind};
use serde::Serialize;

use super::rows::{Row, amount, estimate_rows, unknown};
use super::time::{Earlier, Time};
use super::{Estimate, Item, bytes};
use crate::figures::count;

/// Bytes of a generated token in the file of responses: its text and its number.
const TOKEN: u64 = 11;
/// Bytes of a line of figures in the event log, and of the same in TensorBoard's file.
const FIGURE: u64 = 145;
/// Figures of an update.
const FIGURES: u64 = 16;

/// What the plan needs to know of the model and the data, which only the caller can read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FinetuneSizes {
    /// The model that is trained, as the settings name it.
    pub model: String,
    /// Its numbers; none where it is not on this machine.
    pub parameters: Option<u64>,
    /// Of these or of its adapter, those that are trained.
    pub trained: Option<u64>,
    /// Bytes of a number of its weights.
    pub number_bytes: u64,
    /// Memory of the worker at its peak; none where the model is not at hand.
    pub memory: Option<Vec<Item>>,
    /// Why the model's sizes are not known; empty where they are.
    pub missing: String,
    /// Rows of the data; none where they were not counted.
    pub rows: Option<u64>,
    /// Where the rows are from, or why they were not counted.
    pub counted: String,
    /// Rows of the held-out data.
    pub held_out: Option<u64>,
}

/// What a fine-tuning would do and need.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FinetunePlan {
    /// Of model and data.
    pub sizes: FinetuneSizes,
    /// Whether responses are sampled and judged.
    pub samples: bool,
    /// Rounds of generating and training; 1 where the data has what is learnt.
    pub iterations: u64,
    /// Prompts, pairs or demonstrations of an iteration.
    pub rows_per_iteration: Option<u64>,
    /// Modes in which a prompt is answered: with a trace, without.
    pub modes: u64,
    /// Responses to a prompt in one mode.
    pub responses: u64,
    /// Responses of an iteration.
    pub responses_per_iteration: Option<u64>,
    /// Updates of an iteration, at most.
    pub updates_per_iteration: Option<u64>,
    /// Updates of the run, at most.
    pub updates: Option<u64>,
    /// Tokens that are sampled in all iterations, at most.
    pub generated_tokens: Option<u64>,
    /// Tokens that pass through the updates, at most.
    pub learnt_tokens: Option<u64>,
    /// Evaluations on held-out prompts.
    pub evaluations: Option<u64>,
    /// Responses of each.
    pub evaluation_responses: u64,
    /// Models that stay: those of the iterations, and the result.
    pub models_kept: u64,
    /// Space on disk at the end; none where the model is not at hand.
    pub disk: Option<Estimate>,
    /// Memory of the worker at its peak; none where the model is not at hand.
    pub memory: Option<Estimate>,
    /// How long it would take, from earlier runs.
    pub time: Time,
}

impl FinetunePlan {
    /// Works it out; `earlier` are the runs whose speed is known.
    #[must_use]
    pub fn of(config: &FinetuneConfig, sizes: FinetuneSizes, earlier: &[Earlier]) -> Self {
        let samples = config.iterates();
        let iterations = if samples {
            config.iterations.count as u64
        } else {
            1
        };
        let rows = rows(config, sizes.rows, iterations, samples);
        let modes = u64::from(config.algorithm.mixes()) + 1;
        let responses = config.generation.responses as u64;
        let of_iteration = |rows: u64| rows.saturating_mul(modes).saturating_mul(responses);
        let responses_per_iteration = rows.filter(|_| samples).map(of_iteration);
        let of_rows = rows.map(|rows| updates(config, rows));
        let most = config.max_updates.unwrap_or(u64::MAX);
        let all = of_rows.map(|updates| updates.saturating_mul(iterations).min(most));
        let new_tokens = config.generation.max_new_tokens as u64;
        let learnt = rows.map(|rows| {
            let capped = (rows as f64 * config.optimiser.epochs).ceil() as u64;
            let by_updates = all.map_or(u64::MAX, |updates| {
                updates.saturating_mul(config.optimiser.rows_per_update as u64)
            });
            capped
                .saturating_mul(iterations)
                .min(by_updates)
                .saturating_mul(texts(config))
                .saturating_mul(config.data.max_tokens as u64)
        });
        let held_out = sizes
            .held_out
            .unwrap_or(u64::MAX)
            .min(config.evaluation.prompts);
        let evaluates = config.data.evaluation.is_some();
        let evaluation_modes = if config.algorithm.kind == Algorithm::Bvpo {
            2
        } else {
            1
        };
        let between = config
            .evaluation
            .every_updates
            .map_or(Some(0), |every| all.map(|updates| updates / every.max(1)));
        let evaluations = match evaluates {
            false => Some(0),
            true => between.map(|between| between.saturating_add(iterations + 1)),
        };
        let kept = match (samples, config.iterations.keep_models) {
            (true, true) => iterations,
            (true, false) => 1,
            (false, _) => 0,
        };
        let mut plan = Self {
            samples,
            iterations,
            rows_per_iteration: rows,
            modes,
            responses,
            responses_per_iteration,
            updates_per_iteration: of_rows,
            updates: all,
            generated_tokens: responses_per_iteration
                .map(|one| one.saturating_mul(iterations).saturating_mul(new_tokens)),
            learnt_tokens: learnt,
            evaluations,
            evaluation_responses: held_out
                .saturating_mul(evaluation_modes)
                .saturating_mul(config.evaluation.responses as u64),
            models_kept: kept + 1,
            disk: None,
            memory: sizes.memory.clone().map(|items| Estimate {
                items,
                uncertainty: "an upper bound on a CPU: every text as long as it may be".to_owned(),
            }),
            time: time(config, all, earlier),
            sizes,
        };
        plan.disk = disk(config, &plan);
        plan
    }

    /// The whole plan as rows, sums after their parts.
    pub(super) fn rows(&self) -> Vec<Row> {
        let sizes = &self.sizes;
        let mut rows = vec![amount(
            "iterations",
            self.iterations,
            if self.samples {
                "rounds of generate, judge, select and train".to_owned()
            } else {
                "one: the data has what is learnt".to_owned()
            },
        )];
        let rows_name = match self.samples {
            true => "prompts per iteration",
            false => "rows",
        };
        rows.push(known(
            rows_name,
            self.rows_per_iteration,
            sizes.counted.clone(),
        ));
        if self.samples {
            rows.push(known(
                "responses",
                self.responses_per_iteration,
                format!(
                    "in an iteration: {} to each prompt{}",
                    self.responses,
                    if self.modes == 2 {
                        ", with a trace and without"
                    } else {
                        ""
                    }
                ),
            ));
        }
        rows.push(known(
            "updates",
            self.updates,
            match (self.iterations, self.updates_per_iteration) {
                (2.., Some(each)) => format!(
                    "at most {} in an iteration: prompts without a better answer are left out",
                    count(each as f64)
                ),
                _ => "at most: rows that cannot be used are left out".to_owned(),
            },
        ));
        if self.samples {
            rows.push(known(
                "tokens generated",
                self.generated_tokens,
                "at most: every response as long as it may be".to_owned(),
            ));
        }
        rows.push(known(
            "tokens learnt from",
            self.learnt_tokens,
            "at most: every text as long as it may be, prompts included".to_owned(),
        ));
        rows.push(known(
            "evaluations",
            self.evaluations,
            match self.evaluations {
                Some(0) => "data.evaluation is not set".to_owned(),
                _ => format!(
                    "at most {} responses each, the first before training",
                    count(self.evaluation_responses as f64)
                ),
            },
        ));
        rows.push(amount(
            "models kept",
            self.models_kept,
            "one of each iteration that stays, and the result in model/".to_owned(),
        ));
        rows.push(known(
            "parameters",
            sizes.parameters,
            match (sizes.trained, sizes.parameters) {
                (Some(trained), Some(all)) if trained != all => {
                    format!("of {}; {} are trained", sizes.model, count(trained as f64))
                }
                (_, Some(_)) => format!("of {}; all are trained", sizes.model),
                _ => sizes.missing.clone(),
            },
        ));
        rows.push(self.time.row());
        for (part, estimate) in [("disk", &self.disk), ("memory", &self.memory)] {
            match estimate {
                Some(estimate) => rows.extend(estimate_rows(part, estimate)),
                None => rows.push(unknown(part, "in all", "bytes", sizes.missing.clone())),
            }
        }
        rows
    }
}

fn known(name: &str, value: Option<u64>, from: String) -> Row {
    match value {
        Some(value) => amount(name, value, from),
        None => unknown("plan", name, "", from),
    }
}

/// Rows of an iteration: prompts as the settings say or an even share, or all rows of the data.
fn rows(
    config: &FinetuneConfig,
    there: Option<u64>,
    iterations: u64,
    samples: bool,
) -> Option<u64> {
    let there = match (config.data.rows, there) {
        (Some(wanted), Some(there)) => Some(wanted.min(there)),
        (wanted, there) => wanted.or(there),
    };
    match (samples, config.iterations.prompts) {
        (true, Some(each)) => Some(each),
        (true, None) => Some(there? / iterations.max(1)),
        (false, _) => there,
    }
}

/// As the run cuts rows into updates, whatever remains of them an update of its own.
fn updates(config: &FinetuneConfig, rows: u64) -> u64 {
    let rows = (rows as f64 * config.optimiser.epochs).round() as u64;
    rows.max(1)
        .div_ceil(config.optimiser.rows_per_update.max(1) as u64)
}

/// Texts of a row: a demonstration, a pair, or a pair in both modes.
#[must_use]
pub fn texts(config: &FinetuneConfig) -> u64 {
    match config.algorithm.kind {
        Algorithm::Sft => 1,
        _ if config.algorithm.mixes() => 4,
        _ => 2,
    }
}

fn disk(config: &FinetuneConfig, plan: &FinetunePlan) -> Option<Estimate> {
    let sizes = &plan.sizes;
    let (parameters, trained) = (sizes.parameters?, sizes.trained?);
    let mut estimate = Estimate::default();
    let whole = parameters.saturating_mul(sizes.number_bytes);
    let of_iteration = match config.adapter.kind {
        AdapterKind::None => whole,
        _ => trained.saturating_mul(4),
    };
    if plan.models_kept > 1 {
        estimate.add(
            "models of iterations",
            of_iteration.saturating_mul(plan.models_kept - 1),
            format!("{} of {} each", plan.models_kept - 1, bytes(of_iteration)),
        );
    }
    estimate.add(
        "result",
        whole,
        "model/, an adapter merged into it".to_owned(),
    );
    let state = match config.optimiser.kind {
        OptimiserKind::Adamw => 2,
        OptimiserKind::Rmsprop => 1,
        OptimiserKind::Sgd => 0,
    };
    let checkpoint = trained.saturating_mul(4 * (2 + state));
    let kept = config.checkpoint.keep_last as u64;
    estimate.add(
        "checkpoints",
        checkpoint.saturating_mul(kept),
        format!("{kept} kept with {} each", bytes(checkpoint)),
    );
    // The next one is written before the oldest is removed.
    estimate.add(
        "while one is written",
        checkpoint,
        "one more checkpoint, for a moment".to_owned(),
    );
    let evaluated = plan
        .evaluations
        .unwrap_or(0)
        .saturating_mul(plan.evaluation_responses)
        .saturating_mul(config.generation.max_new_tokens as u64);
    let texts = plan.generated_tokens.unwrap_or(0).saturating_add(evaluated);
    estimate.add(
        "texts",
        texts.saturating_mul(TOKEN),
        "responses as long as they may be, those of evaluations among them".to_owned(),
    );
    let lines = plan.updates.unwrap_or(0) / config.logging.interval_updates.max(1);
    let sinks = if config.logging.tensorboard { 2 } else { 1 };
    estimate.add(
        "events",
        lines.saturating_mul(FIGURES * FIGURE).saturating_mul(sinks),
        format!("{} sets of figures", count(lines as f64)),
    );
    estimate.uncertainty = "an upper bound".to_owned();
    Some(estimate)
}

/// A run tells how long one of at most so many times its updates takes.
const TELLING: u64 = 10;

/// Runs with the same settings but for seed and length come first, then those that train the same
/// model by the same method.
fn time(config: &FinetuneConfig, updates: Option<u64>, earlier: &[Earlier]) -> Time {
    let Some(updates) = updates else {
        return Time {
            from: "unknown: how many updates there are is not known".to_owned(),
            ..Time::default()
        };
    };
    let alike = |akin: fn(&FinetuneConfig, &FinetuneConfig) -> bool| {
        move |other: &RunConfig| match other {
            RunConfig::Finetune(other) => akin(config, other),
            _ => false,
        }
    };
    Time::from_speeds(
        updates,
        "updates",
        // In a run of a few updates the evaluations and the beginning take most of the time.
        updates.div_ceil(TELLING),
        earlier,
        &[
            ("with these settings", &alike(same)),
            ("of this model and method", &alike(akin)),
        ],
    )
}

fn same(one: &FinetuneConfig, other: &FinetuneConfig) -> bool {
    let strip = |config: &FinetuneConfig| {
        let mut config = config.clone();
        config.seed = 0;
        config.max_updates = None;
        config.data.rows = None;
        config.iterations.count = config.iterations.count.min(1);
        config
    };
    strip(one) == strip(other)
}

fn akin(one: &FinetuneConfig, other: &FinetuneConfig) -> bool {
    let key = |config: &FinetuneConfig| {
        (
            config.algorithm.kind,
            config.model.clone(),
            config.adapter.kind,
            config.runtime.device,
            config.iterates(),
            config.generation.responses,
            config.generation.max_new_tokens,
            config.data.max_tokens,
            config.optimiser.rows_per_update,
        )
    };
    key(one) == key(other)
}
