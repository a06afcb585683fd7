//! Preference alignment of language models: SPPO, BVPO and their baselines, from prompts to a
//! better checkpoint.
//!
//! | module | what it holds |
//! |---|---|
//! | [`losses`] | preference losses of sequence log-probabilities: SPPO, DPO, IPO, SimPO, SFT, BVPO's mixture |
//! | [`oracles`] | who says which response is better: win matrices, win rates, verifiers, models, files of scores |
//! | [`games`] | preference games and the trace model small enough to be solved exactly |
//! | [`evaluation`] | figures with intervals, answer files of other tools |
//! | [`text_model`] | a decoder with tokenizer and chat template |
//! | [`preparation`] | rows to token ids: templates, truncation, what is learnt |
//! | [`responding`] | prompts in, sampled responses out |
//! | [`training`] | updates: the one loop of every objective |
//! | [`run`] | a whole run in its folder: generate, judge, select, train, evaluate, again |

pub mod error;
pub mod evaluation;
pub mod failure;
pub mod games;
pub mod losses;
pub mod oracles;
pub mod preparation;
pub mod responding;
pub mod run;
pub mod text_model;
pub mod training;

pub use error::AlignmentError;
pub use failure::FinetuneError;
