//! Two runs of searches over the same questions: what each came to, and the difference.

use std::collections::HashMap;

use super::Outcome;
use crate::statistics::{Bootstrap, Interval, mean};

/// What the searches of a run came to on the questions that count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Side {
    /// Questions that are over.
    pub questions: usize,
    /// Of these, those whose answer could be judged.
    pub judged: usize,
    /// Share of the judged that is right.
    pub accuracy: f64,
    /// Mean F1 of those where it is known; none where it is known of none.
    pub f1: Option<f64>,
    /// Mean spent per question, by resource.
    pub spent: Vec<(String, f64)>,
    /// Share of the questions whose answer was forced.
    pub backstop: f64,
    /// Resources above their ceiling, summed over questions. To be 0.
    pub violations: usize,
}

impl Side {
    /// Over the questions that are over.
    pub fn of(outcomes: &[&Outcome]) -> Self {
        let over: Vec<&&Outcome> = outcomes.iter().filter(|one| one.over).collect();
        let share = |test: &dyn Fn(&Outcome) -> f64| {
            mean(&over.iter().map(|one| test(one)).collect::<Vec<f64>>())
        };
        let verdicts: Vec<f64> = over
            .iter()
            .filter_map(|one| one.verdict())
            .map(f64::from)
            .collect();
        let f1: Vec<f64> = over.iter().filter_map(|one| one.f1()).collect();
        let mut resources: Vec<&String> = Vec::new();
        for spent in over.iter().flat_map(|one| &one.spent) {
            if !resources.contains(&&spent.resource) {
                resources.push(&spent.resource);
            }
        }
        Self {
            questions: over.len(),
            judged: verdicts.len(),
            accuracy: mean(&verdicts),
            f1: (!f1.is_empty()).then(|| mean(&f1)),
            spent: resources
                .into_iter()
                .map(|name| (name.clone(), share(&|one| one.spent_of(name))))
                .collect(),
            backstop: share(&|one| f64::from(one.backstop)),
            violations: over.iter().map(|one| one.violations()).sum(),
        }
    }
}

/// The difference of two runs on the questions that both finished and that were judged in both.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// Questions that count.
    pub pairs: usize,
    /// Right in the first run only.
    pub first_only: usize,
    /// Right in the second run only.
    pub second_only: usize,
    /// Accuracy of the second run less that of the first.
    pub accuracy: Interval,
    /// The same of F1; none where it is not known of every pair.
    pub f1: Option<Interval>,
    /// The same of what was spent, by resource.
    pub spent: Vec<(String, Interval)>,
}

/// Pairs by the questions' identities. The interval is a bootstrap over pairs: both runs see the
/// same drawn questions.
pub fn pair(first: &[Outcome], second: &[Outcome], bootstrap: &Bootstrap) -> Paired {
    let pairs = pairs(first, second);
    let verdict = |one: &Outcome| one.verdict() == Some(true);
    let rights: Vec<(bool, bool)> = pairs
        .iter()
        .map(|(one, other)| (verdict(&first[*one]), verdict(&second[*other])))
        .collect();
    let count = |wanted: (bool, bool)| rights.iter().filter(|right| **right == wanted).count();
    let f1: Vec<f64> = pairs
        .iter()
        .filter_map(|(one, other)| Some(second[*other].f1()? - first[*one].f1()?))
        .collect();
    let resources = resources(first, second);
    let mut differences: Vec<Vec<f64>> = vec![
        rights
            .iter()
            .map(|(one, other)| f64::from(*other) - f64::from(*one))
            .collect(),
    ];
    differences.extend(resources.iter().map(|name| {
        let spent = |(one, other): &(usize, usize)| {
            second[*other].spent_of(name) - first[*one].spent_of(name)
        };
        pairs.iter().map(spent).collect()
    }));
    let whole = f1.len() == pairs.len() && !pairs.is_empty();
    if whole {
        differences.push(f1);
    }
    let mut found = intervals(&differences, pairs.len(), bootstrap);
    Paired {
        pairs: pairs.len(),
        first_only: count((true, false)),
        second_only: count((false, true)),
        f1: if whole { found.pop() } else { None },
        accuracy: found[0],
        spent: resources.into_iter().zip(found.drain(1..)).collect(),
    }
}

