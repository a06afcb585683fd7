//! The doors of the environments.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{Answer, Place};

const ID: &str = "Foraging-8x8-2p-2f-v3";

fn replay(place: &Place, id: &str, lines: &str) -> Answer {
    let mut child = place
        .concord(&["env", "replay", "--env", id])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("concord starts");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(lines.as_bytes())
        .expect("written lines");
    child.wait_with_output().expect("an end").into()
}

#[test]
fn starts_are_successive_and_replay_follows_them() {
    let place = Place::new();
    let reset =
        |count: &str| place.run(&["env", "reset", "--env", ID, "--seed", "7", "--count", count]);
    let three = reset("3");
    assert_eq!(three.code, Some(0), "{}", three.stderr);
    let lines: Vec<&str> = three.stdout.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        reset("1").stdout.trim(),
        lines[0],
        "the first start depends on the seed alone"
    );
    assert_ne!(lines[0], lines[1]);

    let mut states = String::new();
    for line in &lines {
        let mut state: Value = serde_json::from_str(line).expect("a JSON line");
        state["actions"] = json!([0, 0]);
        states.push_str(&format!("{state}\n"));
    }
    let answer = replay(&place, ID, &states);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    for (before, after) in lines.iter().zip(answer.stdout.lines()) {
        let before: Value = serde_json::from_str(before).expect("JSON");
        let after: Value = serde_json::from_str(after).expect("JSON");
        assert_eq!(
            after["players"][0]["pos"], before["players"][0]["pos"],
            "nobody moves"
        );
        assert_eq!(
            (after["step"].as_u64(), after["rewards"].clone()),
            (Some(1), json!([0.0, 0.0]))
        );
        assert_eq!(after["terminated"], false);
        assert_eq!(after["observations"].as_array().map(Vec::len), Some(2));
    }
}

#[test]
fn a_bad_line_is_named_after_the_good_ones_were_answered() {
    let place = Place::new();
    let start = place.run(&["env", "reset", "--env", ID]).stdout;
    let mut state: Value = serde_json::from_str(start.trim()).expect("JSON");
    state["actions"] = json!([0, 0]);
    let answer = replay(&place, ID, &format!("{state}\n{{\"rows\": 8}}\n"));
    assert_eq!((answer.code, answer.stdout.lines().count()), (Some(2), 1));
    assert!(answer.stderr.contains("line 2"), "{}", answer.stderr);
}

#[test]
fn an_unknown_id_names_the_nearest() {
    let answer = Place::new().run(&["env", "reset", "--env", "Foraging-8x8-2p-2f-v9"]);
    assert_eq!(answer.code, Some(2));
    assert!(
        answer.stderr.contains("Foraging-8x8-2p-2f-v"),
        "{}",
        answer.stderr
    );
}

#[test]
fn the_bench_tells_its_speed_in_json() {
    let answer = Place::new().run(&[
        "env",
        "bench",
        "--env",
        ID,
        "--seconds",
        "0.1",
        "--threads",
        "1",
        "--format",
        "json",
    ]);
    let report = answer.json();
    let speed = report["env_steps_per_second"].as_f64().expect("a number");
    assert!(speed > 10_000.0, "{speed}");
    let agents = report["agent_steps_per_second"].as_f64().expect("a number");
    assert!((agents / speed - 2.0).abs() < 1e-9);
    assert_eq!(report["allocations_per_step"].as_f64(), Some(0.0));
}

#[test]
fn checks_pass_and_options_are_checked() {
    let place = Place::new();
    let answer = place.run(&[
        "env", "check", "--env", ID, "--steps", "200", "--format", "json",
    ]);
    assert_eq!(answer.code, Some(0), "{}", answer.stdout);
    assert!(
        answer.json()["checks"]
            .as_array()
            .expect("checks")
            .iter()
            .all(|check| check["passed"] == true)
    );
    let answer = place.run(&["env", "check", "--env", ID, "--set", "sigt=2"]);
    assert_eq!(answer.code, Some(2));
    assert!(answer.stderr.contains("sight"), "{}", answer.stderr);
}

#[test]
fn a_rollout_draws_every_moment_and_records_an_animation() {
    let place = Place::new();
    let arguments = [
        "env",
        "rollout",
        "--env",
        ID,
        "--set",
        "time_limit=3",
        "--gif",
        "episode.gif",
    ];
    let answer = place.run(&arguments);
    assert_eq!(
        (answer.code, answer.stdout.matches("step 3 of 3").count()),
        (Some(0), 1)
    );
    let gif = std::fs::read(place.path().join("episode.gif")).expect("an animation");
    assert_eq!(&gif[..6], b"GIF89a");
    let again = place.run(&arguments);
    assert_eq!(
        again.stdout, answer.stdout,
        "the same seed plays the same episode"
    );
}
