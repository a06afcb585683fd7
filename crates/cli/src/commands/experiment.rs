//! `concord experiment`: every run of an experiment, as many at a time as the machine
//! carries, and the report over all of them.
//!
//! The folders of the runs are the only memory: started again, the command finds what is
//! done, resumes what was interrupted and starts what is missing.
//!
//! ```text
//! <runs>/experiments/<name>/
//!   experiment.toml   the file as it was last run        lock    held while it runs
//!   runs/<id>/        run folders, as everywhere         report/ tables and plots
//!   abandoned/<id>/   runs that ended without a checkpoint and were started again
//! ```

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use configs::experiment::{Experiment, ExperimentRequest};
use serde_json::{Value, json};
use tracking::write_atomic;
use tui::figures::count;

use crate::arguments::{Experiment as Arguments, Format, Global, Ui};
use crate::failure::{Failure, INTERRUPTED};
use crate::output::{Table, print, print_json, tell};
use crate::settings;
use crate::surroundings::{interface, runs_root};
use crate::worker;

mod figures;
mod jobs;
mod plan;
mod progress;
mod report;
mod running;

use plan::{Plan, Standing};

/// Runs the command.
pub(crate) fn experiment(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let experiment = load(arguments)?;
    let place = Place::of(global, &experiment);
    if arguments.dry_run {
        return dry_run(&place, &experiment, arguments);
    }
    if arguments.report_only {
        let plan = Plan::read(&place, &experiment)?;
        return finish(&plan, &place, arguments, Ui::Plain);
    }
    let worker = worker::locate(global)?;
    let ui = match interface(arguments.ui)? {
        Ui::Tui | Ui::Auto => Ui::Plain,
        other => other,
    };
    if arguments.ui == Some(Ui::Tui) {
        tell(&format!(
            "the dashboard watches an experiment from another terminal: concord --run-dir {}; going on with --ui plain here",
            place.runs().display()
        ));
    }
    let _lock = place.lock()?;
    let text = std::fs::read(&arguments.file)?;
    write_atomic(&place.folder.join("experiment.toml"), &text)?;
    let plan = Plan::read(&place, &experiment)?;
    for note in &plan.notes {
        tell(note);
    }
    let interrupted = running::run(&plan, &place, &worker, arguments, ui)?;
    let plan = Plan::read(&place, &experiment)?;
    let done = plan.count(|standing| standing.is_finished() || standing.is_failed());
    if interrupted && done < plan.runs.len() {
        tell(&format!(
            "{} of {} runs are done; go on with: concord experiment {}",
            plan.count(Standing::is_finished),
            plan.runs.len(),
            arguments.file.display()
        ));
        return Err(Failure::silent(INTERRUPTED));
    }
    finish(&plan, &place, arguments, ui)
}

/// All problems at once, those of every run included; warnings go to stderr.
fn load(arguments: &Arguments) -> Result<Experiment, Failure> {
    let request = ExperimentRequest {
        file: arguments.file.clone(),
        environment: settings::variables(),
        sets: arguments.sets.clone(),
    };
    let environment = |config: &configs::RunConfig| {
        let problem = settings::environment(config).err();
        problem.map(|error| settings::option_problem(&error))
    };
    let loaded = configs::experiment::load(&request, &settings::id_problem, &environment);
    let experiment = loaded.map_err(|problems| {
        Failure::problems(&format!("`{}`", arguments.file.display()), &problems)
    })?;
    for warning in &experiment.warnings {
        tell(&warning.to_string());
    }
    Ok(experiment)
}

/// The folder of an experiment.
pub(crate) struct Place {
    folder: PathBuf,
}

impl Place {
    fn of(global: &Global, experiment: &Experiment) -> Self {
        Place {
            folder: runs_root(global).join("experiments").join(&experiment.name),
        }
    }

