//! Tables of an evaluation, for the command and the screen.

use serde_json::{Value, json};
use tracking::evaluation::{EvaluationFolder, Kind, Parameter, Results};

use super::{Cell, Sheet, fixed};
use crate::figures::plural;

/// Everything that an evaluation came to, as tables, the most important first.
#[must_use]
pub fn sheets(results: &Results) -> Vec<Sheet> {
    let mut sheets = Vec::new();
    if results.kind == Kind::Tournament {
        sheets.extend([ranking(results), cross_play(results), improvement(results)]);
    }
    match results.kind {
        Kind::Sweep => sheets.push(sweep(results)),
        Kind::Searches => sheets.push(searches(results)),
        Kind::Scores | Kind::Tournament => sheets.push(scores(results)),
    }
    // The scores name their policies themselves.
    if results.kind == Kind::Sweep {
        sheets.push(policies(results));
    }
    sheets.push(missing(results));
    sheets.retain(|sheet| !sheet.rows.is_empty());
    sheets
}

/// All of it for a terminal.
#[must_use]
pub fn to_text(results: &Results) -> String {
    let texts: Vec<String> = sheets(results).iter().map(Sheet::to_text).collect();
    texts.join("\n")
}

/// All of it for programs.
#[must_use]
pub fn to_json(results: &Results, folder: Option<&EvaluationFolder>) -> Value {
    let mut value = json!({
        "kind": results.kind.word(),
        "environment": results.environment,
        "options": results.options,
        "confidence": results.confidence,
        "parameter": results.parameter.map(Parameter::word),
    });
    if let Some(folder) = folder {
        value["folder"] = json!(folder.path());
        value["state"] = json!(folder.state().word());
    }
    for sheet in std::iter::once(policies(results)).chain(sheets(results)) {
        value[sheet.name] = sheet.to_json();
    }
    value
}

/// All of it for a report.
#[must_use]
pub fn to_markdown(results: &Results) -> String {
    let mut text = format!("# {}\n\n{}\n", title(results), played(results));
    for sheet in sheets(results) {
        text.push('\n');
        text.push_str(&sheet.to_markdown());
    }
    text
}

/// What CSV holds: the most important table.
#[must_use]
pub fn to_csv(results: &Results) -> String {
    let sheets = sheets(results);
    sheets.first().map(Sheet::to_csv).unwrap_or_default()
}

/// What was compared where.
#[must_use]
pub fn title(results: &Results) -> String {
    let what = match (results.kind, results.parameter) {
        (Kind::Scores, _) => "Scores".to_owned(),
        (Kind::Tournament, _) => format!("Tournament of {} policies", results.policies.len()),
        (Kind::Sweep, Some(parameter)) => format!("Sweep of {parameter}"),
        (Kind::Sweep, None) => "Sweep".to_owned(),
        (Kind::Searches, _) => {
            return format!(
                "Accuracy of recorded searches against {}",
                results.environment
            );
        }
    };
    format!("{what} in {}", results.environment)
}

/// How it was played.
#[must_use]
pub fn played(results: &Results) -> String {
    if results.kind == Kind::Searches {
        let questions: usize = results.sweep.iter().map(|row| row.count).sum();
        let noun = plural(questions as f64, "question");
        let rest = match results.unjudged {
            1 => "1 more goes on or has no judged answer".to_owned(),
            many => format!("{many} more go on or have no judged answer"),
        };
        return format!("{questions} {noun}; {rest}");
    }
    let options = &results.options;
    let mut text = format!(
        "{} episodes per team, seed {}, epsilon {}",
        options.episodes, options.seed, options.epsilon
    );
    if let Some(limit) = options.time_limit {
        text.push_str(&format!(", time limit {limit}"));
    }
    if let Some(execution) = &options.execution {
        text.push_str(&format!(", execution {execution}"));
    }
    text
}

fn percent(results: &Results) -> String {
    format!("{:.0}%", results.confidence * 100.0)
}

fn letter(results: &Results, policy: usize) -> Cell {
    results
        .policies
        .get(policy)
        .map(|one| one.letter.clone())
        .into()
}

