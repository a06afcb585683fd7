//! `concord policy`: policies as files.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use serde_json::json;

use super::eval::{answer_of, read, target};
use crate::arguments::{Format, Global, Policy};
use crate::failure::Failure;
use crate::output::{Table, print, print_json};
use crate::surroundings::runs_root;
use crate::worker;

/// What the worker answers.
#[derive(Debug, Deserialize)]
struct Answer {
    checkpoint: PathBuf,
    files: Vec<PathBuf>,
}

/// Runs the command.
pub(crate) fn policy(global: &Global, command: &Policy) -> Result<(), Failure> {
    let Policy::Export {
        target,
        checkpoint,
        out,
        format,
    } = command;
    export(global, target, checkpoint.as_deref(), out, format.format)
}

fn export(
    global: &Global,
    name: &str,
    checkpoint: Option<&str>,
    out: &Path,
    format: Format,
) -> Result<(), Failure> {
    let (run, checkpoint) = target(&runs_root(global), name, checkpoint)?;
    let worker = worker::locate(global)?;
    let mut command = worker::command(&worker);
    command
        .arg("export")
        .arg("--run-dir")
        .arg(run.path())
        .args(["--checkpoint", &checkpoint])
        .arg("--out")
        .arg(out)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let answer: Answer = read(answer_of(&mut command, &worker)?)?;
    match format {
        Format::Json => print_json(&json!({
            "run": run.id(),
            "checkpoint": answer.checkpoint,
            "files": answer.files,
        })),
        Format::Csv => {
            let mut table = Table::new(&["file"]);
            for file in &answer.files {
                table.row(vec![json!(file)]);
            }
            print(&table.to_csv())
        }
        Format::Table => {
            let mut text = String::new();
            for file in &answer.files {
                text.push_str(&format!("{}\n", file.display()));
            }
            text.push_str(&format!(
                "check it: python {}\n",
                out.join("concord_policy.py").display()
            ));
            print(&text)
        }
    }
}
