//! `[algorithm.switch]`: how MANSA decides between independent and central.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// The switching agent: its learning, its cost, its budget, and what a call means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SwitchConfig {
    /// What decides on a central call.
    pub kind: SwitchKind,
    /// Reward taken from the switching agent for a central call (c).
    pub cost: f64,
    /// Whether every central step costs, or only the first after an independent one.
    pub cost_mode: CostMode,
    /// Whether the two learners have networks of their own.
    pub share: SharedParts,
    /// Which transitions each learner learns from.
    pub data: TransitionData,
    /// Whose values stand for the next step in the central target.
    pub bootstrap: Bootstrap,
    /// How many central calls are allowed.
    pub budget: CallBudget,
    /// Units of each hidden layer of the switching agent.
    pub hidden_size: usize,
    /// Step size of the switching agent's optimiser.
    pub learning_rate: f64,
    /// The agents' updates for each update of the switching agent.
    pub update_interval: u64,
    /// The switching agent's updates between two copies to its target network.
    pub target_interval_updates: u64,
    /// Environment steps at the start in which a fair coin decides.
    pub warmup_steps: u64,
    /// Chance of a coin toss instead of a decision after the warm-up.
    pub epsilon_start: f64,
    /// Environment steps after the warm-up until that chance is 0.
    pub anneal_steps: u64,
    /// The policy's entropy that is aimed at, as a share of a fair coin's.
    pub target_entropy_share: f64,
    /// Chance of a central call in each step; with a budget, the calls are spread over the steps left.
    pub probability: f64,
}

/// What decides on a central call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchKind {
    /// Double deep Q-learning over the two choices.
    #[default]
    DoubleDqn,
    /// Soft actor-critic over the two choices.
    DiscreteSac,
    /// Proximal policy optimisation over the two choices.
    Ppo,
    /// A coin that sees nothing.
    Random,
    /// Every step is central.
    Always,
    /// No step is central.
    Never,
}

/// What a cost is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostMode {
    /// Every central step.
    #[default]
    PerStep,
    /// A central step after an independent one.
    PerSwitch,
}

/// What the two learners have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharedParts {
    /// Nothing.
    #[default]
    Separate,
    /// All but the last layer.
    Trunk,
    /// The whole network; the switch only chooses the loss.
    Full,
}

/// Which transitions each learner learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionData {
    /// All of them.
    #[default]
    All,
    /// Those that it decided on.
    Own,
}

/// Whose values stand for the next step in the central target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bootstrap {
    /// The central learner's.
    #[default]
    Central,
    /// Those of the learner that decided there.
    Behaviour,
}

/// How many central calls are allowed. It holds surely, not on average.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CallBudget {
    /// Any number.
    #[default]
    None,
    /// A number in each episode.
    PerEpisode(Calls),
    /// A number in the whole training.
    PerRun(Calls),
}

/// A number of central calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Calls {
    /// Central calls allowed in an episode, or in the whole training (n).
    pub calls: u64,
}

impl Default for Calls {
    fn default() -> Self {
        Self { calls: 5 }
    }
}

impl Default for SwitchConfig {
    fn default() -> Self {
        Self {
            kind: SwitchKind::default(),
            cost: 0.01,
            cost_mode: CostMode::default(),
            share: SharedParts::default(),
            data: TransitionData::default(),
            bootstrap: Bootstrap::default(),
            budget: CallBudget::default(),
            hidden_size: 64,
            learning_rate: 1e-4,
            update_interval: 1,
            target_interval_updates: 200,
            warmup_steps: 50_000,
            epsilon_start: 0.5,
            anneal_steps: 200_000,
            target_entropy_share: 0.3,
            probability: 0.5,
        }
    }
}

impl SwitchConfig {
    /// Whether the decision is learnt.
    #[must_use]
    pub fn learns(&self) -> bool {
        matches!(
            self.kind,
            SwitchKind::DoubleDqn | SwitchKind::DiscreteSac | SwitchKind::Ppo
        )
    }

    /// The calls that are allowed, if there is a bound.
    #[must_use]
    pub fn budget_calls(&self) -> Option<u64> {
        match self.budget {
            CallBudget::None => None,
            CallBudget::PerEpisode(budget) | CallBudget::PerRun(budget) => Some(budget.calls),
        }
    }

