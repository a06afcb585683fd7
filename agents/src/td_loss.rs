//! The temporal-difference loss of value-based learners, for one shard of a batch.
//!
//! The rule is EPyMARL's `learners/q_learner.py`. With the chosen values of all agents mixed
//! by `M` (nothing for IQL, a sum for VDN, a monotone network for QMIX):
//!
//! ```text
//! a*_i = argmax_a Q_i(o'_i, a)                                   (double Q-learning)
//! y    = r + gamma (1 - d) M'(Q'_1(o'_1, a*_1), ..; s')
//! L    = sum over transitions of w (M(Q_1(o_1, a_1), ..; s) - y)^2 / sum of w
//! ```
//!
//! A learner of MANSA has a head for each of its two policies; `w` is 0 where a transition
//! does not feed a head.

use std::sync::Arc;

use configs::train::Bootstrap;
use envs::EnvironmentSpec;
use nn::parameters::Parameters;
use tch::{Device, Kind, Tensor, no_grad};

use crate::AgentsError;
use crate::mixer_pass::MixerPass;
use crate::mixing::Mixer;
use crate::network::AgentNetwork;
use crate::network_pass::NetworkPass;
use crate::replay::HostBatch;
use crate::shards::Shard;

/// One policy's values within a network, and how they are mixed.
#[derive(Clone, Debug)]
pub struct TdHead {
    /// First output of the network that belongs to the policy.
    pub first_output: usize,
    /// How the agents' values make the team's.
    pub mixer: Arc<Mixer>,
    /// Which transitions are learnt from.
    pub feed: Feed,
    /// Whether the next action is the one that the policy in charge there would choose,
    /// not the head's own.
    pub bootstrap: Bootstrap,
}

/// Which transitions a head learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// All.
    All,
    /// Those that were not central calls.
    Independent,
    /// Central calls.
    Central,
}

impl Feed {
    /// Whether a transition is learnt from. `calls` `[transitions]`, empty without a switch.
    pub fn takes(self, calls: &[u8], transition: usize) -> bool {
        match self {
            Self::All => true,
            Self::Independent => calls[transition] == 0,
            Self::Central => calls[transition] == 1,
        }
    }
}

/// One member of a learner: a network with its heads, on one shard.
pub struct TdMember {
    /// The network's outputs and gradients.
    pub pass: NetworkPass,
    /// The network itself.
    pub network: Arc<AgentNetwork>,
    /// Weights that are learnt.
    pub online: Parameters,
    /// Weights that value the next step.
    pub target: Parameters,
    /// Its heads.
    pub heads: Vec<TdHead>,
    /// Each head's mixed values and their gradients.
    pub mixing: Vec<MixerPass>,
}

/// Computes losses and gradients of all members for a part of each batch.
pub struct TdShard {
    /// The members: one, or independent and central.
    pub members: Vec<TdMember>,
    /// What is acted in.
    pub spec: EnvironmentSpec,
    /// Weight of a reward one step later (gamma).
    pub discount: f64,
    /// Whether the online network picks the action that the target network values.
    pub double_q: bool,
    /// Whether networks without memory are only run for the transitions that feed them; the
    /// loss is the same without, at the price of the whole batch.
    pub cut: bool,
}

/// One shard's part of a batch.
pub struct TdPart {
    /// Episodes, with raw rewards.
    pub batch: Arc<HostBatch>,
    /// Rewards as they are learnt from. `[transitions, agents]`
    pub rewards: Arc<Vec<f32>>,
    /// Squared errors in the whole batch, of each member's heads.
    pub terms: Vec<Vec<f64>>,
}

/// One member's share of loss and gradient; all are sums over parts of the whole mean.
pub struct MemberOutput {
    /// `[scalars]`
    pub gradient: Tensor,
    /// The loss, of all heads.
    pub loss: f64,
    /// Mean value of the chosen actions.
    pub mean_value: f64,
    /// Mean target.
    pub mean_target: f64,
}

impl Shard for TdShard {
    type Part = TdPart;
    type Output = Vec<Option<MemberOutput>>;

    fn work(&mut self, part: TdPart) -> Result<Self::Output, AgentsError> {
        (0..self.members.len())
            .map(|member| self.member(member, &part))
            .collect()
    }
}

