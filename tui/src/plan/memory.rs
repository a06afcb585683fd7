//! The worker's memory at its peak, part by part. The factors were found by measuring the
//! peak of real runs (docs/benchmarks.md); everything else follows from sizes.

use configs::train::{NetworkKind, OptimizerKind, TrainConfig};

use super::networks::Networks;
use super::{Estimate, Sizes, on_cuda};
use crate::figures::count;

/// The program and LibTorch before anything is learnt: measured.
const PROGRAM: u64 = 134 << 20;
/// What the CUDA libraries add on the host: taken from what others report, not measured here.
const CUDA: u64 = 1_500 << 20;
const FLOAT: u64 = 4;
/// Arrays that grow are copied while they grow: old and new at the same time.
const GROWTH: f64 = 1.5;
/// Copies of the weights beside the learner's: packed for the kernels of every thread, sent to
/// the actors, and in a checkpoint that is being written.
const COPIES: u64 = 20;
/// Memory of the passes that LibTorch differentiates, per number of the networks: forward,
/// backward and what its allocator keeps.
const DIFFERENTIATED: f64 = 3.0;
/// Memory of the passes of the hand-made kernels, which work block by block.
const BLOCKWISE: f64 = 1.25;
/// Bytes for each dot of a film while it is packed: its colours, and the index of each.
const DOT: u64 = 4;

/// The items, each with the numbers that it comes from.
pub(super) fn estimate(config: &TrainConfig, sizes: &Sizes, networks: &Networks) -> Estimate {
    let mut estimate = Estimate::default();
    let cuda = on_cuda(config);
    let from = if cuda {
        "measured without CUDA, and 1.5 GiB for its libraries"
    } else {
        "measured"
    };
    let program = PROGRAM + if cuda { CUDA } else { 0 };
    estimate.add("program and LibTorch", program, from.to_owned());
    weights(config, networks, &mut estimate);
    memory_of_episodes(config, sizes, &mut estimate);
    activations(config, sizes, networks, &mut estimate);
    environments(config, sizes, &mut estimate);
    film(config, sizes, &mut estimate);
    estimate.uncertainty = if cuda {
        "memory of the host; on a graphics card the weights, the optimiser and the activations \
         lie there. Not measured with CUDA: it may be off by half"
    } else {
        "on the CPU within 4 % of what was measured for the presets and 13 % for other settings; \
         far from their sizes it may be off by a quarter"
    }
    .to_owned();
    estimate
}

fn weights(config: &TrainConfig, networks: &Networks, estimate: &mut Estimate) {
    let learnt = networks.learnt();
    let bytes = |numbers: u64| numbers.saturating_mul(FLOAT);
    estimate.add(
        "parameters",
        bytes(learnt),
        format!("{} ({}) x 4 bytes", count(learnt as f64), networks.words()),
    );
    let shards = config.runtime.learner_shards as u64;
    estimate.add(
        "gradients",
        bytes(learnt.saturating_mul(shards)),
        format!("parameters x {shards} learner shards x 4 bytes"),
    );
    let (moments, name) = match config.algorithm.optimizer {
        OptimizerKind::Adam => (2, "Adam"),
        OptimizerKind::Rmsprop => (1, "RMSprop"),
    };
    estimate.add(
        "optimiser state",
        bytes(learnt.saturating_mul(moments)),
        format!("parameters x {moments} ({name}) x 4 bytes"),
    );
    estimate.add(
        "target networks",
        bytes(networks.targets),
        format!("{} x 4 bytes", count(networks.targets as f64)),
    );
    estimate.add(
        "copies of the weights",
        bytes(learnt.saturating_mul(COPIES)),
        format!("parameters x {COPIES} (kernels, actors, checkpoints; measured) x 4 bytes"),
    );
}

/// Bytes of one episode as it is kept: all steps up to the limit, used or not.
pub(super) fn episode_bytes(config: &TrainConfig, sizes: &Sizes) -> u64 {
    let states = sizes.episode_limit.saturating_add(1);
    let joint = sizes
        .agents
        .saturating_mul(sizes.observation)
        .saturating_mul(FLOAT);
    let masks = if config.environment.action_masks {
        sizes.agents.saturating_mul(sizes.actions)
    } else {
        0
    };
    let switch = if config.algorithm.is_mansa() { 7 } else { 0 };
    let state = joint.saturating_add(masks).saturating_add(switch);
    let step = sizes.agents.saturating_mul(1 + FLOAT);
    states
        .saturating_mul(state)
        .saturating_add(sizes.episode_limit.saturating_mul(step))
        .saturating_add(9)
}

