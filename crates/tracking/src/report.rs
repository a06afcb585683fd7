//! What an experiment came to: tasks x methods x seeds as tables.
//!
//! The protocol follows Papoudakis et al. 2021 (final, best and mean return over the
//! evaluations of training) and Gorsane et al. 2022 (absolute metric, interquartile mean,
//! probability of improvement and performance profiles, all with bootstrap intervals).
//!
//! The k-th evaluations of all seeds are taken together: runs reach the same nominal step
//! at slightly different ones, because episodes differ in length. A curve's step is the
//! mean of theirs. Runs with fewer evaluations than others cut the curve to theirs.
//!
//! A method together with a point of a sweep is a *variant*; without a sweep the variants
//! are the methods.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::export::RunRecord;
use crate::history::{Evaluation, History};
use crate::statistics::{Bootstrap, Interval, mean, standard_deviation};

mod overall;
mod tables;

pub use overall::{Aggregate, Improvement, Overall, Profile};

/// One run of an experiment and its place in it.
#[derive(Debug, Clone)]
pub struct ReportRun {
    /// Task.
    pub task: String,
    /// Method.
    pub method: String,
    /// Swept settings as (path, value); empty without a sweep.
    pub point: Vec<(String, String)>,
    /// Short text of the point; empty without a sweep.
    pub point_label: String,
    /// The run ended as it should.
    pub finished: bool,
    /// Its description and events.
    pub record: RunRecord,
}

/// What a report is made by.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    /// Title.
    pub name: String,
    /// Runs that the experiment has in all, those that are missing included.
    pub planned: usize,
    /// Curves to summarise.
    pub scalars: Vec<String>,
    /// Lowest and highest return of every task; without it, those of the runs of each
    /// task are taken, as marl-eval does.
    pub return_range: Option<(f64, f64)>,
    /// Effort, coverage and seed of the intervals.
    pub bootstrap: Bootstrap,
}

/// A method at a point of the sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variant {
    /// Method.
    pub method: String,
    /// Swept settings as (path, value).
    pub point: Vec<(String, String)>,
    /// Short text of the point.
    pub label: String,
}

impl Variant {
    /// Method and point in one text.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.label)
            .trim_end()
            .to_owned()
    }
}

/// A number over the seeds: the value of each, and mean with interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverSeeds {
    /// Mean over seeds with the interval of the bootstrap over seeds.
    pub mean: Interval,
    /// Each seed's value, in the order of [`Cell::seeds`].
    pub values: Vec<f64>,
}

/// A point of a curve over the seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Environment steps, the mean over seeds.
    pub step: u64,
    /// Mean over seeds with its interval.
    pub mean: Interval,
}

/// A number of the evaluations or of training beside the return.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// At the last evaluation, or the curve's last point.
    pub last: Option<OverSeeds>,
    /// Over all evaluations, or all points of the curve.
    pub mean: Option<OverSeeds>,
    /// In the absolute evaluation; none for curves of training.
    pub absolute: Option<OverSeeds>,
    /// At the steps of the evaluations.
    pub curve: Vec<CurvePoint>,
}

/// One variant on one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// Task.
    pub task: String,
    /// Index into [`Report::variants`].
    pub variant: usize,
    /// Run ids, by seed.
    pub runs: Vec<String>,
    /// Seeds in ascending order.
    pub seeds: Vec<u64>,
    /// Runs among them that have not ended, or not well.
    pub unfinished: usize,
    /// Return of the last evaluation.
    pub final_return: OverSeeds,
    /// The evaluation at which the mean over seeds is highest.
    pub max_return: CurvePoint,
    /// Mean return over all evaluations, the untrained one included.
    pub average_return: OverSeeds,
    /// Return of the best checkpoint in the final evaluation; none unless every run has
    /// one.
    pub absolute_return: Option<OverSeeds>,
    /// Interquartile mean over seeds of the absolute return, or of the final one where a
    /// run has no absolute one.
    pub interquartile_mean: Interval,
    /// Standard deviation over seeds (`n - 1`) of the same returns.
    pub standard_deviation: f64,
    /// Seconds of training, mean over seeds.
    pub seconds: f64,
    /// Return at every evaluation.
    pub curve: Vec<CurvePoint>,
    /// Everything beside the return.
    pub measures: Vec<Measure>,
}

