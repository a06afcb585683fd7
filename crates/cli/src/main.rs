//! `concord`: trains agents that act together, from one terminal.
//!
//! This program links no LibTorch: it makes run folders, starts `concord-worker` for
//! them and reads what it writes.

mod allocations;
mod arguments;
mod commands;
mod control;
mod creation;
mod dashboard;
mod evaluations;
mod failure;
mod follow;
mod launcher;
mod observers;
mod output;
mod plan;
mod plot;
mod program;
mod result;
mod scene;
mod scheduler;
mod settings;
mod surroundings;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use configs::Job;

use arguments::{Arguments, Command};
use control::Wish;
use failure::Failure;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to stdout with 0, mistakes to stderr with 2; a reader
            // that left is no error.
            let _ = error.print();
            return ExitCode::from(
                u8::try_from(error.exit_code()).unwrap_or(failure::BAD_ARGUMENTS),
            );
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                output::tell(&format!("error: {}", failure.message));
            }
            ExitCode::from(failure.code)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let global = &arguments.global;
    match &arguments.command {
        None if surroundings::has_terminal() => {
            dashboard::open(global, &surroundings::runs_root(global), None)
        }
        None => output::print(&Arguments::command().render_long_help().to_string()),
        Some(Command::Train(arguments)) => commands::train::run(global, arguments, Job::Train),
        Some(Command::Finetune(arguments)) => {
            commands::train::run(global, arguments, Job::Finetune)
        }
        Some(Command::Search(search)) => commands::search::search(global, search),
        Some(Command::Experiment(arguments)) => commands::experiment::experiment(global, arguments),
        Some(Command::Eval(arguments)) => commands::eval::eval(global, arguments),
        Some(Command::Tournament(arguments)) => commands::tournament::tournament(global, arguments),
        Some(Command::Evaluation(command)) => commands::evaluation::evaluation(global, command),
        Some(Command::Policy(command)) => commands::policy::policy(global, command),
        Some(Command::Model(command)) => commands::model::model(global, command),
        Some(Command::Data(command)) => commands::data::data(command),
        Some(Command::Env(command)) => commands::env::env(command),
        Some(Command::Config(command)) => commands::config::config(command),
        Some(Command::Runs(arguments)) => commands::list::runs(global, arguments),
        Some(Command::Show(arguments)) => commands::runs::show(global, arguments),
        Some(Command::Compare(arguments)) => commands::compare::compare(global, arguments),
        Some(Command::Attach(arguments)) => commands::resume::attach(global, arguments),
        Some(Command::Stop(arguments)) => commands::control::stop(global, arguments),
        Some(Command::Pause(arguments)) => {
            commands::control::control(global, arguments, Wish::Pause)
        }
        Some(Command::Unpause(arguments)) => {
            commands::control::control(global, arguments, Wish::Unpause)
        }
        Some(Command::Checkpoint(arguments)) => {
            commands::control::control(global, arguments, Wish::Checkpoint)
        }
        Some(Command::Kill(arguments)) => commands::control::kill(global, arguments),
        Some(Command::Resume(arguments)) => commands::resume::resume(global, arguments),
        Some(Command::Archive(arguments)) => commands::control::archive(global, arguments),
        Some(Command::Queue(arguments)) => commands::queue::queue(global, arguments),
        Some(Command::Machine(arguments)) => commands::machine::machine(global, arguments),
        Some(Command::Doctor(arguments)) => commands::doctor::doctor(global, arguments),
    }
}
