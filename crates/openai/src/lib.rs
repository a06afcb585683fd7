//! A client of OpenAI-compatible servers: `POST {url}/chat/completions`, many requests at a time.
//!
//! | module | what it holds |
//! |---|---|
//! | `ask` | what is sent |
//! | `answer`, `stream` | what comes back, at once or in pieces |
//! | `adaptation` | what a server refuses, and what is sent instead |
//! | `dialect` | what vLLM, llama.cpp, Ollama and SGLang have of their own |
//! | `client` | one request until it is answered or given up |
//! | `crowd` | many of them, and how they are stopped |
//!
//! A request is sent again, after a pause that doubles or that the server's `Retry-After` names, when the
//! server is busy (429), fails (5xx, 408, 409, 425), is silent for too long, breaks the connection or
//! answers what is no completion. Where every answer is paid for, [`Client::paying_once`] leaves out those
//! that may have been answered. Every other refusal ends it with what the server said. The key is in one
//! header of the request and nowhere else.

mod adaptation;
mod answer;
mod ask;
mod client;
mod crowd;
mod dialect;
mod error;
mod stream;

pub use answer::{Alternative, Answer, Call, Choice, Token, Usage};
pub use ask::{Ask, Tool, ToolChoice};
pub use client::Client;
pub use crowd::Event;
pub use dialect::Dialect;
pub use error::ServerError;
