//! Help, mistakes and configurations: no worker is started.

use std::process::Stdio;

use crate::harness::Place;

#[test]
fn without_a_terminal_the_bare_command_prints_help() {
    let answer = Place::new().run(&[]);
    assert_eq!(answer.code, Some(0));
    for command in [
        "train", "eval", "env", "config", "runs", "show", "compare", "attach", "stop", "resume",
        "doctor",
    ] {
        assert!(
            answer.stdout.contains(&format!("\n  {command}")),
            "{command}\n{}",
            answer.stdout
        );
    }
    assert!(answer.stdout.contains("Exit codes: 0 done, 2 bad config"));
}

#[test]
fn mistakes_in_arguments_are_two_and_name_the_nearest() {
    let answer = Place::new().run(&["trian", "demo"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(2), ""));
    assert!(answer.stderr.contains("'train'"), "{}", answer.stderr);
}

#[test]
fn an_unknown_preset_names_the_nearest_one() {
    let place = Place::new();
    let answer = place.run(&["train", "dmo", "--ui", "none"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(2), ""));
    assert!(
        answer.stderr.contains("unknown preset: dmo")
            && answer.stderr.contains("did you mean `demo`?"),
        "{}",
        answer.stderr
    );
    assert!(
        !place.path().join("runs").exists(),
        "nothing is half written"
    );
}

#[test]
fn all_problems_of_a_configuration_come_at_once() {
    let place = Place::new();
    let sets = [
        "train",
        "demo",
        "--set",
        "replay.batch_episodes=0",
        "--set",
        "environment.id=Foraging-8x8-2p-2f-coop-v9",
        "--set",
        "algorithm.discount=1.5",
        "--set",
        "sead=3",
    ];
    let answer = place.run(&sets);
    assert_eq!(answer.code, Some(2));
    for part in [
        "replay.batch_episodes",
        "Foraging-8x8-2p-2f-coop-v3",
        "algorithm.discount",
        "seed",
    ] {
        assert!(answer.stderr.contains(part), "{part}\n{}", answer.stderr);
    }
    assert!(
        answer
            .stderr
            .starts_with("error: cannot run `demo`: 4 problems\n"),
        "{}",
        answer.stderr
    );
    let check = place.run(&[
        "config",
        "check",
        "demo",
        "--set",
        "replay.batch_episodes=0",
        "--format",
        "json",
    ]);
    assert_eq!(
        (check.code, check.json()["good"].as_bool()),
        (Some(2), Some(false))
    );
    assert_eq!(check.json()["problems"][0]["path"], "replay.batch_episodes");
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let place = Place::new();
    let answer = place.run(&[
        "train",
        "demo",
        "--dry-run",
        "--seed",
        "9",
        "--format",
        "json",
    ]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let plan = answer.json();
    assert_eq!(plan["config"]["seed"], 9);
    assert_eq!(plan["origins"]["seed"]["layer"], "set");
    assert_eq!(plan["plan"]["environment"]["agents"], 2);
    let memory = plan["plan"]["memory"]["items"].as_array().expect("items");
    assert!(
        memory.iter().any(|item| item["name"] == "replay"),
        "{memory:?}"
    );
    assert!(!place.path().join("runs").exists());
    let text = place.run(&["train", "demo", "--dry-run"]).stdout;
    let file = place.path().join("again.toml");
    std::fs::write(&file, text).expect("a file");
    let again = place.run(&["config", "check", "again.toml"]);
    assert_eq!(
        again.code,
        Some(0),
        "what a dry run prints can be trained: {}",
        again.stderr
    );
}

#[test]
fn a_dry_run_of_a_fine_tuning_counts_and_estimates() {
    let place = Place::new();
    let model = place.path().join("m");
    std::fs::create_dir(&model).expect("a folder");
    let config = r#"{"model_type": "llama", "architectures": ["LlamaForCausalLM"],
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 512, "max_position_embeddings": 256}"#;
    std::fs::write(model.join("config.json"), config).expect("a file");
    let prompts = place.path().join("prompts.jsonl");
    let lines: String = (0..90)
        .map(|number| format!("{{\"prompt\": \"What is {number} + 1?\"}}\n"))
        .collect();
    std::fs::write(&prompts, lines).expect("a file");
    let run = |data: &str| {
        let data = format!("data.path={data}");
        place.run(&[
            "finetune",
            "sppo-arithmetic",
            "--dry-run",
            "--format",
            "json",
            "--set",
            "model.name=none",
            "--set",
            "model.create=m/config.json",
            "--set",
            "model.tokenizer=m",
            "--set",
            "data.rows=none",
            "--set",
            "optimiser.rows_per_update=8",
            "--set",
            "optimiser.rows_per_pass=8",
            "--set",
            "optimiser.epochs=1",
            "--set",
            &data,
        ])
    };
    let answer = run("prompts.jsonl");
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let plan = &answer.json()["plan"];
    assert_eq!(plan["iterations"], 3);
    assert_eq!(plan["rows_per_iteration"], 30);
    assert_eq!(plan["updates"], 12);
    assert!(plan["sizes"]["parameters"].as_u64() > Some(100_000));
    let memory = plan["memory"]["items"].as_array().expect("items");
    assert!(
        memory.iter().any(|item| item["name"] == "weights"),
        "{memory:?}"
    );
    assert!(!place.path().join("runs").exists());
    // Wrong data is told before anything starts; a model that is not here leaves memory open.
    std::fs::write(place.path().join("wrong.jsonl"), "{\"colour\": 1}\n").expect("a file");
    let wrong = run("wrong.jsonl");
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.stderr.contains("data.path") && wrong.stderr.contains("of no known form"),
        "{}",
        wrong.stderr
    );
    let absent = place.run(&["finetune", "sppo-official-code", "--dry-run"]);
    assert_eq!(absent.code, Some(0), "{}", absent.stderr);
    assert!(absent.stdout.contains("unknown"), "{}", absent.stdout);
}

