//! Training on pairs and demonstrations that are there already.

use serde_json::json;
use testkit::chat_model::{ChatModel, REASONING};

use super::{Place, finished, lines};
use crate::folder::TestRun;

fn first(run: &TestRun, curve: &str) -> f64 {
    run.curve(curve)[0].1
}

#[test]
fn pairs_of_an_earlier_run_give_its_first_loss() {
    let place = Place::new();
    let run = finished(place.run(&["iterations.count=1"]));
    let pairs = run.folder.path().join("iterations/1/pairs.jsonl");
    let path = format!("data.path={}", pairs.display());
    let again = finished(place.run(&["iterations.count=0", &path]));
    for curve in [
        "finetune/loss",
        "finetune/chosen_target",
        "finetune/rejected_target",
    ] {
        let (wanted, found) = (first(&run, curve), first(&again, curve));
        assert!(
            (wanted - found).abs() <= 1e-6 * wanted.abs(),
            "{curve}: {wanted} {found}"
        );
    }
    assert!(first(&again, "finetune/loss") > 1.0);
}

#[test]
fn bvpo_learns_from_pairs_of_both_modes() {
    let model = ChatModel {
        template: Some(REASONING.to_owned()),
        ..ChatModel::default()
    };
    let place = Place::with(&model);
    let row = |number: usize, thinking: bool| {
        let thought = |text: &str| match thinking {
            true => format!("<think>\nso\n</think>\n\n{text}"),
            false => text.to_owned(),
        };
        json!({
            "prompt": format!("tell me of {number}"), "thinking": thinking,
            "chosen": thought("a long answer"), "rejected": thought("no"),
        })
    };
    let rows = (0..8).flat_map(|number| [row(number, true), row(number, false)]);
    place.write("pairs.jsonl", rows.chain([row(9, true)]));
    let sets = [
        "iterations.count=0",
        "algorithm.kind=bvpo",
        "optimiser.epochs=4",
    ];
    let run = finished(place.run_of("pairs.jsonl", &sets));
    let told = super::warnings(&run);
    assert!(
        told.iter()
            .any(|message| message.starts_with("1 rows were left out")),
        "{told:?}"
    );
    // A reference row for each mode of each prompt.
    assert_eq!(lines(&run, "iterations/1/reference.jsonl").len(), 16);
    let loss = run.curve("finetune/loss");
    assert!((loss[0].1 - 2f64.ln()).abs() < 1e-4, "{loss:?}");
    assert!(loss[loss.len() - 1].1 < 0.5 * loss[0].1, "{loss:?}");
    for margin in ["finetune/reward_margin", "finetune/answer_margin"] {
        let curve = run.curve(margin);
        assert!(curve[curve.len() - 1].1 > 0.1, "{margin}: {curve:?}");
    }
}

#[test]
fn demonstrations_are_learnt() {
    let place = Place::new();
    let lesson = |number: usize| {
        json!({"messages": [
            {"role": "user", "content": format!("say {number}")},
            {"role": "assistant", "content": "hello again"},
        ]})
    };
    place.write("lessons.jsonl", (0..8).map(lesson));
    let sets = [
        "algorithm.kind=sft",
        "optimiser.epochs=10",
        "optimiser.learning_rate=0.01",
    ];
    let run = finished(place.run_of("lessons.jsonl", &sets));
    let loss = run.curve("finetune/loss");
    assert!(loss[loss.len() - 1].1 < 0.1 * loss[0].1, "{loss:?}");
}
