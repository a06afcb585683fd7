//! Preference losses for language models, as pure functions of log-probabilities.
//!
//! | module | what it holds | source |
//! |---|---|---|
//! | [`log_ratios`] | token to sequence log-probabilities, policy against reference | |
//! | [`preference`] | all of the following by name, with metrics and the gradient | |
//! | [`sppo`] | regression of log-ratios on win rates | arXiv 2405.00675, eq. 4.6, 4.7, 4.12 |
//! | [`dpo`] | direct preference optimisation, the pairwise baseline | arXiv 2305.18290, eq. 7 |
//! | [`ipo`] | identity preference optimisation | arXiv 2310.12036, eq. 17 |
//! | [`reference_free`] | SimPO and SFT | arXiv 2405.14734, eq. 6 |
//! | [`bvpo`] | mixing a loss with thinking and one without | arXiv 2510.05095, eq. 2 |
//! | [`mixing`] | the best share of the mixture: closed form and estimate | arXiv 2510.05095, theorem 2 |
//!
//! Everything is computed in f32, or in f64 where an input is f64: half-precision inputs are
//! raised first, since a residual of 500 in bf16 is off by whole units.

pub mod bvpo;
pub mod dpo;
pub mod ipo;
pub mod log_ratios;
pub mod mixing;
pub mod preference;
pub mod reference_free;
pub mod sppo;
