//! Runs from begin to end.

use std::fs;
use std::process::Command;

use dataset::{Form, Rows};
use serde_json::Value;
use tracking::{EvaluationPurpose, RunState};

use super::{PROMPTS, Place, finished, lines};
use crate::folder::{TestRun, outcome, worker};

/// The first point of a curve at this update.
fn at(run: &TestRun, curve: &str, update: usize) -> f64 {
    let points = run.curve(curve);
    points[update - 1].1
}

#[test]
fn two_iterations_of_sppo_leave_every_file_and_a_model() {
    let place = Place::new();
    let run = finished(place.run(&[]));
    let status = run.folder.status().unwrap();
    assert_eq!(
        (status.state, status.exit_code),
        (RunState::Finished, Some(0))
    );
    let mut updates = 0;
    for iteration in 1..=2 {
        let name = |file: &str| format!("iterations/{iteration}/{file}");
        let path = |file: &str| run.folder.path().join(name(file));
        let rated = dataset::read(&path("responses.jsonl"), Form::Rated).unwrap();
        let Rows::Rated(rated) = rated.rows else {
            panic!("{:?}", rated.form)
        };
        assert_eq!(rated.len(), PROMPTS / 2);
        assert!(rated.iter().all(|row| row.responses.len() == 4));

        let judged = lines(&run, &name("judgements.jsonl"));
        assert_eq!(judged.len(), PROMPTS / 2);
        for row in &judged {
            let wins = |first: usize, second: usize| -> f64 {
                row["win_matrix"][first][second].as_f64().unwrap()
            };
            for first in 0..4 {
                assert_eq!(wins(first, first), 0.5);
                for second in 0..4 {
                    let sum = wins(first, second) + wins(second, first);
                    assert!((sum - 1.0).abs() < 1e-12, "{row}");
                }
            }
        }

        let pairs = dataset::read(&path("pairs.jsonl"), Form::Sppo).unwrap();
        assert_eq!(pairs.counts.dropped, 0, "{:?}", pairs.problems);
        let pairs = pairs.into_preferences().unwrap();
        let ties = judged.iter().filter(|row| tied(row)).count();
        assert_eq!(pairs.len() + ties, PROMPTS / 2);
        for pair in &pairs {
            // The longer text wins with 0.9.
            assert_eq!(pair.chosen_wins, Some(0.9));
            assert!(pair.chosen_win_rate.unwrap() > pair.rejected_win_rate.unwrap());
        }
        assert_eq!(lines(&run, &name("reference.jsonl")).len(), pairs.len());
        // Each iteration begins as its own reference.
        let first = at(&run, "finetune/chosen_log_ratio", updates + 1);
        assert!(first.abs() < 1e-4, "iteration {iteration}: {first}");
        updates += pairs.len().div_ceil(4);
        let last = at(&run, "finetune/chosen_log_ratio", updates);
        assert!(last.abs() > 1e-3, "iteration {iteration}: {last}");
    }
    assert_eq!(status.progress.step, updates as u64);
    assert_eq!(run.returns(EvaluationPurpose::Interval).len(), 3);
    assert_eq!(run.returns(EvaluationPurpose::Absolute).len(), 1);

    let model = run.folder.path().join("model");
    let said = Command::new(worker())
        .args([
            "generate",
            "--prompt",
            "hello",
            "--greedy",
            "--max-new",
            "4",
        ])
        .args(["--threads", "1", "--device", "cpu", "--model"])
        .arg(&model)
        .output()
        .unwrap();
    assert_eq!(outcome(&said).0, 0, "{}", outcome(&said).1);
    let last = fs::read(
        run.folder
            .path()
            .join("iterations/2/model/model.safetensors"),
    )
    .unwrap();
    let first = fs::read(
        run.folder
            .path()
            .join("iterations/1/model/model.safetensors"),
    )
    .unwrap();
    assert!(fs::read(model.join("model.safetensors")).unwrap() == last);
    assert!(first != last);
}

/// All four texts are equally long.
fn tied(row: &Value) -> bool {
    let rates = row["win_rates"].as_array().unwrap();
    rates.iter().all(|rate| rate == &rates[0])
}

#[test]
fn the_models_of_iterations_are_kept_only_where_that_is_wanted() {
    let place = Place::new();
    let run = finished(place.run(&["iterations.keep_models=false", "adapter.kind=lora"]));
    let there = |name: &str| run.folder.path().join(name).exists();
    assert!(!there("iterations/1/model"));
    assert!(there("iterations/2/model/adapter_model.safetensors"));
    assert!(there("model/model.safetensors"));
}

#[test]
fn under_an_intransitive_oracle_most_prompts_have_a_best_response() {
    let place = Place::new();
    let run = finished(place.run(&["oracle.game=length_triangle", "iterations.count=1"]));
    let pairs = lines(&run, "iterations/1/pairs.jsonl");
    let ties = run.curve("data/ties")[0].1;
    assert_eq!(pairs.len() + ties as usize, PROMPTS);
    assert!(pairs.len() > PROMPTS / 2, "{}", pairs.len());
}

#[test]
fn prompts_that_share_an_id_do_not_collide() {
    let place = Place::new();
    let rows = [
        ("a", "first"),
        ("a", "second"),
        ("b", "third"),
        ("c", "third"),
    ];
    let row = |(id, prompt)| serde_json::json!({"id": id, "prompt": prompt});
    place.write("shared.jsonl", rows.map(row));
    let run = finished(place.run_of("shared.jsonl", &["iterations.count=1"]));
    let answered = lines(&run, "iterations/1/responses.jsonl");
    let row = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        (text("id"), text("prompt"))
    };
    let asked: Vec<_> = answered.iter().map(row).collect();
    let wanted = [
        ("a", "first"),
        ("a#2", "second"),
        ("b", "third"),
        ("c", "third"),
    ];
    let wanted = wanted.map(|(id, prompt)| (id.to_owned(), prompt.to_owned()));
    assert_eq!(asked, wanted);
    // A prompt that comes twice is answered twice, by other random numbers.
    assert_ne!(answered[2]["responses"], answered[3]["responses"]);
}
