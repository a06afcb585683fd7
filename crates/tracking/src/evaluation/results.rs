//! The tables of an evaluation, from what is played so far.
//!
//! All teams of an evaluation meet the same starts: episode `k` of every team begins alike.
//! So the intervals draw starts, and every number of a table sees the same draw; a
//! difference between two policies is then judged on equal ground. They say how much the
//! starts matter; what another training would have come to, only further seeds tell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::folder::{Games, TeamGames};
use super::plan::{Kind, Parameter, Plan, PlayOptions, Unit, letter};
use crate::event::encoding::number;
use crate::statistics::{Bootstrap, Interval, interquartile_mean, mean};

mod seats;

use seats::Seats;

/// A policy as tables name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyName {
    /// A, B, C.
    pub letter: String,
    /// Run and checkpoint.
    pub name: String,
    /// The run's id.
    pub run: String,
    /// `best` or `step-N`.
    pub checkpoint: String,
    /// Environment steps of training.
    pub step: u64,
    /// What it was trained by.
    pub algorithm: String,
    /// Seed of its training.
    pub seed: u64,
}

/// The score of one policy in all seats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// Index into [`Results::policies`].
    pub policy: usize,
    /// Episodes.
    pub episodes: usize,
    /// Mean return with its interval.
    pub mean: Interval,
    /// Interquartile mean of the returns.
    #[serde(with = "number")]
    pub interquartile_mean: f64,
    /// Mean steps of an episode.
    pub mean_length: f64,
    /// Share of the steps that were central calls, where a switch decided.
    pub calls: Option<Interval>,
}

/// A value of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepRow {
    /// Index into [`Results::policies`]; none where the rows are no policy's.
    pub policy: Option<usize>,
    /// The value as it was written.
    pub value: String,
    /// The score with its interval: mean return, or accuracy.
    pub score: Interval,
    /// What was spent, with its interval: share of central calls, or tokens.
    pub spent: Option<Interval>,
    /// Mean steps of an episode.
    pub mean_length: Option<f64>,
    /// Episodes or problems behind it.
    pub count: usize,
}

/// Mean returns of every policy with every other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossPlay {
    /// `cells[row][column]`: the row's policy in the first seat together with the column's;
    /// with more than two agents, over all teams of both with the row's in the first seat.
    pub cells: Vec<Vec<Option<Interval>>>,
}

/// A place in the ranking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// Index into [`Results::policies`].
    pub policy: usize,
    /// 1 is best.
    pub rank: usize,
    /// The best and the worst rank of the interval.
    pub rank_range: (usize, usize),
    /// Mean return over all partners other than itself, in all seats.
    pub cross_play: Interval,
    /// Mean return with itself.
    pub self_play: Interval,
}

/// How often one policy does better than another in the same seats with the same partner
/// from the same start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Improvement {
    /// Index into [`Results::policies`].
    pub policy: usize,
    /// Index of the policy that it takes the place of.
    pub over: usize,
    /// The chance, ties counted half.
    pub chance: Interval,
}

/// What is missing and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The unit's key.
    pub unit: String,
    /// The policies, by letter.
    pub policies: Vec<String>,
    /// Why, when it was tried.
    pub reason: Option<String>,
}

/// All tables of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// What was compared.
    pub kind: Kind,
    /// The environment's id; the resource of recorded searches.
    pub environment: String,
    /// How it was played.
    pub options: PlayOptions,
    /// The setting of a sweep.
    pub parameter: Option<Parameter>,
    /// Coverage of the intervals.
    pub confidence: f64,
    /// The policies.
    pub policies: Vec<PolicyName>,
    /// Every policy alone.
    pub scores: Vec<ScoreRow>,
    /// Every policy with every other.
    pub cross_play: Option<CrossPlay>,
    /// The order of the policies by their cross-play; only of those that played with
    /// everyone.
    pub ranking: Vec<Ranked>,
    /// Every ranked policy over every other.
    pub improvement: Vec<Improvement>,
    /// Values of a sweep.
    pub sweep: Vec<SweepRow>,
    /// Units without games.
    pub missing: Vec<Missing>,
    /// Units in all.
    pub units: usize,
    /// Recorded searches that do not count: they go on, or nobody judged their answer.
    #[serde(default)]
    pub unjudged: usize,
}

impl Results {
    /// Computes everything that the games allow.
    pub fn of(
        plan: &Plan,
        games: &BTreeMap<Unit, Games>,
        failures: &BTreeMap<String, String>,
        bootstrap: &Bootstrap,
    ) -> Self {
        let units = plan.units();
        let mut results = Self {
            kind: plan.kind,
            environment: plan.environment_id(),
            options: plan.options.clone(),
            parameter: plan.sweep.as_ref().map(|sweep| sweep.parameter),
            confidence: bootstrap.confidence,
            policies: names(plan),
            scores: Vec::new(),
            cross_play: None,
            ranking: Vec::new(),
            improvement: Vec::new(),
            sweep: Vec::new(),
            missing: missing(&units, games, failures),
            units: units.len(),
            unjudged: 0,
        };
        for unit in &units {
            let team = games.get(unit).and_then(|games| games.teams.first());
            let (Unit::Alone { policy, value }, Some(team)) = (*unit, team) else {
                continue;
            };
            match value {
                None => results.scores.push(score(policy, team, bootstrap)),
                Some(_) => results.sweep.push(swept(plan, *unit, team, bootstrap)),
            }
        }
        if plan.kind == Kind::Tournament {
            let seats = Seats::new(plan, games);
            results.cross_play = Some(seats.matrix(bootstrap));
            let ranked = seats.complete();
            if ranked.len() > 1 {
                results.ranking = seats.ranking(&ranked, bootstrap);
                results.improvement = seats.improvement(&results.ranking, bootstrap);
            }
        }
        results
    }

