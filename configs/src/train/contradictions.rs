//! What no single range can tell: settings of a training run that contradict
//! each other.

use super::{
    AlgorithmKind, CentralKind, IndependentKind, RuntimeMode, SharedParts, SwitchKind, TrainConfig,
};
use crate::problem::Problem;

/// All contradictions, errors and warnings. Ranges are checked elsewhere, from
/// the field table.
pub(crate) fn contradictions(config: &TrainConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    replay(config, &mut problems);
    exploration(config, &mut problems);
    evaluation(config, &mut problems);
    amounts(config, &mut problems);
    pair(config, &mut problems);
    on_policy(config, &mut problems);
    central(config, &mut problems);
    if config.network.agent_id && !config.network.share_parameters {
        problems.push(
            Problem::warning("network.agent_id", "separate networks need no agent number")
                .value(true)
                .hint("set network.agent_id = false, or network.share_parameters = true")
                .related("network.share_parameters"),
        );
    }
    problems
}

fn replay(config: &TrainConfig, problems: &mut Vec<Problem>) {
    let batch = config.replay.batch_episodes;
    let capacity = config.replay.capacity_episodes;
    if batch > capacity {
        problems.push(
            Problem::error("replay.batch_episodes", "batch larger than the replay")
                .value(batch)
                .allowed(format!("at most replay.capacity_episodes = {capacity}"))
                .hint("lower the batch or raise replay.capacity_episodes")
                .related("replay.capacity_episodes"),
        );
    }
    let shards = config.runtime.learner_shards;
    if shards > 0 && !batch.is_multiple_of(shards) {
        problems.push(
            Problem::error(
                "runtime.learner_shards",
                "batch does not split into equal parts",
            )
            .value(shards)
            .allowed(format!("a divisor of replay.batch_episodes = {batch}"))
            .hint("change one of the two")
            .related("replay.batch_episodes"),
        );
    }
    let round = config.environments();
    if round > capacity {
        problems.push(
            Problem::error(
                "runtime.environments_per_actor",
                "a round of episodes would not fit into the replay",
            )
            .value(config.runtime.environments_per_actor)
            .allowed(format!(
                "actors x environments_per_actor (here {round}) at most \
                 replay.capacity_episodes = {capacity}"
            ))
            .hint("use fewer environments or raise replay.capacity_episodes")
            .related("replay.capacity_episodes")
            .related("runtime.actors"),
        );
    }
}

fn exploration(config: &TrainConfig, problems: &mut Vec<Problem>) {
    let exploration = &config.exploration;
    if exploration.epsilon_end > exploration.epsilon_start {
        problems.push(
            Problem::error("exploration.epsilon_end", "epsilon would rise")
                .value(exploration.epsilon_end)
                .allowed(format!(
                    "at most exploration.epsilon_start = {}",
                    exploration.epsilon_start
                ))
                .hint("swap the two or change one")
                .related("exploration.epsilon_start"),
        );
    }
    if exploration.anneal_steps > config.total_steps {
        problems.push(
            Problem::warning(
                "exploration.anneal_steps",
                "epsilon never reaches its last value",
            )
            .value(exploration.anneal_steps)
            .allowed(format!("at most total_steps = {}", config.total_steps))
            .hint("anneal over fewer steps or train longer")
            .related("total_steps"),
        );
    }
}

fn evaluation(config: &TrainConfig, problems: &mut Vec<Problem>) {
    let evaluation = &config.evaluation;
    if evaluation.absolute_episodes > 0 && !config.checkpoint.keep_best {
        problems.push(
            Problem::error(
                "evaluation.absolute_episodes",
                "the last evaluation needs the best checkpoint, which is not kept",
            )
            .value(evaluation.absolute_episodes)
            .allowed("0 while checkpoint.keep_best = false")
            .hint("set checkpoint.keep_best = true or evaluation.absolute_episodes = 0")
            .related("checkpoint.keep_best"),
        );
    }
    if evaluation.environments > evaluation.episodes {
        problems.push(
            Problem::warning(
                "evaluation.environments",
                "more environments than episodes; the rest stays idle",
            )
            .value(evaluation.environments)
            .allowed(format!(
                "at most evaluation.episodes = {}",
                evaluation.episodes
            ))
            .hint("use fewer environments or more episodes")
            .related("evaluation.episodes"),
        );
    }
}

