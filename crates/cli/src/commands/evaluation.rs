//! Evaluations that are kept in a folder: made, played, continued, shown.

use std::path::Path;

use configs::train::EnvironmentConfig;
use serde_json::Value;
use tracking::evaluation::{Contender, EvaluationFolder, Plan, PlayOptions, Results, Sizes};
use tui::sheet::Sheet;
use tui::sheet::evaluation as tables;

use crate::arguments::{Evaluation, Format, Global, Kept, Playing};
use crate::failure::{ENVIRONMENT, Failure, INTERRUPTED};
use crate::output::{print, print_json, tell};
use crate::surroundings::runs_root;
use crate::{settings, worker};

mod playing;
pub(crate) mod selection;

use playing::Played;

/// Runs the command.
pub(crate) fn evaluation(global: &Global, command: &Evaluation) -> Result<(), Failure> {
    let root = runs_root(global);
    match command {
        Evaluation::List(format) => list(&root, format.format),
        Evaluation::Show { name, format } => {
            let folder = find(&root, name)?;
            show(&folder, &folder.results(), format.format)
        }
        Evaluation::Resume { name, jobs, format } => {
            let folder = find(&root, name)?;
            play(global, &folder, *jobs, format.format)
        }
    }
}

/// The options that the arguments name.
pub(crate) fn options(playing: &Playing) -> Result<PlayOptions, Failure> {
    if !(0.0..=1.0).contains(&playing.epsilon) {
        return Err(Failure::arguments(format!(
            "--epsilon {}: a chance - allowed: 0 to 1 - 0 plays greedily",
            playing.epsilon
        )));
    }
    Ok(PlayOptions {
        episodes: playing.episodes,
        seed: playing.seed,
        epsilon: playing.epsilon,
        environment: playing.env.clone(),
        time_limit: playing.time_limit,
        execution: playing.execution.map(|half| half.word().to_owned()),
    })
}

/// A plan that was checked, and what the user should know about it.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) notes: Vec<String>,
}

/// The plan, unless a policy cannot act in its environment.
pub(crate) fn planned(plan: Plan, notes: Vec<String>) -> Result<Planned, Failure> {
    for contender in &plan.contenders {
        fits(contender, &plan.options)?;
    }
    Ok(Planned { plan, notes })
}

/// Whether a policy can act in the environment that is asked for.
fn fits(contender: &Contender, options: &PlayOptions) -> Result<(), Failure> {
    let Some(id) = &options.environment else {
        return Ok(());
    };
    let trained = Value::Object(contender.environment.clone());
    let mut environment: EnvironmentConfig = serde_json::from_value(trained).map_err(|error| {
        Failure::arguments(format!(
            "{}: its environment does not read: {error} - it may be of a newer version",
            contender.name()
        ))
    })?;
    environment.id.clone_from(id);
    let made = envs::make(id, &settings::options(&environment))?;
    let spec = made.spec();
    let sizes = Sizes {
        agents: spec.agents,
        actions: spec.actions,
        observation: spec.observation_size,
    };
    if sizes == contender.sizes {
        return Ok(());
    }
    Err(Failure::arguments(format!(
        "--env {id}: it has {sizes}; {} was trained for {} - choose an environment of the same sizes",
        contender.name(),
        contender.sizes
    )))
}

/// Plays a plan in a folder of its own, or goes on where it was left.
pub(crate) fn run(
    global: &Global,
    planned: Planned,
    kept: &Kept,
    format: Format,
) -> Result<(), Failure> {
    let root = runs_root(global);
    for note in &planned.notes {
        tell(note);
    }
    let plan = planned.plan;
    let folder = match &kept.out {
        Some(path) => at(path, plan)?,
        None => of_root(&root, plan)?,
    };
    play(global, &folder, kept.jobs, format)
}

/// The folder that the user names.
fn at(path: &Path, plan: Plan) -> Result<EvaluationFolder, Failure> {
    if EvaluationFolder::is_one(path) {
        let there = EvaluationFolder::open(path)?;
        return match plan.difference(&there.plan) {
            None => Ok(renewed(there, plan)?),
            Some(difference) => Err(Failure::arguments(format!(
                "--out {}: another evaluation is kept there: {difference} - choose another folder, or repeat its command",
                path.display()
            ))),
        };
    }
    let mut entries = std::fs::read_dir(path).into_iter().flatten();
    if entries.next().is_some() {
        return Err(Failure::arguments(format!(
            "--out {}: the folder holds other files - choose a new or an empty one",
            path.display()
        )));
    }
    Ok(EvaluationFolder::create(path, plan)?)
}

/// A folder below the root of the runs: the one that has the same plan, or a new one.
pub(crate) fn of_root(root: &Path, plan: Plan) -> Result<EvaluationFolder, Failure> {
    let known = EvaluationFolder::list(root)?;
    match known
        .into_iter()
        .find(|one| plan.difference(&one.plan).is_none())
    {
        Some(there) => renewed(there, plan),
        None => {
            let path = EvaluationFolder::new_path(root, &plan);
            Ok(EvaluationFolder::create(&path, plan)?)
        }
    }
}

