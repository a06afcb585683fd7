//! Several runs side by side: groups of seeds, their curves and bands, results, and what
//! differs between them. The compare screen and `concord compare` print the same answers.

use std::collections::{BTreeMap, BTreeSet};

use tracking::event::HyperParameter;
use tracking::history::Evaluation;
use tracking::statistics::{Bootstrap, interquartile_mean, mean};
use tracking::{History, Measure, Progress, RunState};

use crate::curve::axes::XAxis;

mod band;
mod curves;
mod export;
mod results;
mod searches;
mod sheets;

pub use band::{BandPoint, band};
pub(crate) use curves::unfolded_name;
pub use curves::{ComparedCurve, Comparison, compare, history_curve, metrics};
pub use export::{curves_csv, curves_json};
pub use results::{Difference, Improvement, ResultRow, differences, improvements, results};
pub use searches::{Searched, question_sheet, search_sheet};
pub use sheets::{difference_sheet, improvement_sheet, result_sheet};

/// The metric that stands for the mean return of the evaluations.
pub const EVALUATION: &str = "evaluation return";

/// What a comparison's curves are called, in the words of the runs' job.
#[must_use]
pub fn title(metric: &str, axis: XAxis, members: &[Member<'_>]) -> String {
    let measures = members.iter().filter_map(measure);
    let measures: BTreeSet<&str> = measures.map(Measure::name).collect();
    match (metric, measures.iter().next(), measures.len()) {
        (EVALUATION, Some(one), 1) => format!("evaluation {one} over {}", axis.title()),
        (EVALUATION, _, 2..) => {
            let all: Vec<&str> = measures.into_iter().collect();
            format!("evaluation ({}) over {}", all.join(", "), axis.title())
        }
        _ => format!("{metric} over {}", axis.title()),
    }
}

/// What a run's evaluations measured last.
fn measure(member: &Member<'_>) -> Option<Measure> {
    let last = member.history.interval_evaluations().last();
    last.map(Evaluation::measure)
}

/// Seeds among runs; a run again with a seed is no further one, and one of unknown seed is.
#[must_use]
pub fn seeds<'a, 'h: 'a>(members: impl Iterator<Item = &'a Member<'h>>) -> usize {
    let seeds: Vec<Option<u64>> = members.map(|member| member.seed).collect();
    let known: BTreeSet<u64> = seeds.iter().flatten().copied().collect();
    known.len() + seeds.iter().filter(|seed| seed.is_none()).count()
}

/// What is known of one run, for comparing it.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// The run's id.
    pub id: String,
    /// The name that the user gave.
    pub name: String,
    /// Its seed, where known.
    pub seed: Option<u64>,
    /// What it learns; empty when unknown. Runs of different tasks are never ranked.
    pub task: String,
    /// Where it computes; empty when unknown.
    pub device: String,
    /// Its state.
    pub state: RunState,
    /// Where it is by its status.
    pub progress: Progress,
    /// Its valid events.
    pub history: &'a History,
    /// Its settings by path.
    pub settings: BTreeMap<String, String>,
}

impl<'a> Member<'a> {
    /// What the events and the id tell; a caller that knows more fills it in.
    #[must_use]
    pub fn of(id: &str, history: &'a History) -> Self {
        let settings = settings(history);
        let seed = settings.get("seed").and_then(|seed| seed.parse().ok());
        let setting = |path: &str| settings.get(path).cloned().unwrap_or_default();
        Member {
            id: id.to_owned(),
            name: unstamped(id).to_owned(),
            seed,
            task: setting("environment.task"),
            device: String::new(),
            state: RunState::default(),
            progress: Progress::default(),
            history,
            settings,
        }
    }
}

/// The settings that a run reported, as text.
#[must_use]
pub fn settings(history: &History) -> BTreeMap<String, String> {
    let text = |value: &HyperParameter| match value {
        HyperParameter::Switch(on) => on.to_string(),
        HyperParameter::Number(number) => number.to_string(),
        HyperParameter::Text(text) => text.clone(),
    };
    let reported = history.hyper_parameters.iter();
    reported
        .map(|(path, value)| (path.clone(), text(value)))
        .collect()
}

/// A run's id without the moment at which it was made (`20261124-133656-demo`).
#[must_use]
pub fn unstamped(id: &str) -> &str {
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut parts = id.splitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(day), Some(time), Some(rest))
            if digits(day, 8) && digits(time, 6) && !rest.is_empty() =>
        {
            rest
        }
        _ => id,
    }
}

/// A name without its own seed at the end (`demo-s3`).
#[must_use]
pub fn without_seed(name: &str, seed: Option<u64>) -> &str {
    seed.and_then(|seed| name.strip_suffix(&format!("-s{seed}")))
        .unwrap_or(name)
}

/// The statistic over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Centre {
    /// The mean.
    Mean,
    /// The interquartile mean.
    #[default]
    InterquartileMean,
}

impl Centre {
    /// In words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Centre::Mean => "mean",
            Centre::InterquartileMean => "interquartile mean",
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Centre {
        match self {
            Centre::Mean => Centre::InterquartileMean,
            Centre::InterquartileMean => Centre::Mean,
        }
    }