impl Cell {
    /// The score of each seed: absolute, else final return.
    pub fn scores(&self) -> &[f64] {
        let chosen = self.absolute_return.as_ref().unwrap_or(&self.final_return);
        &chosen.values
    }

    /// A measure by name.
    pub fn measure(&self, name: &str) -> Option<&Measure> {
        self.measures.iter().find(|one| one.name == name)
    }
}

/// Everything over all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Title.
    pub name: String,
    /// Tasks in the order of the runs.
    pub tasks: Vec<String>,
    /// Variants in the order of the runs.
    pub variants: Vec<Variant>,
    /// Tasks x variants, those with an evaluation.
    pub cells: Vec<Cell>,
    /// Over all tasks.
    pub overall: Overall,
    /// What a reader must know: missing runs, unequal numbers, unknown scalars.
    pub notes: Vec<String>,
    /// Where it ran: processor, cores and commit.
    pub machine: String,
}

impl Report {
    /// Computes everything; runs without an evaluation are left out and told.
    pub fn new(runs: &[ReportRun], options: &ReportOptions) -> Self {
        let mut notes = Vec::new();
        let (mut tasks, mut variants): (Vec<String>, Vec<Variant>) = (Vec::new(), Vec::new());
        let mut groups: BTreeMap<(usize, usize), Vec<&ReportRun>> = BTreeMap::new();
        let mut without = 0;
        for run in runs {
            let task = position(&mut tasks, run.task.clone());
            let variant = Variant {
                method: run.method.clone(),
                point: run.point.clone(),
                label: run.point_label.clone(),
            };
            let variant = position(&mut variants, variant);
            if evaluations(&run.record.history).is_empty() {
                without += 1;
            } else {
                groups.entry((task, variant)).or_default().push(run);
            }
        }
        let finished = runs.iter().filter(|run| run.finished).count();
        if finished < options.planned {
            notes.push(format!(
                "{finished} of {} runs are finished; the numbers below are preliminary",
                options.planned
            ));
        }
        if without > 0 {
            notes.push(format!(
                "{without} runs have no evaluation and are left out"
            ));
        }
        let cells: Vec<Cell> = groups
            .into_iter()
            .map(|((task, variant), mut group)| {
                group.sort_by_key(|run| run.record.meta.seed);
                cell(tasks[task].clone(), variant, &group, options)
            })
            .collect();
        note_cells(&cells, &variants, &mut notes);
        for name in &options.scalars {
            let known = |cell: &Cell| cell.measure(name).is_some_and(|one| one.last.is_some());
            if !cells.iter().any(known) {
                notes.push(format!("no run has a curve named {name}"));
            }
        }
        let overall = Overall::new(&tasks, &variants, &cells, options);
        notes.extend(overall.notes.iter().cloned());
        Report {
            name: options.name.clone(),
            machine: machine(runs),
            tasks,
            variants,
            cells,
            overall,
            notes,
        }
    }

    /// The cell of a task and variant.
    pub fn cell(&self, task: &str, variant: usize) -> Option<&Cell> {
        self.cells
            .iter()
            .find(|cell| cell.task == task && cell.variant == variant)
    }

    /// Names of all measures, in the order of their first appearance.
    pub fn measure_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for measure in self.cells.iter().flat_map(|cell| &cell.measures) {
            if !names.contains(&measure.name.as_str()) {
                names.push(&measure.name);
            }
        }
        names
    }
}

fn position<T: PartialEq>(known: &mut Vec<T>, one: T) -> usize {
    known
        .iter()
        .position(|other| *other == one)
        .unwrap_or_else(|| {
            known.push(one);
            known.len() - 1
        })
}

fn note_cells(cells: &[Cell], variants: &[Variant], notes: &mut Vec<String>) {
    let counts: BTreeSet<usize> = cells.iter().map(|cell| cell.seeds.len()).collect();
    if let (Some(fewest), Some(most), true) = (counts.first(), counts.last(), counts.len() > 1) {
        notes.push(format!("cells have {fewest} to {most} seeds"));
    }
    for cell in cells.iter().filter(|cell| cell.absolute_return.is_none()) {
        notes.push(format!(
            "{} on {}: not every run has an absolute return; the last evaluation stands for it",
            variants[cell.variant].name(),
            cell.task
        ));
    }
}

