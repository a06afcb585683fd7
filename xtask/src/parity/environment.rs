//! The virtual environment `.venv-parity`: torch and two versions of transformers among others.
//!
//! torch comes alone, without the 4 GB of CUDA libraries that it asks for: `without_cuda.py` makes
//! a stand-in for them. That is 0.6 GB to download instead of 2.6, and 1.6 GB of disk instead of 5.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

const WITHOUT_CUDA: &str = include_str!("without_cuda.py");

/// What the folder of the second transformers is called in the environment.
const TRANSFORMERS_4: &str = "transformers4";

/// Packages, each file as one call of pip.
struct Requirements {
    file: &'static str,
    /// Without what the packages ask for: see the file.
    alone: bool,
    /// A folder in the environment beside its own packages.
    target: Option<&'static str>,
}

const REQUIREMENTS: [Requirements; 3] = [
    Requirements {
        file: "requirements.txt",
        alone: false,
        target: None,
    },
    Requirements {
        file: "requirements-alone.txt",
        alone: true,
        target: None,
    },
    Requirements {
        file: "requirements-transformers4.txt",
        alone: true,
        target: Some(TRANSFORMERS_4),
    },
];

/// The versions of everything that the packages above bring with them.
const CONSTRAINTS: &str = "constraints.txt";

/// The interpreter of `.venv-parity`, made anew when its requirements or Python changed.
pub fn python() -> Result<PathBuf> {
    let root = workspace::root();
    let folder = root.join(".venv-parity");
    let python = folder.join("bin").join("python3");
    let lock = File::create(root.join(".venv-parity.lock"))?;
    lock.lock().context("waiting for another parity run")?;
    let stamp = folder.join("requirements.stamp");
    let wanted = wanted()?;
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted)
        && workspace::answers(&python.to_string_lossy(), &["-c", ""])
    {
        return Ok(python);
    }
    eprintln!("Making the virtual environment .venv-parity (0.7 GB to download, 1.7 GB of disk).");
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
    // pip unpacks half a gigabyte where TMPDIR says, and /tmp is often small.
    let scratch = folder.join("scratch");
    fs::create_dir_all(&scratch)?;
    for requirements in &REQUIREMENTS {
        install(&python, &folder, &scratch, requirements)?;
    }
    fs::remove_dir_all(&scratch)?;
    finish(&python)?;
    fs::write(&stamp, wanted)?;
    Ok(python)
}

/// Everything that the environment is made of, as the text of its stamp.
fn wanted() -> Result<String> {
    let mut wanted = interpreter_version()? + WITHOUT_CUDA;
    for name in REQUIREMENTS
        .map(|one| one.file)
        .iter()
        .chain([&CONSTRAINTS])
    {
        let file = file_of(name);
        wanted +=
            &fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    }
    Ok(wanted)
}

fn file_of(name: &str) -> PathBuf {
    workspace::root().join("xtask/parity").join(name)
}

fn install(
    python: &Path,
    folder: &Path,
    scratch: &Path,
    requirements: &Requirements,
) -> Result<()> {
    let mut command = Command::new(python);
    command
        .args(["-m", "pip", "install", "--quiet"])
        .arg("--requirement")
        .arg(file_of(requirements.file))
        .env("TMPDIR", scratch)
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_RESUME_RETRIES", "10");
    if requirements.alone {
        command.arg("--no-deps");
    } else {
        command.arg("--constraint").arg(file_of(CONSTRAINTS));
    }
    if let Some(target) = requirements.target {
        command.arg("--target").arg(folder.join(target));
    }
    ensure!(
        command.status()?.success(),
        "pip could not install xtask/parity/{} - see its messages above, check the network, the \
         free disk and the Python version (3.11 to 3.13 are meant), and run the same command again",
        requirements.file
    );
    Ok(())
}

/// Makes torch loadable and sees that it loads.
fn finish(python: &Path) -> Result<()> {
    let made = Command::new(python).args(["-c", WITHOUT_CUDA]).status()?;
    let loads = made.success()
        && Command::new(python)
            .args(["-c", "import torch, transformers"])
            .status()?
            .success();
    ensure!(
        loads,
        "torch does not load in .venv-parity - see the messages above; set-up covers Linux on \
         x86_64 and aarch64 with a C++ compiler"
    );
    Ok(())
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
        "{} {}\n",
        String::from_utf8_lossy(&output.stdout).trim(),
        place.unwrap_or_default().display()
    ))
}
