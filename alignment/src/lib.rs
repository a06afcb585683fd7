//! Preference alignment of language models: what is pure in it, without model and files.
//!
//! | module | what it holds | tensors |
//! |---|---|---|
//! | [`losses`] | preference losses of sequence log-probabilities: SPPO, DPO, IPO, SimPO, SFT, BVPO's mixture | yes |
//! | [`oracles`] | who says which response is better: win matrices, win rates, verifiers, reward models, judges | in models |
//! | [`openai`] | a client of OpenAI-compatible servers | no |
//! | [`games`] | preference games and the trace model small enough to be solved exactly | no |

pub mod error;
pub mod games;
pub mod losses;
pub mod openai;
pub mod oracles;

pub use error::AlignmentError;
