//! What the command line does with environments, as functions: `concord env replay | reset | bench
//! | rollout | check` only read arguments and call these.

mod bench;
mod check;
mod replay;
mod reset;
mod rollout;

pub use bench::{BenchOptions, BenchReport, bench};
pub use check::{Check, CheckReport, check};
pub use replay::replay;
pub use reset::reset;
pub use rollout::{Episode, RolloutPolicy, rollout};

use crate::error::EnvironmentError;
use crate::level_based_foraging::{ForagingId, ForagingRules};
use crate::options::EnvironmentOptions;

/// The rules of a foraging id; other environments have no reference to replay.
fn foraging_rules(
    id: &str,
    options: &EnvironmentOptions,
) -> Result<(ForagingId, ForagingRules), EnvironmentError> {
    let Some(parsed) = ForagingId::parse(id) else {
        // Tells a typing error, with the nearest name, from an environment of another kind.
        crate::make(id, options)?;
        return Err(EnvironmentError::Option {
            option: "env",
            value: id.to_owned(),
            allowed: ForagingId::PATTERN.to_owned(),
            hint: "only level-based foraging has a reference whose states can be replayed"
                .to_owned(),
        });
    };
    let rules = ForagingRules::new(&parsed, options)?;
    Ok((parsed, rules))
}

fn writing(source: std::io::Error) -> EnvironmentError {
    EnvironmentError::Io {
        what: "writing the output failed".to_owned(),
        source,
    }
}
