//! Every built-in preset, found by walking the folder.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use configs::{LoadRequest, Origin, RunConfig, load, presets};

const COUNT: usize = 38;

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[test]
fn every_file_is_built_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets");
    let mut files = Vec::new();
    walk(&folder, &mut files);
    assert_eq!(files.len(), COUNT);
    assert_eq!(presets::all().len(), COUNT);
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let preset = presets::find(name).unwrap_or_else(|| panic!("{name} is not built in"));
        assert_eq!(preset.text, std::fs::read_to_string(&file).unwrap());
        assert_eq!(folder.join(preset.path), file);
    }
}

#[test]
fn every_preset_loads_is_complete_and_says_how_to_run_it() {
    for preset in presets::all() {
        let loaded = load(&LoadRequest {
            preset: Some(preset.name.to_owned()),
            ..LoadRequest::default()
        })
        .unwrap_or_else(|problems| panic!("{}: {problems:?}", preset.name));
        assert_eq!(loaded.warnings, vec![], "{}", preset.name);
        let job = loaded.config.job();
        assert_eq!(preset.command(), format!("concord {job} {}", preset.name));
        assert!(preset.description().len() > 20, "{}", preset.name);
        for path in loaded.config.values().keys() {
            let origin = loaded.origins.get(path);
            assert!(
                matches!(origin, Origin::Preset { .. }),
                "{} leaves {path} out",
                preset.name
            );
        }
    }
}

/// More threads than one wait for each other where another job has a core, and win nothing on a
/// quiet machine: the searcher is small.
#[test]
fn the_small_searcher_computes_on_one_thread() {
    let small = |preset: &&presets::Preset| preset.text.contains("assets/searcher");
    let mut count = 0;
    for preset in presets::all().iter().filter(small) {
        let loaded = load(&LoadRequest::named(preset.name)).unwrap();
        let RunConfig::Search(config) = loaded.config else {
            panic!("{} is no search", preset.name)
        };
        assert_eq!(config.runtime.threads, 1, "{}", preset.name);
        count += 1;
    }
    assert_eq!(count, 5);
}

/// The values of EPyMARL's `default.yaml`, `gymma.yaml` and `iql.yaml`.
#[test]
fn the_reference_preset_has_the_values_of_the_reference() {
    let loaded = load(&LoadRequest::named("iql-epymarl")).unwrap();
    let values = loaded.config.values();
    let value = |path: &str| values[path].to_string();
    for (path, expected) in [
        ("total_steps", "2050000"),
        ("environment.id", "\"Foraging-8x8-2p-2f-coop-v3\""),
        ("environment.time_limit", "50"),
        ("environment.time_limit_as", "\"termination\""),
        ("algorithm.learning_rate", "0.0003"),
        ("algorithm.discount", "0.99"),
        ("algorithm.double_q", "true"),
        ("algorithm.gradient_clip", "10.0"),
        ("algorithm.standardise_rewards", "true"),
        ("algorithm.target_update.interval_updates", "200"),
        ("network.kind", "\"gru\""),
        ("network.hidden_size", "128"),
        ("network.last_action", "false"),
        ("replay.capacity_episodes", "5000"),
        ("replay.batch_episodes", "32"),
        ("exploration.epsilon_start", "1.0"),
        ("exploration.epsilon_end", "0.05"),
        ("exploration.anneal_steps", "200000"),
        ("runtime.actors", "1"),
        ("runtime.environments_per_actor", "1"),
        ("runtime.updates_per_episode", "1.0"),
        ("runtime.mode.lag_rounds", "0"),
        ("evaluation.interval_steps", "50000"),
        ("evaluation.episodes", "100"),
        ("evaluation.epsilon", "0.0"),
    ] {
        assert_eq!(value(path), expected, "{path}");
    }
    let changed = configs::diff(&loaded.config, &configs::Job::Train.default_config());
    let changed: Vec<&str> = changed.iter().map(|change| change.path.as_str()).collect();
    let stated = [
        "environment.exact",
        "environment.time_limit",
        "runtime.device",
    ];
    assert_eq!(changed, stated, "the defaults are the reference's values");
}

