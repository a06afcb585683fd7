//! One module per command.

pub(crate) mod compare;
pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod eval;
pub(crate) mod evaluation;
pub(crate) mod experiment;
pub(crate) mod model;
pub(crate) mod policy;
pub(crate) mod runs;
pub(crate) mod tournament;
pub(crate) mod train;
