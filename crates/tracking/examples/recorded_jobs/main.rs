//! Writes what a fine-tuning and a search would have recorded, to try the screens for
//! them without either.
//!
//! ```text
//! cargo run -p tracking --example recorded_jobs -- runs             # two run folders
//! cargo run -p tracking --example recorded_jobs -- --files FOLDER   # the bare files
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};

use tracking::{NewRun, RunFolder, RunState, Status, TrackingError, write_atomic};

pub(crate) mod chance;
pub(crate) mod fine_tuning;
pub(crate) mod searches;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [flag, folder] if flag == "--files" => {
            for (name, text) in files() {
                let path = Path::new(folder).join(name);
                std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
                write_atomic(&path, text.as_bytes())?;
            }
        }
        [root] => {
            for run in runs(Path::new(root))? {
                writeln!(std::io::stdout(), "{}", run.display())?;
            }
        }
        _ => return Err("give a folder for the runs, or --files and a folder".into()),
    }
    Ok(())
}

/// Every file by its name.
pub fn files() -> Vec<(String, String)> {
    let lines = |lines: Vec<String>| lines.join("\n") + "\n";
    let events = fine_tuning::events();
    let events = events.iter().map(|event| event.to_line()).collect();
    let mut files = vec![("fine-tuning.jsonl".to_owned(), lines(events))];
    for (name, events) in searches::logs() {
        let events = events.iter().map(|event| event.to_line()).collect();
        files.push((format!("search/{name}.jsonl"), lines(events)));
    }
    files
}

fn runs(root: &Path) -> Result<Vec<PathBuf>, TrackingError> {
    let jobs = [
        ("finetune", "sppo", "chat preferences", 936),
        ("search", "bavt", "three questions", 3),
    ];
    let mut made = Vec::new();
    for (job, algorithm, task, total_steps) in jobs {
        let run = RunFolder::create(
            root,
            &NewRun {
                name: format!("recorded {job}"),
                job: job.to_owned(),
                algorithm: algorithm.to_owned(),
                task: task.to_owned(),
                device: "cpu".to_owned(),
                total_steps,
                ..NewRun::default()
            },
        )?;
        for (name, text) in files() {
            match name.strip_prefix("search/") {
                Some(_) if job == "search" => {
                    let path = run.path().join(&name);
                    let failed = |source| TrackingError::Io {
                        action: "create the folder of",
                        path: path.clone(),
                        source,
                    };
                    std::fs::create_dir_all(run.searches()).map_err(failed)?;
                    write_atomic(&path, text.as_bytes())?;
                }
                None if job == "finetune" => write_atomic(&run.events(), text.as_bytes())?,
                _ => {}
            }
        }
        Status {
            state: RunState::Finished,
            total_steps,
            exit_code: Some(0),
            message: "recorded, not computed".to_owned(),
            ..run.status()?
        }
        .write(&run.status_file())?;
        made.push(run.path().to_path_buf());
    }
    Ok(made)
}
