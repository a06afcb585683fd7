//! What a user reads when something is wrong: the exact words.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use configs::env::Environment;
use configs::{LoadRequest, Origin, Problem, RunConfig, Severity, load, load_with};

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn of_file(text: &str) -> Vec<String> {
    lines(&RunConfig::from_toml("mine.toml", text).unwrap_err())
}

fn of(request: &LoadRequest) -> Vec<String> {
    lines(&load(request).unwrap_err())
}

fn of_sets(sets: &[&str]) -> Vec<String> {
    of(&LoadRequest {
        sets: sets.iter().map(|&text| text.to_owned()).collect(),
        ..LoadRequest::default()
    })
}

#[test]
fn all_problems_of_a_file_come_at_once_with_their_places() {
    let text = r#"version = 1
job = "trian"
sed = 3
total_steps = "many"
[replay]
batch_episode = 3
batch_episodes = 6_000
[replays]
capacity = 1
[network]
kind = "gro"
hidden_size = 0
[exploration]
epsilon_end = 1.5
[runtime]
device = "cud:1"
mode = { kind = "free", lag_rounds = 1 }
[algorithm]
target_update = { kind = "hard", interval_updates = 0 }
lr = 3e-4
"#;
    let expected = [
        "job: unknown job: \"trian\" (mine.toml:2:1) - allowed: train, finetune, search - did you mean `train`?",
        "sed: unknown setting (mine.toml:3:1) - did you mean `seed`?",
        "replay.batch_episode: unknown setting (mine.toml:6:1) - did you mean \
         `replay.batch_episodes`?",
        "replays: unknown setting (mine.toml:8:2) - did you mean `replay`?",
        "algorithm.lr: unknown setting (mine.toml:20:1) - did you mean `algorithm.learning_rate`?",
        "total_steps: wrong type: \"many\" (mine.toml:4:1) - allowed: a whole number, at least 1 \
         - change total_steps",
        "network.kind: unknown value: \"gro\" (mine.toml:11:1) - allowed: gru, feed_forward - did \
         you mean `gru`?",
        "network.hidden_size: value out of range: 0 (mine.toml:12:1) - allowed: a whole number \
         from 1 to 65536 - change network.hidden_size",
        "exploration.epsilon_end: value out of range: 1.5 (mine.toml:14:1) - allowed: a number \
         from 0 to 1 - change exploration.epsilon_end",
        "runtime.device: unknown value: \"cud:1\" (mine.toml:16:1) - allowed: auto, cpu, cuda or \
         cuda:N - did you mean `cuda`?",
        "algorithm.target_update.interval_updates: value out of range: 0 (mine.toml:19:34) - \
         allowed: a whole number, at least 1 - change algorithm.target_update.interval_updates",
        "runtime.mode.lag_rounds: does not exist while runtime.mode.kind = free: 1 \
         (mine.toml:17:25) - allowed: only with runtime.mode.kind = lockstep - set \
         runtime.mode.kind = lockstep, or remove runtime.mode.lag_rounds",
        "replay.batch_episodes: batch larger than the replay: 6000 (mine.toml:7:1) - allowed: at \
         most replay.capacity_episodes = 5000 - lower the batch or raise replay.capacity_episodes",
    ];
    assert_eq!(of_file(text), expected);
}

#[test]
fn a_syntax_error_names_its_line_and_what_stands_before_it_is_still_read() {
    let text = "version = 1\nsed = 2\nseed = = 3\nfoo\n[replay]\nbatch_episodes = 6_000\n";
    let expected = [
        "not valid TOML (extra `=`, expected nothing): seed = = 3 (mine.toml:3:8) - correct this \
         line",
        "not valid TOML (key with no value, expected `=`): foo (mine.toml:4:4) - correct this line",
        "sed: unknown setting (mine.toml:2:1) - did you mean `seed`?",
    ];
    assert_eq!(of_file(text), expected);
    let expected = [
        "not valid TOML (invalid boolean, expected `false`): id = Foraging-8x8 (mine.toml:3:6) - \
         text goes between quotes: id = \"Foraging-8x8\"",
    ];
    let text = "version = 1\n[environment]\nid = Foraging-8x8\n";
    assert_eq!(of_file(text), expected);
    let twice = of_file("version = 1\nseed = 1\nseed = 2\n");
    assert_eq!(twice.len(), 1);
    assert!(twice[0].contains("duplicate key") && twice[0].contains("mine.toml:3:1"));
}

