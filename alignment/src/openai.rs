//! A client of OpenAI-compatible servers: `POST {url}/chat/completions`, many requests at a time.
//!
//! | module | what it holds |
//! |---|---|
//! | `wire` | what is sent and what comes back |
//! | `client` | one request until it is answered or given up |
//! | `crowd` | many of them, and how they are stopped |
//!
//! A request is sent again, after a pause that doubles or that the server's `Retry-After` names, when the
//! server is busy (429), fails (5xx, 408, 409, 425), is silent for too long, breaks the connection or
//! answers what is no completion. Every other refusal ends it with what the server said. The key is in one
//! header of the request and nowhere else.

mod client;
mod crowd;
mod error;
mod wire;

pub use client::Client;
pub use crowd::Event;
pub use error::ServerError;
pub use wire::{Answer, Ask, Choice, Usage};