impl TdShard {
    /// One member's output, unless no transition of the whole batch feeds it.
    fn member(&mut self, index: usize, part: &TdPart) -> Result<Option<MemberOutput>, AgentsError> {
        let terms = &part.terms[index];
        if terms.iter().sum::<f64>() == 0.0 {
            return Ok(None);
        }
        let agents = self.spec.agents;
        let member = &self.members[index];
        // A network with memory sees whole episodes; others only what feeds them.
        let own = match member.heads[..] {
            [ref head] if self.cut && head.feed != Feed::All && !member.network.is_recurrent() => {
                Some(head.feed)
            }
            _ => None,
        };
        let cut;
        let (batch, rewards) = match own {
            None => (&*part.batch, &part.rewards[..]),
            Some(feed) => {
                let calls = &part.batch.calls;
                cut = scaled(&part.batch, &part.rewards)
                    .only(agents, |transition| feed.takes(calls, transition));
                (&cut, &cut.rewards[..])
            }
        };
        let device = member.online.flat().device();
        if batch.current.is_empty() {
            return Ok(Some(MemberOutput {
                gradient: member.online.flat().zeros_like(),
                loss: 0.0,
                mean_value: 0.0,
                mean_target: 0.0,
            }));
        }
        let stateful = member.heads.iter().any(|head| head.mixer.sees_state());
        let tensors = DeviceBatch::new(batch, rewards, &self.spec, stateful, device);
        let behaviour = self.behaviour(index, batch);
        let (discount, double_q) = (self.discount, self.double_q);
        let member = &mut self.members[index];
        let rows = batch.rows();
        let values = member.pass.differentiable(&member.online, &rows);
        let target_values = member.pass.constant_again(&member.target, &rows);
        let mut sums = [0.0; 3];
        let mut loss: Option<Tensor> = None;
        let mut mixed_by_kernels = Vec::new();
        for (index, (head, &terms)) in member.heads.iter().zip(terms).enumerate() {
            if terms == 0.0 {
                continue;
            }
            let slice = |values: &Tensor| {
                let (first, actions) = (head.first_output as i64, self.spec.actions as i64);
                values.narrow(-1, first, actions)
            };
            let values = slice(&values);
            let chosen = values
                .index_select(0, &tensors.current)
                .gather(-1, &tensors.actions.unsqueeze(-1), false)
                .squeeze_dim(-1); // [transitions, agents]
            let targets = no_grad(|| {
                let target_values = slice(&target_values).index_select(0, &tensors.next);
                let next = match (&behaviour, head.bootstrap, double_q) {
                    (Some(best), Bootstrap::Behaviour, _) => {
                        let own = tensors.best(&values.detach());
                        let best = tensors.next_best(best, &own);
                        target_values.gather(-1, &best, false).squeeze_dim(-1)
                    }
                    (_, _, true) => {
                        let best = tensors.best(&values.detach());
                        target_values.gather(-1, &best, false).squeeze_dim(-1)
                    }
                    (_, _, false) => tensors.legal(&target_values).amax(-1, false),
                };
                let next_states = &tensors.next_states;
                let next = member.mixing[index].constant(&member.target, &next, next_states);
                let bootstrap = (1.0 - &tensors.terminated) * discount; // [transitions, 1]
                let rewards = tensors.rewards.narrow(-1, 0, next.size()[1]);
                rewards + bootstrap * next
            });
            let mixing = &mut member.mixing[index];
            let mixed = mixing.differentiable(&member.online, &chosen, &tensors.states);
            if mixing.is_fused() {
                mixed_by_kernels.push((index, mixed.shallow_clone(), chosen));
            }
            let weights = tensors.weights(head.feed, own.is_some());
            let mean = |values: &Tensor| {
                let weighed = weights.as_ref().map(|weights| values * weights);
                let sum = weighed.as_ref().unwrap_or(values).sum(Kind::Double);
                sum.double_value(&[]) / terms
            };
            sums[1] += mean(&mixed.detach());
            sums[2] += mean(&targets);
            let mut squares = (mixed - targets).square();
            if let Some(weights) = &weights {
                squares *= weights;
            }
            let mean_square = squares.sum(Kind::Float) / terms;
            sums[0] += mean_square.double_value(&[]);
            loss = Some(match loss {
                None => mean_square,
                Some(sum) => sum + mean_square,
            });
        }
        let mut loss = loss.expect("a member with terms has a head with terms");
        // Mixers of kernels go first; what they leave is a sum with the same gradient.
        let mut of_mixers = Vec::new();
        if !mixed_by_kernels.is_empty() {
            of_mixers = vec![0.0; member.online.layout().scalars()];
            let leaves: Vec<&Tensor> = mixed_by_kernels.iter().map(|(_, mixed, _)| mixed).collect();
            let gradients = Tensor::f_run_backward(&[&loss], &leaves, true, false)
                .map_err(nn::NnError::from)?;
            for ((index, _, chosen), gradient) in mixed_by_kernels.iter().zip(&gradients) {
                let of_values = member.mixing[*index].backward(gradient, &mut of_mixers);
                let of_values = of_values.expect("only passes of kernels are kept");
                loss += (chosen * of_values).sum(Kind::Float);
            }
        }
        let mut gradient = member.pass.gradient(&member.online, &loss, &values)?;
        if !of_mixers.is_empty() {
            gradient += Tensor::from_slice(&of_mixers);
        }
        let [loss, mean_value, mean_target] = sums;
        Ok(Some(MemberOutput {
            gradient,
            loss,
            mean_value,
            mean_target,
        }))
    }

