//! The learner of value-based teams: IQL, VDN, QMIX, and MANSA over them.
//!
//! One replay, one batch per update. A team of one algorithm has one *member*, a network
//! whose temporal-difference loss ([`crate::td_loss`]) mixes the agents' values in its own
//! way ([`crate::mixing`]). MANSA has an independent and a central member, which may share
//! their network, and a switch that learns from the same batch.

use std::sync::Arc;

use configs::train::{
    AlgorithmConfig, AlgorithmKind, CentralKind, OptimizerKind, SharedParts, SwitchKind,
    TargetUpdate, TrainConfig, TransitionData,
};
use envs::EnvironmentSpec;
use nn::arrays::Arrays;
use nn::optimiser::{Optimiser, OptimiserKind, clip_gradient};
use nn::parameters::{ParameterLayout, Parameters};
use nn::random::RandomStream;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::AgentsError;
use crate::learner::{Learner, UpdateReport, read_state};
use crate::mansa::switch::{SwitchLearner, switch_learner};
use crate::mixer_pass::MixerPass;
use crate::mixing::{Mixer, MixerShape, MonotoneMixer};
use crate::network::AgentNetwork;
use crate::network_pass::NetworkPass;
use crate::replay::{EpisodeReplay, HostBatch};
use crate::reward_standardisation::RewardScale;
use crate::rollout::EpisodeBatch;
use crate::shards::Shards;
use crate::td_loss::{Feed, MemberOutput, TdHead, TdMember, TdPart, TdShard};
use crate::team::Team;

/// The learner of value-based teams.
pub struct QLearner {
    config: AlgorithmConfig,
    team: Arc<Team>,
    spec: EnvironmentSpec,
    members: Vec<Member>,
    switch: Option<Box<dyn SwitchLearner>>,
    fresh: Option<EpisodeReplay>, // for a switch that learns from each episode once
    replay: EpisodeReplay,
    batch_episodes: usize,
    shards: Shards<TdShard>,
    state: LearnerState,
}

/// A network that is learnt, with everything that belongs to it.
struct Member {
    name: &'static str, // prefix in checkpoints, empty when there is one member
    network_scalars: i64,
    heads: Vec<TdHead>,
    online: Parameters,
    target: Parameters,
    optimiser: Optimiser,
}

/// What a checkpoint keeps beside the arrays.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnerState {
    replay_stream: RandomStream,
    rewards: RewardScale,
    updates: u64,
    last_target_update: u64,
}

impl QLearner {
    /// A fresh learner; weights are drawn from the run's `initialisation` stream.
    ///
    /// # Errors
    /// When the learner's threads cannot be started.
    pub fn new(
        config: &TrainConfig,
        spec: &EnvironmentSpec,
        device: Device,
    ) -> Result<Self, AgentsError> {
        let team = Arc::new(Team::new(config, spec));
        let plans = plans(config, spec, &team);
        let members: Vec<Member> = plans
            .iter()
            .map(|plan| Member::new(plan, config, device))
            .collect();
        let shard = |_| TdShard {
            members: plans
                .iter()
                .zip(&members)
                .map(|(plan, member)| plan.on_shard(member))
                .collect(),
            spec: spec.clone(),
            discount: config.algorithm.discount,
            double_q: config.algorithm.double_q,
            cut: true,
        };
        let switch = switch_learner(config, spec, device);
        let masked = config.environment.action_masks;
        let capacity = config.replay.batch_episodes + config.environments();
        let fresh = (switch.is_some() && config.algorithm.switch.kind == SwitchKind::Ppo)
            .then(|| EpisodeReplay::new(spec, capacity, masked, true));
        let shards = Shards::start(
            (0..config.runtime.learner_shards.max(1))
                .map(shard)
                .collect(),
        )?;
        Ok(Self {
            config: config.algorithm.clone(),
            switch,
            fresh,
            replay: EpisodeReplay::new(
                spec,
                config.replay.capacity_episodes,
                masked,
                team.switch().is_some(),
            ),
            team,
            spec: spec.clone(),
            members,
            batch_episodes: config.replay.batch_episodes,
            shards,
            state: LearnerState {
                replay_stream: RandomStream::new(config.seed, "replay", 0),
                rewards: RewardScale::new(config, spec.agents),
                updates: 0,
                last_target_update: 0,
            },
        })
    }

