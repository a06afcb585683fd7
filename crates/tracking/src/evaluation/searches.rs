//! Accuracy of recorded searches against their budgets, in the form of a sweep.
//!
//! Every question is counted at the budget that its search had. Nothing is derived from a
//! search with another budget: what a search does depends on how much it may spend.

use std::collections::BTreeMap;

use super::plan::{Kind, PlayOptions, letter};
use super::results::{PolicyName, Results, SweepRow};
use crate::search_log::{Replay, SearchLog};
use crate::statistics::{Bootstrap, Interval};

/// What one search came to.
struct Outcome {
    correct: bool,
    spent: f64,
}

/// A group of searches: by the rule that selects, and by the budget.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    policy: String,
    limit: Limit,
}

/// A ceiling in the order of numbers; none comes last.
#[derive(Clone, Copy, PartialEq)]
struct Limit(f64);

impl Eq for Limit {}

impl PartialOrd for Limit {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Limit {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Accuracy and what was spent of a resource, for every selection rule at every budget.
/// A search without an answer is wrong; one that goes on, or whose answer nobody judged,
/// does not count and is told in [`Results::unjudged`].
pub fn sweep(
    logs: impl IntoIterator<Item = SearchLog>,
    resource: &str,
    bootstrap: &Bootstrap,
) -> Results {
    let mut groups: BTreeMap<Group, Vec<Outcome>> = BTreeMap::new();
    let mut unjudged = 0;
    for log in logs {
        let over = log.is_over();
        let policy = log.question().policy.clone();
        let replay = Replay::at_end(log);
        let budget = replay.budgets().find(|budget| budget.resource == resource);
        let (spent, limit) = budget.map_or((0.0, None), |budget| (budget.spent, budget.limit));
        let correct = match replay.chosen() {
            Some(answer) => answer.correct,
            None => over.then_some(false),
        };
        let Some(correct) = correct.filter(|_| over) else {
            unjudged += 1;
            continue;
        };
        let limit = Limit(limit.unwrap_or(f64::INFINITY));
        let group = groups.entry(Group { policy, limit }).or_default();
        group.push(Outcome { correct, spent });
    }
    let mut results = empty(resource, bootstrap);
    results.unjudged = unjudged;
    for (group, outcomes) in groups {
        let policy = policy_of(&mut results.policies, &group.policy);
        results
            .sweep
            .push(row(policy, group.limit, &outcomes, bootstrap));
    }
    results.units = results.sweep.len();
    results
}

fn empty(resource: &str, bootstrap: &Bootstrap) -> Results {
    Results {
        kind: Kind::Searches,
        environment: resource.to_owned(),
        options: PlayOptions::default(),
        parameter: None,
        confidence: bootstrap.confidence,
        policies: Vec::new(),
        scores: Vec::new(),
        cross_play: None,
        ranking: Vec::new(),
        improvement: Vec::new(),
        sweep: Vec::new(),
        missing: Vec::new(),
        units: 0,
        unjudged: 0,
    }
}

fn policy_of(policies: &mut Vec<PolicyName>, name: &str) -> usize {
    let name = if name.is_empty() { "unnamed" } else { name };
    let known = policies.iter().position(|one| one.name == name);
    known.unwrap_or_else(|| {
        policies.push(PolicyName {
            letter: letter(policies.len()),
            name: name.to_owned(),
            run: String::new(),
            checkpoint: String::new(),
            step: 0,
            algorithm: name.to_owned(),
            seed: 0,
        });
        policies.len() - 1
    })
}

fn row(policy: usize, limit: Limit, outcomes: &[Outcome], bootstrap: &Bootstrap) -> SweepRow {
    // Accuracy and spending of the same drawn questions.
    let found = bootstrap.jointly(outcomes.len(), 2, |places, out| {
        let count = places.len() as f64;
        let right = places.iter().filter(|&&place| outcomes[place].correct);
        out[0] = right.count() as f64 / count;
        out[1] = places
            .iter()
            .map(|&place| outcomes[place].spent)
            .sum::<f64>()
            / count;
    });
    let nothing = Interval {
        estimate: f64::NAN,
        low: f64::NAN,
        high: f64::NAN,
    };
    SweepRow {
        policy: Some(policy),
        value: if limit.0.is_finite() {
            limit.0.to_string()
        } else {
            "none".to_owned()
        },
        score: found.first().copied().unwrap_or(nothing),
        spent: found.get(1).copied(),
        mean_length: None,
        count: outcomes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search_log::{SearchEvent, SearchEventKind};

    /// A search of `policy` with a budget, that spent so much and answered.
    fn log(policy: &str, limit: f64, spent: f64, correct: Option<bool>, over: bool) -> SearchLog {
        let mut log = SearchLog::default();
        let tokens = || "tokens".to_owned();
        let mut kinds = vec![
            SearchEventKind::Question {
                id: "q".to_owned(),
                text: "?".to_owned(),
                policy: policy.to_owned(),
                expected: Vec::new(),
            },
            SearchEventKind::Budget {
                resource: tokens(),
                limit,
            },
            SearchEventKind::Node {
                id: 0,
                parent: None,
                role: "root".to_owned(),
                text: String::new(),
            },
            SearchEventKind::Spend {
                resource: tokens(),
                amount: spent,
                node: Some(0),
            },
        ];
        if let Some(correct) = correct {
            kinds.push(SearchEventKind::Answer {
                text: "a".to_owned(),
                node: Some(0),
                chosen: true,
                backstop: false,
                correct: Some(correct),
                f1: None,
            });
        }
        if over {
            kinds.push(SearchEventKind::End { why: String::new() });
        }
        for kind in kinds {
            log.apply(SearchEvent {
                version: 1,
                time: 0.0,
                kind,
            });
        }
        log
    }

    #[test]
    fn questions_count_at_the_budget_that_they_had() {
        let logs = [
            log("bavt", 1000.0, 900.0, Some(true), true),
            log("bavt", 1000.0, 700.0, Some(false), true),
            log("bavt", 500.0, 500.0, None, true), // no answer: wrong
            log("greedy", f64::INFINITY, 40.0, Some(true), true),
            log("bavt", 500.0, 10.0, None, false), // goes on
        ];
        let results = sweep(logs, "tokens", &Bootstrap::default());
        let rows: Vec<(&str, &str, f64, f64, usize)> = results
            .sweep
            .iter()
            .map(|row| {
                let policy = &results.policies[row.policy.unwrap()];
                let spent = row.spent.unwrap().estimate;
                (
                    &*policy.name,
                    &*row.value,
                    row.score.estimate,
                    spent,
                    row.count,
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("bavt", "500", 0.0, 500.0, 1),
                ("bavt", "1000", 0.5, 800.0, 2),
                ("greedy", "none", 1.0, 40.0, 1),
            ]
        );
        assert_eq!(results.unjudged, 1);
        let wide = results.sweep[1].score;
        assert_eq!((wide.low, wide.high), (0.0, 1.0));
    }

    #[test]
    fn nothing_recorded_gives_no_rows() {
        let results = sweep([], "tokens", &Bootstrap::default());
        assert!(results.sweep.is_empty() && results.policies.is_empty());
        let other = sweep(
            [log("bavt", 9.0, 1.0, Some(true), true)],
            "tool_calls",
            &Bootstrap::default(),
        );
        assert_eq!(other.sweep[0].value, "none");
    }
}
