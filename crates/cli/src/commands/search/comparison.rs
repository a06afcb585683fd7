//! `concord search compare`: two runs, question by question.

use std::path::Path;

use serde_json::{Value, json};
use tracking::RunFolder;
use tracking::search_log::{Outcome, Outcomes, Paired, Side, pair, pairs};
use tracking::statistics::{Bootstrap, Interval, mcnemar};
use tui::figures::{number, plural};

use crate::arguments::{CompareSearches, Format, Global};
use crate::failure::Failure;
use crate::output::{Table, json_number, json_seconds, print, print_json};
use crate::surroundings::runs_root;

use super::answers::{JOB, SECONDS};

/// Runs the command.
pub(super) fn compare(global: &Global, arguments: &CompareSearches) -> Result<(), Failure> {
    let root = runs_root(global);
    let (first_id, first) = searched(&root, &arguments.first)?;
    let (second_id, second) = searched(&root, &arguments.second)?;
    let bootstrap = Bootstrap::default();
    // Of the first less the second: `pair` has it the other way round.
    let paired = pair(&second, &first, &bootstrap);
    if paired.pairs == 0 {
        return Err(Failure::arguments(format!(
            "{first_id} and {second_id} have no question in common that both have finished and that was judged - compare runs of the same questions"
        )));
    }
    let wins = Wins::of(&first, &second, &paired, &bootstrap);
    let table = table(&first, &second, &paired);
    match arguments.format.format {
        Format::Json => print_json(&json!({
            "first": first_id,
            "second": second_id,
            "questions": paired.pairs,
            "measures": table.to_json(),
            "wins": wins.wins,
            "ties": wins.ties,
            "losses": wins.losses,
            "win_rate": wins.rate,
            "win_rate_then_tokens": wins.rate_then_tokens,
            "mcnemar_p": json_number(wins.mcnemar),
            "confidence": bootstrap.confidence,
        })),
        Format::Csv => print(&table.to_csv()),
        Format::Table => print(&format!(
            "A: {first_id}\nB: {second_id}\n{} {} in both\n\n{}\n{}",
            paired.pairs,
            plural(paired.pairs as f64, "question"),
            table.to_text(),
            wins.words()
        )),
    }
}

/// What the searches of a run came to.
fn searched(root: &Path, name: &str) -> Result<(String, Vec<Outcome>), Failure> {
    let run = RunFolder::find(root, name)?;
    if run.meta()?.job != JOB {
        return Err(Failure::arguments(format!(
            "{} is no run of searches - `concord runs` lists all",
            run.id()
        )));
    }
    Ok((run.id(), Outcomes::read(&run.searches())?))
}

/// A row for each measure, the difference by pairs.
fn table(first: &[Outcome], second: &[Outcome], paired: &Paired) -> Table {
    let all = |outcomes: &[Outcome]| Side::of(&outcomes.iter().collect::<Vec<_>>());
    let (ours, theirs) = (all(first), all(second));
    let mut table = Table::new(&["measure", "a", "b", "difference", "low", "high"]);
    let mut row = |name: &str, ours: f64, theirs: f64, difference: Option<&Interval>| {
        let shown = if name == SECONDS {
            json_seconds
        } else {
            json_number
        };
        let of = |read: fn(&Interval) -> f64| {
            difference.map_or(Value::Null, |interval| shown(read(interval)))
        };
        table.row(vec![
            json!(name),
            shown(ours),
            shown(theirs),
            of(|interval| interval.estimate),
            of(|interval| interval.low),
            of(|interval| interval.high),
        ]);
    };
    row(
        "accuracy",
        ours.accuracy,
        theirs.accuracy,
        Some(&paired.accuracy),
    );
    if let (Some(ours), Some(theirs)) = (ours.f1, theirs.f1) {
        row("f1", ours, theirs, paired.f1.as_ref());
    }
    for (name, difference) in &paired.spent {
        let of = |side: &Side| {
            let found = side.spent.iter().find(|(resource, _)| resource == name);
            found.map_or(0.0, |(_, spent)| *spent)
        };
        row(name, of(&ours), of(&theirs), Some(difference));
    }
    row("backstop", ours.backstop, theirs.backstop, None);
    let violations = |side: &Side| side.violations as f64;
    row("violations", violations(&ours), violations(&theirs), None);
    table
}