fn machine(runs: &[ReportRun]) -> String {
    let mut known: Vec<String> = Vec::new();
    for run in runs {
        let meta = &run.record.meta;
        let processor = meta.processor.as_deref().unwrap_or("unknown processor");
        let commit = meta.git_commit.as_deref().unwrap_or("unknown");
        let short: String = commit.chars().take(12).collect();
        let text = format!(
            "{processor}, {} cores, device {}, commit {short}",
            meta.cores, meta.device
        );
        position(&mut known, text);
    }
    known.join("; ")
}

fn evaluations(history: &History) -> Vec<&Evaluation> {
    let mut found: Vec<&Evaluation> = history
        .interval_evaluations()
        .filter(|one| !one.returns.is_empty())
        .collect();
    found.sort_by_key(|one| one.progress.step);
    found
}

fn over_seeds(values: Vec<f64>, bootstrap: &Bootstrap) -> OverSeeds {
    let table = [values];
    let interval = bootstrap.interval(&table, |drawn| mean(&drawn[0]));
    let [values] = table;
    OverSeeds {
        mean: interval,
        values,
    }
}

/// Every value there is, or none unless all are.
fn complete(values: Vec<Option<f64>>, bootstrap: &Bootstrap) -> Option<OverSeeds> {
    let values: Option<Vec<f64>> = values.into_iter().collect();
    Some(over_seeds(values?, bootstrap))
}

fn cell(task: String, variant: usize, runs: &[&ReportRun], options: &ReportOptions) -> Cell {
    let bootstrap = &options.bootstrap;
    let histories: Vec<&History> = runs.iter().map(|run| &run.record.history).collect();
    let all: Vec<Vec<&Evaluation>> = histories.iter().map(|one| evaluations(one)).collect();
    let shared = all.iter().map(Vec::len).min().unwrap_or(0);
    let steps: Vec<u64> = (0..shared)
        .map(|index| {
            let at: Vec<f64> = all
                .iter()
                .map(|run| run[index].progress.step as f64)
                .collect();
            mean(&at).round() as u64
        })
        .collect();
    let returns: Vec<Vec<f64>> = all
        .iter()
        .map(|run| run.iter().map(|one| mean(&one.returns)).collect())
        .collect();
    let curve = curve_of(&steps, &returns, bootstrap);
    let final_values = returns.iter().filter_map(|run| run.last().copied());
    let final_return = over_seeds(final_values.collect(), bootstrap);
    let averages = returns.iter().map(|run| mean(run)).collect();
    let absolute = |history: &&History| {
        let found = history.absolute_evaluation()?;
        (!found.returns.is_empty()).then(|| mean(&found.returns))
    };
    let absolute_return = complete(histories.iter().map(absolute).collect(), bootstrap);
    let scores = absolute_return.as_ref().unwrap_or(&final_return);
    let seconds: Vec<f64> = all
        .iter()
        .filter_map(|run| run.last().map(|one| one.progress.seconds))
        .collect();
    Cell {
        task,
        variant,
        runs: runs.iter().map(|run| run.record.meta.id.clone()).collect(),
        seeds: runs.iter().map(|run| run.record.meta.seed).collect(),
        unfinished: runs.iter().filter(|run| !run.finished).count(),
        max_return: best(&curve),
        average_return: over_seeds(averages, bootstrap),
        interquartile_mean: bootstrap.interquartile_mean(std::slice::from_ref(&scores.values)),
        standard_deviation: standard_deviation(&scores.values),
        seconds: mean(&seconds),
        measures: measures(&histories, &all, &steps, options),
        final_return,
        absolute_return,
        curve,
    }
}

/// The highest point; the first of several.
fn best(curve: &[CurvePoint]) -> CurvePoint {
    let mut best = CurvePoint {
        step: 0,
        mean: Interval {
            estimate: f64::NAN,
            low: f64::NAN,
            high: f64::NAN,
        },
    };
    for point in curve {
        if best.mean.estimate.is_nan() || point.mean.estimate > best.mean.estimate {
            best = *point;
        }
    }
    best
}

fn curve_of(steps: &[u64], values: &[Vec<f64>], bootstrap: &Bootstrap) -> Vec<CurvePoint> {
    steps
        .iter()
        .enumerate()
        .map(|(index, step)| CurvePoint {
            step: *step,
            mean: over_seeds(values.iter().map(|run| run[index]).collect(), bootstrap).mean,
        })
        .collect()
}

