//! Experiments: what a file expands to, and all problems of a bad one at once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use configs::experiment::{Experiment, ExperimentRequest, load};
use configs::{Problem, RunConfig};

/// A file of its own for each test.
struct Sheet(PathBuf);

impl Sheet {
    fn new(name: &str, text: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("experiments");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        Sheet(path)
    }

    fn load(&self, sets: &[&str]) -> Result<Experiment, Vec<Problem>> {
        let request = ExperimentRequest {
            file: self.0.clone(),
            sets: sets.iter().map(|&set| set.to_owned()).collect(),
            ..ExperimentRequest::default()
        };
        let id = |id: &str| {
            let unknown = !(id.starts_with("Foraging") || id.starts_with("TwoStep"));
            unknown.then(|| Problem::error("environment.id", "unknown environment").value(id))
        };
        load(&request, &id, &|_| None)
    }

    fn problems(&self, sets: &[&str]) -> Vec<String> {
        let place = format!("{}:", self.0.display());
        self.load(sets)
            .unwrap_err()
            .iter()
            .map(|problem| problem.to_string().replace(&place, "at "))
            .collect()
    }
}

fn value(config: &RunConfig, path: &str) -> String {
    config
        .values()
        .get(path)
        .map_or_else(String::new, ToString::to_string)
}

const GOOD: &str = r#"
version = 1
job = "experiment"
preset = "smoke"
seeds = [7, 3]
tasks = ["Foraging-5x5-2p-1f-coop-v3", { id = "Foraging-5x5-2p-1f-coop-v3", name = "hard", set = { "environment.penalty" = 0.5 } }]
[set]
total_steps = 4_000
"algorithm.switch.hidden_size" = 32
evaluation = { episodes = 9 }
[[methods]]
name = "IQL"
[[methods]]
name = "MANSA"
set = { "algorithm.kind" = "mansa", total_steps = 6_000 }
[sweep]
[[sweep.axes]]
path = "algorithm.switch.cost"
values = [0, 0.01]
"#;

#[test]
fn tasks_methods_points_and_seeds_are_multiplied_first_seed_first() {
    let experiment = Sheet::new("good", GOOD)
        .load(&["replay.batch_episodes=4"])
        .unwrap();
    assert_eq!(experiment.name, "good");
    assert_eq!(experiment.tasks, ["Foraging-5x5-2p-1f-coop-v3", "hard"]);
    assert_eq!(experiment.axes, ["algorithm.switch.cost"]);
    // IQL has no switch: the sweep leaves it alone, and it is run once.
    let names: Vec<String> = experiment.runs.iter().map(|run| run.name()).collect();
    assert_eq!(
        names,
        [
            "IQL-Foraging-5x5-2p-1f-coop-v3-s7",
            "MANSA-Foraging-5x5-2p-1f-coop-v3-cost=0.0-s7",
            "MANSA-Foraging-5x5-2p-1f-coop-v3-cost=0.01-s7",
            "IQL-hard-s7",
            "MANSA-hard-cost=0.0-s7",
            "MANSA-hard-cost=0.01-s7",
            "IQL-Foraging-5x5-2p-1f-coop-v3-s3",
            "MANSA-Foraging-5x5-2p-1f-coop-v3-cost=0.0-s3",
            "MANSA-Foraging-5x5-2p-1f-coop-v3-cost=0.01-s3",
            "IQL-hard-s3",
            "MANSA-hard-cost=0.0-s3",
            "MANSA-hard-cost=0.01-s3",
        ]
    );
    let last = &experiment.runs[11].config;
    for (path, wanted) in [
        ("seed", "3"),
        ("total_steps", "6000"),
        ("environment.penalty", "0.5"),
        ("algorithm.switch.cost", "0.01"),
        ("algorithm.switch.hidden_size", "32"),
        ("evaluation.episodes", "9"),
        ("replay.batch_episodes", "4"),
        ("network.hidden_size", "16"),
    ] {
        assert_eq!(value(last, path), wanted, "{path}");
    }
    let first = &experiment.runs[0].config;
    assert_eq!(value(first, "total_steps"), "4000");
    assert_eq!(value(first, "algorithm.switch.hidden_size"), "");
    // A run's file says the same again.
    assert_eq!(
        RunConfig::from_toml("config.toml", &last.to_toml()).unwrap(),
        *last
    );
}

