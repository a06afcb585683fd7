//! `concord compare`: runs side by side, seeds together; the answers of the dashboard's
//! compare screen.

use configs::RunConfig;
use serde_json::json;
use tracking::export::{RunRecord, csv, marl_eval};
use tracking::statistics::Bootstrap;
use tracking::{RunFolder, TrackingError, write_atomic};
use tui::comparison::{
    Centre, Member, difference_sheet, differences, groups, improvement_sheet, improvements,
    result_sheet, results, unstamped,
};

use crate::arguments::{Compare, Format, Global};
use crate::dashboard::root_flag;
use crate::failure::Failure;
use crate::output::{print, print_json, tell};
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
    let found: Vec<RunResult> = runs
        .into_iter()
        .map(RunResult::read)
        .collect::<Result<_, _>>()?;
    let members: Vec<Member<'_>> = found.iter().map(member).collect();
    let centre = if arguments.mean {
        Centre::Mean
    } else {
        Centre::InterquartileMean
    };
    if let Some(metric) = &arguments.curves {
        let fold = !arguments.apart;
        let shown = super::curves::Shown {
            metric,
            fold,
            centre,
            looks: &arguments.looks,
        };
        return super::curves::show(&members, &shown, arguments.format.format);
    }
    let together = groups(&members);
    let settings = difference_sheet(&differences(&members, &together), &together);
    if arguments.diff {
        return match arguments.format.format {
            Format::Csv => print(&settings.to_csv()),
            Format::Json => print_json(&settings.to_json()),
            Format::Table => print(&settings.to_text()),
        };
    }
    let bootstrap = Bootstrap::default();
    let scores = results(&members, &together, true, centre, &bootstrap);
    let scores = result_sheet(&scores, true, centre);
    let improvement = improvement_sheet(&improvements(&members, &together, &bootstrap));
    let runs = super::runs::table(&found);
    match arguments.format.format {
        Format::Csv => print(&runs.to_csv()),
        Format::Json => print_json(&json!({
            "runs": runs.to_json(),
            "groups": scores.to_json(),
            "settings": settings.to_json(),
            "improvement": improvement.to_json(),
        })),
        Format::Table => {
            let mut text = runs.to_text();
            text.push_str(&format!("\nseeds together\n{}", scores.to_text()));
            if together.len() > 1 {
                text.push_str(&format!("\nsettings that differ\n{}", settings.to_text()));
            }
            if !improvement.rows.is_empty() {
                text.push_str(&format!(
                    "\nprobability of improvement\n{}",
                    improvement.to_text()
                ));
            }
            print(&text)?;
            hint(global, &found);
            Ok(())
        }
    }
}

/// Of two runs of searches more can be told: by the questions that both have.
fn hint(global: &Global, found: &[RunResult]) {
    if let ([first, second], true) = (found, super::search::are_searches(found)) {
        tell(&format!(
            "question by question: concord{} search compare {} {}",
            root_flag(global),
            first.run.id(),
            second.run.id()
        ));
    }
}

/// What the comparison needs of a run: its events, and what its folder knows besides.
pub(super) fn member(result: &RunResult) -> Member<'_> {
    let id = result.run.id();
    let mut member = Member::of(&id, &result.history);
    if let Some(meta) = &result.meta {
        member.seed = Some(meta.seed);
        member.task.clone_from(&meta.task);
        if !meta.name.is_empty() {
            member.name = unstamped(&meta.name).to_owned();
        }
    }
    if member.settings.is_empty() {
        member.settings = configured(result);
    }
    member.device.clone_from(&result.status.device);
    member.state = result.state;
    member.progress = result.status.progress;
    member.progress.seconds = result.seconds();
    member
}

/// The settings of a run that reported none: those of its folder, where this version
/// understands them.
fn configured(result: &RunResult) -> std::collections::BTreeMap<String, String> {
    let text = std::fs::read_to_string(result.run.config()).unwrap_or_default();
    let Ok(config) = RunConfig::from_toml("config.toml", &text) else {
        return std::collections::BTreeMap::new();
    };
    let values = config.values().into_iter();
    values
        .map(|(path, value)| {
            let text = value.as_str().map(str::to_owned);
            (path, text.unwrap_or_else(|| value.to_string()))
        })
        .collect()
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
pub(crate) fn find_all(root: &std::path::Path, name: &str) -> Result<Vec<RunFolder>, Failure> {
    match RunFolder::find(root, name) {
        Ok(run) => Ok(vec![run]),
        Err(TrackingError::AmbiguousRun { matches, .. }) => Ok(matches
            .iter()
            .map(|id| RunFolder::open(&root.join(id)))
            .collect::<Result<_, _>>()?),
        Err(error) => Err(error.into()),
    }
}
