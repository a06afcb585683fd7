//! The LibTorch layer that every learner stands on.
//!
//! | module | what it holds |
//! |---|---|
//! | [`runtime`] | loading the CUDA backend at run time, devices, threads |
//! | [`parameters`] | all weights of a model in one flat buffer, with named views |
//! | [`layers`] | linear layers and whole-sequence recurrent layers over [`parameters`] |
//! | [`fused`] | hand-made CPU kernels of whole utility networks, forward and backward |
//! | [`optimiser`] | Adam, RMSprop and SGD on a flat buffer in one pass, gradient norms and clipping |
//! | [`schedule`] | linear schedules, learning rates with warm-up |
//! | [`random`] | named, seeded, serialisable random streams |
//! | [`slices`] | the memory of tensors, for kernels that are not LibTorch's |
//! | [`arrays`] | named arrays in safetensors files, with shapes checked on reading |
//!
//! Modules hold *indices* into a [`parameters::Parameters`], never tensors: the same
//! network description runs with online weights, target weights, a snapshot on an
//! actor thread, or a shard of the learner.

pub mod arrays;
pub mod error;
pub mod fused;
pub mod layers;
pub mod optimiser;
pub mod parameters;
pub mod random;
pub mod runtime;
pub mod schedule;
pub mod slices;

pub use error::NnError;