#[test]
fn without_tasks_the_presets_own_is_taken_and_seeds_may_be_a_number() {
    let text = "version = 1\npreset = \"smoke\"\nseeds = 3\n[[methods]]\nname = \"A\"\n";
    let experiment = Sheet::new("own-task", text).load(&[]).unwrap();
    assert_eq!(experiment.tasks, ["Foraging-5x5-2p-1f-coop-v3"]);
    assert_eq!(experiment.seeds, [1, 2, 3]);
    assert_eq!(experiment.runs.len(), 3);
}

#[test]
fn a_random_sweep_means_the_same_points_every_time() {
    let text = |samples: u32, seed: u32| {
        format!(
            "version = 1\npreset = \"smoke\"\nseeds = 1\n[[methods]]\nname = \"A\"\n[sweep]\n\
             kind = \"random\"\nsamples = {samples}\nseed = {seed}\n[[sweep.axes]]\n\
             path = \"algorithm.learning_rate\"\nmin = 1e-5\nmax = 1e-2\nscale = \"log\"\n\
             [[sweep.axes]]\npath = \"network.hidden_size\"\nmin = 8\nmax = 64\n\
             [[sweep.axes]]\npath = \"network.kind\"\nvalues = [\"gru\", \"feed_forward\"]\n"
        )
    };
    let labels = |samples, seed| -> Vec<String> {
        let sheet = Sheet::new(&format!("random-{samples}-{seed}"), &text(samples, seed));
        let runs = sheet.load(&[]).unwrap().runs;
        runs.iter().map(|run| run.point.label()).collect()
    };
    let ten = labels(10, 1);
    assert_eq!(ten.len(), 10);
    assert_eq!(ten, labels(10, 1));
    assert_eq!(ten[..5], labels(5, 1));
    assert_ne!(ten, labels(10, 2));
    assert!(
        ten[0].starts_with("learning_rate=") && ten[0].contains(" network.kind="),
        "{ten:?}"
    );
}

#[test]
fn all_problems_of_a_file_come_at_once_with_their_places() {
    let text = r#"version = 1
job = "experiment"
preset = "smok"
seeds = [1, 1, -2]
tasks = ["Foraging-5x5-2p-1f-coop-v3", "Foraging-5x5-2p-1f-coop-v3"]
total_steps = 3
scalars = []
[set]
"replay.batch_episode" = 3
seed = 4
[[methods]]
name = "A"
set = { "algorithm.learning_rate" = -1.0 }
[[methods]]
name = "A"
sets = {}
[[methods]]
preset = "nowhere.toml"
[sweep]
kind = "grid"
[[sweep.axes]]
path = "algorithm.switch.costs"
values = [1]
[[sweep.axes]]
path = "algorithm.discount"
values = [0.9, 2.0, 0.9]
[[sweep.axes]]
path = "seed"
values = [1]
[[sweep.axes]]
path = "network.hidden_size"
min = 1
max = 2
"#;
    let told = Sheet::new("bad", text).problems(&["algorithm.discount=0.5"]);
    let expected = [
        "scalars: an empty list (at 7:1) - allowed: a list of values - list at least one, or remove scalars",
        "seeds: named twice: 1 (at 4:13) - name it once; every run is made from another combination",
        "seeds: wrong value: -2 (at 4:16) - allowed: a number of seeds, or a list such as [1, 2, 3] - change seeds",
        "tasks: named twice: Foraging-5x5-2p-1f-coop-v3 (at 5:40) - name it once, or give each its own `name`",
        "algorithm.learning_rate: value out of range: -1.0 (at 13:9) - allowed: a number above 0 and at most 1 - change algorithm.learning_rate",
        "methods.sets: unknown key of an experiment (at 16:1) - allowed: name, preset, set - did you mean `set`?",
        "methods.name: named twice: A (at 15:1) - name it once; every run is made from another combination",
        "methods.name: missing (at 17:1) - write `name = \"...\"`; tables and plots show it",
        "replay.batch_episode: unknown setting (at 9:1) - did you mean `replay.batch_episodes`?",
        "seed: does not belong among the settings: 4 (at 10:1) - list the seeds in `seeds` at the top of the file",
        "algorithm.switch.costs: unknown setting (at 22:1) - did you mean `algorithm.switch.cost`?",
        "algorithm.discount: value out of range: 2.0 (at 26:16) - allowed: a number from 0 to 1 - change algorithm.discount",
        "sweep.axes.values: named twice: 0.9 (at 26:21) - name it once; every run is made from another combination",
        "sweep.axes.path: cannot be swept: seed (at 28:1) - list the seeds in `seeds` at the top of the file",
        "sweep.axes: a grid needs the values themselves: network.hidden_size (at 31:1) - allowed: values = [...]; min and max only with sweep.kind = random - list the values, or write kind = \"random\" with samples",
        "total_steps: unknown key of an experiment (at 6:1) - allowed: version, job, name, preset, seeds, tasks, set, methods, sweep, scalars, return_range - settings of the runs go under [set]: \"total_steps\" = ...",
    ];
    for line in expected {
        assert!(
            told.iter().any(|one| one == line),
            "missing: {line}\nin: {told:#?}"
        );
    }
    let rest: Vec<&String> = told
        .iter()
        .filter(|one| !expected.contains(&one.as_str()))
        .collect();
    assert_eq!(rest.len(), 2, "{rest:#?}");
    assert!(
        rest[0].starts_with("preset: unknown preset: smok")
            && rest[0].ends_with("did you mean `smoke`?"),
        "{rest:#?}"
    );
    assert!(
        rest[1].starts_with("algorithm.discount: not a setting of every run: 0.5"),
        "{rest:#?}"
    );
}

