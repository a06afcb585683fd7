//! `concord train` and `concord finetune`: make run folders, start workers, show how they fare.

use configs::{Job, Loaded};
use serde_json::json;
use tracking::RunFolder;
use tracking::statistics::Bootstrap;
use tui::figures::number;

use super::launching::{self, Launch};
use crate::arguments::{Format, Global, Train, Ui};
use crate::failure::{Failure, INTERRUPTED};
use crate::follow::{Ending, Observer, explain};
use crate::observers::{Bars, JsonLines, Lines, Silent, Words};
use crate::output::{print, print_json, tell};
use crate::plan;
use crate::result::RunResult;
use crate::settings;
use crate::surroundings::runs_root;

/// Runs the command of a job.
pub(crate) fn run(global: &Global, arguments: &Train, job: Job) -> Result<(), Failure> {
    let loaded = settings::load_or_fail(&arguments.settings, Some(job))?;
    if arguments.dry_run {
        return dry_run(global, arguments, &loaded);
    }
    // A queued run may wait for the one that makes its data.
    if let Some(problem) = settings::missing_file(&loaded.config).filter(|_| !arguments.queue) {
        let what = format!("`{}`", arguments.settings.target);
        return Err(Failure::problems(&what, &[problem]));
    }
    let launch = Launch {
        global,
        arguments,
        variants: launching::seeds(arguments, &loaded, &launching::group(arguments)),
        prepare: &|_| Ok(()),
        watch: None,
    };
    launch.run()
}

/// The observer of an interface without dashboard.
pub(crate) fn observer(
    ui: Ui,
    bars: Option<&Bars>,
    label: &str,
    words: Words,
) -> Box<dyn Observer> {
    match (ui, bars) {
        (Ui::Json, _) => Box::new(JsonLines),
        (Ui::None, _) => Box::new(Silent),
        (_, Some(bars)) => Box::new(bars.bar(label, words)),
        (_, None) => Box::new(Lines::new(label, words)),
    }
}

/// Prints the result and turns the endings into an exit code.
pub(crate) fn conclude(
    endings: &[(RunFolder, Ending)],
    ui: Ui,
    format: Format,
) -> Result<(), Failure> {
    let mut code = 0;
    for (run, ending) in endings {
        explain(run, *ending);
        if *ending == Ending::Detached {
            let id = run.id();
            tell(&format!(
                "{id} goes on; come back with: concord attach {id}; stop it with: concord stop {id}"
            ));
        }
        code = worse(code, ending.code());
    }
    let results: Vec<RunResult> = endings
        .iter()
        .map(|(run, _)| RunResult::read(run.clone()))
        .collect::<Result<_, _>>()?;
    for result in &results {
        result.animate();
    }
    if ui != Ui::Json {
        report(&results, format)?;
    }
    if code == 0 {
        Ok(())
    } else {
        Err(Failure::silent(code))
    }
}

/// An error is worse than an interruption, which is worse than success.
pub(crate) fn worse(left: u8, right: u8) -> u8 {
    match (left, right) {
        (0, other) | (other, 0) => other,
        (INTERRUPTED, other) | (other, INTERRUPTED) => other,
        (first, _) => first,
    }
}

fn report(results: &[RunResult], format: Format) -> Result<(), Failure> {
    if super::search::are_searches(results) {
        return super::search::report(results, format);
    }
    let scores: Vec<f64> = results
        .iter()
        .filter_map(|result| result.final_score().map(|score| score.mean))
        .collect();
    let over_seeds = (results.len() > 1 && !scores.is_empty())
        .then(|| Bootstrap::default().interquartile_mean(std::slice::from_ref(&scores)));
    match format {
        Format::Json => {
            let runs: Vec<_> = results.iter().map(RunResult::to_json).collect();
            match (runs.as_slice(), over_seeds) {
                ([one], _) => print_json(one),
                (_, interval) => print_json(&json!({"runs": runs, "interquartile_mean": interval})),
            }
        }
        Format::Csv => print(&super::runs::table(results).to_csv()),
        Format::Table => {
            let mut text = String::new();
            for result in results {
                if let (Some(strip), true) = (result.strip(), results.len() == 1) {
                    text.push_str(&format!("{strip}\n"));
                }
                text.push_str(&result.to_text());
                text.push('\n');
            }
            if let Some(interval) = over_seeds {
                text.push_str(&format!(
                    "{} seeds     IQM {}  95% interval [{}, {}] (bootstrap over seeds)\n",
                    scores.len(),
                    number(interval.estimate),
                    number(interval.low),
                    number(interval.high)
                ));
            }
            print(text.trim_end())
        }
    }
}

pub(crate) fn dry_run(global: &Global, arguments: &Train, loaded: &Loaded) -> Result<(), Failure> {
    let root = runs_root(global);
    let earlier = plan::earlier(&root);
    let plan =
        plan::of(&loaded.config, &earlier, &mut plan::Counted::default()).map_err(|problems| {
            Failure::problems(&format!("`{}`", arguments.settings.target), &problems)
        })?;
    match arguments.format.format {
        Format::Json => print_json(&json!({
            "config": loaded.config.values(),
            "origins": loaded.origins,
            "run_dir": root,
            "seeds": arguments.seeds,
            "jobs": arguments.jobs,
            "plan": plan,
        })),
        Format::Csv => plan::table(&plan).print(Format::Csv),
        Format::Table => {
            let head = format!(
                "# Nothing was started. The plan of {} seed(s), {} at a time, run folders under {}:\n",
                arguments.seeds,
                arguments.jobs,
                root.display(),
            );
            let rows = plan::table(&plan).to_text();
            let rows: String = rows.lines().map(|line| format!("# {line}\n")).collect();
            print(&format!("{head}{rows}{}", loaded.config.to_toml()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_seed_decides_the_exit_code() {
        assert_eq!(
            [(0, 5), (5, 4), (4, 5), (0, 0), (3, 4)].map(|(left, right)| worse(left, right)),
            [5, 4, 4, 0, 3]
        );
    }
}
