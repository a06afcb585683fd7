//! `concord eval`: lets the worker play a policy and scores the episodes.

mod language;
pub(crate) mod many;
pub(crate) mod searches;
mod teams;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use configs::{Job, RunConfig};
use serde::Deserialize;
use serde_json::{Value, json};
use tracking::{RunFolder, TrackingError};

use super::evaluation::options;
use crate::arguments::{Eval, Format, Global};
use crate::failure::{ENVIRONMENT, Failure};
use crate::output::{Table, json_number, json_option, print, print_json};
use crate::result::Score;
use crate::surroundings::runs_root;
use crate::worker;

/// What the worker answers.
#[derive(Debug, Deserialize)]
struct Answer {
    checkpoint: PathBuf,
    step: u64,
    environment: String,
    returns: Vec<f64>,
    lengths: Vec<u64>,
    gif: Option<PathBuf>,
    record: Option<PathBuf>,
    cl_decision_fraction: Option<f64>,
}

/// Runs the command.
pub(crate) fn eval(global: &Global, arguments: &Eval) -> Result<(), Failure> {
    if language::eval(global, arguments)? {
        return Ok(());
    }
    let which = arguments.checkpoint.as_deref();
    let several = which.is_some_and(|which| which == "all" || which.starts_with("every"));
    let kept = several
        || arguments.targets.len() > 1
        || arguments.sweep.is_some()
        || arguments.keep
        || arguments.kept.out.is_some();
    if let Some(results) = searches::results(&runs_root(global), arguments)? {
        return searches::report(&results, arguments.format.format);
    }
    if kept {
        return many::eval(global, arguments);
    }
    let options = options(&arguments.playing)?;
    let root = runs_root(global);
    let name = &arguments.targets[0];
    let (run, checkpoint) = target(&root, name, which)?;
    let mut names = vec![name.clone()];
    let mut partners = Vec::new();
    for name in &arguments.with {
        let (run, checkpoint) = target(&root, name, None)?;
        partners.push(policy_folder(&run, &checkpoint)?);
        names.push(name.clone());
    }
    let worker = worker::locate(global)?;
    let mut command = worker::command(&worker);
    command
        .arg("eval")
        .arg("--run-dir")
        .arg(run.path())
        .args(["--checkpoint", &checkpoint])
        .args(["--episodes", &options.episodes.to_string()])
        .args(["--seed", &options.seed.to_string()])
        .args(["--epsilon", &options.epsilon.to_string()])
        .args(["--format", "json"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    for folder in partners {
        command.arg("--with").arg(folder);
    }
    if let Some(id) = &options.environment {
        command.args(["--environment", id]);
    }
    if let Some(limit) = options.time_limit {
        command.args(["--time-limit", &limit.to_string()]);
    }
    if let Some(execution) = &options.execution {
        command.args(["--execution", execution]);
    }
    for (name, path) in [("--gif", &arguments.gif), ("--record", &arguments.record)] {
        if let Some(path) = path {
            command.arg(name).arg(path);
        }
    }
    let answer = answer_of(&mut command, &worker)?;
    if arguments.with.is_empty() {
        report(&run, arguments, &read(answer)?)
    } else {
        teams::report(&names, arguments, &read(answer)?)
    }
}

/// What the worker says to a command that answers on stdout.
pub(crate) fn answer_of(command: &mut Command, worker: &Path) -> Result<Value, Failure> {
    let output = command.output().map_err(|error| {
        Failure::environment(format!(
            "cannot start {}: {error} - build it with `cargo build`",
            worker.display()
        ))
    })?;
    if !output.status.success() {
        let code = output
            .status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(ENVIRONMENT);
        return Err(Failure::silent(code));
    }
    serde_json::from_slice(&output.stdout).map_err(unreadable)
}

/// The worker's answer as what it should be.
pub(crate) fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(unreadable)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the form that `map_err` takes"
)]
fn unreadable(error: serde_json::Error) -> Failure {
    Failure::environment(format!(
        "cannot read the worker's answer: {error} - `concord` and `concord-worker` may be of different versions - build both with `cargo build`"
    ))
}

fn report(run: &RunFolder, arguments: &Eval, answer: &Answer) -> Result<(), Failure> {
    let score = Score::of(answer.step, &answer.returns, &answer.lengths);
    match arguments.format.format {
        Format::Json => {
            let mut value = score.to_json();
            value["run"] = json!(run.id());
            value["checkpoint"] = json!(answer.checkpoint);
            value["environment"] = json!(answer.environment);
            value["seed"] = json!(arguments.playing.seed);
            value["epsilon"] = json_number(arguments.playing.epsilon);
            value["gif"] = json!(answer.gif);
            value["record"] = json!(answer.record);
            value["cl_decision_fraction"] = json_option(answer.cl_decision_fraction);
            value["returns"] = answer
                .returns
                .iter()
                .map(|value| json_number(*value))
                .collect();
            value["lengths"] = json!(answer.lengths);
            print_json(&value)
        }
        Format::Csv => {
            let mut table = Table::new(&["episode", "return", "length"]);
            for (index, value) in answer.returns.iter().enumerate() {
                let length = answer
                    .lengths
                    .get(index)
                    .map_or(Value::Null, |length| json!(length));
                table.row(vec![json!(index), json_number(*value), length]);
            }
            print(&table.to_csv())
        }
        Format::Table => {
            let mut table = Table::new(&[
                "environment",
                "checkpoint",
                "step",
                "episodes",
                "mean",
                "low",
                "high",
                "interquartile_mean",
                "mean_length",
            ]);
            let name = answer
                .checkpoint
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            table.row(vec![
                json!(answer.environment),
                json!(name),
                json!(score.step),
                json!(score.episodes),
                json_number(score.mean),
                json_number(score.mean_interval.low),
                json_number(score.mean_interval.high),
                json_number(score.interquartile_mean),
                json_number(score.mean_length),
            ]);
            let mut text = table.to_text();
            text.push_str("low and high: 95% bootstrap interval of the mean over episodes\n");
            if let Some(share) = answer.cl_decision_fraction {
                text.push_str(&format!("central calls: {share:.4} of the steps\n"));
            }
            text.push_str(&kept(arguments));
            print(&text)
        }
    }
}

