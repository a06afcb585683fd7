//! Results of compared runs: scores with intervals, differences of settings, and how
//! probable it is that one group beats another.

use std::collections::BTreeSet;

use tracking::History;
use tracking::statistics::{Bootstrap, Interval, mean};

use super::curves::unfolded_name;
use super::{Centre, Group, Member};

/// What a run or a group of seeds came to.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultRow {
    /// The group, or the run.
    pub name: String,
    /// Different seeds of the runs behind it.
    pub seeds: usize,
    /// Mean return of the last evaluation.
    pub last: Option<Interval>,
    /// Mean return of the best evaluation; optimistic, for it was chosen by the same
    /// episodes.
    pub best: Option<Interval>,
    /// Mean return of the best checkpoint, played again.
    pub absolute: Option<Interval>,
    /// Environment steps, of the furthest run.
    pub steps: u64,
    /// Seconds of training, of the longest run.
    pub seconds: f64,
    /// Environment steps per second over the whole training, the mean of the runs.
    pub steps_per_second: Option<f64>,
    /// Where it was computed.
    pub device: String,
}

/// A row per group with intervals over its seeds, or a row per run with intervals over its
/// episodes.
#[must_use]
pub fn results(
    members: &[Member<'_>],
    groups: &[Group],
    fold: bool,
    centre: Centre,
    bootstrap: &Bootstrap,
) -> Vec<ResultRow> {
    if !fold {
        let order = groups.iter().flat_map(|group| &group.members);
        return order
            .map(|index| {
                let name = unfolded_name(members, &members[*index]);
                run_row(&name, &members[*index], bootstrap)
            })
            .collect();
    }
    groups
        .iter()
        .map(|group| {
            let runs: Vec<&Member<'_>> =
                group.members.iter().map(|index| &members[*index]).collect();
            group_row(&group.name, &runs, centre, bootstrap)
        })
        .collect()
}

fn run_row(name: &str, member: &Member<'_>, bootstrap: &Bootstrap) -> ResultRow {
    let over_episodes = |returns: &[f64]| {
        let table = [returns.to_vec()];
        bootstrap.interval(&table, |drawn: &[Vec<f64>]| mean(&drawn[0]))
    };
    let history = member.history;
    ResultRow {
        last: last(history).map(over_episodes),
        best: best(history).map(over_episodes),
        absolute: absolute(history).map(over_episodes),
        ..cost(name, &[member])
    }
}

fn group_row(name: &str, runs: &[&Member<'_>], centre: Centre, bootstrap: &Bootstrap) -> ResultRow {
    let over_seeds = |read: fn(&History) -> Option<&[f64]>| {
        let scores: Vec<f64> = runs
            .iter()
            .filter_map(|run| read(run.history))
            .map(mean)
            .collect();
        (!scores.is_empty()).then(|| centre.interval(&scores, bootstrap))
    };
    ResultRow {
        last: over_seeds(last),
        best: over_seeds(best),
        absolute: over_seeds(absolute),
        ..cost(name, runs)
    }
}

fn cost(name: &str, runs: &[&Member<'_>]) -> ResultRow {
    let rates: Vec<f64> = runs
        .iter()
        .filter(|run| run.progress.seconds > 0.0)
        .map(|run| run.progress.step as f64 / run.progress.seconds)
        .collect();
    let devices: BTreeSet<&str> = runs
        .iter()
        .map(|run| run.device.as_str())
        .filter(|device| !device.is_empty())
        .collect();
    let devices: Vec<&str> = devices.into_iter().collect();
    ResultRow {
        name: name.to_owned(),
        seeds: super::seeds(runs.iter().copied()),
        last: None,
        best: None,
        absolute: None,
        steps: runs.iter().map(|run| run.progress.step).max().unwrap_or(0),
        seconds: runs
            .iter()
            .map(|run| run.progress.seconds)
            .fold(0.0, f64::max),
        steps_per_second: (!rates.is_empty()).then(|| mean(&rates)),
        device: devices.join(" "),
    }
}

fn last(history: &History) -> Option<&[f64]> {
    history
        .interval_evaluations()
        .last()
        .map(|one| one.returns.as_slice())
}

fn best(history: &History) -> Option<&[f64]> {
    history
        .interval_evaluations()
        .filter(|one| !mean(&one.returns).is_nan())
        .max_by(|left, right| mean(&left.returns).total_cmp(&mean(&right.returns)))
        .map(|one| one.returns.as_slice())
}

fn absolute(history: &History) -> Option<&[f64]> {
    history
        .absolute_evaluation()
        .map(|one| one.returns.as_slice())
}

/// A setting that is not the same in all runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its path.
    pub path: String,
    /// Its value in each group; `None` where it is not set.
    pub values: Vec<Option<String>>,
}

/// The settings that differ between groups; the seed, which differs by design, is left
/// out.
#[must_use]
pub fn differences(members: &[Member<'_>], groups: &[Group]) -> Vec<Difference> {
    let firsts: Vec<&Member<'_>> = groups
        .iter()
        .filter_map(|group| members.get(*group.members.first()?))
        .collect();
    let paths: BTreeSet<&String> = firsts
        .iter()
        .flat_map(|member| member.settings.keys())
        .filter(|path| *path != "seed")
        .collect();
    paths
        .into_iter()
        .map(|path| Difference {
            path: path.clone(),
            values: firsts
                .iter()
                .map(|member| member.settings.get(path).cloned())
                .collect(),
        })
        .filter(|found| found.values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

/// How probable it is that a run of the first group scores higher than one of the second.
#[derive(Clone, Debug, PartialEq)]
pub struct Improvement {
    /// The group whose chance this is.
    pub first: String,
    /// The other.
    pub second: String,
    /// Whether absolute returns were compared; else those of the last evaluations, for not
    /// every run has an absolute one yet.
    pub absolute: bool,
    /// The probability, ties counted half.
    pub probability: Interval,
}

/// Every pair of groups on the same task.
#[must_use]
pub fn improvements(
    members: &[Member<'_>],
    groups: &[Group],
    bootstrap: &Bootstrap,
) -> Vec<Improvement> {
    let runs = |group: &Group| -> Vec<&Member<'_>> {
        group.members.iter().map(|index| &members[*index]).collect()
    };
    let mut found = Vec::new();
    for (index, first) in groups.iter().enumerate() {
        for second in &groups[index + 1..] {
            let (ours, theirs) = (runs(first), runs(second));
            let task = |runs: &[&Member<'_>]| runs.first().map(|run| run.task.clone());
            if task(&ours) != task(&theirs) {
                continue;
            }
            let all_absolute = ours
                .iter()
                .chain(&theirs)
                .all(|run| absolute(run.history).is_some());
            let read = if all_absolute { absolute } else { last };
            let scores = |runs: &[&Member<'_>]| -> Vec<f64> {
                let scores = runs.iter().filter_map(|run| read(run.history));
                scores.map(mean).collect()
            };
            let (ours, theirs) = (scores(&ours), scores(&theirs));
            if ours.is_empty() || theirs.is_empty() {
                continue;
            }
            found.push(Improvement {
                first: first.name.clone(),
                second: second.name.clone(),
                absolute: all_absolute,
                probability: bootstrap.probability_of_improvement(&[ours], &[theirs]),
            });
        }
    }
    found
}
