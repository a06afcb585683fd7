//! `concord env`: the doors of the environments.

use std::io::{self, BufWriter, Write};

use envs::doors::{self, BenchOptions};
use envs::{EnvironmentOptions, Scene};
use serde_json::{Map, Value, json};

use crate::allocations;
use crate::arguments::{Env, EnvironmentArguments, Format};
use crate::failure::Failure;
use crate::output::{Table, json_number, print, print_json};
use crate::scene;

/// Runs the command.
pub(crate) fn env(command: &Env) -> Result<(), Failure> {
    match command {
        Env::List(format) => list(format.format),
        Env::Rollout {
            environment,
            episodes,
            seed,
            gif: _,
            format,
        } => rollout(environment, *episodes, *seed, format.format),
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
        Env::Check { .. } => Err(Failure::environment("not yet")),
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
    format: Format,
) -> Result<(), Failure> {
    let _ = (environment, episodes, seed, format);
    let _: fn(&Scene) -> String = scene::text;
    Err(Failure::environment("not yet"))
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
