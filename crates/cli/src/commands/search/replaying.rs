//! `concord search replay`: a search again from its log, and another way on from one of its nodes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use configs::{Job, LoadRequest, RunConfig, load};
use search::log::{self, Cut, LogError, LogEvent};
use search::settings;
use search::tree::NodeId;
use serde_json::{Value, json};
use tracking::RunFolder;
use tracking::search_log::{Replay as Recorded, SearchLog};
use tui::figures::plural;

use crate::arguments::{Format, Global, Replay, Ui};
use crate::commands::launching::Stage;
use crate::commands::recorded::print_tree;
use crate::commands::train::conclude;
use crate::creation;
use crate::dashboard;
use crate::failure::Failure;
use crate::follow::{Interrupts, OnInterrupt, follow};
use crate::output::{json_seconds, print_json, tell};
use crate::surroundings::{interface, runs_root};
use crate::worker;

use super::growing::Growing;
use super::picture::read;

/// Runs the command.
pub(super) fn replay(global: &Global, arguments: &Replay) -> Result<(), Failure> {
    let text = read(&arguments.log)?;
    match arguments.branch_from {
        Some(node) => branch(global, arguments, &text, node),
        None => again(arguments, &text),
    }
}

fn failed(path: &Path) -> impl Fn(LogError) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::arguments(format!("{path}: {error}"))
}

/// Replays a log, checks each of its lines, and prints the tree.
fn again(arguments: &Replay, text: &str) -> Result<(), Failure> {
    let path = &arguments.log;
    let replayed = log::replay(text.as_bytes()).map_err(failed(path))?;
    let tree = replayed.search.tree();
    let over = replayed.search.verdict().is_some();
    tell(&format!(
        "{}: the replay gives the identical tree of {} {}{}",
        path.display(),
        tree.len(),
        plural(tree.len() as f64, "node"),
        match (over, replayed.search.under_way()) {
            (true, _) => String::new(),
            (false, 1) => "; the search was not over, 1 job was under way".to_owned(),
            (false, jobs) => format!("; the search was not over, {jobs} jobs were under way"),
        }
    ));
    match arguments.format.format {
        Format::Json => print_json(&json!({
            "identical": true,
            "over": over,
            "nodes": tree.len(),
            "jobs_under_way": replayed.search.under_way(),
            "seconds": json_seconds(replayed.time),
            "verdict": replayed.search.verdict(),
        })),
        format => print_tree(&Recorded::at_end(SearchLog::read(path)?), format),
    }
}

/// Makes a run that goes on from a node, and follows it.
fn branch(global: &Global, arguments: &Replay, text: &str, node: u32) -> Result<(), Failure> {
    let path = &arguments.log;
    let origin = folder_of(path)?;
    let (config, seed) = configuration(&origin, arguments, text)?;
    let RunConfig::Search(searched) = &config else {
        return Err(Failure::arguments(format!(
            "{} belongs to no run of searches",
            path.display()
        )));
    };
    let limits = settings::limits(searched);
    let cut = Cut::After(NodeId(node));
    let (search, events) =
        log::branch(text.as_bytes(), cut, seed, Some(limits)).map_err(failed(path))?;
    let question = asked(&origin, text, &search.question().id)?;
    let worker = worker::locate(global)?;
    let root = runs_root(global);
    let name = arguments
        .name
        .clone()
        .unwrap_or_else(|| format!("branch-{}-{node}", search.question().id));
    let about = branch_of(path, u64::from(node));
    let run = creation::create_from(&root, name, &config, String::new(), about)?;
    prepare(&run, path, &question, &events)?;
    let ui = interface(arguments.ui)?;
    let format = arguments.format.format;
    if ui == Ui::Tui {
        return dashboard::launch(global, &worker, &root, &run, true, format);
    }
    let stage = Stage::new(ui, Some(&|run, label| Box::new(Growing::new(run, label))));
    let mut interrupts = Interrupts::new(OnInterrupt::Stop)?;
    let mut run = Some(run);
    let endings = follow(&mut interrupts, 1, || {
        let run = run.take();
        run.map(|run| stage.start(&worker, run.clone(), &run.id(), true))
            .transpose()
    })?;
    conclude(&endings, ui, format)
}

