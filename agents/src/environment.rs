//! From the run's configuration to environments.

use configs::train::{EnvironmentConfig, TimeLimitAs};
use envs::{EnvironmentError, EnvironmentOptions, ResetMode, TimeLimitKind, VectorEnvironment};

/// A batch of `count` environments, at least one, that hold finished episodes.
///
/// # Errors
/// An unknown id, an option out of range.
pub fn environment_batch(
    config: &EnvironmentConfig,
    count: usize,
) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
    let options = environment_options(config);
    envs::make_vector(&config.id, &options, count.max(1), ResetMode::Hold, 1)
}

/// The options that the configuration asks for.
///
/// Rewards stay individual here: the learners sum them where `common_reward` says so,
/// because the logged team return is always the sum.
pub fn environment_options(config: &EnvironmentConfig) -> EnvironmentOptions {
    EnvironmentOptions {
        time_limit: config.time_limit,
        time_limit_as: match config.time_limit_as {
            TimeLimitAs::Termination => TimeLimitKind::Termination,
            TimeLimitAs::Truncation => TimeLimitKind::Truncation,
        },
        exact: config.exact,
        sight: config.sight,
        penalty: config.penalty,
        normalize_reward: config.normalize_reward,
        observe_levels: config.observe_levels,
        ..EnvironmentOptions::default()
    }
}
