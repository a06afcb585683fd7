//! How many numbers the networks of a configuration hold; the shapes are those of the crate
//! `agents`.

use configs::AlgorithmKind;
use configs::train::{CentralKind, NetworkKind, SharedParts, SwitchKind, TrainConfig};

use super::Sizes;

/// Numbers by what they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Networks {
    /// Learnt, with their names: each has a gradient and a place in the optimiser.
    pub(super) parts: Vec<(&'static str, u64)>,
    /// Of networks that follow others.
    pub(super) targets: u64,
    /// Numbers that pass through the networks for each agent and step: what a layer takes in
    /// and gives out.
    pub(super) widths: u64,
    /// Networks that an update passes through, targets included.
    pub(super) passes: u64,
}

impl Networks {
    pub(super) fn of(config: &TrainConfig, sizes: &Sizes) -> Self {
        let mut networks = Self::default();
        match config.algorithm.kind {
            AlgorithmKind::Iql | AlgorithmKind::Vdn => {
                networks.values(config, sizes, "agents");
            }
            AlgorithmKind::Qmix => {
                networks.values(config, sizes, "agents");
                networks.mixer(config, sizes);
            }
            AlgorithmKind::Ippo => networks.policy(config, sizes, false),
            AlgorithmKind::Mappo => networks.policy(config, sizes, true),
            AlgorithmKind::Mansa => networks.mansa(config, sizes),
        }
        networks
    }

    /// All that is learnt.
    pub(super) fn learnt(&self) -> u64 {
        self.parts
            .iter()
            .map(|(_, count)| count)
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The parts in words: `agents 20,486 + mixer 9,000`.
    pub(super) fn words(&self) -> String {
        let part = |(name, count): &(&str, u64)| format!("{name} {count}");
        self.parts.iter().map(part).collect::<Vec<_>>().join(" + ")
    }

    fn add(&mut self, name: &'static str, count: u64, target: bool) {
        self.parts.push((name, count));
        self.passes += 1;
        if target {
            self.targets = self.targets.saturating_add(count);
            self.passes += 1;
        }
    }

    fn values(&mut self, config: &TrainConfig, sizes: &Sizes, name: &'static str) {
        let agent = agent(config, sizes);
        self.widen(&agent);
        self.add(name, agent.all(config, sizes), true);
    }

    fn policy(&mut self, config: &TrainConfig, sizes: &Sizes, joint: bool) {
        let actor = agent(config, sizes);
        self.widen(&actor);
        self.add("policy", actor.all(config, sizes), false);
        let critic = critic(config, sizes, joint);
        self.widen(&critic);
        self.add("critic", critic.all(config, sizes), true);
    }

    fn mixer(&mut self, config: &TrainConfig, sizes: &Sizes) {
        let mixer = &config.algorithm.mixer;
        let state = sizes.agents.saturating_mul(sizes.observation);
        let embedding = mixer.embedding_size as u64;
        let weights = |outputs: u64| {
            if mixer.hypernet_layers > 1 {
                let hidden = mixer.hypernet_size as u64;
                linear(state, hidden).saturating_add(linear(hidden, outputs))
            } else {
                linear(state, outputs)
            }
        };
        let count = [
            weights(sizes.agents.saturating_mul(embedding)),
            weights(embedding),
            linear(state, embedding),
            linear(state, embedding),
            linear(embedding, 1),
        ];
        self.add(
            "mixer",
            count.into_iter().fold(0, u64::saturating_add),
            true,
        );
    }

    fn mansa(&mut self, config: &TrainConfig, sizes: &Sizes) {
        let algorithm = &config.algorithm;
        if algorithm.on_policy() {
            self.policy(config, sizes, false);
            self.policy(config, sizes, true);
        } else {
            self.values(config, sizes, "independent");
            let agent = agent(config, sizes);
            match algorithm.switch.share {
                SharedParts::Separate => self.values(config, sizes, "central"),
                SharedParts::Trunk => self.add("central head", agent.head(config, sizes), true),
                SharedParts::Full => {}
            }
            if algorithm.central == CentralKind::Qmix {
                self.mixer(config, sizes);
            }
        }
        self.switch(config, sizes);
    }

    fn switch(&mut self, config: &TrainConfig, sizes: &Sizes) {
        let switch = &config.algorithm.switch;
        let budget = u64::from(switch.budget_calls().is_some());
        let previous = u64::from(switch.cost_mode == configs::train::CostMode::PerSwitch);
        let net = Net {
            inputs: sizes.agents.saturating_mul(sizes.observation) + budget + previous,
            hidden: switch.hidden_size as u64,
            outputs: 2,
            recurrent: false,
        };
        match switch.kind {
            SwitchKind::DoubleDqn => self.add("switch", net.count(), true),
            SwitchKind::DiscreteSac => {
                self.add("switch", net.count(), false);
                self.add("switch critics", 2 * net.count(), true);
            }
            SwitchKind::Ppo => {
                self.add("switch", net.count(), false);
                let critic = Net { outputs: 1, ..net };
                self.add("switch critic", critic.count(), true);
            }
            SwitchKind::Random | SwitchKind::Always | SwitchKind::Never => return,
        }
        self.widths = self
            .widths
            .saturating_add(net.width() / sizes.agents.max(1));
    }

    fn widen(&mut self, net: &Net) {
        self.widths = self.widths.saturating_add(net.width());
    }
}

/// Linear, ReLU, a middle layer, Linear.
#[derive(Clone, Copy)]
struct Net {
    inputs: u64,
    hidden: u64,
    outputs: u64,
    recurrent: bool,
}

impl Net {
    fn count(&self) -> u64 {
        let Self {
            inputs,
            hidden,
            outputs,
            recurrent,
        } = *self;
        let square = hidden.saturating_mul(hidden);
        let middle = if recurrent {
            square.saturating_mul(6).saturating_add(6 * hidden)
        } else {
            square.saturating_add(hidden)
        };
        linear(inputs, hidden)
            .saturating_add(middle)
            .saturating_add(linear(hidden, outputs))
    }

