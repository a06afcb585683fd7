//! `concord show` of switches, samples and searches, from recorded files.

use std::path::{Path, PathBuf};

use tracking::{NewRun, RunFolder};

use crate::harness::Place;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tracking/tests/fixtures/jobs")
}

/// A run with these events and search logs.
fn run(place: &Place, name: &str, events: &str, searches: &[&str]) {
    let new = NewRun {
        name: name.to_owned(),
        total_steps: 400,
        ..NewRun::default()
    };
    let run = RunFolder::create(&place.path().join("runs"), &new).expect("a run");
    std::fs::write(run.events(), events).expect("events");
    for question in searches {
        let file = format!("{question}.jsonl");
        std::fs::create_dir_all(run.searches()).expect("a folder");
        let from = fixtures().join("search").join(&file);
        std::fs::copy(from, run.searches().join(file)).expect("a search log");
    }
}

#[test]
fn samples_stages_and_metrics_of_a_fine_tuning() {
    let place = Place::new();
    let events = fixtures().join("fine-tuning.jsonl");
    let text = std::fs::read_to_string(&events).expect("a fixture");
    run(&place, "tune", &text, &[]);
    let shown = place.run(&["show", "tune", "--samples", "2"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(
        shown
            .stdout
            .starts_with("iteration 3 of 3: train 144 of 312 updates\n")
    );
    assert!(
        shown
            .stdout
            .contains("win rate          0.620 [0.578, 0.662]")
    );
    assert_eq!(shown.stdout.matches("\nsample ").count(), 2);

    let json = place
        .run(&["show", "tune", "--samples", "2", "--format", "json"])
        .json();
    assert_eq!(json["samples"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["samples"][1]["number"], json["samples_seen"]);
    assert_eq!(json["stages"].as_array().map(Vec::len), Some(15));
    assert_eq!(json["stages"][13]["state"], "current");
    assert_eq!(
        json["metrics"]["preference/win_rate"]["value"].as_f64(),
        Some(0.62)
    );

    let csv = place
        .run(&["show", "tune", "--samples", "2", "--format", "csv"])
        .stdout;
    assert!(
        csv.starts_with("sample,step,iteration,response,label,win_rate,"),
        "{csv}"
    );

    // The bare file shows the same.
    let path = events.to_string_lossy().into_owned();
    let bare = place.run(&["show", &path, "--samples", "2"]);
    assert_eq!(bare.stdout, shown.stdout);
    let none = place.run(&["show", "tune", "--search"]);
    assert!(
        none.code == Some(2) && none.stderr.contains("no search"),
        "{}",
        none.stderr
    );
}

#[test]
fn questions_and_trees_of_a_search() {
    let place = Place::new();
    run(&place, "seek", "", &["q1", "q2", "q10"]);
    let list = place
        .run(&["show", "seek", "--search", "--format", "json"])
        .json();
    let names: Vec<&str> = list
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|row| row["question"].as_str())
        .collect();
    assert_eq!(names, ["q1", "q2", "q10"]);
    assert_eq!(
        (&list[1]["backstop"], &list[1]["correct"]),
        (&true.into(), &false.into())
    );

    let tree = place.run(&["show", "seek", "--search", "q2"]);
    assert!(
        tree.stdout.contains("\ntokens 563 of 640\n"),
        "{}",
        tree.stdout
    );
    assert!(
        tree.stdout
            .contains("\n>   [1] value 0.200, visits 2, cost 96: "),
        "{}",
        tree.stdout
    );
    assert!(
        tree.stdout
            .contains("answer: the Enns (forced: budget ran out) - wrong")
    );
    let json = place
        .run(&["show", "seek", "--search", "q2", "--format", "json"])
        .json();
    assert_eq!(json["best_path"], serde_json::json!([0, 1, 2, 4]));
    let csv = place
        .run(&["show", "seek", "--search", "q2", "--format", "csv"])
        .stdout;
    assert!(csv.starts_with("id,parent,depth,role,value,delta,visits,pruned,best,cost,text\n"));

    let path = fixtures()
        .join("search/q2.jsonl")
        .to_string_lossy()
        .into_owned();
    assert_eq!(place.run(&["show", &path]).stdout, tree.stdout);
    let missed = place.run(&["show", "seek", "--search", "q3"]);
    assert!(
        missed.code == Some(2) && missed.stderr.contains("did you mean"),
        "{}",
        missed.stderr
    );
    let broken = place.path().join("broken.jsonl");
    std::fs::write(&broken, "nonsense\n{\"v\":1").expect("a file");
    let path = broken.to_string_lossy().into_owned();
    let answer = place.run(&["show", &path]);
    assert!(
        answer.code == Some(2) && answer.stderr.contains("no recording"),
        "{}",
        answer.stderr
    );
}

#[test]
fn the_switch_over_training() {
    let place = Place::new();
    let mut events = String::new();
    for (number, (step, share)) in [(100, 0.75), (200, 0.25)].into_iter().enumerate() {
        events.push_str(&format!(
            "{{\"v\":1,\"seq\":{number},\"time\":1,\"kind\":\"scalar\",\"name\":\"mansa/cl_decision_fraction\",\"value\":{share},\"axis\":\"env_steps\",\"step\":{step}}}\n"
        ));
    }
    run(&place, "mixed", &events, &[]);
    let mut command = place.concord(&["show", "mixed", "--switch"]);
    let output = command.env("LC_ALL", "C").output().expect("concord starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.starts_with("switch         ####"), "{text}");
    assert!(text.contains("50.0% of all decisions"), "{text}");
    let json = place
        .run(&["show", "mixed", "--switch", "--format", "json"])
        .json();
    assert_eq!(json["running_share"].as_f64(), Some(0.5));
    assert_eq!(
        (&json["budget_left"], &json["total_steps"]),
        (&().into(), &400.into())
    );
    let csv = place
        .run(&["show", "mixed", "--switch", "--format", "csv"])
        .stdout;
    assert_eq!(csv, "step,central_share\n100,0.75\n200,0.25\n");
    run(&place, "plain", "", &[]);
    let none = place.run(&["show", "plain", "--switch"]);
    assert!(
        none.code == Some(2) && none.stderr.contains("no switch"),
        "{}",
        none.stderr
    );
}
