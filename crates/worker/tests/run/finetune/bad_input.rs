//! Settings, models, checkpoints and disks that are not as they should be.

use std::fs;
use std::process::Command;

use serde_json::json;
use testkit::chat_model::ChatModel;
use tracking::RunState;

use super::bad_data::refusal;
use super::{Place, finished, tree};
use crate::folder::{TestRun, outcome, worker};

#[test]
fn one_response_is_nothing_to_compare() {
    let run = Place::new().run(&[]);
    let config = fs::read_to_string(run.folder.config()).unwrap();
    assert!(config.contains("responses = 4"), "{config}");
    let config = config.replacen("responses = 4", "responses = 1", 1);
    fs::write(run.folder.config(), config).unwrap();
    let (code, message) = outcome(&run.run());
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("generation.responses"), "{message}");
}

#[test]
fn a_tokenizer_with_more_ids_than_the_model_is_refused() {
    let place = Place::new();
    let config = fs::read_to_string(place.path("model/config.json")).unwrap();
    fs::create_dir(place.path("small")).unwrap();
    let small = config.replace("\"vocab_size\": 304", "\"vocab_size\": 200");
    assert_ne!(config, small);
    let path = place.path("small/config.json");
    fs::write(&path, small).unwrap();
    let create = format!("model.create={}", path.display());
    let tokenizer = format!("model.tokenizer={}", place.path("model").display());
    let run = place.run(&["model.name=none", &create, &tokenizer]);
    let (code, message) = refusal(&run);
    assert_eq!(code, 2, "{message}");
    assert!(
        message.contains("ids up to") && message.contains("200"),
        "{message}"
    );
}

#[test]
fn a_model_of_the_wrong_sort_does_not_judge() {
    let place = Place::new();
    let model = format!("oracle.model={}", place.path("model").display());
    for kind in ["pair_model", "reward_model"] {
        let run = place.run(&[&format!("oracle.kind={kind}"), &model]);
        let (code, message) = refusal(&run);
        assert_eq!(code, 2, "{message}");
        let named = place.path("model").display().to_string();
        assert!(message.contains(&named), "{message}");
    }
}

/// The run goes on with what it was begun with, and with nothing else.
#[test]
fn a_resume_with_another_model_or_other_data_is_refused() {
    let place = Place::new();
    let run = finished(place.run(&["iterations.count=1", "max_updates=1"]));
    let model = place.path("model/model.safetensors");
    let prompts = place.path("prompts.jsonl");
    let template = place.path("model/chat_template.jinja");
    let names = [
        (&model, "model.name"),
        (&template, "model.name"),
        (&prompts, "data.path"),
    ];
    for (path, name) in names {
        let before = fs::read(path).unwrap();
        let mut other = before.clone();
        *other.last_mut().unwrap() ^= 1;
        fs::write(path, other).unwrap();
        let (code, message) = outcome(&run.resume());
        assert_eq!(code, 2, "{message}");
        assert!(
            message.contains(name) && message.contains("begun with"),
            "{message}"
        );
        fs::write(path, before).unwrap();
    }
    assert_eq!(outcome(&run.resume()), (0, String::new()));
}

/// Nothing was made of them yet.
#[test]
fn data_that_were_mended_are_no_other_data() {
    let place = Place::new();
    place.write("few.jsonl", [json!({"prompt": "one"})]);
    let run = place.run_of("few.jsonl", &["max_updates=1"]);
    assert_eq!(refusal(&run).0, 2);
    place.write(
        "few.jsonl",
        ["one", "two"].map(|text| json!({"prompt": text})),
    );
    assert_eq!(outcome(&run.resume()), (0, String::new()));
}