    /// The best actions of the independent policy in each row, where a head of the member
    /// follows the policy in charge. `[rows, agents, actions]` values
    fn behaviour(&mut self, index: usize, batch: &HostBatch) -> Option<Tensor> {
        let member = &self.members[index];
        let follows = |head: &TdHead| head.bootstrap == Bootstrap::Behaviour;
        if !member.heads.iter().any(follows) {
            return None;
        }
        let independent = &mut self.members[0];
        let values = independent
            .pass
            .constant(&independent.online, &batch.rows());
        let first = independent.heads[0].first_output as i64;
        Some(values.narrow(-1, first, self.spec.actions as i64))
    }
}

/// The batch with the rewards that are learnt from.
fn scaled(batch: &HostBatch, rewards: &[f32]) -> HostBatch {
    let mut batch = batch.clone();
    batch.rewards.copy_from_slice(rewards);
    batch
}

/// A [`HostBatch`] as tensors.
struct DeviceBatch {
    forbidden: Option<Tensor>, // [transitions, agents, actions], bool, of the next rows
    current: Tensor,           // [transitions], i64
    next: Tensor,              // [transitions], i64
    actions: Tensor,           // [transitions, agents], i64
    rewards: Tensor,           // [transitions, agents]
    terminated: Tensor,        // [transitions, 1]
    states: Tensor,            // [transitions, state], no numbers when nothing sees it
    next_states: Tensor,       // [transitions, state]
    calls: Option<Tensor>,     // [transitions, 1]
    next_calls: Option<Tensor>, // [transitions, 1, 1], bool, of the next rows
}

impl DeviceBatch {
    fn new(
        batch: &HostBatch,
        rewards: &[f32],
        spec: &EnvironmentSpec,
        stateful: bool,
        device: Device,
    ) -> Self {
        let (agents, actions) = (spec.agents as i64, spec.actions as i64);
        let to = |tensor: Tensor, shape: &[i64]| tensor.view(shape).to_device(device);
        let current = to(Tensor::from_slice(&batch.current), &[-1]);
        let next = to(Tensor::from_slice(&batch.next), &[-1]);
        let forbidden = (!batch.action_mask.is_empty()).then(|| {
            let mask = to(
                Tensor::from_slice(&batch.action_mask),
                &[-1, agents, actions],
            );
            mask.index_select(0, &next).eq(0)
        });
        let rows = batch.row_count() as i64;
        let states = if stateful {
            to(Tensor::from_slice(&batch.observations), &[rows, -1])
        } else {
            Tensor::zeros([rows, 0], (Kind::Float, device))
        };
        let switched = !batch.calls.is_empty();
        let next_calls = switched.then(|| {
            let mut calls = vec![0u8; rows as usize];
            for (&row, &call) in batch.current.iter().zip(&batch.calls) {
                calls[row as usize] = call;
            }
            let calls: Vec<u8> = batch.next.iter().map(|&row| calls[row as usize]).collect();
            to(Tensor::from_slice(&calls), &[-1, 1, 1]).eq(1)
        });
        Self {
            forbidden,
            states: states.index_select(0, &current),
            next_states: states.index_select(0, &next),
            current,
            next,
            actions: to(Tensor::from_slice(&batch.actions), &[-1, agents]),
            rewards: to(Tensor::from_slice(rewards), &[-1, agents]),
            terminated: to(Tensor::from_slice(&batch.terminated), &[-1, 1]),
            calls: switched
                .then(|| to(Tensor::from_slice(&batch.calls), &[-1, 1]).to_kind(Kind::Float)),
            next_calls,
        }
    }

    /// Next-step values with forbidden actions below every other.
    fn legal(&self, next_values: &Tensor) -> Tensor {
        match &self.forbidden {
            None => next_values.shallow_clone(),
            Some(forbidden) => next_values.masked_fill(forbidden, f64::NEG_INFINITY),
        }
    }

    /// The best legal action in each next row by values of all rows. `[transitions, agents, 1]`
    fn best(&self, values: &Tensor) -> Tensor {
        let values = values.index_select(0, &self.next);
        self.legal(&values).argmax(-1, true)
    }

