//! The command line as a program: what it prints, where, and with which exit code.

mod arguments;
mod comparison;
mod control;
mod dashboard;
mod data;
mod environments;
mod evaluations;
mod experiments;
mod harness;
mod language_evaluation;
mod lifecycle;
mod machine_and_logs;
mod model_screens;
mod models;
mod queue;
mod recorded;
mod search_table;
mod searches;