/// Episodes that are kept at the same time.
pub(super) fn episodes_kept(config: &TrainConfig, sizes: &Sizes) -> u64 {
    let round = config.environments() as u64;
    if config.algorithm.on_policy() {
        return (config.replay.batch_episodes as u64).saturating_add(round);
    }
    // Short episodes are many: how many is not known before, the limit gives the least.
    let played = config
        .total_steps
        .div_ceil(sizes.episode_limit.max(1))
        .saturating_add(round);
    (config.replay.capacity_episodes as u64).min(played)
}

fn memory_of_episodes(config: &TrainConfig, sizes: &Sizes, estimate: &mut Estimate) {
    let (kept, each) = (episodes_kept(config, sizes), episode_bytes(config, sizes));
    let name = if config.algorithm.on_policy() {
        "rollout"
    } else {
        "replay"
    };
    let bytes = kept.saturating_mul(each) as f64 * GROWTH;
    estimate.add(
        name,
        bytes as u64,
        format!(
            "{} episodes x {} bytes ({} steps of {} agents who see {} numbers) x {GROWTH} while it grows",
            count(kept as f64),
            count(each as f64),
            sizes.episode_limit,
            sizes.agents,
            sizes.observation,
        ),
    );
}

fn activations(config: &TrainConfig, sizes: &Sizes, networks: &Networks, estimate: &mut Estimate) {
    let batch = config.replay.batch_episodes as u64;
    let minibatches = config.algorithm.ppo.minibatches.max(1) as u64;
    let on_policy = config.algorithm.on_policy();
    let episodes = if on_policy {
        batch.div_ceil(minibatches)
    } else {
        batch
    };
    let rows = episodes
        .saturating_mul(sizes.episode_limit.saturating_add(1))
        .saturating_mul(sizes.agents);
    let numbers = rows.saturating_mul(networks.widths);
    let recurrent = config.network.kind == NetworkKind::Gru;
    let factor = if on_policy || recurrent {
        DIFFERENTIATED
    } else {
        BLOCKWISE
    };
    let bytes = numbers.saturating_mul(FLOAT) as f64 * factor;
    estimate.add(
        "activations",
        bytes as u64,
        format!(
            "{} episodes x {} steps x {} agents x {} numbers a row x {factor} (measured) x 4 bytes",
            count(episodes as f64),
            sizes.episode_limit.saturating_add(1),
            sizes.agents,
            networks.widths,
        ),
    );
}

fn environments(config: &TrainConfig, sizes: &Sizes, estimate: &mut Estimate) {
    let training = config.environments() as u64;
    let testing = config.evaluation.environments as u64;
    let waiting = (config.runtime.queue_capacity as u64).saturating_add(2);
    let state = sizes
        .observation
        .saturating_mul(sizes.agents)
        .saturating_mul(FLOAT);
    let own = state.saturating_mul(4).saturating_add(2_048);
    let round = training.saturating_mul(episode_bytes(config, sizes));
    let bytes = training
        .saturating_add(testing)
        .saturating_mul(own)
        .saturating_add(round.saturating_mul(waiting.min(3)));
    estimate.add(
        "environments",
        bytes,
        format!(
            "{training} that train and {testing} that evaluate, and rounds of episodes on their way"
        ),
    );
}

fn film(config: &TrainConfig, sizes: &Sizes, estimate: &mut Estimate) {
    // The best policy's last evaluation is filmed.
    if config.evaluation.absolute_episodes == 0 || sizes.picture == 0 {
        return;
    }
    let frames = sizes.episode_limit.saturating_add(1);
    estimate.add(
        "film of an episode",
        frames.saturating_mul(sizes.picture).saturating_mul(DOT),
        format!(
            "{frames} pictures x {} dots x {DOT} bytes",
            count(sizes.picture as f64)
        ),
    );
}