#[test]
fn shown_configurations_carry_their_origins() {
    let place = Place::new();
    let answer = place.run(&["config", "show", "demo", "--set", "seed=5"]);
    assert!(
        answer.stdout.contains("seed = 5  # --set seed=5"),
        "{}",
        answer.stdout
    );
    let changed = place.run(&["config", "show", "demo", "--changed", "--format", "csv"]);
    assert!(changed.stdout.starts_with("setting,value,origin\n"));
    assert!(
        changed
            .stdout
            .contains("environment.id,Foraging-5x5-2p-1f-coop-v3,"),
        "{}",
        changed.stdout
    );
    let presets = place.run(&["config", "presets", "--format", "json"]).json();
    assert!(
        presets
            .as_array()
            .expect("a list")
            .iter()
            .any(|preset| preset["name"] == "demo")
    );
}

#[test]
fn a_missing_worker_is_an_environment_problem_with_its_mend() {
    let place = Place::new();
    let output = place
        .concord(&["train", "demo", "--ui", "none"])
        .env("CONCORD_WORKER", "/nowhere/worker")
        .output();
    let output = output.expect("concord starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr.contains("cargo build") && stderr.contains("/nowhere/worker"),
        "{stderr}"
    );
    assert!(!place.path().join("runs").exists());
    let output = place
        .concord(&["doctor", "--format", "json"])
        .env("CONCORD_WORKER", "/nowhere/worker")
        .output();
    let output = output.expect("concord starts");
    assert_eq!(output.status.code(), Some(3));
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("JSON alone on stdout");
    assert_eq!(report["ready"], false);
}

#[test]
fn the_doctor_is_content_with_a_worker() {
    let answer = Place::new().run(&["doctor", "--format", "json"]);
    let report = answer.json();
    assert_eq!(
        (answer.code, report["ready"].as_bool()),
        (Some(0), Some(true)),
        "{}",
        answer.stdout
    );
    let names: Vec<&str> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    for name in [
        "worker", "LibTorch", "CUDA", "threads", "memory", "disk", "caches", "terminal",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[test]
fn a_reader_that_leaves_is_success() {
    let place = Place::new();
    for arguments in [
        &[
            "env",
            "reset",
            "--env",
            "Foraging-8x8-2p-2f-v3",
            "--count",
            "20000",
        ][..],
        &[
            "env",
            "rollout",
            "--env",
            "Foraging-8x8-2p-2f-v3",
            "--episodes",
            "200",
        ],
        &["config", "show", "demo"],
    ] {
        let mut child = place
            .concord(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("concord starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("an end");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn variables_that_are_no_settings_are_refused_with_the_nearest() {
    let place = Place::new();
    let output = place
        .concord(&["config", "show", "demo"])
        .env("CONCORD_SEAD", "3")
        .output()
        .expect("concord starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("CONCORD_SEED"));
    let output = place
        .concord(&["train", "demo"])
        .env("CONCORD_UI", "fancy")
        .output()
        .expect("concord starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("allowed: auto, tui, plain, json, none")
    );
}
