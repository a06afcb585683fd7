//! Answer metrics against the benchmarks' own scripts (`xtask/parity/make_answer_metric_golden.py`).
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use search::metrics::{Score, Variant, normalise, score};
use serde_json::Value;

fn golden(list: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("golden/answer_metrics.json")).unwrap();
    all[list].as_array().unwrap().clone()
}

fn close(ours: Score, exact: &Value, f1: &Value, what: &Value) {
    assert_eq!(ours.exact, exact.as_f64().unwrap(), "{what}");
    assert!(
        (ours.f1 - f1.as_f64().unwrap()).abs() < 1e-12,
        "{what}: {}",
        ours.f1
    );
}

#[test]
fn single_answers_score_as_in_the_scripts() {
    let pairs = golden("pairs");
    assert!(pairs.len() >= 30);
    for pair in pairs {
        let prediction = pair["prediction"].as_str().unwrap();
        let answer = [pair["answer"].as_str().unwrap()];
        assert_eq!(normalise(prediction), pair["normal"], "{pair}");
        let hotpot = score(Variant::Hotpot, prediction, &answer);
        close(hotpot, &pair["exact"], &pair["hotpot"]["f1"], &pair);
        let squad = score(Variant::Squad, prediction, &answer);
        close(
            squad,
            &pair["musique"]["exact"],
            &pair["musique"]["f1"],
            &pair,
        );
    }
}

#[test]
fn the_best_of_several_answers_counts() {
    for case in golden("several") {
        let prediction = case["prediction"].as_str().unwrap();
        let answers = case["answers"].as_array().unwrap();
        let answers: Vec<&str> = answers
            .iter()
            .map(|answer| answer.as_str().unwrap())
            .collect();
        for (variant, name) in [(Variant::Hotpot, "hotpot"), (Variant::Squad, "musique")] {
            let ours = score(variant, prediction, &answers);
            close(ours, &case[name]["exact"], &case[name]["f1"], &case);
        }
    }
    let none: [&str; 0] = [];
    assert_eq!(score(Variant::Squad, "", &none), Score::default());
}