    /// The score of a policy alone.
    pub fn score(&self, policy: usize) -> Option<&ScoreRow> {
        self.scores.iter().find(|row| row.policy == policy)
    }

    /// The chance that a policy does better than another in its place.
    pub fn improvement(&self, policy: usize, over: usize) -> Option<Interval> {
        let found = self.improvement.iter();
        found
            .filter(|one| one.policy == policy && one.over == over)
            .map(|one| one.chance)
            .next()
    }

    /// Policies of a tournament that are not ranked because games of theirs are missing.
    pub fn unranked(&self) -> Vec<usize> {
        let ranked = |policy: &usize| self.ranking.iter().any(|one| one.policy == *policy);
        let all = 0..self.policies.len();
        all.filter(|policy| self.kind == Kind::Tournament && !ranked(policy))
            .collect()
    }
}

fn names(plan: &Plan) -> Vec<PolicyName> {
    let named = plan.contenders.iter().enumerate();
    named
        .map(|(index, one)| PolicyName {
            letter: letter(index),
            name: one.name(),
            run: one.run.clone(),
            checkpoint: one.checkpoint.clone(),
            step: one.step,
            algorithm: one.algorithm.clone(),
            seed: one.seed,
        })
        .collect()
}

fn missing(
    units: &[Unit],
    games: &BTreeMap<Unit, Games>,
    failures: &BTreeMap<String, String>,
) -> Vec<Missing> {
    let without = units.iter().filter(|unit| !games.contains_key(*unit));
    without
        .map(|unit| Missing {
            unit: unit.key(),
            policies: unit.policies().into_iter().map(letter).collect(),
            reason: failures.get(&unit.key()).cloned(),
        })
        .collect()
}

/// Mean of values at drawn places.
fn mean_at(values: &[f64], places: &[usize]) -> f64 {
    places.iter().map(|&place| values[place]).sum::<f64>() / places.len() as f64
}

fn interval_of_mean(values: &[f64], bootstrap: &Bootstrap) -> Interval {
    let found = bootstrap.jointly(values.len(), 1, |places, out| {
        out[0] = mean_at(values, places);
    });
    found[0]
}

/// Share of the steps that were central calls.
fn interval_of_calls(team: &TeamGames, bootstrap: &Bootstrap) -> Option<Interval> {
    if team.calls.len() != team.lengths.len() || team.calls.is_empty() {
        return None;
    }
    let sum = |values: &[u64], places: &[usize]| -> u64 {
        places.iter().map(|&place| values[place]).sum()
    };
    let found = bootstrap.jointly(team.calls.len(), 1, |places, out| {
        let steps = sum(&team.lengths, places).max(1);
        out[0] = sum(&team.calls, places) as f64 / steps as f64;
    });
    found.first().copied()
}

fn mean_length(team: &TeamGames) -> f64 {
    let steps: Vec<f64> = team.lengths.iter().map(|&steps| steps as f64).collect();
    mean(&steps)
}

fn score(policy: usize, team: &TeamGames, bootstrap: &Bootstrap) -> ScoreRow {
    ScoreRow {
        policy,
        episodes: team.returns.len(),
        mean: interval_of_mean(&team.returns, bootstrap),
        interquartile_mean: interquartile_mean(&team.returns),
        mean_length: mean_length(team),
        calls: interval_of_calls(team, bootstrap),
    }
}

fn swept(plan: &Plan, unit: Unit, team: &TeamGames, bootstrap: &Bootstrap) -> SweepRow {
    let (policy, value) = match unit {
        Unit::Alone { policy, value } => (Some(policy), value),
        Unit::Pair { .. } => (None, None),
    };
    let label = value.and_then(|value| plan.sweep.as_ref()?.values.get(value));
    let switched = policy.is_some_and(|policy| plan.contenders[policy].switched);
    let exactly = |value: f64| Interval {
        estimate: value,
        low: value,
        high: value,
    };
    // Where one half always acts no switch decides and the share is known.
    let fixed = match plan.options_of(unit).0.execution.as_deref() {
        Some("il") if switched => Some(exactly(0.0)),
        Some("cl") if switched => Some(exactly(1.0)),
        _ => None,
    };
    SweepRow {
        policy,
        value: label.map_or_else(String::new, |value| value.label.clone()),
        score: interval_of_mean(&team.returns, bootstrap),
        spent: interval_of_calls(team, bootstrap).or(fixed),
        mean_length: Some(mean_length(team)),
        count: team.returns.len(),
    }
}
