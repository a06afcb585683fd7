//! The dashboard without a terminal: reducer tests, snapshots, sweeps.

mod fixture;
mod reducer;
mod screens;
