//! The dashboard without a terminal: reducer tests, snapshots, sweeps.

mod charts;
mod chat;
mod commands;
mod compare;
mod documentation;
mod evaluate;
mod fixture;
mod launcher;
mod logs;
mod machine;
mod models;
mod reducer;
mod runs;
mod screens;
mod search;
mod sweep;
mod text;
mod world;
