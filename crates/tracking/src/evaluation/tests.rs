//! Against numbers computed by hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::plan::Sweep;
use super::*;
use crate::statistics::{Bootstrap, Interval};

fn policy(folder: &Path, name: &str, change: impl Fn(&mut serde_json::Value)) -> Contender {
    let path = folder.join(name);
    fs::create_dir_all(&path).unwrap();
    let mut text = json!({
        "version": 1, "step": 10,
        "config": {
            "seed": 3,
            "environment": {"id": "Foraging-5x5-2p-1f-v3", "time_limit": 20, "common_reward": true},
            "algorithm": {"kind": "iql"},
            "evaluation": {"environments": 8}
        },
        "environment": {"agents": 2, "actions": 6, "observation_size": 9}
    });
    change(&mut text);
    fs::write(path.join("policy.json"), text.to_string()).unwrap();
    fs::write(path.join("parameters.safetensors"), name).unwrap();
    Contender::read(name, folder, "best", &path).unwrap()
}

fn same(_: &mut serde_json::Value) {}

fn plan(folder: &Path, names: &[&str], kind: Kind, episodes: u64) -> Plan {
    let policies = names.iter().map(|name| policy(folder, name, same));
    let options = PlayOptions {
        episodes,
        ..PlayOptions::default()
    };
    Plan::new(kind, policies.collect(), options)
}

fn games(plan: &Plan, unit: Unit, teams: &[(&[usize], &[f64])]) -> Games {
    let prints = unit.policies();
    let prints = prints
        .iter()
        .map(|&one| plan.contenders[one].fingerprint.clone());
    let team = |(seats, returns): &(&[usize], &[f64])| TeamGames {
        seats: seats.to_vec(),
        returns: returns.to_vec(),
        lengths: vec![4; returns.len()],
        calls: Vec::new(),
    };
    Games {
        fingerprints: prints.collect(),
        teams: teams.iter().map(team).collect(),
    }
}

fn alone(policy: usize) -> Unit {
    Unit::Alone {
        policy,
        value: None,
    }
}

fn pair(first: usize, second: usize) -> Unit {
    Unit::Pair { first, second }
}

/// Three policies, two starts.
///
/// ```text
///        A        B        C        seat 1 down, seat 2 across
/// A   1.0 1.0  0.6 0.2  0.4 0.4
/// B   0.2 0.2  0.8 0.0  0.0 0.0
/// C   0.4 0.0  0.0 0.4  0.0 0.0
/// ```
fn three(folder: &Path) -> (Plan, BTreeMap<Unit, Games>) {
    let plan = plan(folder, &["a", "b", "c"], Kind::Tournament, 2);
    let mut all = BTreeMap::new();
    let mut put = |unit: Unit, teams: &[(&[usize], &[f64])]| {
        all.insert(unit, games(&plan, unit, teams));
    };
    put(alone(0), &[(&[0, 0], &[1.0, 1.0])]);
    put(alone(1), &[(&[0, 0], &[0.8, 0.0])]);
    put(alone(2), &[(&[0, 0], &[0.0, 0.0])]);
    let both: [&[usize]; 2] = [&[0, 1], &[1, 0]];
    put(
        pair(0, 1),
        &[(both[0], &[0.6, 0.2]), (both[1], &[0.2, 0.2])],
    );
    put(
        pair(0, 2),
        &[(both[0], &[0.4, 0.4]), (both[1], &[0.4, 0.0])],
    );
    put(
        pair(1, 2),
        &[(both[0], &[0.0, 0.0]), (both[1], &[0.0, 0.4])],
    );
    (plan, all)
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-12
}

#[test]
fn a_tournament_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, all) = three(folder.path());
    assert_eq!(plan.units().len(), 6);
    let results = Results::of(&plan, &all, &BTreeMap::new(), &Bootstrap::default());
    let cells = &results.cross_play.as_ref().unwrap().cells;
    let estimates: Vec<f64> = cells
        .iter()
        .flatten()
        .map(|cell| cell.unwrap().estimate)
        .collect();
    let expected = [1.0, 0.4, 0.4, 0.2, 0.4, 0.0, 0.2, 0.2, 0.0];
    assert!(
        estimates.iter().zip(expected).all(|(a, b)| close(*a, b)),
        "{estimates:?}"
    );
    // A: with B (0.4 + 0.2) / 2, with C (0.4 + 0.2) / 2. B: with A 0.3, with C 0.1.
    // C: with A 0.3, with B 0.1.
    let ranks: Vec<(usize, usize)> = results
        .ranking
        .iter()
        .map(|one| (one.policy, one.rank))
        .collect();
    assert_eq!(ranks, [(0, 1), (1, 2), (2, 2)]);
    let across: Vec<f64> = results
        .ranking
        .iter()
        .map(|one| one.cross_play.estimate)
        .collect();
    assert!(close(across[0], 0.3) && close(across[1], 0.2) && close(across[2], 0.2));
    assert!(results.missing.is_empty() && results.unranked().is_empty());
}

