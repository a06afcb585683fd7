//! Whole jobs, tiny: the worker in a process of its own, as a user's machine runs it.

mod bad_input;
mod folder;
mod interruption;
mod learning;