    /// Chance that a coin decides after `steps` environment steps: 1 while warming up (a fair
    /// coin), then a line from `epsilon_start` to 0.
    #[must_use]
    pub fn epsilon(&self, steps: u64) -> f64 {
        if steps < self.warmup_steps {
            return 1.0;
        }
        let after = steps - self.warmup_steps;
        if after >= self.anneal_steps {
            return 0.0;
        }
        self.epsilon_start * (1.0 - after as f64 / self.anneal_steps as f64)
    }

    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "algorithm.switch.kind",
            "Switch",
            FieldKind::Variant { values: &["double_dqn", "discrete_sac", "ppo", "random", "always", "never"] },
            "What decides on a central call.",
        ).when("algorithm.kind", &["mansa"]),
        Field::new(
            "algorithm.switch.cost",
            "Switch cost",
            FieldKind::Number {
                min: -1e6,
                max: 1e6,
                min_excluded: false,
            },
            "Reward taken from the switching agent for a central call (c).",
        ).known_as(&["switch_cost", "switching_cost"]).when("algorithm.switch.kind", &["double_dqn", "discrete_sac", "ppo"]),
        Field::new(
            "algorithm.switch.cost_mode",
            "Cost for",
            FieldKind::Choice { values: &["per_step", "per_switch"] },
            "Whether every central step costs, or only the first after an independent one.",
        ).when("algorithm.switch.kind", &["double_dqn", "discrete_sac", "ppo"]),
        Field::new(
            "algorithm.switch.share",
            "Shared parts",
            FieldKind::Choice { values: &["separate", "trunk", "full"] },
            "Whether the two learners have networks of their own.",
        ).when("algorithm.kind", &["mansa"]),
        Field::new(
            "algorithm.switch.data",
            "Transitions",
            FieldKind::Choice { values: &["all", "own"] },
            "Which transitions each learner learns from.",
        ).when("algorithm.kind", &["mansa"]),
        Field::new(
            "algorithm.switch.bootstrap",
            "Bootstrap",
            FieldKind::Choice { values: &["central", "behaviour"] },
            "Whose values stand for the next step in the central target.",
        ).advanced().when("algorithm.kind", &["mansa"]),
        Field::new(
            "algorithm.switch.budget.kind",
            "Budget",
            FieldKind::Variant { values: &["none", "per_episode", "per_run"] },
            "How many central calls are allowed.",
        ).when("algorithm.kind", &["mansa"]),
        Field::new(
            "algorithm.switch.budget.calls",
            "Budget calls",
            FieldKind::Integer { min: 0, max: i64::MAX },
            "Central calls allowed in an episode, or in the whole training (n).",
        ).known_as(&["budget_calls", "call_budget"]).unit("calls").when("algorithm.switch.budget.kind", &["per_episode", "per_run"]),
        Field::new(
            "algorithm.switch.hidden_size",
            "Switch size",
            FieldKind::Integer { min: 1, max: 65_536 },
            "Units of each hidden layer of the switching agent.",
        ).unit("units").advanced().when("algorithm.switch.kind", &["double_dqn", "discrete_sac", "ppo"]),
        Field::new(
            "algorithm.switch.learning_rate",
            "Switch learning rate",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: true,
            },
            "Step size of the switching agent's optimiser.",
        ).when("algorithm.switch.kind", &["double_dqn", "discrete_sac", "ppo"]),
        Field::new(
            "algorithm.switch.update_interval",
            "Switch interval",
            FieldKind::Integer { min: 1, max: 1_000_000 },
            "The agents' updates for each update of the switching agent.",
        ).unit("updates").advanced().when("algorithm.switch.kind", &["double_dqn", "discrete_sac", "ppo"]),
        Field::new(
            "algorithm.switch.target_interval_updates",
            "Switch target interval",
            FieldKind::Integer { min: 1, max: i64::MAX },
            "The switching agent's updates between two copies to its target network.",
        ).unit("updates").advanced().when("algorithm.switch.kind", &["double_dqn", "discrete_sac"]),
        Field::new(
            "algorithm.switch.warmup_steps",
            "Switch warm-up",
            FieldKind::Integer { min: 0, max: i64::MAX },
            "Environment steps at the start in which a fair coin decides.",
        ).unit("environment steps").when("algorithm.switch.kind", &["double_dqn", "discrete_sac", "ppo"]),
        Field::new(
            "algorithm.switch.epsilon_start",
            "Switch epsilon",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Chance of a coin toss instead of a decision after the warm-up.",
        ).when("algorithm.switch.kind", &["double_dqn", "discrete_sac", "ppo"]),
        Field::new(
            "algorithm.switch.anneal_steps",
            "Switch annealing",
            FieldKind::Integer { min: 0, max: i64::MAX },
            "Environment steps after the warm-up until that chance is 0.",
        ).unit("environment steps").when("algorithm.switch.kind", &["double_dqn", "discrete_sac", "ppo"]),
        Field::new(
            "algorithm.switch.target_entropy_share",
            "Target entropy",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "The policy's entropy that is aimed at, as a share of a fair coin's.",
        ).advanced().when("algorithm.switch.kind", &["discrete_sac"]),
        Field::new(
            "algorithm.switch.probability",
            "Call probability",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Chance of a central call in each step; with a budget, the calls are spread over the steps left.",
        ).when("algorithm.switch.kind", &["random"]),
    ];
}
