//! Whole runs of searches, as the worker does them.

mod bad_input;
mod interruption;
mod servers;
mod whole;

use std::fs;
use std::path::PathBuf;

use configs::{Job, LoadRequest, Problem, load};
use serde_json::Value;
use tracking::search_log::{Outcome, Outcomes};

use crate::folder::TestRun;

/// The made-up policy and critic: no model, no network.
const SCRIPTED: &str = r#"
version = 1
job = "search"
[model]
kind = "scripted"
[questions]
count = 6
[budget]
tokens = 1000
tool_calls = 5
[runtime]
parallel_questions = 3
[logging]
tensorboard = false
interval_secs = 0.001
"#;

/// A configuration with some settings changed (`path=value`).
pub fn configured(text: &str, sets: &[&str]) -> Result<String, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    fs::write(&file, text).unwrap();
    let request = LoadRequest {
        job: Some(Job::Search),
        file: Some(file),
        sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        ..LoadRequest::default()
    };
    load(&request).map(|loaded| loaded.config.to_toml())
}

/// A run of the made-up policy.
pub fn scripted(sets: &[&str]) -> TestRun {
    TestRun::of(configured(SCRIPTED, sets).unwrap())
}

/// What its questions came to.
pub fn outcomes(run: &TestRun) -> Vec<Outcome> {
    Outcomes::read(&run.folder.searches()).unwrap()
}

/// The logs by name.
pub fn logs(run: &TestRun) -> Vec<(String, PathBuf)> {
    tracking::search_log::questions(&run.folder.searches()).unwrap()
}

/// The lines of a log without their times.
pub fn lines(path: &PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(
        text.ends_with('\n'),
        "{} ends in half a line",
        path.display()
    );
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove("time");
        value
    };
    text.lines().map(line).collect()
}

/// All logs without their times.
pub fn all_lines(run: &TestRun) -> Vec<(String, Vec<Value>)> {
    let logs = logs(run).into_iter();
    logs.map(|(name, path)| (name, lines(&path))).collect()
}