#[test]
fn columns_count_characters_not_bytes() {
    let problems = RunConfig::from_toml(
        "mine.toml",
        "version = 1\nruntime = { \"é\" = 1, threads = 0 }\n",
    );
    let origins: Vec<_> = problems
        .unwrap_err()
        .into_iter()
        .map(|problem| problem.origin)
        .collect();
    let at = |column| {
        Some(Origin::File {
            path: "mine.toml".into(),
            line: 2,
            column,
        })
    };
    assert_eq!(origins, [at(13), at(22)]);
}

#[test]
fn the_version_is_asked_for() {
    let expected = [
        "version: version of the format is missing (mine.toml:1:1) - allowed: version \
         = 1 - write `version = 1` on the first line",
    ];
    assert_eq!(of_file("seed = 2\n"), expected);
    let expected = [
        "version: unknown version of the format: 2 (mine.toml:1:1) - allowed: 1 - the \
         file is from a newer Concord; update this one",
    ];
    assert_eq!(of_file("version = 2\n"), expected);
}

#[test]
fn tables_and_values_are_not_mixed_up() {
    let text = "version = 1\nreplay = 3\n[seed]\nx = 1\n[environment.id]\n[nothing]\n\
                [[network]]\nhidden_size = 3\n";
    let expected = [
        "replay: a section, not a setting: 3 (mine.toml:2:1) - allowed: a table with \
         capacity_episodes, batch_episodes - set one of these, such as replay.capacity_episodes",
        "nothing: unknown setting (mine.toml:6:2) - allowed: seed, total_steps, max_updates, \
         environment, algorithm, network, replay, exploration, runtime, evaluation, checkpoint, \
         logging - use one of these or remove it",
        "network: a section, not a setting: [{ hidden_size = 3 }] (mine.toml:7:3) - allowed: a \
         table with kind, hidden_size, share_parameters, agent_id, last_action - set one of \
         these, such as network.kind",
        "seed: wrong type: { x = 1 } (mine.toml:3:2) - allowed: a whole number, at least 0 - \
         change seed",
        "environment.id: wrong type: {} (mine.toml:5:14) - allowed: text that is not empty - \
         change environment.id",
    ];
    assert_eq!(of_file(text), expected);
}

#[test]
fn arguments_of_set_are_answered_one_by_one() {
    let sets = [
        "seed",
        "sede=3",
        "batch_episodes=3",
        "replay.batch_episodes=[1,",
        "replay.colour=2",
        "algorithm.target_update.rate=0.1",
        "environment.sight=x",
        "environment.id=",
        "runtime.updates_per_episode=0",
        "total_steps=1.5",
        "seed=99999999999999999999",
        "algorithm.gradient_clip=nan",
        "network.hidden_size=\"64\"",
    ];
    let expected = [
        "not a setting: seed - allowed: path=value, such as seed=3 or replay.batch_episodes=16 - \
         write --set path=value",
        "sede: unknown setting (--set sede=3) - did you mean `seed`?",
        "batch_episodes: unknown setting (--set batch_episodes=3) - did you mean \
         `replay.batch_episodes`?",
        "replay.batch_episodes: value cannot be read: [1, (--set replay.batch_episodes=[1,) - \
         allowed: unclosed array, expected `]` - write a TOML value and quote the argument for \
         the shell",
        "replay.colour: unknown setting (--set replay.colour=2) - allowed: capacity_episodes, \
         batch_episodes - use one of these or remove it",
        "environment.sight: wrong type: \"x\" (--set environment.sight=x) - allowed: a whole \
         number from 0 to 1000 - change it, or write `none` to clear environment.sight",
        "environment.id: empty: \"\" (--set environment.id=) - allowed: text that is not empty - \
         change environment.id",
        "runtime.updates_per_episode: value out of range: 0 (--set runtime.updates_per_episode=0) \
         - allowed: a number above 0 and at most 1000 - change runtime.updates_per_episode",
        "total_steps: wrong type: 1.5 (--set total_steps=1.5) - allowed: a whole number, at least \
         1 - change total_steps",
        "seed: value out of range: \"99999999999999999999\" (--set seed=99999999999999999999) - \
         allowed: a whole number, at least 0 - change seed",
        "algorithm.gradient_clip: value out of range: nan (--set algorithm.gradient_clip=nan) - \
         allowed: a number of at least 0 - change algorithm.gradient_clip",
        "network.hidden_size: wrong type: \"64\" (--set network.hidden_size=\"64\") - allowed: a \
         whole number from 1 to 65536 - remove the quotes",
        "algorithm.target_update.rate: does not exist while algorithm.target_update.kind = hard: \
         0.1 (--set algorithm.target_update.rate=0.1) - allowed: only with \
         algorithm.target_update.kind = soft - set algorithm.target_update.kind = soft, or remove \
         algorithm.target_update.rate",
    ];
    assert_eq!(of_sets(&sets), expected);
}