    /// One for all agents, or one for each.
    fn all(&self, config: &TrainConfig, sizes: &Sizes) -> u64 {
        self.count().saturating_mul(copies(config, sizes))
    }

    /// Only the last layer.
    fn head(&self, config: &TrainConfig, sizes: &Sizes) -> u64 {
        linear(self.hidden, self.outputs).saturating_mul(copies(config, sizes))
    }

    fn width(&self) -> u64 {
        let middle = if self.recurrent { 4 } else { 1 };
        let hidden = self.hidden.saturating_mul(1 + middle);
        self.inputs
            .saturating_add(hidden)
            .saturating_add(self.outputs)
    }
}

fn copies(config: &TrainConfig, sizes: &Sizes) -> u64 {
    if config.network.share_parameters {
        1
    } else {
        sizes.agents.max(1)
    }
}

fn agent(config: &TrainConfig, sizes: &Sizes) -> Net {
    let network = &config.network;
    let number = if network.agent_id { sizes.agents } else { 0 };
    let last = if network.last_action {
        sizes.actions
    } else {
        0
    };
    Net {
        inputs: sizes
            .observation
            .saturating_add(number)
            .saturating_add(last),
        hidden: network.hidden_size as u64,
        outputs: sizes.actions,
        recurrent: network.kind == NetworkKind::Gru,
    }
}

fn critic(config: &TrainConfig, sizes: &Sizes, joint: bool) -> Net {
    let seen = if joint {
        sizes.agents.saturating_mul(sizes.observation)
    } else {
        sizes.observation
    };
    let number = if config.network.share_parameters {
        sizes.agents
    } else {
        0
    };
    Net {
        inputs: seen.saturating_add(number),
        hidden: config.algorithm.ppo.critic_hidden_size as u64,
        outputs: 1,
        recurrent: false,
    }
}

fn linear(inputs: u64, outputs: u64) -> u64 {
    inputs.saturating_add(1).saturating_mul(outputs)
}
