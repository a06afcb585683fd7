//! The dashboard without a terminal: reducer tests, snapshots, sweeps.

mod charts;
mod commands;
mod compare;
mod documentation;
mod evaluate;
mod fixture;
mod launcher;
mod logs;
mod machine;
mod reducer;
mod runs;
mod screens;
mod search;
mod sweep;
mod text;
mod world;