    /// Its estimate and interval over the scores of seeds. One seed has no interval.
    #[must_use]
    pub fn interval(self, scores: &[f64], bootstrap: &Bootstrap) -> tracking::statistics::Interval {
        if scores.len() < 2 {
            return tracking::statistics::Interval {
                estimate: mean(scores),
                low: f64::NAN,
                high: f64::NAN,
            };
        }
        let table = [scores.to_vec()];
        match self {
            Centre::Mean => bootstrap.interval(&table, |drawn: &[Vec<f64>]| mean(&drawn[0])),
            Centre::InterquartileMean => bootstrap.interquartile_mean(&table),
        }
    }

    /// Its estimate alone.
    #[must_use]
    pub fn estimate(self, scores: &[f64]) -> f64 {
        match self {
            Centre::Mean => mean(scores),
            Centre::InterquartileMean => interquartile_mean(scores),
        }
    }
}

/// What is compared, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The curve, or [`EVALUATION`].
    pub metric: String,
    /// What the x axis counts; `None` for the metric's own.
    pub axis: Option<XAxis>,
    /// Weight of the moving average; 0 for none.
    pub smooth: f64,
    /// Whether the seeds of a group are folded into a band.
    pub fold: bool,
    /// The statistic over seeds.
    pub centre: Centre,
    /// Points of a band at most.
    pub points: usize,
    /// Draws of the bootstrap behind each point of a band.
    pub resamples: usize,
}

impl Default for Request {
    fn default() -> Self {
        Request {
            metric: EVALUATION.to_owned(),
            axis: None,
            smooth: 0.0,
            fold: true,
            centre: Centre::default(),
            points: 100,
            resamples: 500,
        }
    }
}

impl Request {
    /// What the x axis counts: as asked for, else as the metric was reported.
    #[must_use]
    pub fn axis(&self, members: &[Member<'_>]) -> XAxis {
        let own = || {
            let mut all = members
                .iter()
                .flat_map(|member| member.history.all_series());
            let found = all.find(|(name, ..)| *name == self.metric);
            let scored = || members.iter().filter_map(measure);
            let mut evaluations = members
                .iter()
                .flat_map(|member| member.history.interval_evaluations());
            let updated = evaluations.any(|one| one.progress.updates > 0);
            match found {
                Some((_, own, _)) => XAxis::of(own),
                // A language model takes no steps in an environment.
                None if self.metric == EVALUATION
                    && updated
                    && scored().all(|one| one != Measure::Return) =>
                {
                    XAxis::Updates
                }
                None => XAxis::Steps,
            }
        };
        self.axis.unwrap_or_else(own)
    }
}

/// Runs that differ in nothing but their seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What tells it from the other groups.
    pub name: String,
    /// Positions of its runs, by seed.
    pub members: Vec<usize>,
}

/// A group while it is put together.
struct Forming<'a> {
    settings: Vec<(&'a String, &'a String)>,
    name: &'a str,
    members: Vec<usize>,
}

/// Puts runs together whose settings are equal but for the seed; where a run reported no
/// settings, whose names are equal but for the seed. In the order of the runs.
#[must_use]
pub fn groups(members: &[Member<'_>]) -> Vec<Group> {
    let mut found: Vec<Forming<'_>> = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let name = without_seed(&member.name, member.seed);
        let settings: Vec<_> = member
            .settings
            .iter()
            .filter(|(path, _)| *path != "seed")
            .collect();
        let same = |other: &&mut Forming<'_>| {
            other.settings == settings && (!settings.is_empty() || other.name == name)
        };
        match found.iter_mut().find(same) {
            Some(group) => group.members.push(index),
            None => found.push(Forming {
                settings,
                name,
                members: vec![index],
            }),
        }
    }
    let names = names(&found);
    found
        .into_iter()
        .zip(names)
        .map(|(mut group, name)| {
            group
                .members
                .sort_by_key(|index| (members[*index].seed, *index));
            Group {
                name,
                members: group.members,
            }
        })
        .collect()
}

/// Names that differ: groups of one name get the settings that tell them apart.
fn names(found: &[Forming<'_>]) -> Vec<String> {
    const SETTINGS: usize = 2;
    let mut names: Vec<String> = Vec::new();
    for group in found {
        let differs = |setting: &&(&String, &String)| {
            let mut alike = found.iter().filter(|other| other.name == group.name);
            alike.any(|other| !other.settings.contains(setting))
        };
        let telling: Vec<String> = group
            .settings
            .iter()
            .filter(differs)
            .take(SETTINGS)
            .map(|(path, value)| format!("{}={value}", path.rsplit('.').next().unwrap_or(path)))
            .collect();
        let mut shown = group.name.to_owned();
        if !telling.is_empty() {
            shown = format!("{shown} {}", telling.join(" "));
        }
        if names.contains(&shown) {
            shown = format!("{shown} #{}", names.len() + 1);
        }
        names.push(shown);
    }
    names
}

#[cfg(test)]
mod tests;
