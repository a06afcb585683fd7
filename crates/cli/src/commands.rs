//! One module per command.

mod adapters;
pub(crate) mod compare;
pub(crate) mod config;
pub(crate) mod control;
mod curves;
pub(crate) mod data;
pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod eval;
pub(crate) mod evaluation;
pub(crate) mod experiment;
mod launching;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod machine;
pub(crate) mod model;
pub(crate) mod model_files;
pub(crate) mod policy;
pub(crate) mod queue;
pub(crate) mod recorded;
pub(crate) mod resume;
pub(crate) mod runs;
pub(crate) mod search;
pub(crate) mod tournament;
pub(crate) mod train;
pub(crate) mod watch;
