//! `cargo xtask parity`: the Python references run again, beside ours.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::tally::{Runner, Tally, run_and_count};
use crate::{setup, workspace};

/// Scripts that read a run of ours; all others in `xtask/parity` are given the binary.
const READ_A_RUN: [&str; 1] = ["tensorboard.py"];

/// Scripts beginning so make committed fixtures and are run by hand; modules beginning with an
/// underscore are only imported.
const NOT_RUN: [&str; 2] = ["make_", "_"];

/// Runs every script of `xtask/parity`, or those named; sums their `N passed, M failed` lines.
pub fn command(arguments: &[String]) -> Result<ExitCode> {
    let scripts = chosen_scripts(arguments)?;
    setup::ensure()?;
    let python = python_environment()?;
    workspace::build_binaries()?;
    let concord = workspace::built("concord");
    let mut total = Tally::default();
    for script in &scripts {
        let name = file_name(script);
        println!("\n--- {name}");
        let mut command = Command::new(&python);
        // A script may be called like the package that it imports; `-P` keeps its folder out.
        if READ_A_RUN.contains(&name.as_str()) {
            command.arg("-P");
        }
        command.arg(script).current_dir(workspace::root());
        if READ_A_RUN.contains(&name.as_str()) {
            match make_run(&concord) {
                Ok(run) => command.arg("--run").arg(run),
                Err(error) => {
                    println!("{name}: {error:#}");
                    total.failed += 1;
                    continue;
                }
            };
        } else {
            command.arg("--concord").arg(&concord);
        }
        let (_, tally) = run_and_count(Runner::Script, &mut command)?;
        if tally == Tally::default() {
            println!("{name} reported no comparison");
            total.failed += 1;
        }
        total += tally;
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
fn chosen_scripts(names: &[String]) -> Result<Vec<PathBuf>> {
    let folder = workspace::root().join("xtask/parity");
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = file_name(&path);
        if name.ends_with(".py") && !NOT_RUN.iter().any(|start| name.starts_with(start)) {
            all.push(path);
        }
    }
    all.sort();
    ensure!(!all.is_empty(), "xtask/parity holds no script to run");
    for name in names {
        let known = |path: &PathBuf| is_called(path, name);
        if !all.iter().any(known) {
            let known: Vec<_> = all.iter().map(|path| file_name(path)).collect();
            bail!(
                "unknown parity script: {name} - allowed: {}",
                known.join(", ")
            );
        }
    }
    if !names.is_empty() {
        all.retain(|path| names.iter().any(|name| is_called(path, name)));
    }
    Ok(all)
}

fn is_called(path: &Path, name: &str) -> bool {
    path.file_stem().is_some_and(|stem| stem == name) || file_name(path) == name
}

/// A short run of ours, made anew, for the scripts that read one. Returns its folder.
fn make_run(concord: &Path) -> Result<PathBuf> {
    let folder = workspace::target_folder().join("parity");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", folder.display()));
        }
        _ => fs::create_dir_all(&folder)?,
    }
    let run = folder.join("smoke");
    let status = Command::new(concord)
        .args(["train", "smoke", "--ui", "none", "--run-dir"])
        .arg(&run)
        .current_dir(&folder)
        .status()
        .with_context(|| format!("starting {}", concord.display()))?;
    ensure!(
        status.success(),
        "`concord train smoke --ui none` ended with {status}"
    );
    ensure!(
        run.join("tb").is_dir(),
        "the run has no tb/ folder: {}",
        run.display()
    );
    Ok(run)
}

/// The interpreter of `.venv-parity`, made anew when its requirements or Python changed.
pub fn python_environment() -> Result<PathBuf> {
    let root = workspace::root();
    let folder = root.join(".venv-parity");
    let python = folder.join("bin").join("python3");
    let requirements = root.join("xtask/parity/requirements.txt");
    let lock = File::create(root.join(".venv-parity.lock"))?;
    lock.lock().context("waiting for another parity run")?;
    let stamp = folder.join("requirements.stamp");
    let wanted = format!(
        "{}\n{}",
        interpreter_version()?,
        fs::read_to_string(&requirements)
            .with_context(|| format!("reading {}", requirements.display()))?
    );
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted)
        && workspace::answers(&python.to_string_lossy(), &["-c", ""])
    {
        return Ok(python);
    }
    eprintln!("Making the virtual environment .venv-parity.");
    let status = Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder)
        .status()
        .context("starting python3")?;
    ensure!(
        status.success(),
        "python3 cannot make a virtual environment - install its venv module (Debian, Ubuntu: \
         `apt-get install python3-venv`), then run the same command again"
    );
    let status = Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(&requirements)
        .status()?;
    ensure!(
        status.success(),
        "pip could not install {} - see its messages above, check the network or the Python \
         version (3.11 to 3.13 are known to work), and run the same command again",
        requirements.display()
    );
    fs::write(&stamp, wanted)?;
    Ok(python)
}

fn interpreter_version() -> Result<String> {
    let output = Command::new("python3")
        .arg("--version")
        .output()
        .ok()
        .filter(|output| output.status.success())
        .context(
            "python3 was not found - install Python 3.11 or later, then run the same command again",
        )?;
    // Another interpreter of the same version would leave broken links behind.
    let path = env::var("PATH").unwrap_or_default();
    let place = path
        .split(':')
        .map(|folder| Path::new(folder).join("python3"))
        .find(|file| file.exists());
    Ok(format!(
        "{} {}",
        String::from_utf8_lossy(&output.stdout).trim(),
        place.unwrap_or_default().display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_called_with_or_without_their_ending() {
        let path = Path::new("xtask/parity/lbf.py");
        assert!(is_called(path, "lbf") && is_called(path, "lbf.py"));
        assert!(!is_called(path, "lb"));
        let message = chosen_scripts(&["nothing".into()]).unwrap_err().to_string();
        assert!(
            message.contains("nothing") || message.contains("no script"),
            "{message}"
        );
    }
}
