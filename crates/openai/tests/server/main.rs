//! Servers that answer by a script, on this machine.
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod client;
mod dialects;
mod scripted;