    /// The batch of one update, cut into one part per shard.
    fn sample(&mut self) -> (Vec<usize>, Vec<TdPart>) {
        let slots = self
            .state
            .replay_stream
            .distinct(self.batch_episodes, self.replay.len());
        let share = slots.len().div_ceil(self.shards.count());
        let parts: Vec<HostBatch> = slots
            .chunks(share)
            .map(|slots| self.replay.gather(slots))
            .collect();
        let transitions: usize = parts.iter().map(|part| part.current.len()).sum();
        let padding = slots.len() * self.replay.horizon(&slots) - transitions;
        // The reference pads its batches to the longest episode and counts the padding as
        // rewards of 0.
        let raw: Vec<&[f32]> = parts.iter().map(|part| &part.rewards[..]).collect();
        let rewards = self.state.rewards.learnt(&raw, self.spec.agents, padding);
        let terms = self.terms(&parts);
        let parts = parts
            .into_iter()
            .zip(rewards)
            .map(|(batch, rewards)| TdPart {
                batch: Arc::new(batch),
                rewards: Arc::new(rewards),
                terms: terms.clone(),
            });
        (slots, parts.collect())
    }

    /// Squared errors in the whole batch, of each member's heads.
    fn terms(&self, parts: &[HostBatch]) -> Vec<Vec<f64>> {
        let count = |feed: Feed| -> usize {
            let of_part = |part: &HostBatch| {
                (0..part.current.len())
                    .filter(|&transition| feed.takes(&part.calls, transition))
                    .count()
            };
            parts.iter().map(of_part).sum()
        };
        let of_head = |head: &TdHead| {
            let errors = head.mixer.values_per_step(self.spec.agents);
            (count(head.feed) * errors) as f64
        };
        self.members
            .iter()
            .map(|member| member.heads.iter().map(of_head).collect())
            .collect()
    }

    /// Sums a member's outputs over the shards and takes its step.
    fn step(
        &mut self,
        member: usize,
        outputs: impl Iterator<Item = Option<MemberOutput>>,
        episodes: &[usize],
    ) -> Result<Option<UpdateReport>, AgentsError> {
        let mut report = UpdateReport::default();
        let mut gradient: Option<Tensor> = None;
        for output in outputs.flatten() {
            report.loss += output.loss;
            report.mean_value += output.mean_value;
            report.mean_target += output.mean_target;
            gradient = Some(match gradient {
                None => output.gradient,
                Some(mut sum) => sum.g_add_(&output.gradient),
            });
        }
        let Some(mut gradient) = gradient else {
            return Ok(None);
        };
        let limit = (self.config.gradient_clip > 0.0).then_some(self.config.gradient_clip);
        report.gradient_norm = clip_gradient(&mut gradient, limit);
        for (quantity, value) in [
            ("loss", report.loss),
            ("gradient norm", report.gradient_norm),
        ] {
            if !value.is_finite() {
                return Err(AgentsError::Diverged {
                    quantity,
                    value,
                    update: self.state.updates + 1,
                    episodes: episodes.to_vec(),
                    last_checkpoint: String::new(),
                });
            }
        }
        let member = &mut self.members[member];
        member.optimiser.step(&mut member.online, &gradient);
        Ok(Some(report))
    }

    /// The switch learns from the batch that the members learnt from, or from the episodes
    /// since its last update. Returns its figures.
    fn update_switch(
        &mut self,
        batches: &[Arc<HostBatch>],
    ) -> Result<Vec<(&'static str, f64)>, AgentsError> {
        let Some(switch) = &mut self.switch else {
            return Ok(Vec::new());
        };
        if let Some(fresh) = &mut self.fresh {
            if fresh.len() < self.batch_episodes {
                return Ok(Vec::new());
            }
            let (batch, _) = fresh.drain();
            return Ok(switch.update(&[&batch])?.curves());
        }
        let interval = self.config.switch.update_interval.max(1);
        if !self.state.updates.is_multiple_of(interval) {
            return Ok(Vec::new());
        }
        let parts: Vec<&HostBatch> = batches.iter().map(Arc::as_ref).collect();
        Ok(switch.update(&parts)?.curves())
    }

    fn follow_targets(&mut self) {
        let rate = match self.config.target_update {
            TargetUpdate::Soft(soft) => soft.rate,
            TargetUpdate::Hard(hard) => {
                if self.state.updates - self.state.last_target_update < hard.interval_updates {
                    return;
                }
                self.state.last_target_update = self.state.updates;
                1.0
            }
        };
        for member in &mut self.members {
            member.target.track(&member.online, rate);
        }
    }
}

impl Learner for QLearner {
    fn team(&self) -> &Arc<Team> {
        &self.team
    }

    fn acting_weights(&self) -> Tensor {
        let mut parts: Vec<Tensor> = Vec::new();
        for member in &self.members {
            let flat = member.online.flat().narrow(0, 0, member.network_scalars);
            parts.push(flat.to_device(Device::Cpu));
        }
        parts.extend(self.switch.iter().map(|switch| switch.acting().snapshot()));
        Tensor::cat(&parts, 0)
    }