#[test]
fn improvement_puts_one_policy_in_the_seats_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, all) = three(folder.path());
    let results = Results::of(&plan, &all, &BTreeMap::new(), &Bootstrap::default());
    // A over B, with partner A: A A against B A and A B: 1 > 0.2, 1 > 0.2; 1 > 0.6, 1 > 0.2.
    // With B: A B against B B: 0.6 < 0.8, 0.2 > 0; B A against B B: 0.2 < 0.8, 0.2 > 0.
    // With C: A C against B C: 0.4 > 0 twice; C A against C B: 0.4 > 0, 0 < 0.4.
    let chance = results.improvement(0, 1).unwrap().estimate;
    assert!(close(chance, (4.0 + 2.0 + 3.0) / 12.0), "{chance}");
    let back = results.improvement(1, 0).unwrap().estimate;
    assert!(close(back, 3.0 / 12.0), "{back}");
    // B over C has ties: with A: B A - C A 0.2 < 0.4, 0.2 > 0; A B - A C 0.6 > 0.4, 0.2 < 0.4.
    // With B: B B - C B 0.8 > 0, 0 < 0.4; B B - B C 0.8 > 0, 0 = 0.
    // With C: B C - C C 0 = 0 twice; C B - C C 0 = 0, 0.4 > 0.
    let ties = results.improvement(1, 2).unwrap().estimate;
    assert!(close(ties, (2.0 + 2.5 + 2.5) / 12.0), "{ties}");
    assert_eq!(results.improvement(1, 1), None);
}

#[test]
fn scores_have_the_interval_of_the_bootstrap_over_episodes() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &["a"], Kind::Scores, 40);
    let returns: Vec<f64> = (0..40).map(|one| f64::from(one * 7 % 11)).collect();
    let all = BTreeMap::from([(alone(0), games(&plan, alone(0), &[(&[0, 0], &returns)]))]);
    let bootstrap = Bootstrap::default();
    let results = Results::of(&plan, &all, &BTreeMap::new(), &bootstrap);
    let expected = bootstrap.interval(&[returns], |drawn| crate::statistics::mean(&drawn[0]));
    assert_eq!(results.scores[0].mean, expected);
    assert_eq!(results.scores[0].mean_length, 4.0);
    assert_eq!(results.scores[0].calls, None);
}

#[test]
fn a_policy_without_games_leaves_the_others_ranked() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, mut all) = three(folder.path());
    all.remove(&pair(0, 1));
    all.remove(&pair(1, 2));
    let failures = BTreeMap::from([("pair-0-1".to_owned(), "gone".to_owned())]);
    let results = Results::of(&plan, &all, &failures, &Bootstrap::default());
    let ranked: Vec<usize> = results.ranking.iter().map(|one| one.policy).collect();
    assert_eq!(ranked, [0, 2]);
    assert_eq!(results.unranked(), [1]);
    assert_eq!(results.cross_play.unwrap().cells[0][1], None);
    assert_eq!(results.missing.len(), 2);
    assert_eq!(results.missing[0].reason.as_deref(), Some("gone"));
    assert_eq!(results.missing[1].policies, ["B", "C"]);
}

#[test]
fn one_missing_pair_leaves_out_the_later_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, mut all) = three(folder.path());
    all.remove(&pair(0, 2));
    let results = Results::of(&plan, &all, &BTreeMap::new(), &Bootstrap::default());
    assert_eq!(results.unranked(), [2]);
    // Against each other only: (0.6 + 0.2 + 0.2 + 0.2) / 4 for both.
    assert!(close(results.ranking[0].cross_play.estimate, 0.3));
    assert!(results.ranking.iter().all(|one| one.rank == 1));
}

#[test]
fn a_sweep_tells_what_was_spent() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path(), &["a"], Kind::Sweep, 2);
    plan.contenders[0].switched = true;
    plan.sweep = Some(Sweep::parse("execution=il,mansa,cl").unwrap());
    let unit = |value| Unit::Alone {
        policy: 0,
        value: Some(value),
    };
    assert_eq!(plan.units(), [unit(0), unit(1), unit(2)]);
    assert_eq!(plan.options_of(unit(2)).0.execution.as_deref(), Some("cl"));
    let mut all = BTreeMap::new();
    for value in 0..3 {
        let mut one = games(&plan, unit(value), &[(&[0, 0], &[0.0, 1.0])]);
        if value == 1 {
            one.teams[0].calls = vec![1, 3];
        }
        all.insert(unit(value), one);
    }
    let results = Results::of(&plan, &all, &BTreeMap::new(), &Bootstrap::default());
    let spent: Vec<Interval> = results.sweep.iter().map(|row| row.spent.unwrap()).collect();
    let estimates: Vec<f64> = spent.iter().map(|one| one.estimate).collect();
    assert_eq!(estimates, [0.0, 4.0 / 8.0, 1.0]);
    assert_eq!((spent[1].low, spent[1].high), (0.25, 0.75));
    assert_eq!(results.sweep[1].value, "mansa");
}

