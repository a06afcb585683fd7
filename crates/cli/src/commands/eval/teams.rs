//! Scores of teams whose seats are dealt to several policies.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::kept;
use crate::arguments::{Eval, Format};
use crate::failure::Failure;
use crate::output::{Table, json_number, print, print_json};
use crate::result::Score;

/// What the worker answers.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    policies: Vec<Member>,
    environment: String,
    teams: Vec<Team>,
}

#[derive(Debug, Deserialize)]
struct Member {
    checkpoint: PathBuf,
    step: u64,
    algorithm: String,
}

#[derive(Debug, Deserialize)]
struct Team {
    seats: Vec<usize>,
    returns: Vec<f64>,
    lengths: Vec<u64>,
}

impl Team {
    fn score(&self) -> Score {
        Score::of(0, &self.returns, &self.lengths)
    }

    /// Its seats by the letters of the policies, such as `A B`.
    fn letters(&self) -> String {
        let letters: Vec<String> = self.seats.iter().map(|&seat| letter(seat)).collect();
        letters.join(" ")
    }
}

/// A, B, C and so on.
fn letter(policy: usize) -> String {
    char::from(b'A' + u8::try_from(policy % 26).unwrap_or(0)).to_string()
}

/// Prints the scores; `names` are the policies' names as the user gave them.
pub(super) fn report(names: &[String], arguments: &Eval, answer: &Answer) -> Result<(), Failure> {
    let teams = teams(answer);
    match arguments.format.format {
        Format::Csv => print(&teams.to_csv()),
        Format::Json => print_json(&to_json(names, arguments, answer)),
        Format::Table => {
            let mut text = policies(names, answer).to_text();
            text.push('\n');
            text.push_str(&teams.to_text());
            text.push_str(&format!(
                "{} episodes each in {}; low and high: 95% bootstrap interval of the mean\n",
                arguments.playing.episodes, answer.environment
            ));
            if let Some(matrix) = matrix(answer) {
                text.push_str(&format!("\n{matrix}"));
            }
            text.push_str(&kept(arguments));
            print(&text)
        }
    }
}

fn policies(names: &[String], answer: &Answer) -> Table {
    let mut table = Table::new(&["policy", "name", "algorithm", "checkpoint", "step"]);
    for (index, (name, member)) in names.iter().zip(&answer.policies).enumerate() {
        let checkpoint = member
            .checkpoint
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        table.row(vec![
            json!(letter(index)),
            json!(name),
            json!(member.algorithm),
            json!(checkpoint),
            json!(member.step),
        ]);
    }
    table
}

fn teams(answer: &Answer) -> Table {
    let mut table = Table::new(&["team", "mean", "low", "high", "mean_length"]);
    for team in &answer.teams {
        let score = team.score();
        table.row(vec![
            json!(team.letters()),
            json_number(score.mean),
            json_number(score.mean_interval.low),
            json_number(score.mean_interval.high),
            json_number(score.mean_length),
        ]);
    }
    table
}

/// Mean returns of teams of two: the first seat down, the second across.
fn matrix(answer: &Answer) -> Option<String> {
    let count = answer.policies.len();
    let pair = |team: &Team| <[usize; 2]>::try_from(&team.seats[..]).ok();
    let mut cells = vec![vec![String::new(); count]; count];
    for team in &answer.teams {
        let [first, second] = pair(team)?;
        let score = team.score();
        let half = (score.mean_interval.high - score.mean_interval.low) / 2.0;
        cells[first][second] = format!("{:.3} ± {half:.3}", score.mean);
    }
    let width = cells.iter().flatten().map(|cell| cell.chars().count());
    let width = width.max().unwrap_or(0);
    let mut text = String::from("seat 1 down, seat 2 across\n");
    let line = |head: String, cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>width$}")).collect();
        format!("{head}  {}\n", cells.join("  "))
    };
    let heads: Vec<String> = (0..count).map(letter).collect();
    text.push_str(&line(" ".to_owned(), &heads));
    for (index, row) in cells.iter().enumerate() {
        text.push_str(&line(letter(index), row));
    }
    Some(text)
}

fn to_json(names: &[String], arguments: &Eval, answer: &Answer) -> Value {
    let policies: Vec<Value> = names
        .iter()
        .zip(&answer.policies)
        .enumerate()
        .map(|(index, (name, member))| {
            json!({
                "policy": letter(index),
                "name": name,
                "algorithm": member.algorithm,
                "checkpoint": member.checkpoint,
                "step": member.step,
            })
        })
        .collect();
    let teams: Vec<Value> = answer
        .teams
        .iter()
        .map(|team| {
            let mut value = team.score().to_json();
            if let Some(object) = value.as_object_mut() {
                object.remove("step");
            }
            value["seats"] = team.seats.iter().map(|&seat| json!(letter(seat))).collect();
            value["returns"] = team
                .returns
                .iter()
                .map(|value| json_number(*value))
                .collect();
            value["lengths"] = json!(team.lengths);
            value
        })
        .collect();
    json!({
        "policies": policies,
        "environment": answer.environment,
        "seed": arguments.playing.seed,
        "epsilon": json_number(arguments.playing.epsilon),
        "teams": teams,
        "gif": arguments.gif,
        "record": arguments.record,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(agents: usize) -> Answer {
        let member = |name: &str| Member {
            checkpoint: PathBuf::from(format!("runs/{name}/ckpt/best")),
            step: 10,
            algorithm: name.to_owned(),
        };
        let team = |seats: Vec<usize>, value: f64| Team {
            seats,
            returns: vec![value; 4],
            lengths: vec![5; 4],
        };
        Answer {
            policies: vec![member("iql"), member("qmix")],
            environment: "Foraging".to_owned(),
            teams: if agents == 2 {
                vec![
                    team(vec![0, 0], 1.0),
                    team(vec![0, 1], 0.25),
                    team(vec![1, 0], 0.5),
                    team(vec![1, 1], 0.75),
                ]
            } else {
                vec![team(vec![0, 1, 0], 1.0)]
            },
        }
    }

    #[test]
    fn two_seats_make_a_matrix() {
        let expected = "seat 1 down, seat 2 across\n               A              B\n\
                        A  1.000 ± 0.000  0.250 ± 0.000\nB  0.500 ± 0.000  0.750 ± 0.000\n";
        assert_eq!(matrix(&answer(2)).as_deref(), Some(expected));
        assert_eq!(matrix(&answer(3)), None);
    }

    #[test]
    fn teams_are_named_by_the_letters_of_their_policies() {
        let csv = teams(&answer(3)).to_csv();
        assert_eq!(csv.lines().nth(1), Some("A B A,1.0,1.0,1.0,5.0"));
        assert_eq!(teams(&answer(2)).to_csv().lines().count(), 5);
    }
}
