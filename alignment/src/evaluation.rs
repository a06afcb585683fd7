//! How good a model is: figures with intervals, and answer files for the field's own tools.
//!
//! | module | what it holds |
//! |---|---|
//! | [`statistics`] | intervals of shares and means over prompts, pass@k, correlation |
//! | [`problems`] | answers to problems whose right answer is known |
//! | [`comparison`] | two models' answers to the same prompts, with both lengths |
//! | [`exports`] | answer files of AlpacaEval, Arena-Hard and MT-Bench |
//!
//! Nothing here generates or judges: it counts what a responder and an oracle gave.

pub mod alpaca_eval;
pub mod arena_hard;
pub mod comparison;
pub mod exports;
pub mod mt_bench;
pub mod problems;
pub mod statistics;
