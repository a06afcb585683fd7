//! House rules that can be read off the files.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// From here on a file is mentioned: it probably holds two things.
const REMARKABLE_LINES: usize = 400;
/// Above this a file needs an entry in [`LONG_FILES`].
const MOST_LINES: usize = 600;

/// Files that may be longer than [`MOST_LINES`], each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];

/// Names that say nothing about what a module holds.
const EMPTY_NAMES: [&str; 10] = [
    "base", "bases", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils",
];

/// A file that git tracks, or would take in with `git add`.
pub struct SourceFile {
    /// Relative to the workspace's root, with slashes.
    pub name: String,
    path: PathBuf,
}

impl SourceFile {
    /// The file's text; an error where it is not UTF-8.
    pub fn text(&self) -> Result<String> {
        fs::read_to_string(&self.path).with_context(|| format!("reading {}", self.name))
    }
}

/// All files of the repository that exist, ignored ones left out.
pub fn tracked() -> Result<Vec<SourceFile>> {
    let root = workspace::root();
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(&root)
        .output()
        .context("starting git, which lists the files to check")?;
    ensure!(
        output.status.success(),
        "git ls-files failed: this check needs a git checkout"
    );
    Ok(String::from_utf8_lossy(&output.stdout)
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(|name| SourceFile {
            name: name.to_owned(),
            path: root.join(name),
        })
        .filter(|file| file.path.is_file())
        .collect())
}

/// How a file's length is judged.
#[derive(Debug, PartialEq, Eq)]
pub enum Length {
    Fine,
    Remark(String),
    Problem(String),
}

/// Judges the length of a Rust file.
pub fn judge_length(name: &str, lines: usize) -> Length {
    if LONG_FILES.iter().any(|(long, _)| *long == name) || lines <= REMARKABLE_LINES {
        Length::Fine
    } else if lines <= MOST_LINES {
        Length::Remark(format!(
            "{name} has {lines} lines; the aim is {REMARKABLE_LINES}"
        ))
    } else {
        Length::Problem(format!(
            "{name} has {lines} lines - allowed: {MOST_LINES} - divide it, or give a reason in \
             LONG_FILES of xtask/src/check/files.rs"
        ))
    }
}

/// Entries of [`LONG_FILES`] that are no longer needed.
pub fn stale_exceptions(root: &Path) -> Vec<String> {
    LONG_FILES
        .iter()
        .filter(|(name, _)| {
            fs::read_to_string(root.join(name)).map_or(0, |text| text.lines().count()) <= MOST_LINES
        })
        .map(|(name, _)| format!("{name} is short or gone: take it out of LONG_FILES"))
        .collect()
}

/// What is wrong with a Rust file's name or its folders' names.
pub fn misnamed(name: &str) -> Option<String> {
    let modules = name.strip_suffix(".rs")?;
    if modules.ends_with("/mod") {
        return Some(format!(
            "{name}: write the module as `name.rs` beside its folder"
        ));
    }
    modules
        .split('/')
        .find(|part| EMPTY_NAMES.contains(part))
        .map(|part| format!("{name}: `{part}` says nothing - name it after what it holds"))
}

/// Folders that only this machine has: this checkout and the user's home.
pub fn paths_of_this_machine() -> Vec<String> {
    let home = env::var("HOME").unwrap_or_default();
    let checkout = workspace::root().to_string_lossy().into_owned();
    [home, checkout]
        .into_iter()
        .filter(|path| path.split('/').filter(|part| !part.is_empty()).count() >= 1)
        .map(|path| format!("{}/", path.trim_end_matches('/')))
        .collect()
}

/// Lines that name somebody's machine: `forbidden` folders, or a home folder of any user.
pub fn machine_paths(name: &str, text: &str, forbidden: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let of_here = forbidden.iter().any(|path| starts_a_path(line, path));
        let of_somebody = ["/home/", "/Users/"].iter().any(|homes| {
            line.match_indices(homes).any(|(at, _)| {
                let user = line[at + homes.len()..].chars().next();
                is_start(line, at) && user.is_some_and(|first| first.is_ascii_alphanumeric())
            })
        });
        if of_here || of_somebody {
            problems.push(format!(
                "{name}:{}: names a folder of one machine",
                index + 1
            ));
        }
    }
    problems
}

fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| is_start(line, at))
}

/// Whether a path that begins at `at` is absolute, not the middle of a longer one.
fn is_start(line: &str, at: usize) -> bool {
    line[..at]
        .chars()
        .next_back()
        .is_none_or(|before| !before.is_alphanumeric() && !"._-/~}".contains(before))
}

/// The name by which a preset's file is called, `None` for other files.
pub fn preset_name(file: &str) -> Option<&str> {
    file.strip_prefix("configs/presets/")?.strip_suffix(".toml")
}

/// What is wrong with the first line of a preset.
pub fn judge_preset(file: &str, name: &str, first_line: &str) -> Option<String> {
    let stem = name.rsplit('/').next().unwrap_or(name);
    let words: Vec<&str> = first_line.split_whitespace().collect();
    let runs_it = matches!(words.as_slice(), ["#", "concord", _, preset, ..]
        if *preset == name || *preset == stem);
    (!runs_it).then(|| {
        format!(
            "{file}: the first line is {first_line:?} - allowed: \"# concord <command> {stem}\""
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_mentioned_then_refused() {
        assert_eq!(judge_length("envs/src/grid.rs", 400), Length::Fine);
        assert!(matches!(
            judge_length("envs/src/grid.rs", 401),
            Length::Remark(_)
        ));
        assert!(matches!(
            judge_length("envs/src/grid.rs", 600),
            Length::Remark(_)
        ));
        assert!(matches!(
            judge_length("envs/src/grid.rs", 601),
            Length::Problem(_)
        ));
    }

    #[test]
    fn names_must_say_what_is_inside() {
        assert!(misnamed("agents/src/utils.rs").is_some());
        assert!(misnamed("agents/src/common/replay.rs").is_some());
        assert!(misnamed("agents/src/replay/mod.rs").is_some());
        assert_eq!(misnamed("agents/src/replay.rs"), None);
        assert_eq!(misnamed("agents/src/baseline.rs"), None);
        assert_eq!(misnamed("docs/common.md"), None);
    }

    #[test]
    fn folders_of_a_machine_are_found_with_their_line() {
        let forbidden = ["/srv/builds/concord/".to_owned()];
        let text = format!(
            "see docs\nopen /srv/builds/concord/x\ncd {}ada/code",
            "/home/"
        );
        let problems = machine_paths("README.md", &text, &forbidden);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("README.md:2:") && problems[1].starts_with("README.md:3:"));
        let innocent =
            "a/srv/builds/concord/x ~/home/ada page/home/index ${X}/Users/y /home/ /home/$USER";
        assert_eq!(
            machine_paths("README.md", innocent, &forbidden),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_preset_begins_with_its_command() {
        assert_eq!(
            preset_name("configs/presets/lbf/smoke.toml"),
            Some("lbf/smoke")
        );
        assert_eq!(preset_name("configs/src/presets.rs"), None);
        let judge = |line| judge_preset("configs/presets/lbf/smoke.toml", "lbf/smoke", line);
        assert_eq!(judge("# concord train smoke"), None);
        assert_eq!(judge("# concord train lbf/smoke --seed 2"), None);
        assert!(
            judge("version = 1")
                .unwrap()
                .contains("# concord <command> smoke")
        );
        assert!(judge("# concord train demo").is_some());
    }
}
