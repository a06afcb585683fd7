//! Runs of searches beside each other: what each came to, and the questions on which they differ.

use std::collections::HashMap;

use tracking::search_log::{Outcome, Paired, Side, key, pair};
use tracking::statistics::Bootstrap;

use crate::sheet::{Cell, Sheet};

/// Questions that are listed at most.
const MOST_QUESTIONS: usize = 500;
/// Resources with columns of their own, in this order.
const RESOURCES: [&str; 3] = ["tokens", "tool_calls", "dollars"];

const NONE: Cell = Cell::Empty;

/// The searches of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Searched<'a> {
    /// What it is called beside the others.
    pub name: &'a str,
    /// Its questions.
    pub outcomes: &'a [Outcome],
}

/// A row per run; differences are those to the first run, on the questions that both finished.
#[must_use]
pub fn search_sheet(runs: &[Searched<'_>], bootstrap: &Bootstrap) -> Sheet {
    let sides: Vec<Side> = runs
        .iter()
        .map(|run| Side::of(&run.outcomes.iter().collect::<Vec<_>>()))
        .collect();
    let spent_of = |side: &Side, resource: &str| {
        let found = side.spent.iter().find(|(name, _)| name == resource);
        found.map(|(_, amount)| *amount)
    };
    let resources: Vec<&str> = RESOURCES
        .into_iter()
        .filter(|resource| sides.iter().any(|side| spent_of(side, resource).is_some()))
        .collect();
    let mut columns = vec!["run", "method", "questions"];
    columns.extend(["accuracy", "accuracy_difference", "f1"]);
    columns.extend(&resources);
    columns.extend(["backstop", "violations", "pairs", "f1_difference"]);
    let mut sheet = Sheet::new("searches", "", &columns);
    for (place, (run, side)) in runs.iter().zip(&sides).enumerate() {
        let method = run.outcomes.iter().find(|one| !one.policy.is_empty());
        let beside = (place > 0).then(|| pair(runs[0].outcomes, run.outcomes, bootstrap));
        let [pairs, accuracy_difference, f1_difference] =
            beside.as_ref().map_or([NONE; 3], difference);
        let mut cells: Vec<Cell> = vec![
            run.name.into(),
            method.map_or(Cell::Empty, |one| one.policy.as_str().into()),
            side.questions.into(),
            finite(side.accuracy),
            accuracy_difference,
            side.f1.into(),
        ];
        cells.extend(
            resources
                .iter()
                .map(|name| Cell::from(spent_of(side, name))),
        );
        cells.extend([finite(side.backstop), side.violations.into()]);
        cells.extend([pairs, f1_difference]);
        sheet.row(cells);
    }
    let first = runs.first().map_or("", |run| run.name);
    sheet.noted(match runs.len() {
        0 | 1 => "means per question; mark two runs to compare them".to_owned(),
        _ => format!(
            "means per question; differences to {first} where both ended, 95% paired bootstrap"
        ),
    })
}

/// Questions in common, and the differences of accuracy and F1 on them.
fn difference(paired: &Paired) -> [Cell; 3] {
    if paired.pairs == 0 {
        return [0_usize.into(), NONE, NONE];
    }
    [
        paired.pairs.into(),
        paired.accuracy.into(),
        paired.f1.into(),
    ]
}

fn finite(value: f64) -> Cell {
    if value.is_finite() {
        value.into()
    } else {
        Cell::Empty
    }
}

/// The questions that one run has right and another has not, with the answers of all.
#[must_use]
pub fn question_sheet(runs: &[Searched<'_>]) -> Sheet {
    let names: Vec<&str> = runs.iter().map(|run| run.name).collect();
    let columns: Vec<&str> = ["question", "expected"].into_iter().chain(names).collect();
    let mut sheet = Sheet::new("questions", "", &columns);
    let Some((first, others)) = runs.split_first() else {
        return sheet;
    };
    let places: Vec<HashMap<&str, &Outcome>> = others
        .iter()
        .map(|run| run.outcomes.iter().map(|one| (key(one), one)).collect())
        .collect();
    let mut differing = 0;
    for one in first.outcomes {
        let all: Vec<Option<&Outcome>> = std::iter::once(Some(one))
            .chain(places.iter().map(|known| known.get(key(one)).copied()))
            .collect();
        let verdicts: Vec<bool> = all
            .iter()
            .flatten()
            .filter_map(|outcome| outcome.verdict().filter(|_| outcome.over))
            .collect();
        if verdicts.iter().all(|right| *right) || !verdicts.contains(&true) {
            continue;
        }
        differing += 1;
        if differing > MOST_QUESTIONS {
            continue;
        }
        let expected = one.expected.first().map(String::as_str);
        let mut cells = vec![one.name.as_str().into(), expected.into()];
        cells.extend(all.iter().map(|outcome| answer(*outcome)));
        sheet.row(cells);
    }
    sheet.noted(match (runs.len(), differing) {
        (1, _) => "mark two runs to see where they differ".to_owned(),
        (_, 0) => "no question is right in one run and wrong in another".to_owned(),
        (_, 1) => "1 question is right in one run and wrong in another".to_owned(),
        (_, many) if many > MOST_QUESTIONS => {
            format!("the first {MOST_QUESTIONS} of {many} questions that are right in one run and wrong in another")
        }
        (_, many) => format!("{many} questions are right in one run and wrong in another"),
    })
}

fn answer(outcome: Option<&Outcome>) -> Cell {
    let Some(outcome) = outcome else {
        return Cell::Empty;
    };
    let word = match outcome.verdict() {
        Some(true) => "right",
        Some(false) => "wrong",
        None => "open",
    };
    let text = outcome.answer.as_deref().unwrap_or("no answer");
    Cell::Text(format!("{word}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(id: &str, correct: bool, answer: &str) -> Outcome {
        Outcome {
            name: id.to_owned(),
            id: id.to_owned(),
            policy: "bavt".to_owned(),
            expected: vec!["Graz".to_owned()],
            answer: Some(answer.to_owned()),
            correct: Some(correct),
            f1: Some(f64::from(correct)),
            over: true,
            ..Outcome::default()
        }
    }

    #[test]
    fn runs_stand_beside_the_first_and_differing_questions_are_listed() {
        let first = [outcome("a", true, "Graz"), outcome("b", false, "Wien")];
        let second = [outcome("b", true, "Graz"), outcome("a", true, "graz")];
        let runs = [
            Searched {
                name: "bavt",
                outcomes: &first,
            },
            Searched {
                name: "greedy",
                outcomes: &second,
            },
        ];
        let sheet = search_sheet(&runs, &Bootstrap::default());
        let shown = |row: usize, column: &str| {
            let at = sheet.columns.iter().position(|one| one == column);
            sheet.rows[row][at.expect("a column")].shown()
        };
        assert_eq!(
            (shown(0, "accuracy"), shown(1, "accuracy")),
            ("0.500".to_owned(), "1.000".to_owned())
        );
        assert_eq!(shown(0, "accuracy_difference"), "-");
        assert_eq!(shown(1, "accuracy_difference"), "0.500 [0.000, 1.000]");
        assert_eq!(shown(1, "pairs"), "2");
        let sheet = question_sheet(&runs);
        let cells: Vec<String> = sheet.rows[0].iter().map(Cell::shown).collect();
        assert_eq!(cells, ["b", "Graz", "wrong: Wien", "right: Graz"]);
        assert_eq!(sheet.rows.len(), 1);
    }
}
