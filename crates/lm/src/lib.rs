//! Language models of the Hugging Face families on LibTorch.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | `config.json` of every family, read into one description of a decoder |
//! | [`rope`] | rotary position embeddings and their scalings |
//! | [`checkpoint`] | safetensors files, whole or in shards, mapped into memory |
//! | [`weights`] | all weights of a model in one flat buffer, under their names in files |
//! | [`decoder`] | the one decoder that all families are descriptions of |
//! | [`cache`] | keys and values of a generation |
//! | [`fused_step`] | one token for each of a few rows, in hand-made kernels |
//! | [`sampling`] | the choice of a token, in the order of `transformers` |
//! | [`generation`] | continuations of many prompts in a batch that stays full |
//! | [`trained`] | what of a model is trained, and its flat buffer |
//! | [`adapters`] | LoRA and MiSS: few trained numbers beside frozen weights |
//! | [`scoring`] | log-probabilities and their gradients without the full logits |
//! | [`classification`] | reward models: a decoder whose head scores a text |
//! | [`encoder`] | DeBERTa-v2 and -v3, with heads that score a text or compare two |
//! | [`training`] | optimisers, learning rates, clipping, f32 masters |
//! | [`save`] | folders that `transformers` loads |
//!
//! A family is data, not code: [`config::ModelConfig`] says which norms, biases, windows,
//! caps and rotations a model has, and [`decoder::Decoder`] follows it.

pub mod adapters;
pub mod cache;
pub mod checkpoint;
pub mod classification;
pub mod config;
pub mod decoder;
pub mod encoder;
pub mod error;
mod fused_pass;
pub mod fused_step;
pub mod generation;
mod grouping;
mod mapped;
pub mod rope;
pub mod sampling;
pub mod save;
pub mod scoring;
pub mod trained;
pub mod training;
pub mod weights;

pub use error::LmError;
