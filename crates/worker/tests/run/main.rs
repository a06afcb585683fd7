//! Whole jobs, tiny: the worker in a process of its own, as a user's machine runs it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod assess;
mod bad_input;
mod chat;
mod device;
mod finetune;
mod folder;
mod interruption;
mod language;
mod learning;
mod live;
mod mansa;
mod parking;
mod rewards;
mod scoring;
mod search;
mod text;
