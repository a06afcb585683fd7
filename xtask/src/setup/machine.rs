//! What the machine must have, each lack with one sentence on what to do.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::workspace::answers;

/// A C++ compiler under the name that the `cc` crate will look for.
pub fn check_compiler() -> Result<()> {
    // Also set per target, as CXX_x86_64_unknown_linux_gnu: then the user knows better than we.
    if env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("CXX")) {
        return Ok(());
    }
    ensure!(
        answers("c++", &["--version"]),
        "no C++ compiler: `c++` was not found - install one (Debian, Ubuntu: `apt-get install g++`) \
         or name yours in CXX, then run the same command again"
    );
    Ok(())
}

/// The wheels exist for Linux on these two processors only.
pub fn check_platform() -> Result<()> {
    ensure!(
        cfg!(target_os = "linux") && matches!(env::consts::ARCH, "x86_64" | "aarch64"),
        "set-up covers Linux on x86_64 and aarch64, this is {} on {} - unpack LibTorch {} yourself \
         and set LIBTORCH to its folder",
        env::consts::OS,
        env::consts::ARCH,
        super::TORCH_VERSION
    );
    Ok(())
}

/// A Python that has pip: the machine's own, or a virtual environment made under `partial`.
pub fn python_with_pip(partial: &Path) -> Result<PathBuf> {
    ensure!(
        answers("python3", &["--version"]),
        "python3 was not found - install Python 3.9 or later with pip (Debian, Ubuntu: \
         `apt-get install python3-pip`), then run the same command again"
    );
    if answers("python3", &["-m", "pip", "--version"]) {
        return Ok("python3".into());
    }
    let environment = partial.join("python");
    let made = Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&environment)
        .output()
        .is_ok_and(|output| output.status.success());
    let python = environment.join("bin").join("python3");
    if made && answers(&python.to_string_lossy(), &["-m", "pip", "--version"]) {
        return Ok(python);
    }
    bail!(
        "python3 has neither pip nor a working venv - install pip (Debian, Ubuntu: \
         `apt-get install python3-pip`), then run the same command again"
    )
}

/// At least `megabytes` free where `folder` is. A disk that cannot be asked passes.
pub fn check_disk(folder: &Path, megabytes: u64) -> Result<()> {
    let Some(free) = free_megabytes(folder) else {
        return Ok(());
    };
    ensure!(
        free >= megabytes,
        "not enough disk: {free} MB free at {}, {megabytes} MB needed while unpacking - free some \
         space, or set LIBTORCH to a LibTorch {} on another disk",
        folder.display(),
        super::TORCH_VERSION
    );
    Ok(())
}

fn free_megabytes(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).output().ok()?;
    parse_df(&String::from_utf8_lossy(&output.stdout))
}

/// The fourth column of the second line of `df -Pk`, which counts kilobytes.
fn parse_df(text: &str) -> Option<u64> {
    let kilobytes: u64 = text
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()?;
    Some(kilobytes / 1_000)
}

/// Whether a driver for an NVIDIA GPU is at work on this machine.
pub fn has_nvidia_gpu() -> bool {
    Path::new("/dev/nvidia0").exists() || answers("nvidia-smi", &["-L"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_disk_is_read_from_the_portable_form_of_df() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                    /dev/vda 263000000 14000000 2900500 15% /\n";
        assert_eq!(parse_df(text), Some(2_900));
        assert_eq!(parse_df("df: no such folder"), None);
    }

    #[test]
    fn too_little_disk_says_how_much_is_needed_and_what_to_do() {
        let message = check_disk(Path::new("/"), u64::MAX)
            .unwrap_err()
            .to_string();
        assert!(message.contains(&u64::MAX.to_string()), "{message}");
        assert!(message.contains("free some"), "{message}");
    }
}
