//! The project's own tasks: `cargo xtask setup | demo | test | check | parity | bench | tour`.
//!
//! Each task does whatever set-up is missing. Nothing needs a cargo plug-in or an exported variable.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool: what it prints is its result"
)]

mod bench;
mod check;
mod demo;
mod parity;
mod setup;
mod tally;
mod tests;
mod tour;
mod workspace;

use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask <task> [options]

  setup [--cuda | --cpu] [--into DIR]   LibTorch for this workspace; nothing to do the second time
                                        --cuda: the CUDA libraries too (by default when a GPU is here)
  demo [concord options]                trains a small team and shows it live
  test [runner options]                 every test and every documented example
  check [NAME ..]                       format, lints, docs, layering, licences, house rules
  parity [SCRIPT ..]                    the Python references run again and compared
  bench [environments] [training] [models]  speed beside the Python peers, into docs/data/
        [terminal]                      the dashboard: long runs, many runs, frames, memory, overhead
        [--quick] [--assert] [--epymarl DIR] [--epymarl-python FILE]
  tour [SCRIPT ..]                      plays docs/tour/*.tour in tmux and keeps the screens
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let outcome = match task.as_deref() {
        Some("setup") => setup::command(&rest),
        Some("demo") => demo::command(&rest),
        Some("test") => tests::command(&rest),
        Some("check") => check::command(&rest),
        Some("parity") => parity::command(&rest),
        Some("bench") => bench::command(&rest),
        Some("tour") => tour::command(&rest),
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(other) => {
            eprintln!("unknown task: {other}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
