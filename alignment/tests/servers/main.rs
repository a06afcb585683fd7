//! Servers that answer by a script, on this machine: the judge and answers from a server.
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod answers;
mod judging;
mod scripted;
mod whole_run;
