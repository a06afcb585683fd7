//! `concord search table`: methods beside each other on a few made-up questions.

use crate::harness::Place;

/// A table of few questions.
const FEW: [&str; 6] = ["search", "table", "--questions", "20", "--rows", "greedy"];

#[test]
fn a_row_for_each_method_and_budget() {
    let place = Place::new();
    let answer = place.run(&FEW);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    let words = |line: &str| -> Vec<String> {
        let words = line.split_whitespace();
        words.map(str::to_owned).collect()
    };
    let head = words(lines[0]);
    assert_eq!(head[..5], ["method", "budget", "accuracy", "low", "high"]);
    // The reference comes first, though it was not asked for.
    let row = words(lines[1]);
    assert_eq!(row[..2], ["bavt", "low"]);
    let accuracy: f64 = row[2].parse().expect("a share");
    assert!((0.0..=1.0).contains(&accuracy), "{row:?}");
    assert_eq!(words(lines[2])[..2], ["greedy", "low"]);
    assert_eq!(lines.len(), 1 + 2 * 3, "{}", answer.stdout);
}

#[test]
fn programs_get_every_column() {
    let place = Place::new();
    let answer = place.run(&[&FEW[..], &["--format", "csv"]].concat());
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let rows: Vec<Vec<&str>> = answer
        .stdout
        .lines()
        .map(|line| line.split(',').collect())
        .collect();
    let head = &rows[0];
    assert!(rows.iter().all(|row| row.len() == head.len()), "{rows:?}");
    let column = |name: &str| {
        let at = head.iter().position(|one| *one == name).expect("a column");
        rows[1..].iter().map(move |row| row[at])
    };
    assert!(column("questions").all(|cell| cell == "20"));
    assert!(column("violations").all(|cell| cell == "0"));
    let share = |cell: &str| cell.parse().is_ok_and(|share: f64| share <= 1.0);
    assert!(column("accuracy").all(share));
    // Only what differs from the reference has a difference.
    for (method, difference) in column("method").zip(column("difference")) {
        assert_eq!(method == "bavt", difference.is_empty(), "{method}");
    }
}

#[test]
fn an_unknown_row_is_told_with_those_that_there_are() {
    let place = Place::new();
    let answer = place.run(&["search", "table", "--rows", "gredy"]);
    assert_eq!(answer.code, Some(2), "{}", answer.stdout);
    assert!(
        answer.stderr.contains("gredy") && answer.stderr.contains("bavt, second_opinion, greedy"),
        "{}",
        answer.stderr
    );
    let parts = place.run(&["search", "table", "--parts", "method"]);
    assert_eq!(parts.code, Some(2));
    assert!(parts.stderr.contains("ablations"), "{}", parts.stderr);
}

#[test]
fn the_help_names_its_parts_and_its_usual_preset() {
    let place = Place::new();
    let help = place.run(&["search", "table", "--help"]).stdout;
    for words in [
        "bavt-scripted",
        "methods,ablations,critics",
        "--questions <N>",
    ] {
        assert!(help.contains(words), "{words}: {help}");
    }
}
