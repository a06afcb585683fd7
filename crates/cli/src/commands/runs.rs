//! `concord show`.

use configs::{RunConfig, diff};
use serde_json::{Value, json};
use tracking::RunFolder;
use tui::figures::duration;

use crate::arguments::{Format, Global, Show};
use crate::commands::recorded;
use crate::failure::Failure;
use crate::output::{Table, json_number, json_option, print, print_json};
use crate::result::{RunResult, Score};
use crate::surroundings::runs_root;
use crate::worker;

/// A row per run with its scores; also what `compare` and several seeds print.
pub(crate) fn table(results: &[RunResult]) -> Table {
    let mut table = Table::new(&[
        "id",
        "state",
        "seed",
        "step",
        "mean",
        "low",
        "high",
        "interquartile_mean",
        "episodes",
        "best_evaluation",
        "seconds",
        "exit_code",
    ])
    .hide(&["exit_code"]);
    for result in results {
        let score = result.final_score();
        let of = |read: fn(&Score) -> f64| {
            score
                .as_ref()
                .map_or(Value::Null, |score| json_number(read(score)))
        };
        table.row(vec![
            json!(result.run.id()),
            json!(result.state.name()),
            result
                .meta
                .as_ref()
                .map_or(Value::Null, |meta| json!(meta.seed)),
            json!(result.status.progress.step),
            of(|score| score.mean),
            of(|score| score.mean_interval.low),
            of(|score| score.mean_interval.high),
            of(|score| score.interquartile_mean),
            score.map_or(Value::Null, |score| json!(score.episodes)),
            json_option(result.status.best_evaluation),
            json_number(result.seconds()),
            json!(result.status.exit_code),
        ]);
    }
    table
}

/// `concord show`.
pub(crate) fn show(global: &Global, arguments: &Show) -> Result<(), Failure> {
    if let Some(printed) = recorded::show_file(arguments) {
        return printed;
    }
    let run = RunFolder::find(&runs_root(global), &arguments.run.run)?;
    if arguments.choice.is_some() {
        return super::log::log(
            &run,
            arguments.log,
            &arguments.choice,
            arguments.format.format,
        );
    }
    if let Some(question) = &arguments.search {
        return recorded::show_search(&run, question, arguments.format.format);
    }
    let result = RunResult::read(run)?;
    if let Some(count) = arguments.samples {
        return recorded::show_samples(&result.history, count, arguments.format.format);
    }
    if arguments.switch {
        let until = result.status.total_steps;
        return recorded::show_switch(&result.history, until, arguments.format.format);
    }
    if let Some(filter) = &arguments.scalars {
        return show_scalars(&result, filter, arguments.format.format);
    }
    if let Some(metric) = &arguments.curves {
        let shown = super::curves::Shown {
            metric,
            fold: false,
            centre: tui::comparison::Centre::default(),
            looks: &arguments.looks,
        };
        let members = [super::compare::member(&result)];
        return super::curves::show(&members, &shown, arguments.format.format);
    }
    if let Some(name) = &arguments.calls {
        return show_calls(&result, name, arguments.format.format);
    }
    if let Some(episode) = &arguments.episode {
        return show_episode(&result, episode, arguments.format.format);
    }
    let evaluations = evaluations(&result);
    match arguments.format.format {
        Format::Csv => print(&evaluations.to_csv()),
        Format::Json => {
            let mut value = result.to_json();
            value["evaluations"] = evaluations.to_json();
            value["checkpoints"] = result
                .run
                .checkpoints()
                .iter()
                .map(|(_, path)| json!(path))
                .collect();
            value["changed_settings"] = json!(changed(&result));
            value["meta"] = json!(result.meta);
            value["device"] = json!(result.status.device);
            value["warnings"] = result
                .history
                .warnings
                .iter()
                .map(|(_, source, text)| json!({"source": source, "message": text}))
                .collect();
            value["console"] = json!(worker::console_tail(&result.run, arguments.log));
            print_json(&value)
        }
        Format::Table => print(&show_text(&result, &evaluations, arguments.log)),
    }
}

fn changed(result: &RunResult) -> Vec<configs::Difference> {
    let text = std::fs::read_to_string(result.run.config()).unwrap_or_default();
    match RunConfig::from_toml("config.toml", &text) {
        Ok(config) => diff(&config.job().default_config(), &config),
        // Of an older or newer version: the file itself can still be read.
        Err(_) => Vec::new(),
    }
}

fn evaluations(result: &RunResult) -> Table {
    let mut table = Table::new(&[
        "step",
        "mean",
        "low",
        "high",
        "interquartile_mean",
        "mean_length",
        "episodes",
    ]);
    for evaluation in result.history.interval_evaluations() {
        let score = Score::of_evaluation(evaluation);
        table.row(vec![
            json!(score.step),
            json_number(score.mean),
            json_number(score.mean_interval.low),
            json_number(score.mean_interval.high),
            json_number(score.interquartile_mean),
            json_number(score.mean_length),
            json!(score.episodes),
        ]);
    }
    table
}

