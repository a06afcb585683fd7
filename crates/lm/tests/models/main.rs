//! Models of every family against `transformers`, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adapter_training;
mod adapters;
mod bad_adapters;
mod bad_input;
mod classification;
mod encoders;
mod engine;
mod fused_step;
mod generation;
mod golden;
mod parity;
mod requests;
mod saving;
mod scoring;
mod training;