    /// The action of the policy in charge of each next row: `own` where it is a central
    /// call, else the best by the independent policy's values.
    fn next_best(&self, independent: &Tensor, own: &Tensor) -> Tensor {
        match &self.next_calls {
            None => own.shallow_clone(),
            Some(calls) => own.where_self(calls, &self.best(independent)),
        }
    }

    /// Weight of each transition, unless all weigh one. `[transitions, 1]`
    fn weights(&self, feed: Feed, already_cut: bool) -> Option<Tensor> {
        let calls = self.calls.as_ref().filter(|_| !already_cut)?;
        match feed {
            Feed::All => None,
            Feed::Independent => Some(1.0 - calls),
            Feed::Central => Some(calls.shallow_clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use configs::train::{NetworkConfig, NetworkKind};
    use nn::parameters::ParameterLayout;
    use nn::random::RandomStream;

    use super::*;
    use crate::network::NetworkShape;

    const AGENTS: usize = 2;

    fn shard(feed: Feed, cut: bool) -> TdShard {
        let environment = envs::make(
            "Foraging-8x8-2p-2f-v3",
            &envs::EnvironmentOptions::default(),
        )
        .unwrap();
        let spec = environment.spec().clone();
        let config = NetworkConfig {
            kind: NetworkKind::FeedForward,
            hidden_size: 16,
            ..NetworkConfig::default()
        };
        let mut layout = ParameterLayout::new();
        let shape = NetworkShape::per_action(&spec);
        let network = Arc::new(AgentNetwork::declare(&mut layout, "agent", shape, &config));
        let layout = Arc::new(layout);
        let mut stream = RandomStream::new(1, "initialisation", 0);
        let online = Parameters::initialised(&layout, Device::Cpu, true, &mut stream);
        let target = Parameters::initialised(&layout, Device::Cpu, false, &mut stream);
        let mixer = Arc::new(Mixer::Sum);
        let member = TdMember {
            pass: NetworkPass::new(&network, &online, Vec::new()),
            network,
            mixing: vec![MixerPass::new(&mixer, &online)],
            online,
            target,
            heads: vec![TdHead {
                first_output: 0,
                mixer,
                feed,
                bootstrap: Bootstrap::Central,
            }],
        };
        TdShard {
            members: vec![member],
            spec,
            discount: 0.9,
            double_q: true,
            cut,
        }
    }

    /// Two episodes of three and two steps, with random contents.
    fn part(feed: Feed) -> TdPart {
        let mut stream = RandomStream::new(4, "test", 0);
        let calls = vec![1, 0, 0, 1, 1];
        let fed = (0..5).filter(|&step| feed.takes(&calls, step)).count();
        let batch = HostBatch {
            sizes: vec![2, 2, 2, 1],
            observations: (0..7 * AGENTS * 12).map(|_| stream.uniform()).collect(),
            last_actions: vec![-1; 7 * AGENTS],
            current: vec![0, 1, 2, 3, 4],
            next: vec![2, 3, 4, 5, 6],
            actions: (0..5 * AGENTS).map(|_| stream.below(6) as i64).collect(),
            rewards: vec![9.0; 5 * AGENTS],
            terminated: vec![0.0, 0.0, 0.0, 1.0, 0.0],
            previous_call: vec![0.0; 7],
            remaining: vec![0.0; 7],
            allowed: vec![1; 7],
            calls,
            ..HostBatch::default()
        };
        TdPart {
            batch: Arc::new(batch),
            rewards: Arc::new((0..5 * AGENTS).map(|_| stream.uniform()).collect()),
            terms: vec![vec![fed as f64]],
        }
    }

    #[test]
    fn own_transitions_alone_give_the_loss_of_the_weighted_whole() {
        for feed in [Feed::Independent, Feed::Central] {
            let outputs = [true, false].map(|cut| {
                let mut outputs = shard(feed, cut).work(part(feed)).unwrap();
                outputs.remove(0).unwrap()
            });
            let [alone, weighted] = outputs;
            assert!((alone.loss - weighted.loss).abs() < 1e-6 && alone.loss > 0.01);
            assert!((alone.mean_value - weighted.mean_value).abs() < 1e-6);
            assert!((alone.mean_target - weighted.mean_target).abs() < 1e-6);
            let difference = (alone.gradient - weighted.gradient).abs().max();
            assert!(difference.double_value(&[]) < 1e-6);
        }
    }

    #[test]
    fn a_member_that_nothing_feeds_is_not_updated() {
        let mut part = part(Feed::Central);
        part.terms = vec![vec![0.0]];
        let outputs = shard(Feed::Central, true).work(part).unwrap();
        assert!(outputs[0].is_none());
    }
}
