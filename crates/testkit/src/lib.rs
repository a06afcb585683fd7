//! What tests of several crates share.

pub mod loopback_hub;
