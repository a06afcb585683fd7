//! Preference alignment of language models: what is pure in it, without model and files.
//!
//! | module | what it holds | tensors |
//! |---|---|---|
//! | [`losses`] | preference losses of sequence log-probabilities: SPPO, DPO, IPO, SimPO, SFT, BVPO's mixture | yes |

pub mod error;
pub mod losses;

pub use error::AlignmentError;
