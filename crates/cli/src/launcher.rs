//! What the dashboard's launcher asks for: files, folders and plans.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use configs::draft::Draft;
use configs::env::Environment;
use configs::{Problem, RunConfig, presets};
use tracking::{RunFolder, TrackingError};
use tui::plan::{Earlier, JobPlan};
use tui::screens::launcher::requests::{
    Answer, Entry, FileStart, Folder, NotSaved, Request, Starts,
};

use crate::dashboard::models;
use crate::plan;
use crate::settings;

mod data;

/// A file larger than this is no configuration.
const LARGEST: u64 = 4 << 20;
/// Runs offered to start from.
const RUNS: usize = 500;
/// Files of the working folder that are looked at.
const FILES: usize = 500;
/// Entries of a folder that are shown.
const ENTRIES: usize = 10_000;
/// Lines and bytes of a glance into a file.
const GLANCE: (usize, u64) = (12, 64 << 10);

/// Answers the launcher.
#[derive(Default)]
pub(crate) struct Launcher(Mutex<Kept>);

/// What is kept between plans.
#[derive(Default)]
struct Kept {
    earlier: Option<Vec<Earlier>>,
    counted: plan::Counted,
}

impl Launcher {
    /// Carries out a request.
    pub(crate) fn carry_out(&self, root: &Path, request: Request) -> Answer {
        match request {
            Request::Starts => {
                // The next plan looks at the runs anew.
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
                Answer::Starts(Box::new(starts(root)))
            }
            Request::Text(path) => {
                let path = from_home(path);
                let text = read(&path);
                Answer::Text(path, text)
            }
            Request::Plan {
                number,
                config_toml,
            } => Answer::Plan(number, self.plan(root, &config_toml).map(Box::new)),
            Request::Folder(path) => {
                let folder = list(&from_home(path.clone()));
                Answer::Folder(path, folder)
            }
            Request::Preview(path) => {
                let lines = glance(&path);
                Answer::Preview(path, lines)
            }
            Request::Data(wanted) => {
                let known = data::preview(&wanted);
                Answer::Data(wanted.path, Box::new(known))
            }
            Request::Save {
                path,
                text,
                replace,
            } => {
                let path = from_home(path);
                let saved = save(&path, &text, replace);
                Answer::Saved(path, saved)
            }
        }
    }

    fn plan(&self, root: &Path, text: &str) -> Result<JobPlan, Vec<Problem>> {
        let config = RunConfig::from_toml("form", text)?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { earlier, counted } = &mut *kept;
        let earlier = earlier.get_or_insert_with(|| plan::earlier(root));
        plan::of(&config, earlier, counted)
    }
}

/// `~/` as shells read it: people type it.
fn from_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), configs::env::path("HOME")) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

fn starts(root: &Path) -> Starts {
    let mut runs = RunFolder::list(root).unwrap_or_default();
    runs.sort_by_key(|run| std::cmp::Reverse(run.id()));
    Starts {
        files: files(Path::new(".")),
        runs: runs
            .iter()
            .take(RUNS)
            .map(|run| (run.id(), run.config()))
            .collect(),
        variables: settings::variables(),
        environments: environments(),
        devices: devices(),
    }
}

/// The graphics cards that the driver lists, in the words of `runtime.device`.
fn devices() -> Vec<String> {
    let cards = std::fs::read_dir("/proc/driver/nvidia/gpus");
    let count = cards.map_or(0, |cards| cards.flatten().count());
    (0..count).map(|index| format!("cuda:{index}")).collect()
}

/// Ids to choose from: those of the presets, and the environments that have one id only.
fn environments() -> Vec<String> {
    let of_preset = |preset: &presets::Preset| {
        let draft = Draft::preset(preset.name, &Environment::default()).ok()?;
        Some(draft.setting("environment.id")?.value)
    };
    let listed = envs::list().into_iter().map(|entry| entry.id);
    let mut ids: Vec<String> = presets::all()
        .iter()
        .filter_map(of_preset)
        .chain(listed.filter(|id| !id.contains(['{', '[', '('])))
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

/// The configurations in a folder: TOML files that say `version` and are no experiments.
fn files(folder: &Path) -> Vec<FileStart> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let is_toml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "toml");
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_toml)
        .map(|path| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path))
        .take(FILES)
        .collect();
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| about(&path).map(|about| FileStart { path, about }))
        .collect()
}