fn intervals(differences: &[Vec<f64>], pairs: usize, bootstrap: &Bootstrap) -> Vec<Interval> {
    bootstrap.jointly(pairs, differences.len(), |places, out| {
        for (sum, values) in out.iter_mut().zip(differences) {
            *sum = places.iter().map(|place| values[*place]).sum::<f64>() / pairs as f64;
        }
    })
}

/// The name that a question goes by in every run.
pub fn key(outcome: &Outcome) -> &str {
    if outcome.id.is_empty() {
        &outcome.name
    } else {
        &outcome.id
    }
}

/// Questions that both runs finished and that were judged in both, as places among their outcomes.
pub fn pairs(first: &[Outcome], second: &[Outcome]) -> Vec<(usize, usize)> {
    let counts = |one: &Outcome| one.over && one.verdict().is_some();
    let places: HashMap<&str, usize> = second
        .iter()
        .enumerate()
        .filter(|(_, one)| counts(one))
        .map(|(place, one)| (key(one), place))
        .collect();
    first
        .iter()
        .enumerate()
        .filter(|(_, one)| counts(one))
        .filter_map(|(place, one)| Some((place, *places.get(key(one))?)))
        .collect()
}

/// Resources that either run spent, in order of appearance.
fn resources(first: &[Outcome], second: &[Outcome]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for spent in first.iter().chain(second).flat_map(|one| &one.spent) {
        if !names.contains(&spent.resource) {
            names.push(spent.resource.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::Spent;
    use super::*;

    fn outcome(id: &str, correct: Option<bool>, tokens: f64) -> Outcome {
        Outcome {
            id: id.to_owned(),
            answer: Some("a".to_owned()),
            correct,
            f1: correct.map(f64::from),
            backstop: tokens > 90.0,
            spent: vec![Spent {
                resource: "tokens".to_owned(),
                amount: tokens,
                limit: 100.0,
            }],
            over: true,
            ..Outcome::default()
        }
    }

    #[test]
    fn questions_pair_by_their_identity() {
        let first = [
            outcome("a", Some(true), 50.0),
            outcome("b", Some(false), 60.0),
            outcome("c", Some(false), 70.0),
            outcome("only here", Some(true), 10.0),
            outcome("unjudged", None, 10.0),
        ];
        let second = [
            outcome("unjudged", Some(true), 10.0),
            outcome("c", Some(true), 101.0),
            outcome("b", Some(false), 80.0),
            outcome("a", Some(true), 80.0),
        ];
        let paired = pair(&first, &second, &Bootstrap::default());
        assert_eq!(paired.pairs, 3);
        assert_eq!((paired.first_only, paired.second_only), (0, 1));
        assert!((paired.accuracy.estimate - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!((paired.accuracy.low, paired.accuracy.high), (0.0, 1.0));
        assert_eq!(paired.f1, Some(paired.accuracy));
        assert_eq!(paired.spent[0].0, "tokens");
        assert!((paired.spent[0].1.estimate - 27.0).abs() < 1e-12);
        let side = Side::of(&second.iter().collect::<Vec<_>>());
        assert_eq!((side.questions, side.judged, side.violations), (4, 4, 1));
        assert_eq!((side.accuracy, side.backstop), (0.75, 0.25));
    }

    #[test]
    fn nothing_in_common_is_no_difference() {
        let first = [outcome("a", Some(true), 1.0)];
        let second = [outcome("b", Some(true), 1.0)];
        let paired = pair(&first, &second, &Bootstrap::default());
        assert_eq!((paired.pairs, paired.f1), (0, None));
        assert!(paired.accuracy.estimate.is_nan());
        assert!(Side::of(&[]).accuracy.is_nan());
    }
}
