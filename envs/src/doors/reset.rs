//! `concord env reset`: successive starts as the reference package draws them.

use std::io::Write;

use super::{foraging_rules, writing};
use crate::error::EnvironmentError;
use crate::level_based_foraging::LooseGame;
use crate::options::EnvironmentOptions;

/// Writes `count` successive starts, one JSON object per line in the form that
/// [`replay`](super::replay) reads, without actions.
///
/// They are bit for bit those of one fresh instance of the reference package: the first by
/// `reset(seed=seed)`, the rest by `reset()`. Exact mode is always on, so positions of earlier
/// starts block cells (quirk Q1).
///
/// # Errors
/// An unknown id, one that is not level-based foraging, or output that cannot be written.
pub fn reset(
    id: &str,
    options: &EnvironmentOptions,
    seed: u64,
    count: usize,
    mut output: impl Write,
) -> Result<(), EnvironmentError> {
    let options = EnvironmentOptions {
        exact: true,
        ..options.clone()
    };
    let (_, rules) = foraging_rules(id, &options)?;
    let mut game = LooseGame::new(rules);
    game.seed(seed);
    for _ in 0..count {
        game.reset();
        serde_json::to_writer(&mut output, &game.state()).map_err(|error| writing(error.into()))?;
        output.write_all(b"\n").map_err(writing)?;
    }
    output.flush().map_err(writing)
}