    fn observe(&mut self, episodes: &EpisodeBatch) {
        self.replay.insert(episodes);
        if let Some(fresh) = &mut self.fresh {
            fresh.insert(episodes);
        }
    }

    fn ready(&self) -> bool {
        self.replay.len() >= self.batch_episodes
    }

    fn updates(&self) -> u64 {
        self.state.updates
    }

    fn update(&mut self) -> Result<UpdateReport, AgentsError> {
        let (slots, parts) = self.sample();
        let central = central_share(&parts, &self.members);
        let batches: Vec<_> = parts.iter().map(|part| Arc::clone(&part.batch)).collect();
        let mut outputs: Vec<_> = self
            .shards
            .work(parts)?
            .into_iter()
            .map(Vec::into_iter)
            .collect();
        let mut reports = Vec::new();
        for member in 0..self.members.len() {
            let of_member: Vec<_> = outputs
                .iter_mut()
                .map(|shard| shard.next().flatten())
                .collect();
            reports.push(self.step(member, of_member.into_iter(), &slots)?);
        }
        self.state.updates += 1;
        self.follow_targets();
        let mut reports = reports.into_iter();
        let mut report = reports.next().flatten().unwrap_or_default();
        report.more.extend(self.update_switch(&batches)?);
        if let Some(share) = central {
            report.more.push(("mansa/cl_update_fraction", share));
        }
        if let Some(central) = reports.next().flatten() {
            report.more.extend([
                ("train/central_loss", central.loss),
                ("train/central_gradient_norm", central.gradient_norm),
                ("train/central_mean_value", central.mean_value),
            ]);
        }
        Ok(report)
    }

    fn to_arrays(&self) -> Result<(Arrays, serde_json::Value), AgentsError> {
        let mut arrays = Arrays::new();
        for member in &self.members {
            let name = member.name;
            arrays.extend(member.online.to_arrays(&format!("{name}online.")));
            arrays.extend(member.target.to_arrays(&format!("{name}target.")));
            arrays.extend(member.optimiser.to_arrays(&format!("{name}optimiser.")));
        }
        if let Some(switch) = &self.switch {
            arrays.extend(switch.to_arrays());
        }
        if let Some(fresh) = &self.fresh {
            arrays.extend(fresh.to_arrays().prefixed("fresh."));
        }
        let state = serde_json::to_value(&self.state).expect("the state is plain data");
        Ok((arrays, state))
    }

    fn load_arrays(
        &mut self,
        arrays: &Arrays,
        state: serde_json::Value,
    ) -> Result<(), AgentsError> {
        for member in &mut self.members {
            let name = member.name;
            member
                .online
                .load_arrays(arrays, &format!("{name}online."))?;
            member
                .target
                .load_arrays(arrays, &format!("{name}target."))?;
            member
                .optimiser
                .load_arrays(arrays, &format!("{name}optimiser."))?;
        }
        if let Some(switch) = &mut self.switch {
            switch.load_arrays(arrays)?;
        }
        if let Some(fresh) = &mut self.fresh {
            fresh.load_arrays(&arrays.part("fresh."))?;
        }
        self.state = read_state(state)?;
        Ok(())
    }

    fn replay(&self) -> &EpisodeReplay {
        &self.replay
    }

    fn replay_mut(&mut self) -> &mut EpisodeReplay {
        &mut self.replay
    }
}

/// Share of a batch's transitions that the central head learns from, in a team that has one.
fn central_share(parts: &[TdPart], members: &[Member]) -> Option<f64> {
    let heads = members.iter().flat_map(|member| &member.heads);
    let central = heads.skip(1).last()?.feed;
    let takes = |part: &TdPart| {
        let transitions = 0..part.batch.current.len();
        transitions
            .filter(|&transition| central.takes(&part.batch.calls, transition))
            .count()
    };
    let all: usize = parts.iter().map(|part| part.batch.current.len()).sum();
    Some(parts.iter().map(takes).sum::<usize>() as f64 / all.max(1) as f64)
}

/// What a member is made of.
struct Plan {
    name: &'static str,
    network: Arc<AgentNetwork>,
    layout: Arc<ParameterLayout>,
    of_network: usize, // weights of the network; the rest are mixers'
    heads: Vec<TdHead>,
}

impl Plan {
    /// The member on one shard.
    fn on_shard(&self, member: &Member) -> TdMember {
        let mixing: Vec<MixerPass> = self
            .heads
            .iter()
            .map(|head| MixerPass::new(&head.mixer, &member.online))
            .collect();
        // Kernels bring the gradient of a mixer's weights themselves.
        let others = if mixing.iter().any(MixerPass::is_fused) {
            Vec::new()
        } else {
            self.layout.since(self.of_network)
        };
        TdMember {
            pass: NetworkPass::new(&self.network, &member.online, others),
            network: Arc::clone(&self.network),
            online: member.online.share(),
            target: member.target.share(),
            heads: self.heads.clone(),
            mixing,
        }
    }
}

