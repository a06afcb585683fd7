//! Multi-agent environments: level-based foraging, matrix games and a small grid task, alone or as
//! one vectorised batch.
//!
//! * [`make`] builds one environment, [`make_vector`] a batch that writes observations, masks,
//!   rewards and flags straight into memory the caller owns.
//! * [`Environment`] is the trait a user's own environment implements; [`register`] gives it an id,
//!   [`vectorise`] makes a batch of it, [`doors::check`] finds its mistakes.
//! * [`level_based_foraging`] replays the reference package `lbforaging` 2.0.0 bit for bit, seeded
//!   starts included.
//! * [`Scene`] describes a moment for [`render`]ing as text, PNG and GIF.
//!
//! ```
//! use envs::{BatchBuffers, EnvironmentOptions, ResetMode};
//!
//! let options = EnvironmentOptions::default();
//! let mut batch = envs::make_vector("Foraging-8x8-2p-2f-v3", &options, 16, ResetMode::Automatic, 1)?;
//! let mut buffers = BatchBuffers::new(batch.spec(), batch.len()).with_action_mask(batch.spec());
//! batch.seed(7);
//! batch.reset_all(&mut buffers)?;
//! let actions = vec![0_u8; batch.len() * batch.spec().agents];
//! batch.step(&actions, &mut buffers)?;
//! assert_eq!(buffers.rewards, vec![0.0; 32]);
//! # Ok::<(), envs::EnvironmentError>(())
//! ```

pub mod batch;
pub mod doors;
pub mod environment;
mod error;
pub mod level_based_foraging;
pub mod matrix_game;
pub mod numpy_random;
pub mod options;
pub mod registry;
pub mod render;
pub mod rendezvous;
pub mod scene;
mod simulation;
pub mod snapshot;

pub use batch::{BatchBuffers, BatchSlices, ResetMode, VectorEnvironment};
pub use environment::{Diagnostics, Environment, EnvironmentSpec, StepFlags};
pub use error::EnvironmentError;
pub use options::{EnvironmentOptions, LevelBounds, TimeLimitKind};
pub use registry::{EnvironmentEntry, list, make, make_vector, register, vectorise};
pub use scene::{Mark, MarkKind, Scene};
