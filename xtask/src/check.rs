//! `cargo xtask check`: what a reviewer would otherwise have to look for.
//!
//! Every check runs, each prints one line, and the problems of all are told together at the end.

mod dependencies;
mod files;
mod layering;
mod licences;
mod screens;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::{setup, workspace};
use dependencies::Graph;

/// What one check found. Remarks are shown and do not fail.
#[derive(Default)]
struct Findings {
    problems: Vec<String>,
    remarks: Vec<String>,
}

impl From<Vec<String>> for Findings {
    fn from(problems: Vec<String>) -> Self {
        Self {
            problems,
            remarks: Vec::new(),
        }
    }
}

struct Check {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<Findings>,
}

/// Quick ones first. The names may be given as arguments to run a few of them.
const CHECKS: [Check; 10] = [
    Check {
        name: "format",
        what: "cargo fmt",
        run: format,
    },
    Check {
        name: "layering",
        what: "the arrows of docs/architecture.md",
        run: layering,
    },
    Check {
        name: "licences",
        what: "licences of all dependencies",
        run: licences,
    },
    Check {
        name: "files",
        what: "file sizes, module names, no mod.rs",
        run: source_files,
    },
    Check {
        name: "paths",
        what: "no path of somebody's machine",
        run: machine_paths,
    },
    Check {
        name: "screens",
        what: "the dashboard keeps clear of the traps of its libraries",
        run: screens,
    },
    Check {
        name: "presets",
        what: "first line is the command that runs it",
        run: presets,
    },
    Check {
        name: "deny",
        what: "cargo deny, where installed",
        run: deny,
    },
    Check {
        name: "clippy",
        what: "lints of all targets, warnings denied",
        run: clippy,
    },
    Check {
        name: "docs",
        what: "documentation, broken links denied",
        run: docs,
    },
];

/// Runs all checks, or those named.
pub fn command(arguments: &[String]) -> Result<ExitCode> {
    for argument in arguments {
        if !CHECKS.iter().any(|check| check.name == argument) {
            let names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
            bail!("unknown check: {argument} - allowed: {}", names.join(", "));
        }
    }
    setup::ensure()?;
    let mut reports = Vec::new();
    let chosen = CHECKS
        .iter()
        .filter(|check| arguments.is_empty() || arguments.iter().any(|name| name == check.name));
    let mut count = 0;
    for check in chosen {
        count += 1;
        let start = Instant::now();
        let findings = (check.run)().unwrap_or_else(|error| vec![format!("{error:#}")].into());
        let verdict = if findings.problems.is_empty() {
            "ok    "
        } else {
            "FAILED"
        };
        println!(
            "{verdict} {:<9} {} ({:.1} s)",
            check.name,
            check.what,
            start.elapsed().as_secs_f64()
        );
        for remark in &findings.remarks {
            println!("         note: {remark}");
        }
        if !findings.problems.is_empty() {
            reports.push((check.name, findings.problems));
        }
    }
    for (name, problems) in &reports {
        println!("\n{name}:");
        for problem in problems {
            println!("  {problem}");
        }
    }
    println!(
        "\ncheck: {} ok, {} failed",
        count - reports.len(),
        reports.len()
    );
    Ok(if reports.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn format() -> Result<Findings> {
    tool(
        &["fmt", "--all", "--", "--check", "-l"],
        &[],
        "run `cargo fmt --all` to mend the files named above",
    )
}

fn clippy() -> Result<Findings> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    tool(&arguments, &[], "see clippy's messages above")
}

fn docs() -> Result<Findings> {
    let flags = [("RUSTDOCFLAGS", "-D warnings")];
    tool(
        &["doc", "--workspace", "--no-deps"],
        &flags,
        "see rustdoc's messages above",
    )
}

fn deny() -> Result<Findings> {
    if !workspace::has_plugin("deny") {
        return Ok(Findings {
            remarks: vec!["cargo-deny is not installed; `licences` checked its part".into()],
            ..Findings::default()
        });
    }
    // The advisory database is fetched from the network, which a check must not need.
    let arguments = ["deny", "--offline", "check", "bans", "licenses", "sources"];
    tool(&arguments, &[], "see cargo-deny's messages above")
}

fn tool(arguments: &[&str], environment: &[(&str, &str)], mend: &str) -> Result<Findings> {
    let status = workspace::cargo()
        .args(arguments)
        .envs(environment.iter().copied())
        .status()?;
    Ok(if status.success() {
        Findings::default()
    } else {
        vec![format!("`cargo {}` failed: {mend}", arguments.join(" "))].into()
    })
}

fn layering() -> Result<Findings> {
    Ok(layering::violations(&Graph::of_workspace()?).into())
}

fn licences() -> Result<Findings> {
    Ok(licences::violations(&Graph::of_workspace()?).into())
}

fn source_files() -> Result<Findings> {
    let mut findings = Findings::default();
    for file in files::tracked()? {
        findings.problems.extend(files::misnamed(&file.name));
        if file.name.ends_with(".rs") {
            let lines = file.text()?.lines().count();
            match files::judge_length(&file.name, lines) {
                files::Length::Fine => {}
                files::Length::Remark(text) => findings.remarks.push(text),
                files::Length::Problem(text) => findings.problems.push(text),
            }
        }
    }
    findings
        .problems
        .extend(files::stale_exceptions(&workspace::root()));
    Ok(findings)
}

fn machine_paths() -> Result<Findings> {
    let forbidden = files::paths_of_this_machine();
    let mut problems = Vec::new();
    for file in files::tracked()? {
        // A binary file has no lines to judge.
        let Ok(text) = file.text() else { continue };
        problems.extend(files::machine_paths(&file.name, &text, &forbidden));
    }
    Ok(problems.into())
}

fn screens() -> Result<Findings> {
    let mut problems = Vec::new();
    for file in files::tracked()? {
        if screens::is_drawn(&file.name) {
            problems.extend(screens::traps(&file.name, &file.text()?));
        }
    }
    Ok(problems.into())
}

fn presets() -> Result<Findings> {
    let mut problems = Vec::new();
    for file in files::tracked()? {
        if let Some(name) = files::preset_name(&file.name) {
            let first = file.text()?.lines().next().unwrap_or_default().to_owned();
            problems.extend(files::judge_preset(&file.name, name, &first));
        }
    }
    Ok(problems.into())
}