fn show_text(result: &RunResult, evaluations: &Table, log: usize) -> String {
    let mut text = result.to_text();
    if let Some(meta) = &result.meta {
        text.push_str(&format!(
            "{:<12} {} on {}, seed {}\n",
            "task", meta.algorithm, meta.task, meta.seed
        ));
        text.push_str(&format!("{:<12} {}\n", "command", meta.command.join(" ")));
    }
    if !result.status.message.is_empty() {
        text.push_str(&format!(
            "{:<12} {}\n",
            "message",
            tui::figures::printable(&result.status.message)
        ));
    }
    let settings = changed(result);
    if !settings.is_empty() {
        text.push_str("\nsettings that differ from the defaults\n");
        for difference in settings {
            text.push_str(&format!("  {difference}\n"));
        }
    }
    if !evaluations.is_empty() {
        text.push_str("\nevaluations\n");
        for line in evaluations.to_text().lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    let mut curves = Table::new(&["curve", "axis", "points", "last", "at"]);
    for (name, axis, series) in result.history.all_series() {
        let last = series.last();
        curves.row(vec![
            json!(name),
            json!(axis.name()),
            json!(series.count()),
            last.map_or(Value::Null, |point| json_number(point.value)),
            last.map_or(Value::Null, |point| json!(point.step)),
        ]);
    }
    if !curves.is_empty() {
        text.push_str("\ncurves\n");
        for line in curves.to_text().lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    for (time, source, message) in &result.history.warnings {
        let when = duration(time - result.status.started);
        text.push_str(&format!(
            "\nwarning after {when}: {source}: {}\n",
            tui::figures::printable(message)
        ));
    }
    if log > 0 {
        text.push_str("\nconsole\n");
        for line in worker::console_tail(&result.run, log) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    if let Some(strip) = result.strip() {
        text.push_str(&format!("\n{strip}"));
    }
    text
}

/// Prints the map of central calls.
fn show_calls(result: &RunResult, name: &str, format: Format) -> Result<(), Failure> {
    let folder = result.run.media().join("calls");
    let suffix = match format {
        Format::Json => ".json",
        Format::Table | Format::Csv => ".txt",
    };
    match std::fs::read_to_string(folder.join(format!("{name}{suffix}"))) {
        Ok(text) => print(text.trim_end()),
        Err(_) => {
            let names = names_in(&folder, ".json");
            Err(Failure::arguments(format!(
                "no map of central calls `{name}` - {}",
                if names.is_empty() {
                    "runs of MANSA write one with each recorded evaluation".to_owned()
                } else {
                    format!("this run has: {}", names.join(", "))
                }
            )))
        }
    }
}

/// The files of a folder with this ending, without it: step-900 before step-1000.
fn names_in(folder: &std::path::Path, suffix: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_suffix(suffix).map(str::to_owned)
        })
        .collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
}

/// Prints a recorded episode, moment by moment.
fn show_episode(result: &RunResult, name: &str, format: Format) -> Result<(), Failure> {
    let folder = result.run.media().join("episodes");
    let path = match std::path::Path::new(name) {
        path if path.is_file() => path.to_path_buf(),
        _ => folder.join(format!("{name}.jsonl")),
    };
    let Some(scenes) = crate::scene::read_episode(&path) else {
        let names = names_in(&folder, ".jsonl");
        return Err(Failure::arguments(format!(
            "no recorded episode `{name}` - {}",
            if names.is_empty() {
                "this run recorded none; `concord eval RUN --record FILE` makes one".to_owned()
            } else {
                format!("this run has: {}", names.join(", "))
            }
        )));
    };
    match format {
        Format::Table => {
            let frames: Vec<String> = scenes.iter().map(envs::render::text).collect();
            print(&frames.join("\n"))
        }
        Format::Json => print_json(&scenes),
        Format::Csv => {
            let mut table = Table::new(&["step", "note", "marks"]);
            for scene in &scenes {
                table.row(vec![
                    json!(scene.step),
                    json!(scene.note),
                    json!(scene.marks.len()),
                ]);
            }
            print(&table.to_csv())
        }
    }
}

fn show_scalars(result: &RunResult, filter: &str, format: Format) -> Result<(), Failure> {
    let mut table = Table::new(&["curve", "axis", "step", "value", "time"]).hide(&["time"]);
    let mut names = Vec::new();
    for (name, axis, series) in result.history.all_series() {
        names.push(name);
        if name.contains(filter) {
            for point in series.points() {
                table.row(vec![
                    json!(name),
                    json!(axis.name()),
                    json!(point.step),
                    json_number(point.value),
                    json_number(point.time),
                ]);
            }
        }
    }
    if table.is_empty() {
        let near = configs::nearest(filter, names.iter().copied());
        let hint = near.map_or_else(
            || format!("this run has: {}", names.join(", ")),
            |name| format!("did you mean `{name}`?"),
        );
        return Err(Failure::arguments(format!(
            "no such curve: {filter} - {hint}"
        )));
    }
    table.print(format)
}
