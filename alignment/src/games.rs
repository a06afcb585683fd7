//! Games and models small enough to be solved exactly, in f64 and without tensors.
//!
//! | module | what it holds |
//! |---|---|
//! | [`preference_game`] | the two-player game of a win matrix: win rates, duality gap |
//! | [`self_play`] | multiplicative weights, SPPO's exact regression, DPO's and their averages |
//! | [`trace_model`] | a tabular policy of traces and answers with exact gradients (BVPO's toy A) |
//! | [`trace_moments`] | bias and variance of its gradients by enumeration and by sampling |

pub mod preference_game;
pub mod self_play;
pub mod trace_model;
pub mod trace_moments;
