//! Tools that a search may call.

pub mod bm25;
