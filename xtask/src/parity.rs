//! `cargo xtask parity`: the Python references run again, beside ours.

pub mod environment;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::tally::{Runner, Tally, run_and_count};
use crate::{setup, workspace};

/// What a script of `xtask/parity` asks for, told by the argument that it declares. A script that
/// declares none of these makes committed fixtures and is run by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    /// `--concord PATH`: the script drives the binary itself.
    Binary,
    /// `--run DIR`: a folder of short runs, made anew.
    Runs,
    /// `--json FILE`: the same runs in the form that the marl-eval tools read.
    MarlEval,
}

impl Given {
    fn of_script(text: &str) -> Option<Self> {
        let declares = |name: &str| text.contains(&format!("add_argument(\"{name}\""));
        [
            ("--concord", Self::Binary),
            ("--run", Self::Runs),
            ("--json", Self::MarlEval),
        ]
        .into_iter()
        .find_map(|(name, given)| declares(name).then_some(given))
    }
}

/// A script to run, and what it asks for.
struct Script {
    path: PathBuf,
    given: Given,
}

/// Runs every script of `xtask/parity`, or those named; sums their `N passed, M failed` lines.
pub fn command(arguments: &[String]) -> Result<ExitCode> {
    let scripts = chosen_scripts(arguments)?;
    setup::ensure()?;
    let python = environment::python()?;
    workspace::build_binaries()?;
    let concord = workspace::built("concord");
    let mut runs = None;
    let mut total = Tally::default();
    for script in &scripts {
        let name = file_name(&script.path);
        println!("\n--- {name}");
        let mut command = Command::new(&python);
        command
            .arg(&script.path)
            .current_dir(workspace::root())
            // The references run on the CPU, and no model may be looked up on the hub.
            .env("CUDA_VISIBLE_DEVICES", "")
            .env("HF_HUB_OFFLINE", "1");
        let tally = give(&mut command, script.given, &concord, &mut runs)
            .and_then(|()| run_and_count(Runner::Script, &mut command));
        match tally {
            Ok((_, tally)) if tally != Tally::default() => total += tally,
            Ok(_) => {
                println!("{name} reported no comparison");
                total.failed += 1;
            }
            Err(error) => {
                println!("{name}: {error:#}");
                total.failed += 1;
            }
        }
    }
    println!("\n{total}");
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The scripts to run, by name; a name may be given without `.py`.
fn chosen_scripts(names: &[String]) -> Result<Vec<Script>> {
    let folder = workspace::root().join("xtask/parity");
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "py")
            && let Some(given) = Given::of_script(&fs::read_to_string(&path)?)
        {
            all.push(Script { path, given });
        }
    }
    all.sort_by(|left, right| left.path.cmp(&right.path));
    ensure!(!all.is_empty(), "xtask/parity holds no script to run");
    for name in names {
        if !all.iter().any(|script| is_called(&script.path, name)) {
            let known: Vec<_> = all.iter().map(|script| file_name(&script.path)).collect();
            bail!(
                "unknown parity script: {name} - allowed: {}",
                known.join(", ")
            );
        }
    }
    if !names.is_empty() {
        all.retain(|script| names.iter().any(|name| is_called(&script.path, name)));
    }
    Ok(all)
}

fn is_called(path: &Path, name: &str) -> bool {
    path.file_stem().is_some_and(|stem| stem == name) || file_name(path) == name
}

/// Adds what a script asks for, made on the way; `runs` keeps the folder of short runs.
fn give(
    command: &mut Command,
    given: Given,
    concord: &Path,
    runs: &mut Option<PathBuf>,
) -> Result<()> {
    if given == Given::Binary {
        command.arg("--concord").arg(concord);
        return Ok(());
    }
    if runs.is_none() {
        *runs = Some(make_runs(concord)?);
    }
    let runs = runs.as_ref().expect("made just above");
    if given == Given::Runs {
        command.arg("--run").arg(runs);
    } else {
        let file = runs.with_extension("json");
        let status = Command::new(concord)
            .args(["compare", "smoke", "--run-dir"])
            .arg(runs)
            .arg("--marl-eval")
            .arg(&file)
            .status()?;
        ensure!(
            status.success(),
            "`concord compare --marl-eval` ended with {status}"
        );
        ensure!(
            file.is_file(),
            "`concord compare --marl-eval` wrote no {}",
            file.display()
        );
        command.arg("--json").arg(&file);
    }
    Ok(())
}

/// Short runs of ours with two seeds. Returns their folder.
fn make_runs(concord: &Path) -> Result<PathBuf> {
    let folder = workspace::target_folder().join("parity-runs");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let status = Command::new(concord)
        .args([
            "train",
            "smoke",
            "--seeds",
            "2",
            "--ui",
            "none",
            "--run-dir",
        ])
        .arg(&folder)
        .current_dir(workspace::root())
        .status()
        .with_context(|| format!("starting {}", concord.display()))?;
    ensure!(
        status.success(),
        "`concord train smoke --seeds 2 --ui none` ended with {status}"
    );
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_called_with_or_without_their_ending() {
        let path = Path::new("xtask/parity/lbf.py");
        assert!(is_called(path, "lbf") && is_called(path, "lbf.py"));
        assert!(!is_called(path, "lb"));
        let message = chosen_scripts(&["nothing".into()])
            .err()
            .unwrap()
            .to_string();
        assert!(
            message.contains("nothing") && message.contains("lbf.py"),
            "{message}"
        );
    }

    #[test]
    fn scripts_say_by_their_arguments_what_they_are_given() {
        let given = |text| Given::of_script(text);
        assert_eq!(
            given("parser.add_argument(\"--concord\", help=\"\")"),
            Some(Given::Binary)
        );
        assert_eq!(
            given("p.add_argument(\"--run\", type=Path)"),
            Some(Given::Runs)
        );
        assert_eq!(given("p.add_argument(\"--json\")"), Some(Given::MarlEval));
        assert_eq!(given("print(\"--concord\")"), None);
    }
}
