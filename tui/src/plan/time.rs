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
    /// How many it took: environment steps, or updates of a fine-tuning.
    pub steps: u64,
    /// Environment steps, or updates of a fine-tuning, per second over the whole of it.
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

/// Whether a run is like the one that is planned.
type Alike<'a> = &'a dyn Fn(&RunConfig) -> bool;

/// Runs with the same settings but for seed and length come first, then those that learn the
/// same way in the same environment.
pub(super) fn of(config: &TrainConfig, earlier: &[Earlier]) -> Time {
    let alike = |akin: fn(&TrainConfig, &TrainConfig) -> bool| {
        move |other: &RunConfig| match other {
            RunConfig::Train(other) => akin(config, other),
            _ => false,
        }
    };
    Time::from_speeds(
        config.total_steps,
        "steps",
        0,
        earlier,
        &[
            ("with these settings", &alike(same)),
            ("with this algorithm, network and environment", &alike(akin)),
        ],
    )
}

impl Time {
    /// From the runs of the first kind that there are any of, and that took at least so many steps.
    pub(super) fn from_speeds(
        steps: u64,
        unit: &str,
        least: u64,
        earlier: &[Earlier],
        kinds: &[(&str, Alike<'_>)],
    ) -> Self {
        let measured =
            |run: &&Earlier| run.steps_per_second.is_finite() && run.steps_per_second > 0.0;
        let (mut speeds, mut how) = (Vec::new(), "");
        let mut longest = 0;
        for (words, alike) in kinds {
            let found = earlier.iter().filter(measured);
            let found = found.filter(|run| alike(&run.config));
            let found: Vec<&Earlier> = found.collect();
            longest = found.iter().map(|run| run.steps).fold(longest, u64::max);
            let long = found.iter().filter(|run| run.steps >= least);
            speeds = long.map(|run| run.steps_per_second).collect();
            how = words;
            if !speeds.is_empty() {
                break;
            }
        }
        if speeds.is_empty() && longest > 0 {
            return Self {
                from: format!(
                    "unknown: runs like it took {longest} {unit} at most, mostly for what a long \
                     run does seldom; the speed shows after the first minutes"
                ),
                ..Self::default()
            };
        }
        speeds.sort_by(f64::total_cmp);
        let (Some(slow), Some(fast)) = (speeds.first(), speeds.last()) else {
            return Self {
                from: "unknown: nothing like it was run here before; the speed shows after the \
                       first seconds"
                    .to_owned(),
                ..Self::default()
            };
        };
        let steps = steps as f64;
        let middle = speeds[speeds.len() / 2];
        let places = if middle < 10.0 { 2 } else { 0 };
        Self {
            seconds: Some(steps / middle),
            range: Some((steps / fast, steps / slow)),
            from: format!(
                "{middle:.places$} {unit} per second in {} earlier {} {how}",
                speeds.len(),
                if speeds.len() == 1 { "run" } else { "runs" },
            ),
        }
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
