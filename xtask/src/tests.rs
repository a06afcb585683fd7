//! `cargo xtask test`: every test of the workspace, then every documented example.

use std::io::IsTerminal;
use std::process::{Command, ExitCode};

use anyhow::Result;
use serde_json::Value;

use crate::tally::{Runner, Tally, run_and_count};
use crate::{setup, workspace};

/// Runs the tests with nextest where it is installed, else with cargo's own runner.
///
/// Arguments go to the runner. `-p NAME` alone also chooses whose documented examples run; with
/// any other argument, which may be a filter, the examples are left out.
pub fn command(arguments: &[String]) -> Result<ExitCode> {
    setup::ensure()?;
    let nextest = workspace::has_plugin("nextest");
    let mut total = Tally::default();
    let build: &[&str] = if nextest {
        &["nextest", "run", "--no-run"]
    } else {
        &["test", "--no-run"]
    };
    let packages = package_arguments(arguments);
    // Built first and apart, so that cargo can draw its progress on the terminal.
    let built = choose_packages(workspace::cargo().args(build), &packages).status()?;
    if !built.success() {
        println!(
            "\n{}",
            Tally {
                passed: 0,
                failed: 1
            }
        );
        return Ok(workspace::exit_code(built));
    }
    let run: &[&str] = if nextest {
        &["nextest", "run", "--no-fail-fast"]
    } else {
        &["test", "--no-fail-fast", "--tests"]
    };
    let mut command = workspace::cargo();
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command.args(run);
    if packages.is_empty() {
        command.arg("--workspace");
    }
    let runner = if nextest {
        Runner::Nextest
    } else {
        Runner::Libtest
    };
    let (mut status, tally) = run_and_count(runner, command.args(arguments))?;
    total += tally;
    let documented = documented_packages(&packages)?;
    if packages.len() == arguments.len() && documented != Some(Vec::new()) {
        let packages = documented.unwrap_or_default();
        let mut examples = workspace::cargo();
        examples.args(["test", "--doc", "--no-fail-fast"]);
        let (of_examples, tally) =
            run_and_count(Runner::Libtest, choose_packages(&mut examples, &packages))?;
        total += tally;
        if status.success() {
            status = of_examples;
        }
    }
    println!("\n{total}");
    Ok(workspace::exit_code(status))
}

fn choose_packages<'a>(command: &'a mut Command, packages: &[String]) -> &'a mut Command {
    if packages.is_empty() {
        command.arg("--workspace")
    } else {
        command.args(packages)
    }
}

/// Those of the chosen packages that have a library, which alone can hold documented examples;
/// `None` when all packages are chosen.
fn documented_packages(packages: &[String]) -> Result<Option<Vec<String>>> {
    if packages.is_empty() {
        return Ok(None);
    }
    let output = workspace::cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let has_library = |name: &str| {
        metadata["packages"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|package| {
                let mut kinds = package["targets"].as_array().into_iter().flatten();
                package["name"] == name && kinds.any(|target| target["kind"][0] == "lib")
            })
    };
    let names = packages
        .iter()
        .map(|word| word.strip_prefix("--package=").unwrap_or(word))
        .filter(|name| has_library(name));
    Ok(Some(
        names
            .flat_map(|name| ["--package".to_owned(), name.to_owned()])
            .collect(),
    ))
}

/// The `-p NAME` pairs among the arguments.
fn package_arguments(arguments: &[String]) -> Vec<String> {
    let mut chosen = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "-p" | "--package" => {
                chosen.push(argument.clone());
                chosen.extend(rest.next().cloned());
            }
            "--" => break,
            joined if joined.starts_with("--package=") => chosen.push(argument.clone()),
            _ => {}
        }
    }
    chosen
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn packages_are_told_from_filters() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        assert_eq!(
            package_arguments(&words("-p envs --package nn")),
            words("-p envs --package nn")
        );
        assert_eq!(
            package_arguments(&words("--package=envs replay")),
            words("--package=envs")
        );
        assert!(package_arguments(&words("replay -- -p envs")).is_empty());
    }
}