/// What a branch's `meta.json` says of where it comes from: the log and the node.
pub(crate) fn branch_of(log: &Path, node: u64) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("branch_of".to_owned(), log.display().to_string()),
        ("branch_node".to_owned(), node.to_string()),
    ])
}

/// The folder of the run that a log belongs to.
fn folder_of(log: &Path) -> Result<RunFolder, Failure> {
    let path = std::path::absolute(log).unwrap_or_else(|_| log.to_path_buf());
    let folder: Option<PathBuf> = path.parent().and_then(Path::parent).map(Path::to_path_buf);
    let folder = folder.unwrap_or_default();
    RunFolder::open(&folder).map_err(|error| {
        Failure::arguments(format!(
            "cannot branch from {}: {error} - a new run needs the configuration beside the log, so name a log within its run's folder",
            log.display()
        ))
    })
}

/// The new run's configuration and the seed of what comes after the branch.
fn configuration(
    origin: &RunFolder,
    arguments: &Replay,
    text: &str,
) -> Result<(RunConfig, u64), Failure> {
    if let Some(other) = arguments
        .sets
        .iter()
        .find(|set| !set.trim_start().starts_with("budget."))
    {
        return Err(Failure::arguments(format!(
            "--set {other}: a branch goes on with the method of its log - allowed: settings of the budget, such as budget.tokens=2000 - for another method start a new search"
        )));
    }
    let mut request = LoadRequest::named(&origin.config().display().to_string());
    request.job = Some(Job::Search);
    request.sets.clone_from(&arguments.sets);
    let loaded = load(&request)
        .map_err(|problems| Failure::problems(&format!("`{}`", origin.id()), &problems))?;
    let seed = arguments
        .seed
        .unwrap_or_else(|| last_seed(text).wrapping_add(1));
    Ok((loaded.config, seed))
}

/// The seed that the log ends with: of its settings, or of its last branch.
fn last_seed(text: &str) -> u64 {
    let mut seeds = text.lines().rev().filter_map(|line| {
        let event: LogEvent = serde_json::from_str(line).ok()?;
        match event.event {
            log::Event::Settings { seed, .. } | log::Event::Branch { seed, .. } => Some(seed),
            _ => None,
        }
    });
    seeds.next().unwrap_or_default()
}

/// The line of `questions.jsonl` for the question of the log.
fn asked(origin: &RunFolder, text: &str, id: &str) -> Result<String, Failure> {
    let kept = std::fs::read_to_string(origin.questions()).unwrap_or_default();
    let named = |line: &&str| {
        let value: Option<Value> = serde_json::from_str(line).ok();
        value.is_some_and(|value| value["id"] == id)
    };
    if let Some(line) = kept.lines().find(named) {
        return Ok(format!("{line}\n"));
    }
    // The log itself has it too.
    let line = text.lines().find_map(|line| {
        let value: Value = serde_json::from_str(line).ok()?;
        (value["kind"] == "question").then(|| {
            json!({"id": value["id"], "question": value["text"], "answers": value["expected"].as_array().cloned().unwrap_or_default()})
        })
    });
    line.map(|line| format!("{line}\n"))
        .ok_or_else(|| Failure::arguments("the log has no question".to_owned()))
}

/// Writes what the new run's worker goes on with.
fn prepare(
    run: &RunFolder,
    from: &Path,
    question: &str,
    events: &[LogEvent],
) -> Result<(), Failure> {
    tracking::write_atomic(&run.questions(), question.as_bytes())?;
    // Alone in its run, a question's log needs no number after its name.
    let stem = from.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{}.jsonl", stem.split('~').next().unwrap_or_default());
    let folder = run.searches();
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failure::environment(format!("cannot make {}: {error}", folder.display()))
    })?;
    let expected: Value = serde_json::from_str::<Value>(question)
        .map(|value| value["answers"].clone())
        .unwrap_or_default();
    let known = expected.as_array().is_some_and(|all| !all.is_empty());
    let mut text = String::new();
    for event in events {
        let line = match &event.event {
            // As the worker writes it: for readers, never for the search.
            log::Event::Question { .. } if known => {
                let mut line = json!(event);
                line["expected"] = expected.clone();
                line.to_string()
            }
            _ => event.to_line(),
        };
        text.push_str(&format!("{line}\n"));
    }
    Ok(tracking::write_atomic(&folder.join(name), text.as_bytes())?)
}
