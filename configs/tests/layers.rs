//! Which layer wins, and what is remembered about it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;

use configs::env::Environment;
use configs::{
    DeviceChoice, Job, LoadRequest, Loaded, NetworkKind, Origin, Origins, RunConfig, RuntimeMode,
    TargetUpdate, TrainConfig, load,
};

fn file(name: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("layers");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn train(loaded: &Loaded) -> &TrainConfig {
    match &loaded.config {
        RunConfig::Train(config) => config,
        other => panic!("not a training run: {other:?}"),
    }
}

fn sets(arguments: &[&str]) -> Loaded {
    load(&LoadRequest {
        sets: arguments.iter().map(|&text| text.to_owned()).collect(),
        ..LoadRequest::default()
    })
    .unwrap()
}

#[test]
fn nothing_asked_gives_the_defaults() {
    let loaded = load(&LoadRequest::default()).unwrap();
    assert_eq!(loaded.config, Job::Train.default_config());
    assert!(
        loaded
            .origins
            .0
            .values()
            .all(|origin| *origin == Origin::Default)
    );
    assert_eq!(loaded.origins.0.len(), loaded.config.values().len());
}

#[test]
fn each_layer_wins_over_the_ones_below() {
    let path = file(
        "each_layer.toml",
        "version = 1\n\n[replay]\nbatch_episodes = 11\ncapacity_episodes = 1_100\n\
         [evaluation]\nepisodes = 70\nenvironments = 7\n",
    );
    let loaded = load(&LoadRequest {
        preset: Some("smoke".to_owned()),
        file: Some(path.clone()),
        environment: Environment::from_pairs([
            ("CONCORD_EVALUATION__EPISODES", "71"),
            ("CONCORD_REPLAY__CAPACITY_EPISODES", "1200"),
            ("CONCORD_RUNS_DIR", "/somewhere"),
            ("CONCORD_UI", "plain"),
            ("CONCORD_SEED", ""),
            ("HOME", "/root"),
        ]),
        sets: vec![
            "evaluation.episodes=72".to_owned(),
            "evaluation.episodes=73".to_owned(),
        ],
        ..LoadRequest::default()
    })
    .unwrap();
    let config = train(&loaded);
    assert_eq!(config.network.kind, NetworkKind::FeedForward);
    assert_eq!(config.replay.batch_episodes, 11);
    assert_eq!(config.replay.capacity_episodes, 1_200);
    assert_eq!(config.evaluation.episodes, 73);
    assert_eq!(config.environment.sight, None);

    let origin = |path: &str| loaded.origins.get(path).clone();
    assert_eq!(origin("environment.penalty"), Origin::Default);
    assert!(matches!(origin("network.kind"), Origin::Preset { name, .. } if name == "smoke"));
    let in_file = Origin::File {
        path,
        line: 4,
        column: 1,
    };
    assert_eq!(origin("replay.batch_episodes"), in_file);
    let in_environment = Origin::Environment {
        variable: "CONCORD_REPLAY__CAPACITY_EPISODES".to_owned(),
    };
    assert_eq!(origin("replay.capacity_episodes"), in_environment);
    let in_set = Origin::Set {
        argument: "evaluation.episodes=73".to_owned(),
    };
    assert_eq!(origin("evaluation.episodes"), in_set);

    let json = loaded.origins.to_json();
    assert_eq!(Origins::from_json(&json).unwrap(), loaded.origins);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["evaluation.episodes"]["layer"], "set");
    assert_eq!(value["replay.batch_episodes"]["line"], 4);
}

#[test]
fn values_of_set_need_no_quotes() {
    let loaded = sets(&[
        "environment.id=Foraging-5x5-2p-1f-v3",
        "runtime.device=cuda:1",
        "total_steps=1e6",
        "algorithm.learning_rate=1",
        "environment.common_reward = false",
        "environment.sight=2",
        "network.kind='feed_forward'",
        "algorithm.target_update={kind = \"soft\", rate = 0.05}",
    ]);
    let config = train(&loaded);
    assert_eq!(config.environment.id, "Foraging-5x5-2p-1f-v3");
    assert_eq!(config.runtime.device, DeviceChoice::Cuda(1));
    assert_eq!(config.total_steps, 1_000_000);
    assert!(!config.environment.common_reward);
    assert_eq!(config.environment.sight, Some(2));
    assert_eq!(config.network.kind, NetworkKind::FeedForward);
    assert_eq!(config.algorithm.learning_rate, 1.0);
    assert!(
        matches!(config.algorithm.target_update, TargetUpdate::Soft(soft) if soft.rate == 0.05)
    );
}

#[test]
fn a_new_kind_takes_its_own_defaults_and_drops_the_settings_of_the_old() {
    let loaded = load(&LoadRequest {
        preset: Some("smoke".to_owned()),
        sets: vec![
            "algorithm.target_update=soft".to_owned(),
            "runtime.mode.kind=free".to_owned(),
        ],
        ..LoadRequest::default()
    })
    .unwrap();
    let config = train(&loaded);
    assert!(
        matches!(config.algorithm.target_update, TargetUpdate::Soft(soft) if soft.rate == 0.01)
    );
    assert!(
        matches!(config.runtime.mode, RuntimeMode::Free(free) if free.max_staleness_updates == 64)
    );
    let old = "algorithm.target_update.interval_updates";
    assert!(!loaded.origins.0.contains_key(old));
    assert_eq!(
        *loaded.origins.get("algorithm.target_update.rate"),
        Origin::Default
    );
}

#[test]
fn none_clears_an_optional_setting() {
    let loaded = load(&LoadRequest {
        preset: Some("smoke".to_owned()),
        sets: vec!["environment.time_limit=none".to_owned()],
        ..LoadRequest::default()
    })
    .unwrap();
    assert_eq!(train(&loaded).environment.time_limit, None);
    let origin = loaded.origins.get("environment.time_limit");
    assert!(matches!(origin, Origin::Set { .. }));
}

#[test]
fn an_argument_names_a_preset_or_a_file() {
    let preset = LoadRequest::named("demo");
    assert_eq!(
        (preset.preset.as_deref(), preset.file),
        (Some("demo"), None)
    );
    let path = LoadRequest::named("mine.toml");
    assert_eq!((path.preset, path.file), (None, Some("mine.toml".into())));
    let folder = LoadRequest::named("runs/7/config");
    assert_eq!(folder.file, Some("runs/7/config".into()));
    let misspelt = LoadRequest::named("dmeo");
    assert_eq!(misspelt.preset.as_deref(), Some("dmeo"));
}

#[test]
fn the_difference_of_two_configurations_names_paths_and_values() {
    let left = sets(&["seed=3", "algorithm.target_update=soft"]).config;
    let right = sets(&["environment.sight=2"]).config;
    let lines: Vec<String> = configs::diff(&left, &right)
        .iter()
        .map(ToString::to_string)
        .collect();
    let expected = [
        "algorithm.target_update.interval_updates: none -> 200",
        "algorithm.target_update.kind: \"soft\" -> \"hard\"",
        "algorithm.target_update.rate: 0.01 -> none",
        "environment.sight: none -> 2",
        "seed: 3 -> 1",
    ];
    assert_eq!(lines, expected);
    assert!(configs::diff(&left, &left).is_empty());
}
