//! What tests of several crates share.

pub mod chat_model;
pub mod loopback_hub;
pub mod scripted_server;
