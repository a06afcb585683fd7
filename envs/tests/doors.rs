//! The command line's doors on good and bad input.

#![allow(clippy::unwrap_used)]

use envs::{EnvironmentOptions, doors};
use serde_json::Value;

const ID: &str = "Foraging-8x8-2p-2f-v3";

fn replay(id: &str, input: &str) -> Result<Vec<Value>, String> {
    let mut output = Vec::new();
    let result = doors::replay(
        id,
        &EnvironmentOptions::default(),
        input.as_bytes(),
        &mut output,
    );
    result.map_err(|error| error.to_string())?;
    let lines = String::from_utf8(output).unwrap();
    Ok(lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect())
}

const LINE: &str = r#"{"rows":8,"cols":8,"players":[{"pos":[2,1],"level":1},{"pos":[2,3],"level":2}],"foods":[{"pos":[2,2],"level":3}],"food_spawned":7,"step":4,"actions":[5,5]}"#;

#[test]
fn a_line_is_answered_in_its_own_form() {
    let answers = replay(ID, &format!("{LINE}\n\n")).unwrap();
    let expected = r#"{"rows":8,"cols":8,"players":[{"pos":[2,1],"level":1},{"pos":[2,3],"level":2}],"foods":[],"food_spawned":7,"step":5,"rewards":[0.14285714285714285,0.2857142857142857],"terminated":true,"truncated":false,"observations":[[-1.0,-1.0,0.0,-1.0,-1.0,0.0,2.0,1.0,1.0,2.0,3.0,2.0],[-1.0,-1.0,0.0,-1.0,-1.0,0.0,2.0,3.0,2.0,2.0,1.0,1.0]]}"#;
    assert_eq!(answers, [serde_json::from_str::<Value>(expected).unwrap()]);
    // With actions added, an answer is a line again.
    let mut next = answers[0].clone();
    next["actions"] = serde_json::json!([1, 0]);
    assert_eq!(
        replay(ID, &next.to_string()).unwrap()[0]["players"][0]["pos"],
        serde_json::json!([1, 1])
    );
}

#[test]
fn a_line_overrides_the_id() {
    let line = |extra: &str| LINE.replace("\"step\":4", &format!("\"step\":4,{extra}"));
    let raw = replay(ID, &line("\"normalize_reward\":false")).unwrap();
    assert_eq!(raw[0]["rewards"], serde_json::json!([3.0, 6.0]));
    let hidden = replay(
        ID,
        &line("\"observe_levels\":false,\"food_slots\":3,\"sight\":1"),
    )
    .unwrap();
    assert_eq!(hidden[0]["observations"][0].as_array().unwrap().len(), 13);
    assert_eq!(hidden[0]["sight"], 1);
    let failed = line("\"penalty\":0.25").replace("\"level\":3", "\"level\":30");
    assert_eq!(
        replay(ID, &failed).unwrap()[0]["rewards"],
        serde_json::json!([-0.25, -0.25])
    );
    let limit = replay(
        ID,
        &line("\"max_episode_steps\":6").replace("[5,5]", "[0,0]"),
    )
    .unwrap();
    assert_eq!(limit[0]["terminated"], false);
    let limit = replay(
        ID,
        &line("\"max_episode_steps\":5").replace("[5,5]", "[0,0]"),
    )
    .unwrap();
    assert_eq!(
        (&limit[0]["terminated"], &limit[0]["truncated"]),
        (&Value::Bool(true), &Value::Bool(false))
    );
}

#[test]
fn a_bad_line_is_named_with_what_to_do() {
    let with = |from: &str, to: &str| format!("{LINE}\n{}", LINE.replace(from, to));
    for (input, message) in [
        (
            with("\"cols\":8,", ""),
            "line 2: missing field `cols` at column",
        ),
        (
            with("\"step\"", "\"stepp\""),
            "line 2: unknown field `stepp`",
        ),
        (
            with("[5,5]", "[5,6]"),
            "line 2: actions: [5, 6] - allowed: 0 to 5 - 0 none, 1 north",
        ),
        (
            with("[5,5]", "[5]"),
            "line 2: actions: 1 of them - allowed: 2, one per player",
        ),
        (
            with("[2,2]", "[2,8]"),
            "line 2: position of a food: [2,8] - allowed: rows 0 to 7",
        ),
        (
            with("\"level\":3", "\"level\":0"),
            "line 2: level of food 0: 0 - allowed: 1 to 65535",
        ),
        (
            with("\"food_spawned\":7", "\"food_spawned\":0"),
            "line 2: food_spawned: 0 with food on the field",
        ),
        (
            with("\"food_spawned\":7", "\"food_spawned\":6.5"),
            "line 2: food_spawned: 6.5 - allowed: a whole",
        ),
        (
            with("\"step\":4", "\"step\":4,\"food_slots\":0"),
            "line 2: foods: 1 - allowed: 0 to 0 (food slots)",
        ),
        (
            with("\"rows\":8", "\"rows\":0"),
            "line 2: rows: 0 - allowed: 1 to 200",
        ),
        (
            format!("{LINE}\nnot json"),
            "line 2: expected ident at column 2",
        ),
    ] {
        let error = replay(ID, &input).unwrap_err();
        assert!(
            error.starts_with(message),
            "{error}\n does not start with\n{message}"
        );
    }
    let other = replay("Climbing-v1", LINE).unwrap_err();
    assert!(
        other.contains("only level-based foraging has a reference"),
        "{other}"
    );
    assert!(
        replay("Foraging-8x8-2p-2f", LINE)
            .unwrap_err()
            .contains("nearest name: \"Foraging-8x8-2p-2f-v3\"")
    );
}

#[test]
fn answers_before_a_bad_line_are_written() {
    let mut output = Vec::new();
    let input = format!("{LINE}\n{LINE}\nnot json\n{LINE}");
    doors::replay(
        ID,
        &EnvironmentOptions::default(),
        input.as_bytes(),
        &mut output,
    )
    .unwrap_err();
    assert_eq!(String::from_utf8(output).unwrap().lines().count(), 2);
}

#[test]
fn a_bench_reports_what_it_did() {
    let options = doors::BenchOptions {
        seconds: 0.05,
        threads: 2,
        environments: 256,
        action_masks: true,
    };
    let report = doors::bench(ID, &EnvironmentOptions::default(), &options, &|| 0).unwrap();
    assert_eq!(
        (
            report.environments,
            report.threads,
            report.bytes_written_per_step
        ),
        (256, 2, 96 + 16 + 2 + 12)
    );
    assert!(report.env_steps_per_second > 100_000.0, "{report:?}");
    assert_eq!(
        report.agent_steps_per_second,
        2.0 * report.env_steps_per_second
    );
    // Episodes of random play last 50 steps but for the few that eat everything.
    let length = (report.env_steps + 60 * 256) as f64 / report.episodes as f64;
    assert!((40.0..=52.0).contains(&length), "{length} steps an episode");
}
