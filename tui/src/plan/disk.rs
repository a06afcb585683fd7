//! Space that a run takes on disk by its end.

use configs::train::TrainConfig;

use super::memory::{episode_bytes, episodes_kept};
use super::networks::Networks;
use super::{Estimate, Plan};
use crate::figures::count;

/// Bytes of one line of figures in the event log, and of the same in TensorBoard's file.
const FIGURE: u64 = 145;
/// Figures that the learner writes each time.
const FIGURES: u64 = 14;
/// Bytes for each episode of an evaluation: its return and its length.
const EPISODE: u64 = 12;
/// Bytes of a step of a recorded episode.
const STEP: u64 = 320;
/// Of the best episode, as a film, for each dot of one picture.
const FILM: f64 = 0.2;

pub(super) fn estimate(config: &TrainConfig, plan: &Plan, networks: &Networks) -> Estimate {
    let mut estimate = Estimate::default();
    checkpoints(config, plan, networks, &mut estimate);
    let lines = plan.updates_at_least / config.logging.interval_updates.max(1);
    let sinks = if config.logging.tensorboard { 2 } else { 1 };
    let games = plan.evaluations.saturating_mul(plan.evaluation_episodes);
    let events = lines
        .saturating_mul(FIGURES * FIGURE)
        .saturating_add(
            games
                .saturating_add(plan.final_episodes)
                .saturating_mul(EPISODE),
        )
        .saturating_add(plan.evaluations.saturating_mul(10 * FIGURE));
    estimate.add(
        "events",
        events.saturating_mul(sinks),
        format!(
            "{} sets of figures, {} evaluations{}",
            count(lines as f64),
            count(plan.evaluations as f64),
            if sinks == 2 {
                ", once more for TensorBoard"
            } else {
                ""
            }
        ),
    );
    if config.evaluation.record_episode {
        let recorded = plan.evaluations.saturating_add(1);
        let film = (plan.sizes.picture as f64 * FILM) as u64;
        let bytes = recorded
            .saturating_mul(plan.sizes.episode_limit)
            .saturating_mul(STEP)
            .saturating_add(film);
        estimate.add(
            "recorded episodes",
            bytes,
            format!(
                "{} episodes of at most {} steps, and a film of the best",
                count(recorded as f64),
                plan.sizes.episode_limit
            ),
        );
    }
    estimate.uncertainty =
        "an upper bound for checkpoints; events grow when episodes are shorter than they may be"
            .to_owned();
    estimate
}

fn checkpoints(config: &TrainConfig, plan: &Plan, networks: &Networks, estimate: &mut Estimate) {
    let numbers = networks
        .learnt()
        .saturating_mul(4)
        .saturating_add(networks.targets);
    let learner = numbers.saturating_mul(4);
    let replay =
        episodes_kept(config, &plan.sizes).saturating_mul(episode_bytes(config, &plan.sizes));
    let best = u64::from(config.checkpoint.keep_best);
    let full = plan.checkpoints_kept - best;
    let policy = networks.learnt().saturating_mul(4);
    estimate.add(
        "checkpoints",
        full.saturating_mul(learner.saturating_add(replay))
            .saturating_add(best.saturating_mul(policy)),
        format!(
            "{full} kept with {} of weights and {} of episodes each{}",
            super::bytes(learner),
            super::bytes(replay),
            if best == 1 {
                ", and the best policy"
            } else {
                ""
            }
        ),
    );
    // The next one is written before the oldest is removed.
    estimate.add(
        "while one is written",
        learner.saturating_add(replay),
        "one more checkpoint, for a moment".to_owned(),
    );
}