/// Who takes part.
#[must_use]
pub fn policies(results: &Results) -> Sheet {
    let columns = ["policy", "run", "checkpoint", "step", "algorithm", "seed"];
    let mut sheet = Sheet::new("policies", "policies", &columns);
    for one in &results.policies {
        sheet.row(vec![
            one.letter.as_str().into(),
            one.run.as_str().into(),
            one.checkpoint.as_str().into(),
            one.step.into(),
            one.algorithm.as_str().into(),
            one.seed.into(),
        ]);
    }
    sheet
}

/// Every policy alone. With one policy, or in a curve, its name stands in its row.
#[must_use]
pub fn scores(results: &Results) -> Sheet {
    // The numbers first: on a narrow terminal the long names are what is cut.
    let columns = [
        "policy",
        "step",
        "mean",
        "interquartile_mean",
        "mean_length",
        "central_calls",
        "episodes",
        "checkpoint",
        "run",
    ];
    let title = match results.kind {
        Kind::Tournament => "self-play: every policy in all seats",
        _ => "scores",
    };
    let mut sheet = Sheet::new("scores", title, &columns);
    for row in &results.scores {
        let Some(one) = results.policies.get(row.policy) else {
            continue;
        };
        sheet.row(vec![
            one.letter.as_str().into(),
            one.step.into(),
            row.mean.into(),
            row.interquartile_mean.into(),
            row.mean_length.into(),
            row.calls.into(),
            row.episodes.into(),
            one.checkpoint.as_str().into(),
            one.run.as_str().into(),
        ]);
    }
    let calls = results.scores.iter().any(|row| row.calls.is_some());
    if !calls {
        drop_column(&mut sheet, "central_calls");
    }
    let share = if calls {
        "; central calls: share of the steps"
    } else {
        ""
    };
    sheet.noted(format!(
        "mean return [{} bootstrap interval over starts]{share}",
        percent(results)
    ))
}

fn drop_column(sheet: &mut Sheet, name: &str) {
    if let Some(at) = sheet.columns.iter().position(|column| column == name) {
        sheet.columns.remove(at);
        for row in &mut sheet.rows {
            row.remove(at);
        }
    }
}

/// Mean returns of every policy with every other.
#[must_use]
pub fn cross_play(results: &Results) -> Sheet {
    let mut sheet = Sheet::new(
        "cross_play",
        "cross-play: first seat down, partner across",
        &["first_seat"],
    );
    let Some(matrix) = &results.cross_play else {
        return sheet;
    };
    let letters = results.policies.iter().map(|one| one.letter.clone());
    sheet.columns.extend(letters);
    for (index, cells) in matrix.cells.iter().enumerate() {
        let mut row = vec![letter(results, index)];
        row.extend(cells.iter().map(|cell| Cell::from(*cell)));
        sheet.row(row);
    }
    sheet.noted(format!(
        "mean return [{} interval over starts]; on the diagonal a policy plays with itself",
        percent(results)
    ))
}

/// The order of the policies.
#[must_use]
pub fn ranking(results: &Results) -> Sheet {
    let columns = [
        "rank",
        "rank_range",
        "policy",
        "cross_play",
        "self_play",
        "checkpoint",
        "run",
    ];
    let mut sheet = Sheet::new("ranking", "ranking by cross-play", &columns);
    for one in &results.ranking {
        let Some(policy) = results.policies.get(one.policy) else {
            continue;
        };
        let (low, high) = one.rank_range;
        let range = if low == high {
            low.to_string()
        } else {
            format!("{low}-{high}")
        };
        sheet.row(vec![
            one.rank.into(),
            range.into(),
            policy.letter.as_str().into(),
            one.cross_play.into(),
            one.self_play.into(),
            policy.checkpoint.as_str().into(),
            policy.run.as_str().into(),
        ]);
    }
    let mut note = format!(
        "cross-play: mean return over all other policies as partners, in every seat [{} interval over starts]",
        percent(results)
    );
    if results.ranking.len() == 2 {
        note.push_str(
            "; two policies are each other's only partner, so they share a rank: see the chance of improvement",
        );
    }
    let unranked: Vec<String> = results
        .unranked()
        .into_iter()
        .filter_map(|policy| results.policies.get(policy))
        .map(|one| one.letter.clone())
        .collect();
    if !unranked.is_empty() {
        note.push_str(&format!(
            "; not ranked, since games are missing: {}",
            unranked.join(", ")
        ));
    }
    sheet.noted(note)
}

