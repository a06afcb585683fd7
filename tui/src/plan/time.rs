//! How long a run would take, from the speed of earlier ones.

use configs::RunConfig;
use configs::train::TrainConfig;
use serde::Serialize;

/// A run that has been: what it did and how fast.
#[derive(Clone, Debug, PartialEq)]
pub struct Earlier {
    /// The run's id.
    pub id: String,
    /// Its configuration.
    pub config: RunConfig,
    /// Environment steps per second over the whole of it.
    pub steps_per_second: f64,
}

/// How long it would take.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Time {
    /// Seconds, from the middle of the speeds; none where nothing alike was run before.
    pub seconds: Option<f64>,
    /// Seconds at the fastest and at the slowest speed.
    pub range: Option<(f64, f64)>,
    /// What it comes from.
    pub from: String,
}

/// Runs with the same settings but for seed and length come first, then those that learn the
/// same way in the same environment.
pub(super) fn of(config: &TrainConfig, earlier: &[Earlier]) -> Time {
    let measured = |run: &&Earlier| run.steps_per_second.is_finite() && run.steps_per_second > 0.0;
    let (mut speeds, mut how) = (Vec::new(), "");
    for (alike, words) in [
        (
            same as fn(&TrainConfig, &TrainConfig) -> bool,
            "with these settings",
        ),
        (akin, "with this algorithm, network and environment"),
    ] {
        let found = earlier
            .iter()
            .filter(measured)
            .filter(|run| match &run.config {
                RunConfig::Train(other) => alike(config, other),
                _ => false,
            });
        speeds = found.map(|run| run.steps_per_second).collect();
        how = words;
        if !speeds.is_empty() {
            break;
        }
    }
    speeds.sort_by(f64::total_cmp);
    let (Some(slow), Some(fast)) = (speeds.first(), speeds.last()) else {
        return Time {
            from: "unknown: nothing like it was run here before; the speed shows after the first \
                   seconds"
                .to_owned(),
            ..Time::default()
        };
    };
    let steps = config.total_steps as f64;
    let middle = speeds[speeds.len() / 2];
    Time {
        seconds: Some(steps / middle),
        range: Some((steps / fast, steps / slow)),
        from: format!(
            "{:.0} steps per second in {} earlier {} {how}",
            middle,
            speeds.len(),
            if speeds.len() == 1 { "run" } else { "runs" },
        ),
    }
}

fn same(one: &TrainConfig, other: &TrainConfig) -> bool {
    let strip = |config: &TrainConfig| TrainConfig {
        seed: 0,
        total_steps: 0,
        max_updates: None,
        ..config.clone()
    };
    strip(one) == strip(other)
}

fn akin(one: &TrainConfig, other: &TrainConfig) -> bool {
    let key = |config: &TrainConfig| {
        let algorithm = &config.algorithm;
        (
            algorithm.kind,
            algorithm.independent,
            algorithm.central,
            config.network.kind,
            config.environment.id.clone(),
            config.runtime.device,
        )
    };
    key(one) == key(other)
}