/// MANSA's two learners and its switch must learn in the same way.
fn pair(config: &TrainConfig, problems: &mut Vec<Problem>) {
    let algorithm = &config.algorithm;
    if algorithm.kind != AlgorithmKind::Mansa {
        return;
    }
    let on_policy = algorithm.independent == IndependentKind::Ippo;
    if on_policy != (algorithm.central == CentralKind::Mappo) {
        problems.push(
            Problem::error("algorithm.central", "one learner replays, the other cannot")
                .value(central_word(algorithm.central))
                .allowed(if on_policy {
                    "mappo with algorithm.independent = ippo"
                } else {
                    "vdn or qmix with algorithm.independent = iql"
                })
                .hint("pair iql with vdn or qmix, or ippo with mappo")
                .related("algorithm.independent"),
        );
    }
    let replaying = matches!(
        algorithm.switch.kind,
        SwitchKind::DoubleDqn | SwitchKind::DiscreteSac
    );
    if on_policy && replaying {
        problems.push(
            Problem::error(
                "algorithm.switch.kind",
                "it learns from a replay, which ippo and mappo do not keep",
            )
            .value(if algorithm.switch.kind == SwitchKind::DoubleDqn {
                "double_dqn"
            } else {
                "discrete_sac"
            })
            .allowed("ppo, random, always or never with algorithm.independent = ippo")
            .hint("set algorithm.switch.kind = ppo")
            .related("algorithm.independent"),
        );
    }
    if on_policy && algorithm.switch.share != SharedParts::Separate {
        problems.push(
            Problem::error(
                "algorithm.switch.share",
                "policies with critics of their own share no network",
            )
            .value(if algorithm.switch.share == SharedParts::Full {
                "full"
            } else {
                "trunk"
            })
            .allowed("separate with algorithm.independent = ippo")
            .hint("set algorithm.switch.share = separate, or pair iql with vdn or qmix")
            .related("algorithm.independent"),
        );
    }
}

fn central_word(kind: CentralKind) -> &'static str {
    match kind {
        CentralKind::Vdn => "vdn",
        CentralKind::Qmix => "qmix",
        CentralKind::Mappo => "mappo",
    }
}

/// Policies learn from the episodes that they played themselves, all of them, once.
fn on_policy(config: &TrainConfig, problems: &mut Vec<Problem>) {
    let algorithm = &config.algorithm;
    let switch = algorithm.is_mansa() && algorithm.switch.kind == SwitchKind::Ppo;
    if !algorithm.on_policy() && !switch {
        return;
    }
    let path = match config.runtime.mode {
        RuntimeMode::Lockstep(lockstep) if lockstep.lag_rounds == 0 => None,
        RuntimeMode::Lockstep(_) => Some(("runtime.mode.lag_rounds", "1")),
        RuntimeMode::Free(_) => Some(("runtime.mode.kind", "free")),
    };
    if let Some((path, value)) = path {
        problems.push(
            Problem::error(path, "episodes would be played by an older policy")
                .value(value)
                .allowed("lockstep without lag for ippo, mappo and a ppo switch")
                .hint("set runtime.mode = { kind = \"lockstep\", lag_rounds = 0 }")
                .related("algorithm.kind"),
        );
    }
    let (minibatches, batch) = (
        config.algorithm.ppo.minibatches,
        config.replay.batch_episodes,
    );
    if minibatches > batch {
        problems.push(
            Problem::error("algorithm.ppo.minibatches", "more parts than episodes")
                .value(minibatches)
                .allowed(format!("at most replay.batch_episodes = {batch}"))
                .hint("use fewer parts or more episodes")
                .related("replay.batch_episodes"),
        );
    }
}

/// A central value is the value of the team's reward.
fn central(config: &TrainConfig, problems: &mut Vec<Problem>) {
    let algorithm = &config.algorithm;
    let mixes = match algorithm.kind {
        AlgorithmKind::Vdn | AlgorithmKind::Qmix => true,
        AlgorithmKind::Mansa => algorithm.central != CentralKind::Mappo,
        AlgorithmKind::Iql | AlgorithmKind::Ippo | AlgorithmKind::Mappo => false,
    };
    if mixes && !config.environment.common_reward {
        problems.push(
            Problem::error(
                "environment.common_reward",
                "a mixed value is the value of one common reward",
            )
            .value(false)
            .allowed("true with vdn and qmix")
            .hint("set environment.common_reward = true, or use iql")
            .related("algorithm.kind"),
        );
    }
}

/// Totals too small for what they hold.
fn amounts(config: &TrainConfig, problems: &mut Vec<Problem>) {
    let total = config.total_steps;
    for (path, interval, effect) in [
        (
            "evaluation.interval_steps",
            config.evaluation.interval_steps,
            "evaluated only at the first and the last step",
        ),
        (
            "checkpoint.interval_steps",
            config.checkpoint.interval_steps,
            "saved only at the end",
        ),
    ] {
        if interval > total {
            problems.push(
                Problem::warning(path, effect)
                    .value(interval)
                    .allowed(format!("at most total_steps = {total}"))
                    .hint("shorten the interval or train longer")
                    .related("total_steps"),
            );
        }
    }
    if config.environments() as u64 > total {
        problems.push(
            Problem::error("total_steps", "less than one step for each environment")
                .value(total)
                .allowed(format!(
                    "at least runtime.actors x runtime.environments_per_actor = {}",
                    config.environments()
                ))
                .hint("train longer or use fewer environments")
                .related("runtime.actors")
                .related("runtime.environments_per_actor"),
        );
    }
}