/// Every ranked policy over every other.
#[must_use]
pub fn improvement(results: &Results) -> Sheet {
    let title = "chance of improvement: the policy down in the place of the one across";
    let mut sheet = Sheet::new("improvement", title, &["policy"]);
    let mut order: Vec<usize> = results.ranking.iter().map(|one| one.policy).collect();
    order.sort_unstable();
    for &over in &order {
        if let Cell::Text(letter) = letter(results, over) {
            sheet.columns.push(letter);
        }
    }
    for &policy in &order {
        let mut row = vec![letter(results, policy)];
        row.extend(
            order
                .iter()
                .map(|&over| results.improvement(policy, over).into()),
        );
        sheet.row(row);
    }
    sheet.noted(
        "same start, same seats, same partner; ties count half; above 0.5 the one down does better",
    )
}

/// Values of a sweep.
#[must_use]
pub fn sweep(results: &Results) -> Sheet {
    let value = results.parameter.map_or("budget", Parameter::word);
    let several = results.policies.len() > 1;
    let columns = [
        "policy",
        value,
        "mean",
        "central_calls",
        "mean_length",
        "episodes",
    ];
    let mut sheet = Sheet::new("sweep", "", &columns);
    for row in &results.sweep {
        let policy = row.policy.and_then(|policy| results.policies.get(policy));
        sheet.row(vec![
            policy.map(|one| one.letter.clone()).into(),
            row.value.as_str().into(),
            row.score.into(),
            row.spent.into(),
            row.mean_length.into(),
            row.count.into(),
        ]);
    }
    if !several {
        drop_column(&mut sheet, "policy");
    }
    sheet.noted(format!(
        "mean return and share of the steps that were central calls [{} intervals over starts]",
        percent(results)
    ))
}

/// Recorded searches by selection rule and budget.
#[must_use]
pub fn searches(results: &Results) -> Sheet {
    let columns = ["policy", "budget", "accuracy", "spent", "questions"];
    let mut sheet = Sheet::new("searches", "", &columns);
    for row in &results.sweep {
        let policy = row.policy.and_then(|policy| results.policies.get(policy));
        sheet.row(vec![
            policy.map(|one| one.name.clone()).into(),
            row.value.as_str().into(),
            row.score.into(),
            row.spent.into(),
            row.count.into(),
        ]);
    }
    sheet.noted(format!(
        "budget and mean spent: {} per question; share of right answers [{} intervals over questions]; a search without an answer is wrong",
        results.environment,
        percent(results)
    ))
}

/// What is not played.
#[must_use]
pub fn missing(results: &Results) -> Sheet {
    let mut sheet = Sheet::new("missing", "not played", &["games", "policies", "reason"]);
    for one in &results.missing {
        sheet.row(vec![
            one.unit.as_str().into(),
            one.policies.join(" ").into(),
            one.reason
                .clone()
                .unwrap_or_else(|| "not yet".to_owned())
                .into(),
        ]);
    }
    sheet
}

/// The score that matters most, in a few words for a list.
#[must_use]
pub fn headline(results: &Results) -> String {
    let best = results.ranking.first().zip(results.ranking.last());
    match (results.kind, best) {
        (Kind::Tournament, Some((first, last))) if first.rank < last.rank => {
            let name = results.policies.get(first.policy);
            let letter = name.map_or("", |one| one.letter.as_str());
            format!("{letter} {} with others", fixed(first.cross_play.estimate))
        }
        (Kind::Tournament, Some((first, _))) => {
            format!("cross-play {}", fixed(first.cross_play.estimate))
        }
        (Kind::Scores, _) => match results.scores.as_slice() {
            [only] => fixed(only.mean.estimate),
            [first, .., last] => {
                format!(
                    "{} to {}",
                    fixed(first.mean.estimate),
                    fixed(last.mean.estimate)
                )
            }
            [] => String::new(),
        },
        (Kind::Sweep | Kind::Searches, _) => match results.sweep.as_slice() {
            [first, .., last] => {
                format!(
                    "{} to {}",
                    fixed(first.score.estimate),
                    fixed(last.score.estimate)
                )
            }
            [only] => fixed(only.score.estimate),
            [] => String::new(),
        },
        (Kind::Tournament, None) => String::new(),
    }
}
