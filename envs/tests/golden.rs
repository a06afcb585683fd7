//! Golden traces of the Python package `lbforaging` 2.0.0, made by
//! `xtask/parity/make_lbf_golden.py`: 0 mismatches in states, rewards (f64 bits), flags and
//! observations (f32 bits).

#![allow(clippy::unwrap_used)]

use envs::level_based_foraging::ForagingState;
use envs::{EnvironmentOptions, doors};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Transition {
    id: String,
    line: Value,
    after: ForagingState,
    rewards: Vec<f64>,
    terminated: bool,
    truncated: bool,
    observations: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Starts {
    id: String,
    options: EnvironmentOptions,
    seed: u64,
    states: Vec<ForagingState>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(flatten)]
    state: ForagingState,
    rewards: Vec<f64>,
    terminated: bool,
    truncated: bool,
    observations: Vec<Vec<f32>>,
}

fn double_bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn single_bits(values: &[Vec<f32>]) -> Vec<Vec<u32>> {
    values
        .iter()
        .map(|list| list.iter().map(|value| value.to_bits()).collect())
        .collect()
}

#[test]
fn transitions_are_the_references() {
    let text = include_str!("golden/lbf_transitions.jsonl");
    let mut rewarded = 0;
    for (index, record) in text.lines().enumerate() {
        let record: Transition = serde_json::from_str(record).unwrap();
        let mut output = Vec::new();
        let line = record.line.to_string();
        let options = EnvironmentOptions::default();
        doors::replay(&record.id, &options, line.as_bytes(), &mut output).unwrap();
        let answer: Answer = serde_json::from_slice(&output).unwrap();
        let context = format!("line {} of {}: {line}", index + 1, record.id);
        assert_eq!(answer.state, record.after, "{context}");
        assert_eq!(
            double_bits(&answer.rewards),
            double_bits(&record.rewards),
            "{context}"
        );
        assert_eq!(
            (answer.terminated, answer.truncated),
            (record.terminated, record.truncated),
            "{context}"
        );
        assert_eq!(
            single_bits(&answer.observations),
            single_bits(&record.observations),
            "{context}"
        );
        rewarded += usize::from(record.rewards.iter().any(|&reward| reward > 0.0));
    }
    assert_eq!(text.lines().count(), 312);
    assert!(rewarded > 100, "only {rewarded} transitions take food");
}

#[test]
fn seeded_starts_are_the_references() {
    let text = include_str!("golden/lbf_resets.jsonl");
    for record in text.lines() {
        let record: Starts = serde_json::from_str(record).unwrap();
        let mut output = Vec::new();
        doors::reset(
            &record.id,
            &record.options,
            record.seed,
            record.states.len(),
            &mut output,
        )
        .unwrap();
        let states: Vec<ForagingState> = std::str::from_utf8(&output)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(states, record.states, "{} seed {}", record.id, record.seed);
    }
    assert_eq!(text.lines().count(), 7);
}