#[test]
fn contradictions_come_at_once_and_warnings_with_them() {
    let sets = [
        "replay.batch_episodes=6000",
        "runtime.learner_shards=7",
        "exploration.epsilon_start=0.01",
        "checkpoint.keep_best=false",
        "evaluation.episodes=3",
        "total_steps=10000",
        "runtime.actors=100",
        "runtime.environments_per_actor=200",
        "network.share_parameters=false",
    ];
    let request = LoadRequest {
        sets: sets.iter().map(|&text| text.to_owned()).collect(),
        ..LoadRequest::default()
    };
    let problems = load(&request).unwrap_err();
    let found: Vec<(Severity, &str)> = problems
        .iter()
        .map(|problem| (problem.severity, problem.path.as_str()))
        .collect();
    let expected = [
        (Severity::Error, "replay.batch_episodes"),
        (Severity::Error, "runtime.learner_shards"),
        (Severity::Error, "runtime.environments_per_actor"),
        (Severity::Error, "exploration.epsilon_end"),
        (Severity::Warning, "exploration.anneal_steps"),
        (Severity::Error, "evaluation.absolute_episodes"),
        (Severity::Warning, "evaluation.environments"),
        (Severity::Warning, "evaluation.interval_steps"),
        (Severity::Warning, "checkpoint.interval_steps"),
        (Severity::Error, "total_steps"),
        (Severity::Warning, "network.agent_id"),
    ];
    assert_eq!(found, expected);
    assert_eq!(
        problems[4].to_string(),
        "warning: exploration.anneal_steps: epsilon never reaches its last value: 200000 \
         (default) - allowed: at most total_steps = 10000 - anneal over fewer steps or train longer"
    );
    let json = serde_json::to_value(&problems[0]).unwrap();
    assert_eq!(json["severity"], "error");
    assert_eq!(json["origin"]["layer"], "set");
}

#[test]
fn a_contradiction_that_rests_on_a_wrong_value_is_not_reported() {
    let problems = of_sets(&[
        "replay.capacity_episodes=lots",
        "replay.batch_episodes=6000",
    ]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("replay.capacity_episodes: wrong type: \"lots\""));
}

#[test]
fn misspelt_variables_are_named_and_those_of_the_programs_left_alone() {
    let environment = Environment::from_pairs([
        ("CONCORD_NETWORK", "gru"),
        ("CONCORD_REPLAY__BATCH_EPISODE", "3"),
        ("CONCORD_RUNS_DIR", "x"),
        ("CONCORD_RUN_DIR", "x"),
        ("CONCORD_SEED", "x"),
        ("CONCORD_UI", "y"),
        ("CONCORD_XYZZY", "1"),
    ]);
    let request = LoadRequest {
        environment,
        ..LoadRequest::default()
    };
    let expected = [
        "network: a section, not a setting: \"gru\" (environment CONCORD_NETWORK) - allowed: a \
         table with kind, hidden_size, share_parameters, agent_id, last_action - set one of \
         these, such as network.kind",
        "unknown environment variable: CONCORD_REPLAY__BATCH_EPISODE - allowed: \
         CONCORD_SECTION__FIELD with the name of a setting - did you mean \
         `CONCORD_REPLAY__BATCH_EPISODES`? Else unset CONCORD_REPLAY__BATCH_EPISODE",
        "unknown environment variable: CONCORD_RUN_DIR - allowed: CONCORD_SECTION__FIELD with the \
         name of a setting - did you mean `CONCORD_RUNS_DIR`? Else unset CONCORD_RUN_DIR",
        "unknown environment variable: CONCORD_XYZZY - allowed: CONCORD_SECTION__FIELD with the \
         name of a setting - unset CONCORD_XYZZY",
        "seed: wrong type: \"x\" (environment CONCORD_SEED) - allowed: a whole number, at least 0 \
         - change seed",
    ];
    assert_eq!(of(&request), expected);
}

