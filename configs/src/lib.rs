//! Typed configuration: layers, validation, presets.
//!
//! A configuration is closed TOML (`version = 1`, `job = "train"`); unknown keys
//! are errors. Five layers decide each value, the later over the earlier:
//! default, preset, file, `CONCORD_*` environment, `--set`. [`load()`] merges them,
//! remembers the [`Origin`] of every value and either returns a complete
//! [`RunConfig`] or all problems at once. See [`mod@env`] for the spelling of
//! variables.

mod device;
mod diff;
mod document;
pub mod draft;
pub mod env;
pub mod experiment;
mod field;
pub mod finetune;
mod load;
mod nearest;
mod origin;
pub mod presets;
mod problem;
mod resolve;
mod run;
mod schema;
pub mod search;
mod set;
pub mod train;
mod validate;

pub use device::DeviceChoice;
pub use diff::{Difference, diff};
pub use field::{Condition, Field, FieldKind};
pub use load::{LoadRequest, Loaded, load, load_with};
pub use nearest::nearest;
pub use origin::{ExperimentPart, Origin, Origins};
pub use problem::{Problem, Severity};
pub use run::{Job, RunConfig, VERSION};
pub use train::{
    AlgorithmConfig, AlgorithmKind, CheckpointConfig, EnvironmentConfig, EvaluationConfig,
    Execution, ExplorationConfig, FreeMode, HardTargetUpdate, LockstepMode, LoggingConfig,
    NetworkConfig, NetworkKind, OptimizerKind, ReplayConfig, RuntimeConfig, RuntimeMode,
    SoftTargetUpdate, SwitchConfig, TargetUpdate, TimeLimitAs, TrainConfig,
};
pub use validate::{validate, validate_with};