#[test]
fn policies_that_do_not_fit_are_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let one = policy(folder.path(), "a", same);
    let larger = policy(folder.path(), "b", |text| {
        text["environment"]["agents"] = json!(3);
    });
    let message = mismatch(&[one.clone(), larger], None, None).unwrap();
    assert!(message.contains("a:best is for 2 agents"), "{message}");
    assert!(message.contains("b:best is for 3 agents"), "{message}");
    let longer = policy(folder.path(), "c", |text| {
        text["config"]["environment"]["time_limit"] = json!(50);
    });
    let message = mismatch(&[one.clone(), longer.clone()], None, None).unwrap();
    assert!(
        message.contains("environment.time_limit is 20 and 50"),
        "{message}"
    );
    assert_eq!(mismatch(&[one.clone(), longer], None, Some(9)), None);
    let masked = policy(folder.path(), "d", |text| {
        text["config"]["environment"]["action_masks"] = json!(true);
    });
    assert_eq!(mismatch(&[one, masked], None, None), None);
}

#[test]
fn a_folder_keeps_what_is_done_and_refuses_what_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, all) = three(folder.path());
    let path = EvaluationFolder::new_path(folder.path(), &plan);
    let kept = EvaluationFolder::create(&path, plan.clone()).unwrap();
    kept.keep(alone(0), &all[&alone(0)]).unwrap();
    assert_eq!(
        (kept.done(), kept.state()),
        (1, EvaluationState::Interrupted)
    );
    let lock = kept.lock().unwrap();
    assert_eq!(kept.state(), EvaluationState::Running);
    let message = kept.lock().unwrap_err().to_string();
    assert!(message.contains("being played"), "{message}");
    drop(lock);
    // Of another policy, half a file, too few episodes: played again.
    kept.keep(alone(1), &all[&alone(2)]).unwrap();
    fs::write(kept.game_file(alone(2)), "{\"finger").unwrap();
    let mut short = all[&pair(0, 1)].clone();
    short.teams[1].returns.pop();
    kept.keep(pair(0, 1), &short).unwrap();
    let again = EvaluationFolder::open(&path).unwrap();
    assert_eq!(again.all_games().len(), 1);
    assert_eq!(again.plan.difference(&plan), None);
    assert_eq!(EvaluationFolder::list(folder.path()).unwrap(), [again]);
    let mut other = plan.clone();
    other.options.seed = 9;
    let difference = plan.difference(&other).unwrap();
    assert!(difference.contains("\"seed\":9"), "{difference}");
}

#[test]
fn games_of_an_earlier_evaluation_are_taken_over_when_nothing_differs() {
    let folder = tempfile::tempdir().unwrap();
    let (three, all) = three(folder.path());
    let at = |name: &str| folder.path().join("evaluations").join(name);
    let first = EvaluationFolder::create(&at("first"), three.clone()).unwrap();
    for (unit, games) in &all {
        first.keep(*unit, games).unwrap();
    }
    // B and C of the first are A and B of the second; a new one joins.
    let mut other = plan(folder.path(), &["b", "c", "d"], Kind::Tournament, 2);
    let second = EvaluationFolder::create(&at("second"), other.clone()).unwrap();
    assert_eq!(second.take_over().unwrap(), 3);
    assert_eq!(second.games(pair(0, 1)), first.games(pair(1, 2)));
    assert_eq!(second.take_over().unwrap(), 0);
    // Another order of the two deals other seats, another seed other starts.
    let turned = plan(folder.path(), &["c", "b"], Kind::Tournament, 2);
    let turned = EvaluationFolder::create(&at("turned"), turned).unwrap();
    assert_eq!(turned.take_over().unwrap(), 2);
    assert_eq!(turned.games(pair(0, 1)), None);
    other.options.seed = 7;
    let seeded = EvaluationFolder::create(&at("seeded"), other).unwrap();
    assert_eq!(seeded.take_over().unwrap(), 0);
}

#[test]
fn a_policy_that_changes_or_vanishes_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let one = policy(folder.path(), "a", same);
    assert_eq!(one.change(), None);
    fs::write(one.folder.join("parameters.safetensors"), "other").unwrap();
    assert!(one.change().unwrap().contains("another policy"));
    fs::remove_dir_all(&one.folder).unwrap();
    assert!(one.change().unwrap().contains("is gone"));
}
