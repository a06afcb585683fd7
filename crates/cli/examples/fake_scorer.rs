//! A worker for the tests of evaluations: it answers `eval` from a number in each policy's
//! folder and plays nothing. `FAKE_SCORER` says how it behaves, `FAKE_SCORER_LOG` names a
//! file that gets a line per call.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for tests"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

/// Nobody waits longer for a test.
const LONGEST: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| -> Option<&String> {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let number = |name: &str| after(name).and_then(|text| text.parse::<u64>().ok());
    let first = PathBuf::from(after("--checkpoint").expect("concord names the checkpoint"));
    let second = after("--with").map(PathBuf::from);
    let episodes = number("--episodes").expect("concord names the episodes");
    let seed = number("--seed").expect("concord names the seed");
    let calls_before = log(&arguments);
    let behaviour = std::env::var("FAKE_SCORER").unwrap_or_default();
    match behaviour.split_once('=').unwrap_or((&behaviour, "")) {
        ("stall", after) if calls_before >= after.parse().unwrap_or(0) => {
            std::thread::sleep(LONGEST);
        }
        ("fail", _) => {
            eprintln!("error: no such device");
            return ExitCode::from(3);
        }
        ("vanish", name) if calls_before == 0 => {
            let run = Path::new(name);
            std::fs::remove_dir_all(run).expect("a policy to remove");
        }
        _ => {}
    }
    let episodes = if behaviour == "short" {
        episodes - 1
    } else {
        episodes
    };
    let answer = match second {
        None => team(&[skill(&first), skill(&first)], &[0, 0], episodes, seed),
        Some(second) => {
            let skills = [skill(&first), skill(&second)];
            let seats = [[0, 0], [0, 1], [1, 0], [1, 1]];
            let teams = seats.map(|seats| {
                let chosen = seats.map(|seat| skills[seat]);
                team(&chosen, &seats, episodes, seed)
            });
            json!({ "teams": teams })
        }
    };
    println!("{answer}");
    ExitCode::SUCCESS
}

/// Writes the call down; how many there were before.
fn log(arguments: &[String]) -> u64 {
    let Some(path) = std::env::var_os("FAKE_SCORER_LOG") else {
        return 0;
    };
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let mut file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&path)
        .expect("a log");
    writeln!(file, "{}", arguments.join(" ")).expect("a writable log");
    before.lines().count() as u64
}

/// The number in the policy's weights: a share of starts that it solves.
fn skill(folder: &Path) -> f64 {
    let text = std::fs::read_to_string(folder.join("parameters.safetensors"));
    text.expect("a policy").trim().parse().expect("a number")
}

/// A team solves the starts up to the mean of its seats, the first one counting double.
fn team(skills: &[f64; 2], seats: &[usize], episodes: u64, seed: u64) -> Value {
    let share = (2.0 * skills[0] + skills[1]) / 3.0;
    let solved = |episode: u64| {
        let place = (episode * 37 + seed * 11) % 100;
        f64::from(u8::from((place as f64) < share * 100.0))
    };
    let returns: Vec<f64> = (0..episodes).map(solved).collect();
    json!({"seats": seats, "returns": returns, "lengths": vec![5; episodes as usize]})
}