/// Who wins how many questions.
struct Wins {
    wins: usize,
    ties: usize,
    losses: usize,
    /// Share of the questions that A wins; of equal answers half a win each.
    rate: Interval,
    /// As before, and of equal answers the one with fewer tokens wins.
    rate_then_tokens: Interval,
    /// Exact two-sided McNemar test.
    mcnemar: f64,
}

impl Wins {
    /// `paired` is of the second to the first.
    fn of(first: &[Outcome], second: &[Outcome], paired: &Paired, bootstrap: &Bootstrap) -> Self {
        let (wins, losses) = (paired.second_only, paired.first_only);
        // A win counts 1, a tie a half: half of the accuracy's difference above a half.
        let rate = |difference: f64| 0.5 + difference / 2.0;
        let points: Vec<f64> = pairs(first, second)
            .into_iter()
            .map(|(one, other)| {
                let (ours, theirs) = (&first[one], &second[other]);
                let (tokens, others) = (ours.spent_of("tokens"), theirs.spent_of("tokens"));
                match ours.verdict().cmp(&theirs.verdict()) {
                    std::cmp::Ordering::Equal if tokens == others => 0.5,
                    std::cmp::Ordering::Equal => f64::from(tokens < others),
                    order => f64::from(order.is_gt()),
                }
            })
            .collect();
        let drawn = bootstrap.jointly(points.len(), 1, |places, out| {
            let sum: f64 = places.iter().map(|&place| points[place]).sum();
            out[0] = sum / places.len() as f64;
        });
        Self {
            wins,
            ties: paired.pairs - wins - losses,
            losses,
            rate: Interval {
                estimate: rate(paired.accuracy.estimate),
                low: rate(paired.accuracy.low),
                high: rate(paired.accuracy.high),
            },
            rate_then_tokens: drawn[0],
            mcnemar: mcnemar(wins as u64, losses as u64),
        }
    }

    fn words(&self) -> String {
        let rate = |interval: &Interval| {
            format!(
                "{} [{}, {}]",
                number(interval.estimate),
                number(interval.low),
                number(interval.high)
            )
        };
        format!(
            "A wins {}, ties {}, loses {}\nwin rate of A       {}\n... then by tokens  {}\nMcNemar, exact      p = {}\n95% intervals: paired bootstrap over questions",
            self.wins,
            self.ties,
            self.losses,
            rate(&self.rate),
            rate(&self.rate_then_tokens),
            number(self.mcnemar)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracking::search_log::Spent;

    fn outcome(id: &str, correct: bool, tokens: f64) -> Outcome {
        Outcome {
            id: id.to_owned(),
            answer: Some("a".to_owned()),
            correct: Some(correct),
            spent: vec![Spent {
                resource: "tokens".to_owned(),
                amount: tokens,
                limit: 500.0,
            }],
            over: true,
            ..Outcome::default()
        }
    }

    #[test]
    fn equal_answers_are_half_a_win_and_then_the_cheaper_one() {
        let (ours, theirs): (Vec<Outcome>, Vec<Outcome>) = [
            ("won", true, 100.0, false, 10.0),
            ("a tie, and cheaper", true, 100.0, true, 200.0),
            ("a tie", false, 100.0, false, 100.0),
            ("lost", false, 100.0, true, 100.0),
            ("won too", true, 100.0, false, 90.0),
        ]
        .into_iter()
        .map(|(id, correct, tokens, other, others)| {
            (outcome(id, correct, tokens), outcome(id, other, others))
        })
        .unzip();
        let bootstrap = Bootstrap::default();
        let paired = pair(&theirs, &ours, &bootstrap);
        let wins = Wins::of(&ours, &theirs, &paired, &bootstrap);
        assert_eq!((wins.wins, wins.ties, wins.losses), (2, 2, 1));
        assert!((wins.rate.estimate - 3.0 / 5.0).abs() < 1e-12);
        assert!((wins.rate_then_tokens.estimate - 3.5 / 5.0).abs() < 1e-12);
        assert!(wins.rate.low < 0.5 && wins.rate.high > 0.7);
        let rows = table(&ours, &theirs, &paired).to_json();
        assert_eq!(rows[0]["measure"], "accuracy");
        let difference = rows[0]["difference"].as_f64().unwrap_or(f64::NAN);
        assert!((difference - 0.2).abs() < 1e-12, "{difference}");
        assert_eq!(rows[1]["measure"], "tokens");
        assert_eq!(rows[1]["difference"], 0.0);
    }
}