/// Which files hold the recorded episode.
fn kept(arguments: &Eval) -> String {
    let mut text = String::new();
    for (what, path) in [
        ("animation", &arguments.gif),
        ("episode", &arguments.record),
    ] {
        if let Some(path) = path {
            text.push_str(&format!("{what}: {}\n", path.display()));
        }
    }
    text
}

/// The folder of a run's policy; `last` is the newest checkpoint.
fn policy_folder(run: &RunFolder, checkpoint: &str) -> Result<PathBuf, Failure> {
    let newest = || run.checkpoints().into_iter().max_by_key(|(step, _)| *step);
    let folder = match checkpoint {
        "last" => newest().map(|(_, path)| path),
        name => Some(run.checkpoints_folder().join(name)),
    };
    folder
        .filter(|folder| folder.join("policy.json").is_file())
        .ok_or_else(|| {
            Failure::arguments(format!(
                "{}: no checkpoint {checkpoint} - `concord show {}` lists them",
                run.path().display(),
                run.id()
            ))
        })
}

/// The run and checkpoint that a user means.
pub(crate) fn target(
    root: &Path,
    name: &str,
    checkpoint: Option<&str>,
) -> Result<(RunFolder, String), Failure> {
    if let Some((run, step)) = checkpoint_folder(Path::new(name))? {
        if let Some(other) = checkpoint.filter(|other| *other != step) {
            return Err(Failure::arguments(format!(
                "two checkpoints: {name} and --checkpoint {other} - one is played - leave one out"
            )));
        }
        return Ok((run, step));
    }
    let run = match RunFolder::find(root, name) {
        Ok(run) => run,
        Err(error) => match newest_of_preset(root, name)? {
            Some(run) => run,
            None => match configs::presets::find(name) {
                Some(preset) => {
                    let job = RunConfig::from_toml(name, preset.text)
                        .map_or(Job::Train, |config| config.job());
                    return Err(Failure::arguments(format!(
                        "cannot evaluate {name}: no run of this preset has a checkpoint in {} - train it first with `concord {job} {name}`",
                        root.display()
                    )));
                }
                None => return Err(error.into()),
            },
        },
    };
    let checkpoint = match checkpoint {
        Some(name) => name.to_owned(),
        None if run.checkpoints_folder().join("best").is_dir() => "best".to_owned(),
        None => "last".to_owned(),
    };
    Ok((run, checkpoint))
}

/// `runs/ID/ckpt/step-N` as the run and `step-N`.
fn checkpoint_folder(path: &Path) -> Result<Option<(RunFolder, String)>, Failure> {
    let Ok(full) = path.canonicalize() else {
        return Ok(None);
    };
    let (Some(name), Some(folder)) = (full.file_name(), full.parent()) else {
        return Ok(None);
    };
    if !full.is_dir() || folder.file_name().is_none_or(|name| name != "ckpt") {
        return Ok(None);
    }
    let Some(run) = folder.parent() else {
        return Ok(None);
    };
    match RunFolder::open(run) {
        Ok(run) => Ok(Some((run, name.to_string_lossy().into_owned()))),
        Err(TrackingError::NotARunFolder { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The newest run of a preset that has something to play.
fn newest_of_preset(root: &Path, name: &str) -> Result<Option<RunFolder>, Failure> {
    if configs::presets::find(name).is_none() {
        return Ok(None);
    }
    let made_from = |run: &RunFolder| {
        run.meta()
            .is_ok_and(|meta| meta.name == name || meta.name == format!("{name}-s{}", meta.seed))
    };
    let playable = |run: &RunFolder| {
        !run.checkpoints().is_empty() || run.checkpoints_folder().join("best").is_dir()
    };
    Ok(RunFolder::list(root)?
        .into_iter()
        .rev()
        .find(|run| made_from(run) && playable(run)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracking::NewRun;

    #[test]
    fn runs_checkpoints_and_presets_are_found() {
        let root = tempfile::tempdir().expect("a folder");
        let new = |name: &str| NewRun {
            name: name.to_owned(),
            seed: 3,
            ..NewRun::default()
        };
        let run = RunFolder::create(root.path(), &new("demo-s3")).expect("a run");
        let failure = target(root.path(), "smoke", None).expect_err("never trained");
        assert!(
            failure.message.contains("concord train smoke"),
            "{}",
            failure.message
        );
        std::fs::create_dir_all(run.checkpoint(500)).expect("a checkpoint");
        let found = |name: &str, checkpoint| {
            target(root.path(), name, checkpoint).map(|(run, name)| (run.id(), name))
        };
        assert_eq!(found("demo", None), Ok((run.id(), "last".to_owned())));
        let path = run.checkpoint(500);
        let (_, step) =
            target(root.path(), &path.display().to_string(), None).expect("a checkpoint");
        assert_eq!(step, "step-500");
        let failure =
            found(&path.display().to_string(), Some("best")).expect_err("two checkpoints");
        assert!(failure.message.contains("two checkpoints"));
        assert_eq!(
            found("last", Some("step-500")),
            Ok((run.id(), "step-500".to_owned()))
        );
        assert_eq!(found("nothing", None).expect_err("unknown").code, 2);
    }
}