#[test]
fn unknown_presets_and_files_offer_the_nearest() {
    let preset = of(&LoadRequest::named("iql-lfb-coop"));
    assert_eq!(preset.len(), 1);
    assert!(preset[0].starts_with("unknown preset: iql-lfb-coop - allowed: "));
    assert!(preset[0].contains(", iql-epymarl, "));
    assert!(preset[0].ends_with(" - did you mean `iql-lbf-coop`?"));
    let file = of(&LoadRequest::named("missing/demoo.toml"));
    assert_eq!(file.len(), 1);
    assert!(file[0].starts_with("file cannot be read ("));
    assert!(file[0].ends_with(
        "): missing/demoo.toml - allowed: a TOML file in UTF-8 - check the path, or use the \
         preset `demo`"
    ));
}

#[test]
fn an_unknown_preset_does_not_hide_the_problems_of_the_other_layers() {
    let request = LoadRequest {
        sets: vec!["seed=x".to_owned(), "replay.batch_episodes=6000".to_owned()],
        ..LoadRequest::named("dmeo")
    };
    let problems = of(&request);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("unknown preset: dmeo"));
    assert!(problems[1].starts_with("seed: wrong type"));
}

#[test]
fn the_caller_answers_for_the_environment() {
    let request = LoadRequest {
        sets: vec!["environment.id=Foragin-8x8".to_owned()],
        ..LoadRequest::default()
    };
    let check = |id: &str| {
        (id != "Foraging-8x8").then(|| {
            Problem::error("", "unknown environment")
                .value(id)
                .hint("did you mean `Foraging-8x8`?")
        })
    };
    let problems = load_with(&request, &check).unwrap_err();
    let expected = ["environment.id: unknown environment: Foragin-8x8 (--set \
         environment.id=Foragin-8x8) - did you mean `Foraging-8x8`?"];
    assert_eq!(lines(&problems), expected);
}

#[test]
fn a_byte_order_mark_and_windows_lines_are_read() {
    let text = "\u{feff}version = 1\r\njob = \"train\"\r\nseed = -1\r\n";
    let expected = [
        "seed: value out of range: -1 (mine.toml:3:1) - allowed: a whole number, at \
         least 0 - change seed",
    ];
    assert_eq!(of_file(text), expected);
}

#[test]
fn endless_text_is_cut_in_messages() {
    let argument = format!("seed={}", "x".repeat(100_000));
    assert!(of_sets(&[&argument])[0].len() < 1_000);
}

#[test]
fn a_pair_that_does_not_fit_is_told_with_everything_else() {
    let request = LoadRequest {
        preset: Some("smoke".to_owned()),
        sets: [
            "algorithm.kind=mansa",
            "algorithm.independent=ippo",
            "algorithm.central=qmix",
            "algorithm.switch.share=trunk",
            "algorithm.switch.budget.calls=3",
            "environment.common_reward=false",
            "runtime.mode.lag_rounds=1",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..LoadRequest::default()
    };
    let problems = load(&request).unwrap_err();
    let paths: Vec<&str> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    for path in [
        "algorithm.central",
        "algorithm.switch.kind",
        "algorithm.switch.share",
        "algorithm.switch.budget.calls",
        "environment.common_reward",
        "runtime.mode.lag_rounds",
    ] {
        assert!(paths.contains(&path), "{path} is not in {paths:?}");
    }
}