/// The values of EPyMARL's `default.yaml`, `gymma.yaml`, `ippo.yaml` and `mappo.yaml`.
#[test]
fn the_on_policy_presets_have_the_values_of_the_reference() {
    for kind in ["ippo", "mappo"] {
        let loaded = load(&LoadRequest::named(&format!("{kind}-epymarl"))).unwrap();
        let values = loaded.config.values();
        let value = |path: &str| values[path].to_string();
        assert_eq!(value("algorithm.kind"), format!("\"{kind}\""));
        for (path, expected) in [
            ("total_steps", "20050000"),
            ("environment.time_limit", "50"),
            ("algorithm.learning_rate", "0.0003"),
            ("algorithm.discount", "0.99"),
            ("algorithm.gradient_clip", "10.0"),
            ("algorithm.standardise_rewards", "true"),
            ("algorithm.target_update.rate", "0.01"),
            ("algorithm.ppo.epochs", "4"),
            ("algorithm.ppo.minibatches", "1"),
            ("algorithm.ppo.clip_range", "0.2"),
            ("algorithm.ppo.entropy_coefficient", "0.001"),
            ("algorithm.ppo.advantage.steps", "5"),
            ("algorithm.ppo.value_clip", "0.0"),
            ("algorithm.ppo.value_normalisation", "false"),
            ("algorithm.ppo.critic_hidden_size", "128"),
            ("network.kind", "\"gru\""),
            ("network.hidden_size", "128"),
            ("network.last_action", "false"),
            ("replay.batch_episodes", "10"),
            ("runtime.environments_per_actor", "10"),
            ("evaluation.sample_actions", "true"),
        ] {
            assert_eq!(value(path), expected, "{kind}: {path}");
        }
    }
}

/// The values of EPyMARL's `default.yaml`, `gymma.yaml`, `vdn.yaml` and `qmix.yaml`.
#[test]
fn the_presets_of_mixed_values_have_the_values_of_the_reference() {
    for kind in ["vdn", "qmix"] {
        let loaded = load(&LoadRequest::named(&format!("{kind}-epymarl"))).unwrap();
        let iql = load(&LoadRequest::named("iql-epymarl")).unwrap();
        let changed = configs::diff(&loaded.config, &iql.config);
        let changed: Vec<&str> = changed.iter().map(|change| change.path.as_str()).collect();
        let values = loaded.config.values();
        let mut stated = vec![
            ("algorithm.kind", format!("\"{kind}\"")),
            ("algorithm.learning_rate", "0.0005".to_owned()),
            ("exploration.anneal_steps", "50000".to_owned()),
            ("network.hidden_size", "64".to_owned()),
            ("network.kind", "\"feed_forward\"".to_owned()),
        ];
        if kind == "qmix" {
            let mixer = [
                ("algorithm.mixer.embedding_size", "32".to_owned()),
                ("algorithm.mixer.hypernet_layers", "2".to_owned()),
                ("algorithm.mixer.hypernet_size", "64".to_owned()),
            ];
            stated.extend(mixer);
        }
        stated.sort();
        let paths: Vec<&str> = stated.iter().map(|(path, _)| *path).collect();
        assert_eq!(changed, paths);
        for (path, value) in stated {
            assert_eq!(values[path].to_string(), value, "{path}");
        }
    }
}

#[test]
fn a_preset_keeps_its_settings_through_its_own_file() {
    for preset in presets::all() {
        let loaded = load(&LoadRequest::named(preset.name)).unwrap();
        let again = RunConfig::from_toml("config.toml", &loaded.config.to_toml()).unwrap();
        assert_eq!(again, loaded.config, "{}", preset.name);
    }
}
