//! `concord compare`: runs side by side, seeds together.

use std::collections::BTreeMap;

use configs::{RunConfig, diff};
use serde_json::{Value, json};
use tracking::export::{RunRecord, csv, marl_eval};
use tracking::statistics::{Bootstrap, mean};
use tracking::{RunFolder, TrackingError, write_atomic};

use crate::arguments::{Compare, Format, Global};
use crate::failure::Failure;
use crate::output::{Table, json_number, print, print_json, tell};
use crate::result::RunResult;
use crate::surroundings::runs_root;

/// Runs the command.
pub(crate) fn compare(global: &Global, arguments: &Compare) -> Result<(), Failure> {
    let root = runs_root(global);
    let mut runs: Vec<RunFolder> = Vec::new();
    for name in &arguments.runs {
        for run in find_all(&root, name)? {
            if !runs.contains(&run) {
                runs.push(run);
            }
        }
    }
    write_exports(&runs, arguments)?;
    let results: Vec<RunResult> = runs
        .into_iter()
        .map(RunResult::read)
        .collect::<Result<_, _>>()?;
    let runs = super::runs::table(&results);
    let groups = groups(&results);
    let settings = settings(&results);
    match arguments.format.format {
        Format::Csv => print(&runs.to_csv()),
        Format::Json => print_json(&json!({
            "runs": runs.to_json(),
            "groups": groups.to_json(),
            "settings": settings.to_json(),
        })),
        Format::Table => {
            let mut text = runs.to_text();
            text.push_str(
                "\nseeds together: interquartile mean of the runs' means, 95% bootstrap interval\n",
            );
            text.push_str(&groups.to_text());
            if !settings.is_empty() {
                text.push_str("\nsettings that differ\n");
                text.push_str(&settings.to_text());
            }
            print(&text)
        }
    }
}

/// Writes the files that were asked for beside the answer.
fn write_exports(runs: &[RunFolder], arguments: &Compare) -> Result<(), Failure> {
    if arguments.marl_eval.is_none() && arguments.episodes.is_none() {
        return Ok(());
    }
    let records = RunRecord::read_all(runs)?;
    if let Some(path) = &arguments.marl_eval {
        let export = marl_eval::export(&records, true)?;
        write_atomic(path, export.to_json().as_bytes())?;
        for note in &export.notes {
            tell(note);
        }
        tell(&format!("for marl-eval: {}", path.display()));
    }
    if let Some(path) = &arguments.episodes {
        let mut text = Vec::new();
        csv::episodes(&records, &mut text)?;
        write_atomic(path, &text)?;
        tell(&format!("every scored episode: {}", path.display()));
    }
    Ok(())
}

/// The run of that name, or all runs whose ids contain it.
/// The run that a name means, or all runs that it fits.
pub(super) fn find_all(root: &std::path::Path, name: &str) -> Result<Vec<RunFolder>, Failure> {
    match RunFolder::find(root, name) {
        Ok(run) => Ok(vec![run]),
        Err(TrackingError::AmbiguousRun { matches, .. }) => Ok(matches
            .iter()
            .map(|id| RunFolder::open(&root.join(id)))
            .collect::<Result<_, _>>()?),
        Err(error) => Err(error.into()),
    }
}

/// Runs that differ in nothing but their seed belong together.
fn groups(results: &[RunResult]) -> Table {
    let mut groups: BTreeMap<(String, String, String), Vec<f64>> = BTreeMap::new();
    for result in results {
        let Some(returns) = result.final_returns() else {
            continue;
        };
        let meta = result.meta.as_ref();
        let name = meta.map_or_else(
            || result.run.id(),
            |meta| without_seed(&meta.name, meta.seed),
        );
        let algorithm = meta.map(|meta| meta.algorithm.clone()).unwrap_or_default();
        let task = meta.map(|meta| meta.task.clone()).unwrap_or_default();
        groups
            .entry((name, algorithm, task))
            .or_default()
            .push(mean(returns));
    }
    let mut table = Table::new(&[
        "group",
        "algorithm",
        "task",
        "seeds",
        "mean",
        "interquartile_mean",
        "low",
        "high",
    ]);
    for ((name, algorithm, task), scores) in groups {
        let interval = Bootstrap::default().interquartile_mean(std::slice::from_ref(&scores));
        table.row(vec![
            json!(name),
            json!(algorithm),
            json!(task),
            json!(scores.len()),
            json_number(mean(&scores)),
            json_number(interval.estimate),
            json_number(interval.low),
            json_number(interval.high),
        ]);
    }
    table
}

fn without_seed(name: &str, seed: u64) -> String {
    name.strip_suffix(&format!("-s{seed}"))
        .unwrap_or(name)
        .to_owned()
}

/// Every setting that is not the same in all runs; a column would be too wide, so
/// there is a row per run and setting.
fn settings(results: &[RunResult]) -> Table {
    let mut table = Table::new(&["setting", "run", "value"]);
    let configs: Vec<(String, RunConfig)> = results
        .iter()
        .filter_map(|result| {
            let text = std::fs::read_to_string(result.run.config()).ok()?;
            Some((
                result.run.id(),
                RunConfig::from_toml("config.toml", &text).ok()?,
            ))
        })
        .collect();
    let Some((_, first)) = configs.first() else {
        return table;
    };
    let mut paths: Vec<String> = configs
        .iter()
        .flat_map(|(_, config)| diff(first, config))
        .map(|difference| difference.path)
        .filter(|path| path != "seed")
        .collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        for (id, config) in &configs {
            let value = config
                .values()
                .get(&path)
                .map_or(Value::Null, |value| json!(value));
            table.row(vec![json!(path), json!(id), value]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_runs_own_seed_is_taken_off_its_name() {
        assert_eq!(without_seed("demo-s3", 3), "demo");
        assert_eq!(without_seed("demo-s3", 4), "demo-s3");
        assert_eq!(without_seed("demo", 3), "demo");
    }
}