#[test]
fn problems_of_single_runs_say_which_and_equal_ones_come_once() {
    let text = r#"version = 1
preset = "smoke"
seeds = 5
tasks = ["Foraging-5x5-2p-1f-coop-v3", "Forging-5x5"]
[set]
"replay.capacity_episodes" = 16
"algorithm.switch.hidden_size" = 32
[[methods]]
name = "A"
[[methods]]
name = "B"
set = { "replay.batch_episodes" = 32 }
[sweep]
[[sweep.axes]]
path = "algorithm.mixer.embedding_size"
values = [8, 16]
"#;
    let told = Sheet::new("single", text).problems(&[]);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(
        told[0].starts_with(
            "replay.batch_episodes: batch larger than the replay (in B on \
             Foraging-5x5-2p-1f-coop-v3 and 3 others): 32 (at 12:9)"
        ),
        "{told:#?}"
    );
    assert!(
        told[1].starts_with(
            "environment.id: unknown environment (in A on Forging-5x5 and 3 others): Forging-5x5"
        ),
        "{told:#?}"
    );
    // Settings that exist for no run at all.
    assert!(
        told[2].starts_with("algorithm.mixer.embedding_size: does not exist"),
        "{told:#?}"
    );
    assert!(
        told[3].starts_with("algorithm.switch.hidden_size: does not exist"),
        "{told:#?}"
    );
}

#[test]
fn a_broken_or_missing_file_and_the_wrong_job_are_told() {
    let told = Sheet::new("broken", "version = 1\nseeds = [1\n[[methods]]\n").problems(&[]);
    assert!(
        told.iter().all(|one| one.contains("not valid TOML")),
        "{told:#?}"
    );
    let train = "version = 1\njob = \"train\"\nseeds = 1\n[[methods]]\nname = \"A\"\n";
    let told = Sheet::new("train", train).problems(&[]);
    assert_eq!(
        told,
        [
            "job: this file is no experiment: train (at 2:1) - allowed: experiment - write `job = \"experiment\"`, or run the file with `concord train`"
        ]
    );
    let missing = Sheet(PathBuf::from("nowhere/x.toml")).problems(&[]);
    assert!(missing[0].contains("file cannot be read"), "{missing:?}");
}

#[test]
fn the_committed_examples_are_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let experiment = Sheet(path.clone()).load(&[]);
        let experiment = experiment.unwrap_or_else(|problems| panic!("{path:?}: {problems:#?}"));
        assert!(!experiment.runs.is_empty(), "{path:?}");
        let first = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let command = format!("# concord experiment experiments/{name}");
        assert_eq!(first.lines().next(), Some(command.as_str()));
    }
}