#[test]
fn a_truncated_checkpoint_is_named_and_can_be_gone_without() {
    let place = Place::new();
    let sets = ["iterations.count=1", "max_updates=3"];
    let straight = finished(place.run(&sets));
    for file in ["state.json", "training.safetensors"] {
        let run = finished(place.run(&sets));
        for made in ["model", "iterations/1/model"] {
            fs::remove_dir_all(run.folder.path().join(made)).unwrap();
        }
        fs::remove_file(run.folder.path().join("evaluations/update-3.jsonl")).unwrap();
        let (step, checkpoint) = run.folder.checkpoints().into_iter().max().unwrap();
        assert_eq!(step, 3);
        let path = checkpoint.join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let (code, message) = outcome(&run.resume());
        assert_eq!(code, 2, "{message}");
        assert!(
            message.contains(file) && message.contains("checkpoint"),
            "{message}"
        );
        // As the message says.
        fs::remove_dir_all(checkpoint).unwrap();
        assert_eq!(outcome(&run.resume()), (0, String::new()));
        assert!(weights(&run) == weights(&straight), "{file}");
    }
}

fn weights(run: &TestRun) -> Vec<u8> {
    fs::read(run.folder.path().join("model/model.safetensors")).unwrap()
}

#[test]
fn a_damaged_file_of_a_stage_is_named_and_can_be_made_again() {
    let place = Place::new();
    let run = finished(place.run(&["iterations.count=1", "max_updates=1"]));
    let before = weights(&run);
    for made in ["model", "iterations/1/model", "ckpt"] {
        fs::remove_dir_all(run.folder.path().join(made)).unwrap();
    }
    let path = run.folder.path().join("iterations/1/judgements.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 9]).unwrap();
    let (code, message) = outcome(&run.resume());
    assert_eq!(code, 2, "{message}");
    assert!(
        message.contains("judgements.jsonl: line 24") && message.contains("done again"),
        "{message}"
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(outcome(&run.resume()), (0, String::new()));
    assert!(weights(&run) == before);
}

/// A limit on the size of files stands in for a full disk: writes fail with EFBIG.
#[test]
fn a_full_disk_is_exit_3_and_the_run_goes_on_once_there_is_room() {
    let place = Place::new();
    let sets = ["iterations.count=1", "max_updates=2"];
    let straight = finished(place.run(&sets));
    // Room for nothing but settings, for responses too, and for all but a checkpoint.
    for (blocks, what) in [(4, "responses.jsonl"), (64, "ckpt")] {
        let run = place.run(&sets);
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" run --run-dir \"$1\"");
        let output = Command::new("bash")
            .args(["-c", &script])
            .arg(worker())
            .arg(run.folder.path())
            .output()
            .unwrap();
        let (code, message) = outcome(&output);
        assert_eq!(code, 3, "{message}");
        assert!(message.contains(what), "{message}");
        assert!(run.folder.checkpoints().is_empty());
        assert_eq!(run.folder.status().unwrap().state, RunState::Failed);
        let half = |name: &String| name.contains(".tmp-") || name.contains("unfinished");
        let names = tree(run.folder.path());
        assert!(!names.iter().any(half), "{names:?}");
        assert_eq!(outcome(&run.resume()), (0, String::new()));
        assert!(weights(&run) == weights(&straight), "{what}");
    }
}

#[test]
fn weights_that_explode_are_exit_4_with_the_update() {
    let place = Place::new();
    let sets = [
        "optimiser.learning_rate=10",
        "optimiser.kind=sgd",
        "optimiser.max_gradient_norm=0",
    ];
    let run = place.run(&[&sets[..], &["optimiser.warm_up_ratio=0"]].concat());
    let (code, message) = outcome(&run.run());
    assert_eq!(code, 4, "{message}");
    assert!(
        message.contains("diverged at update") && message.contains("learning_rate"),
        "{message}"
    );
}

#[test]
fn a_model_that_is_not_there_is_told() {
    let place = Place::with(&ChatModel::default());
    fs::remove_file(place.path("model/model.safetensors")).unwrap();
    let (code, message) = refusal(&place.run(&[]));
    assert!(code == 2 || code == 3, "{message}");
    assert!(message.contains("safetensors"), "{message}");
}