/// What evaluations carry beside returns, per step, and the chosen curves of training.
fn measures(
    histories: &[&History],
    all: &[Vec<&Evaluation>],
    steps: &[u64],
    options: &ReportOptions,
) -> Vec<Measure> {
    let extras: BTreeSet<&String> = all
        .iter()
        .flatten()
        .flat_map(|one| one.extra.keys())
        .collect();
    let mut found: Vec<Measure> = extras
        .into_iter()
        .map(|name| extra(name, histories, all, steps, &options.bootstrap))
        .collect();
    for name in &options.scalars {
        found.push(scalar(name, histories, all, steps, &options.bootstrap));
    }
    found
}

/// A count per episode as a share of all steps: summed over the episodes, divided by the
/// summed lengths. Central calls (`cl_calls`) become `cl_fraction`.
fn per_step(evaluation: &Evaluation, name: &str) -> Option<f64> {
    let counts = evaluation.extra.get(name)?;
    let steps: u64 = evaluation.lengths.iter().sum();
    (steps > 0).then(|| counts.iter().sum::<f64>() / steps as f64)
}

fn extra(
    name: &str,
    histories: &[&History],
    all: &[Vec<&Evaluation>],
    steps: &[u64],
    bootstrap: &Bootstrap,
) -> Measure {
    let shown = if name == "cl_calls" {
        "cl_fraction".to_owned()
    } else {
        format!("{name}_per_step")
    };
    let values: Vec<Vec<Option<f64>>> = all
        .iter()
        .map(|run| run.iter().map(|one| per_step(one, name)).collect())
        .collect();
    let whole: Option<Vec<Vec<f64>>> = values
        .iter()
        .map(|run| run.iter().copied().collect())
        .collect();
    let last = values.iter().map(|run| run.last().copied().flatten());
    let absolute = histories
        .iter()
        .map(|history| per_step(history.absolute_evaluation()?, name));
    Measure {
        name: shown,
        last: complete(last.collect(), bootstrap),
        mean: whole
            .as_ref()
            .map(|runs| over_seeds(runs.iter().map(|run| mean(run)).collect(), bootstrap)),
        absolute: complete(absolute.collect(), bootstrap),
        curve: whole.map_or_else(Vec::new, |runs| curve_of(steps, &runs, bootstrap)),
    }
}

/// A curve of training: its last value, the mean of its points, and the mean of the
/// points between two evaluations where it lies on environment steps.
fn scalar(
    name: &str,
    histories: &[&History],
    all: &[Vec<&Evaluation>],
    steps: &[u64],
    bootstrap: &Bootstrap,
) -> Measure {
    let points: Vec<Vec<crate::series::Point>> = histories
        .iter()
        .map(|history| {
            history
                .series(name)
                .map_or_else(Vec::new, |one| one.points())
        })
        .collect();
    let last = points.iter().map(|run| run.last().map(|point| point.value));
    let means = points.iter().map(|run| {
        let values: Vec<f64> = run.iter().map(|point| point.value).collect();
        (!values.is_empty()).then(|| mean(&values))
    });
    let on_steps = histories.iter().all(|history| {
        let mut all = history.all_series();
        all.any(|(known, axis, _)| known == name && axis == crate::event::Axis::EnvSteps)
    });
    let mut curve = Vec::new();
    if on_steps {
        for (index, step) in steps.iter().enumerate() {
            let between: Vec<Option<f64>> = points
                .iter()
                .zip(all)
                .map(|(run, evaluations)| {
                    let end = evaluations[index].progress.step;
                    let start = index.checked_sub(1).map(|at| evaluations[at].progress.step);
                    let inside: Vec<f64> = run
                        .iter()
                        .filter(|point| point.step <= end)
                        .filter(|point| start.is_none_or(|start| point.step > start))
                        .map(|point| point.value)
                        .collect();
                    (!inside.is_empty()).then(|| mean(&inside))
                })
                .collect();
            if let Some(over) = complete(between, bootstrap) {
                curve.push(CurvePoint {
                    step: *step,
                    mean: over.mean,
                });
            }
        }
    }
    Measure {
        name: name.to_owned(),
        last: complete(last.collect(), bootstrap),
        mean: complete(means.collect(), bootstrap),
        absolute: None,
        curve,
    }
}

#[cfg(test)]
mod tests;
