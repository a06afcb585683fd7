//! `concord env`: the doors of the environments.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use envs::EnvironmentOptions;
use envs::doors::{self, BenchOptions, RolloutPolicy};
use serde_json::{Map, Value, json};

use crate::allocations;
use crate::arguments::{Env, EnvironmentArguments, Format};
use crate::failure::{BAD_ARGUMENTS, Failure};
use crate::output::{Table, json_number, print, print_json, tell};
use crate::scene;

/// Runs the command.
pub(crate) fn env(command: &Env) -> Result<(), Failure> {
    match command {
        Env::List(format) => list(format.format),
        Env::Rollout {
            environment,
            episodes,
            seed,
            gif,
            format,
        } => rollout(environment, *episodes, *seed, gif.as_deref(), format.format),
        Env::Replay { environment } => {
            let stdout = BufWriter::new(io::stdout().lock());
            doors::replay(
                &environment.id,
                &options(environment)?,
                io::stdin().lock(),
                stdout,
            )?;
            Ok(())
        }
        Env::Reset {
            environment,
            seed,
            count,
        } => {
            let mut stdout = BufWriter::new(io::stdout().lock());
            doors::reset(
                &environment.id,
                &options(environment)?,
                *seed,
                *count,
                &mut stdout,
            )?;
            Ok(stdout.flush()?)
        }
        Env::Bench {
            environment,
            seconds,
            threads,
            environments,
            format,
        } => bench(
            environment,
            *seconds,
            *threads,
            *environments,
            format.format,
        ),
        Env::Check {
            environment,
            seed,
            steps,
            format,
        } => check(environment, *seed, *steps, format.format),
    }
}

/// The options that `--set` names, each value in TOML's spelling.
fn options(environment: &EnvironmentArguments) -> Result<EnvironmentOptions, Failure> {
    let mut map = Map::new();
    for set in &environment.sets {
        let Some((name, value)) = set.split_once('=') else {
            return Err(Failure::arguments(format!(
                "--set {set}: not a setting - allowed: option=value, such as sight=2 - write --set option=value"
            )));
        };
        let value = value.trim();
        let parsed =
            serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        map.insert(name.trim().to_owned(), parsed);
    }
    serde_json::from_value(Value::Object(map)).map_err(|error| {
        Failure::arguments(format!(
            "--set {}: {error} - correct the option",
            environment.sets.join(" --set ")
        ))
    })
}

fn list(format: Format) -> Result<(), Failure> {
    let mut table = Table::new(&["id", "description"]);
    for entry in envs::list() {
        table.row(vec![json!(entry.id), json!(entry.description)]);
    }
    table.print(format)
}

fn rollout(
    environment: &EnvironmentArguments,
    episodes: usize,
    seed: u64,
    gif: Option<&Path>,
    format: Format,
) -> Result<(), Failure> {
    let mut made = envs::make(&environment.id, &options(environment)?)?;
    let play = |output: &mut dyn Write, made: &mut Box<dyn envs::Environment>| {
        doors::rollout(made.as_mut(), RolloutPolicy::Random, episodes, seed, output)
    };
    let played = match format {
        Format::Table => play(&mut BufWriter::new(io::stdout().lock()), &mut made)?,
        Format::Json | Format::Csv => play(&mut io::sink(), &mut made)?,
    };
    if let (Some(path), Some(first)) = (gif, played.first()) {
        scene::write_gif(&first.scenes, path)?;
        tell(&format!("animation: {}", path.display()));
    }
    let mut table = Table::new(&["episode", "steps", "terminated", "return", "returns"]);
    for (index, episode) in played.iter().enumerate() {
        table.row(vec![
            json!(index),
            json!(episode.steps),
            json!(episode.terminated),
            json_number(episode.returns.iter().sum()),
            episode
                .returns
                .iter()
                .map(|value| json_number(*value))
                .collect(),
        ]);
    }
    table.print(format)
}

fn check(
    environment: &EnvironmentArguments,
    seed: u64,
    steps: usize,
    format: Format,
) -> Result<(), Failure> {
    let mut made = envs::make(&environment.id, &options(environment)?)?;
    let report = doors::check(made.as_mut(), seed, steps);
    match format {
        Format::Json => print_json(&report)?,
        Format::Table => print(&report.to_string())?,
        Format::Csv => {
            let mut table = Table::new(&["name", "passed", "detail"]);
            for check in &report.checks {
                table.row(vec![
                    json!(check.name),
                    json!(check.passed),
                    json!(check.detail),
                ]);
            }
            print(&table.to_csv())?;
        }
    }
    if report.passed() {
        Ok(())
    } else {
        Err(Failure::silent(BAD_ARGUMENTS))
    }
}

fn bench(
    environment: &EnvironmentArguments,
    seconds: f64,
    threads: usize,
    environments: Option<usize>,
    format: Format,
) -> Result<(), Failure> {
    if !(seconds > 0.0 && seconds <= 3_600.0) {
        return Err(Failure::arguments(format!(
            "--seconds {seconds} - allowed: above 0, up to 3600 - 3 is enough"
        )));
    }
    let asked = BenchOptions {
        seconds,
        threads,
        environments: environments.unwrap_or(0),
        ..BenchOptions::default()
    };
    let report = doors::bench(
        &environment.id,
        &options(environment)?,
        &asked,
        &allocations::count,
    )?;
    if format == Format::Json {
        return print_json(&report);
    }
    let mut table = Table::new(&["measure", "value"]);
    let value = serde_json::to_value(&report).map_err(io::Error::from)?;
    for (name, value) in value.as_object().into_iter().flatten() {
        table.row(vec![
            json!(name),
            value.as_f64().map_or_else(|| value.clone(), json_number),
        ]);
    }
    match format {
        Format::Csv => print(&table.to_csv()),
        Format::Table | Format::Json => print(&table.to_text()),
    }
}