    /// Where the run folders are.
    fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// Takes the right to run the experiment, until the file is dropped or the process
    /// ends.
    fn lock(&self) -> Result<File, Failure> {
        let path = self.folder.join("lock");
        let failed = |error: std::io::Error| {
            Failure::environment(format!(
                "cannot write {}: {error} - choose a writable folder with --run-dir",
                path.display()
            ))
        };
        std::fs::create_dir_all(self.runs()).map_err(failed)?;
        let mut options = File::options();
        let options = options.create(true).truncate(false).write(true);
        let file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Failure::arguments(format!(
                "cannot run the experiment: {} is being run by another process - one at a time - wait for it, or give the copy another `name`",
                self.folder.display()
            ))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Writes the report, tells what failed, and decides the exit code.
fn finish(plan: &Plan<'_>, place: &Place, arguments: &Arguments, ui: Ui) -> Result<(), Failure> {
    let report = report::write(plan, place, &arguments.file)?;
    let mut code = 0;
    for one in &plan.runs {
        if let Standing::Failed {
            code: theirs,
            message,
        } = &one.standing
        {
            let id = one.folder.as_ref().map(tracking::RunFolder::id);
            tell(&format!(
                "{} failed with exit code {theirs}: {message}",
                id.unwrap_or_else(|| one.run.name())
            ));
            code = crate::commands::train::worse(code, *theirs);
        }
    }
    if code != 0 {
        tell("take failed runs up again with --retry-failed");
    }
    if let Some(report) = report.filter(|_| ui != Ui::Json) {
        match arguments.format.format {
            Format::Json => print_json(&report)?,
            Format::Csv => print(&report.summary_csv())?,
            Format::Table => {
                let table = report::table(&report).to_text();
                print(&format!("{}{table}", figures::terminal(&report)))?;
            }
        }
    }
    let missing = plan.count(|standing| !standing.is_finished() && !standing.is_failed());
    if missing > 0 {
        tell(&format!(
            "{missing} of {} runs are not finished; go on with: concord experiment {}",
            plan.runs.len(),
            arguments.file.display()
        ));
        if !arguments.report_only {
            code = crate::commands::train::worse(code, INTERRUPTED);
        }
    }
    if code == 0 {
        Ok(())
    } else {
        Err(Failure::silent(code))
    }
}

/// Every run and where it stands.
fn table(plan: &Plan<'_>) -> Table {
    let mut table = Table::new(&[
        "method",
        "task",
        "point",
        "seed",
        "state",
        "step",
        "total_steps",
        "last_evaluation",
        "run",
    ]);
    for one in &plan.runs {
        let status = one.folder.as_ref().and_then(|folder| folder.status().ok());
        let step = status.as_ref().map_or(0, |status| status.progress.step);
        let last = status.as_ref().and_then(|status| status.last_evaluation);
        table.row(vec![
            json!(one.run.method),
            json!(one.run.task),
            json!(one.run.point.label()),
            json!(one.run.seed),
            json!(one.standing.name()),
            json!(step),
            json!(one.total_steps()),
            crate::output::json_option(last),
            one.folder
                .as_ref()
                .map_or(Value::Null, |run| json!(run.id())),
        ]);
    }
    table
}

fn dry_run(place: &Place, experiment: &Experiment, arguments: &Arguments) -> Result<(), Failure> {
    let plan = Plan::read(place, experiment)?;
    let (jobs, why) = jobs::decide(arguments.jobs, experiment)?;
    let to_do = plan.to_do(arguments.retry_failed).len();
    let steps: u64 = plan.runs.iter().map(plan::Planned::total_steps).sum();
    match arguments.format.format {
        Format::Json => print_json(&json!({
            "name": experiment.name,
            "folder": place.folder,
            "jobs": jobs,
            "to_do": to_do,
            "total_steps": steps,
            "runs": table(&plan).to_json(),
        })),
        Format::Csv => print(&table(&plan).to_csv()),
        Format::Table => {
            let mut text = format!(
                "# Nothing was started. The plan of {}:\n\
                 #   {} runs ({} tasks, {} methods, {} seeds{}), {to_do} to do, {} steps in all\n\
                 #   {jobs} at a time: {why}\n\
                 #   folder {}\n",
                experiment.name,
                plan.runs.len(),
                experiment.tasks.len(),
                experiment.methods.len(),
                experiment.seeds.len(),
                if experiment.axes.is_empty() {
                    String::new()
                } else {
                    format!(", swept over {}", experiment.axes.join(" and "))
                },
                count(steps as f64),
                place.folder.display(),
            );
            for note in &plan.notes {
                text.push_str(&format!("#   {note}\n"));
            }
            text.push_str(&table(&plan).to_text());
            print(&text)
        }
    }
}
