//! Games and models small enough to be solved exactly, in f64; tensors in toy B alone.
//!
//! | module | what it holds |
//! |---|---|
//! | [`preference_game`] | the two-player game of a win matrix: win rates, duality gap |
//! | [`self_play`] | multiplicative weights, SPPO's exact regression, DPO's and their averages |
//! | [`trace_model`] | a tabular policy of traces and answers with exact gradients (BVPO's toy A) |
//! | [`trace_moments`] | bias and variance of its gradients by enumeration and by sampling |
//! | [`trace_language`] | texts of at most 40 traces and 12 answers, listed |
//! | [`trace_transformer`] | a transformer over them, with the gradient of each text's log-probability |
//! | [`transformer_toy`] | DPO on it, exact moments of its gradients (BVPO's toy B) |
//! | [`transformer_descent`] | gradient descent on mixtures, with the exact loss along the way |

pub mod preference_game;
pub mod self_play;
pub mod trace_language;
pub mod trace_model;
pub mod trace_moments;
pub mod trace_transformer;
pub mod transformer_descent;
pub mod transformer_toy;