/// The members of a configuration.
fn plans(config: &TrainConfig, spec: &EnvironmentSpec, team: &Team) -> Vec<Plan> {
    let algorithm = &config.algorithm;
    let (independent, central) = match algorithm.switch.data {
        TransitionData::All => (Feed::All, Feed::All),
        TransitionData::Own => (Feed::Independent, Feed::Central),
    };
    let mixes = match algorithm.kind {
        AlgorithmKind::Vdn => vec![(Mixing::Sum, Feed::All)],
        AlgorithmKind::Qmix => vec![(Mixing::Monotone, Feed::All)],
        AlgorithmKind::Mansa => {
            let mixing = match algorithm.central {
                CentralKind::Vdn => Mixing::Sum,
                CentralKind::Qmix | CentralKind::Mappo => Mixing::Monotone,
            };
            vec![(Mixing::None, independent), (mixing, central)]
        }
        AlgorithmKind::Iql | AlgorithmKind::Ippo | AlgorithmKind::Mappo => {
            vec![(Mixing::None, Feed::All)]
        }
    };
    let names: &[&'static str] = match (algorithm.kind, algorithm.switch.share) {
        (AlgorithmKind::Mansa, SharedParts::Separate) => &["independent.", "central."],
        _ => &[""],
    };
    names
        .iter()
        .enumerate()
        .map(|(index, &name)| {
            let own = |head: usize| team.heads()[head].network == index;
            let mut layout = ParameterLayout::new();
            let shape = team.networks()[index].shape();
            let network = AgentNetwork::declare(&mut layout, "agent", shape, &config.network);
            let of_network = layout.len();
            let heads = (0..mixes.len()).filter(|&head| own(head));
            let heads = heads
                .map(|head| TdHead {
                    first_output: team.heads()[head].first_output,
                    mixer: Arc::new(mixes[head].0.declare(&mut layout, config, spec)),
                    feed: mixes[head].1,
                    bootstrap: if head == 1 {
                        algorithm.switch.bootstrap
                    } else {
                        configs::train::Bootstrap::Central
                    },
                })
                .collect();
            Plan {
                name,
                network: Arc::new(network),
                layout: Arc::new(layout),
                of_network,
                heads,
            }
        })
        .collect()
}

/// How the agents' values make the team's.
#[derive(Clone, Copy)]
enum Mixing {
    None,
    Sum,
    Monotone,
}

impl Mixing {
    fn declare(
        self,
        layout: &mut ParameterLayout,
        config: &TrainConfig,
        spec: &EnvironmentSpec,
    ) -> Mixer {
        let mixer = &config.algorithm.mixer;
        match self {
            Self::None => Mixer::None,
            Self::Sum => Mixer::Sum,
            Self::Monotone => Mixer::Monotone(MonotoneMixer::declare(
                layout,
                "mixer",
                &MixerShape {
                    agents: spec.agents,
                    state: spec.joint_observation_size(),
                    embedding_size: mixer.embedding_size,
                    hypernet_layers: mixer.hypernet_layers,
                    hypernet_size: mixer.hypernet_size,
                },
            )),
        }
    }
}

impl Member {
    fn new(plan: &Plan, config: &TrainConfig, device: Device) -> Self {
        // Every member draws from the start of the same stream: with the switch held open or
        // shut, MANSA is the algorithm that acts, bit for bit.
        let mut stream = RandomStream::new(config.seed, "initialisation", 0);
        let online = Parameters::initialised(&plan.layout, device, true, &mut stream);
        let mut target = Parameters::zeros(&plan.layout, device, false);
        target.track(&online, 1.0);
        let algorithm = &config.algorithm;
        let kind = optimiser_kind(algorithm.optimizer);
        let first_mixer = plan.layout.since(plan.of_network).first().copied();
        Self {
            name: plan.name,
            network_scalars: first_mixer
                .map_or(plan.layout.scalars(), |mixer| plan.layout.offset(mixer))
                as i64,
            heads: plan.heads.clone(),
            optimiser: Optimiser::new(kind, algorithm.learning_rate, &online),
            online,
            target,
        }
    }
}

/// The optimisers of EPyMARL's configurations.
pub(crate) fn optimiser_kind(kind: OptimizerKind) -> OptimiserKind {
    match kind {
        OptimizerKind::Adam => OptimiserKind::Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        },
        OptimizerKind::Rmsprop => OptimiserKind::RmsProp {
            alpha: 0.99,
            epsilon: 1e-5,
        },
    }
}