/// What a configuration says about itself, or what is wrong; none for another kind of file.
fn about(path: &Path) -> Option<String> {
    let text = match read(path) {
        Ok(text) => text,
        Err(message) => return Some(message),
    };
    let says = |key: &str| text.lines().any(|line| line.trim_start().starts_with(key));
    if !says("version") || says("[experiment") || says("[[") || says("[package") {
        return None;
    }
    match Draft::file(path, &text, &Environment::default()) {
        Err(problems) => problems.first().map(ToString::to_string),
        Ok(draft) => {
            let wrong = draft
                .problems()
                .into_iter()
                .find(|problem| problem.is_error());
            if let Some(problem) = wrong {
                return Some(problem.to_string());
            }
            let comment: Vec<&str> = text
                .lines()
                .map_while(|line| line.strip_prefix('#'))
                .map(str::trim)
                .collect();
            Some(comment.join(" "))
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| {
        let shown = path.display();
        format!("cannot read {shown}: {error} - name a TOML file in UTF-8 that you may read")
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let kind = file.metadata().map_err(failed)?;
    if !kind.is_file() || kind.len() > LARGEST {
        return Err(format!(
            "cannot read {}: no file of at most {LARGEST} bytes - name a TOML file",
            path.display()
        ));
    }
    let mut text = String::new();
    file.take(LARGEST)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

fn list(path: &Path) -> Result<Folder, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let path = path.canonicalize().map_err(failed)?;
    let mut entries: Vec<Entry> = std::fs::read_dir(&path)
        .map_err(failed)?
        .flatten()
        .take(ENTRIES)
        .map(|entry| {
            // Links count as what they lead to.
            let about = std::fs::metadata(entry.path());
            Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_folder: about.as_ref().is_ok_and(std::fs::Metadata::is_dir),
                size: about.map_or(0, |about| about.len()),
            }
        })
        .collect();
    entries.sort_by(|one, other| {
        let key = |entry: &Entry| (!entry.is_folder, entry.name.to_lowercase());
        key(one).cmp(&key(other))
    });
    Ok(Folder { path, entries })
}

/// A model's folder tells its type and size, a file its first lines.
fn glance(path: &Path) -> Vec<String> {
    if path.is_dir() {
        return models::glance(path);
    }
    let Ok(file) = std::fs::File::open(path) else {
        return vec!["cannot be read".to_owned()];
    };
    let mut bytes = Vec::new();
    if file.take(GLANCE.1).read_to_end(&mut bytes).is_err() || bytes.contains(&0) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let line = |line: &str| line.chars().take(400).collect();
    text.lines().take(GLANCE.0).map(line).collect()
}

/// Writes a file whole or not at all.
fn save(path: &Path, text: &str, replace: bool) -> Result<(), NotSaved> {
    if path.as_os_str().is_empty() {
        return Err(NotSaved::Failed(
            "no file named - write a path such as mine.toml".to_owned(),
        ));
    }
    if !replace && path.exists() {
        return Err(NotSaved::Exists);
    }
    tracking::write_atomic(path, text.as_bytes()).map_err(|error| {
        NotSaved::Failed(match error {
            TrackingError::Io { source, .. } => format!(
                "cannot write {}: {source} - free disk space, or name a file in a folder that \
                 exists and that you may write to",
                path.display()
            ),
            other => other.to_string(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    fn planned(text: &str) -> Result<Box<JobPlan>, Vec<Problem>> {
        let request = Request::Plan {
            number: 4,
            config_toml: text.to_owned(),
        };
        match Launcher::default().carry_out(Path::new("no-runs-here"), request) {
            Answer::Plan(4, plan) => plan,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_preset_has_a_plan() {
        for preset in presets::all() {
            let plan = planned(preset.text)
                .unwrap_or_else(|problems| panic!("{}: {problems:?}", preset.name));
            assert_eq!(plan.time().seconds, None);
            let JobPlan::Train(plan) = *plan else {
                continue;
            };
            let mebibytes = plan.memory.total() >> 20;
            assert!(
                (130..2_000).contains(&mebibytes),
                "{}: {mebibytes} MiB",
                preset.name
            );
            assert!(
                plan.parameters > 100 && plan.disk.total() > 10_000,
                "{}",
                preset.name
            );
        }
    }

    #[test]
    fn an_unknown_environment_and_an_option_that_it_does_not_take_are_problems() {
        let unknown = "version = 1\nenvironment = { id = \"Foraging-8x8-2p-2f-coop-v9\" }\n";
        let problems = planned(unknown).expect_err("it is unknown");
        assert_eq!(problems[0].path, "environment.id");
        assert!(problems[0].hint.contains("Foraging-8x8-2p-2f-coop-v3"));
        let option = "version = 1\nenvironment = { id = \"climbing\", sight = 3 }\n";
        let problems = planned(option).expect_err("a matrix has no sight");
        assert!(problems[0].path.starts_with("environment"), "{problems:?}");
    }

    #[test]
    fn configurations_of_a_folder_are_found_with_what_is_wrong() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "good.toml", "# for a try\nversion = 1\n");
        write(folder.path(), "broken.toml", "version = 1\nseed = = 2\n");
        write(folder.path(), "newer.toml", "version = 9\n");
        write(folder.path(), "wrong.toml", "version = 1\nseed = -1\n");
        write(folder.path(), "Cargo.toml", "[package]\nversion = \"1\"\n");
        write(folder.path(), "notes.txt", "version = 1\n");
        std::fs::create_dir(folder.path().join("folder.toml")).expect("a folder");
        std::fs::write(folder.path().join("bytes.toml"), [0xff, 0xfe]).expect("a file");
        let found: Vec<(String, String)> = files(folder.path())
            .into_iter()
            .map(|file| {
                let name = file
                    .path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                (name.unwrap_or_default(), file.about)
            })
            .collect();
        let about = |name: &str| {
            let found = found.iter().find(|(known, _)| known == name);
            found.map(|(_, about)| about.as_str())
        };
        assert_eq!(about("good.toml"), Some("for a try"));
        assert!(about("broken.toml").is_some_and(|text| text.contains("not valid TOML")));
        assert!(about("newer.toml").is_some_and(|text| text.contains("newer Concord")));
        assert!(about("wrong.toml").is_some_and(|text| text.contains("seed")));
        assert!(about("bytes.toml").is_some_and(|text| text.contains("cannot read")));
        assert!(about("folder.toml").is_some_and(|text| text.contains("cannot read")));
        assert_eq!((about("Cargo.toml"), about("notes.txt")), (None, None));
        assert_eq!(files(&folder.path().join("missing")), []);
    }

    #[test]
    fn folders_are_listed_folders_first_and_models_tell_what_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "b.toml", "# b\nversion = 1\n");
        write(folder.path(), "A.toml", "");
        let model = folder.path().join("model");
        std::fs::create_dir(&model).expect("a folder");
        write(
            &model,
            "config.json",
            r#"{"model_type": "qwen2", "hidden_size": 896}"#,
        );
        write(&model, "model.safetensors", &"x".repeat(2_048));
        let listed = list(folder.path()).expect("a list");
        let names: Vec<&str> = listed
            .entries
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        assert_eq!(names, ["model", "A.toml", "b.toml"]);
        assert!(listed.path.is_absolute());
        let told = glance(&model);
        assert_eq!(told[..2], ["language model: qwen2", "files: 2.0 KiB"]);
        assert!(told[2].contains("is damaged"), "{told:?}");
        assert_eq!(
            glance(&folder.path().join("b.toml")),
            ["# b", "version = 1"]
        );
        assert_eq!(glance(folder.path()), Vec::<String>::new());
        assert_eq!(glance(&folder.path().join("none")), ["cannot be read"]);
        let missing = list(&folder.path().join("none")).expect_err("it is not there");
        assert!(missing.contains("cannot read"), "{missing}");
    }

    #[test]
    fn saving_replaces_only_when_told_and_says_what_failed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mine.toml");
        assert_eq!(save(&path, "a", false), Ok(()));
        assert_eq!(save(&path, "b", false), Err(NotSaved::Exists));
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "a");
        assert_eq!(save(&path, "b", true), Ok(()));
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "b");
        for wrong in [
            folder.path().join("none/mine.toml"),
            path.join("inside.toml"),
        ] {
            let Err(NotSaved::Failed(text)) = save(&wrong, "c", false) else {
                panic!("{} was written", wrong.display());
            };
            assert!(
                text.contains("name a file in a folder that exists"),
                "{text}"
            );
        }
        assert!(matches!(
            save(Path::new(""), "c", false),
            Err(NotSaved::Failed(_))
        ));
    }
}