/// The same evaluation with the policies where they lie now.
fn renewed(there: EvaluationFolder, mut plan: Plan) -> Result<EvaluationFolder, Failure> {
    plan.created = there.plan.created;
    if plan == there.plan {
        return Ok(there);
    }
    Ok(EvaluationFolder::create(there.path(), plan)?)
}

/// Plays what is missing, keeps the tables and tells them.
fn play(
    global: &Global,
    folder: &EvaluationFolder,
    jobs: u32,
    format: Format,
) -> Result<(), Failure> {
    let lock = folder.lock()?;
    let taken = folder.take_over()?;
    if taken > 0 {
        tell(&format!(
            "{taken} games are taken over from earlier evaluations"
        ));
    }
    let worker = worker::locate(global)?;
    let played = playing::play(folder, &worker, jobs as usize)?;
    // Who stops wants it soon: the games are kept, and tables can be made at any time.
    if played == Played::Stopped {
        drop(lock);
        tell(&format!(
            "stopped; {} of {} games are kept - go on with `concord evaluation resume {}`",
            folder.done(),
            folder.plan.units().len(),
            folder.path().display()
        ));
        return Err(Failure::silent(INTERRUPTED));
    }
    let results = folder.results();
    keep(folder, &results)?;
    drop(lock);
    match played {
        Played::Everything | Played::Stopped => show(folder, &results, format),
        Played::WithFailures => {
            show(folder, &results, format)?;
            let reasons = results.missing.iter().filter_map(|one| one.reason.as_ref());
            let mut reasons: Vec<&String> = reasons.collect();
            reasons.dedup();
            let mut message = format!(
                "{} of {} games were not played",
                results.missing.len(),
                results.units
            );
            for reason in reasons.iter().take(3) {
                message.push_str(&format!("\n  {reason}"));
            }
            message.push_str(&format!(
                "\ntry them again with `concord evaluation resume {}`",
                folder.path().display()
            ));
            Err(Failure {
                code: ENVIRONMENT,
                message,
            })
        }
    }
}

/// Keeps the tables beside the games, for other programs.
fn keep(folder: &EvaluationFolder, results: &Results) -> Result<(), Failure> {
    folder.keep_results(results)?;
    folder.keep_text("report.md", &tables::to_markdown(results))?;
    for sheet in tables::sheets(results) {
        folder.keep_text(&format!("{}.csv", sheet.name), &sheet.to_csv())?;
    }
    Ok(())
}

fn show(folder: &EvaluationFolder, results: &Results, format: Format) -> Result<(), Failure> {
    match format {
        Format::Csv => print(&tables::to_csv(results)),
        Format::Json => print_json(&tables::to_json(results, Some(folder))),
        Format::Table => print(&format!(
            "{}\n{}\n\n{}\nkept in {}\n",
            tables::title(results),
            tables::played(results),
            tables::to_text(results),
            folder.path().display()
        )),
    }
}

/// The evaluation that a name means.
pub(crate) fn find(root: &Path, name: &str) -> Result<EvaluationFolder, Failure> {
    let path = Path::new(name);
    if EvaluationFolder::is_one(path) {
        return Ok(EvaluationFolder::open(path)?);
    }
    let all = EvaluationFolder::list(root)?;
    if name == "last"
        && let Some(newest) = all.first()
    {
        return Ok(newest.clone());
    }
    let fitting: Vec<&EvaluationFolder> = all
        .iter()
        .filter(|one| !name.is_empty() && one.id().contains(name))
        .collect();
    let exact = fitting.iter().find(|one| one.id() == name);
    match (exact, fitting.as_slice()) {
        (Some(one), _) => Ok((*one).clone()),
        (None, [one]) => Ok((*one).clone()),
        (None, []) => Err(Failure::arguments(format!(
            "no such evaluation: {name} - {} are kept in {} - list them with `concord evaluation list`",
            all.len(),
            root.join("evaluations").display()
        ))),
        (None, several) => {
            let ids: Vec<String> = several.iter().map(|one| one.id()).collect();
            Err(Failure::arguments(format!(
                "ambiguous evaluation: {name} - it fits {} - write more of the name",
                ids.join(", ")
            )))
        }
    }
}

fn list(root: &Path, format: Format) -> Result<(), Failure> {
    let all = EvaluationFolder::list(root)?;
    let sheet = history(&all);
    match format {
        Format::Csv => print(&sheet.to_csv()),
        Format::Json => print_json(&sheet.to_json()),
        Format::Table if all.is_empty() => print(&format!(
            "no evaluations in {} - `concord tournament RUN...` makes one",
            root.display()
        )),
        Format::Table => print(&sheet.to_text()),
    }
}

fn history(all: &[EvaluationFolder]) -> Sheet {
    let columns = [
        "evaluation",
        "kind",
        "state",
        "games",
        "of",
        "policies",
        "environment",
        "episodes",
    ];
    let mut sheet = Sheet::new("evaluations", "", &columns);
    for one in all {
        sheet.row(vec![
            one.id().into(),
            one.plan.kind.word().into(),
            one.state().word().into(),
            one.done().into(),
            one.plan.units().len().into(),
            one.plan.contenders.len().into(),
            one.plan.environment_id().into(),
            one.plan.options.episodes.into(),
        ]);
    }
    sheet
}
