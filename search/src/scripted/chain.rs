//! Chains of hops, and where a path stands on one.

use std::sync::Arc;

use configs::search::ScriptedConfig;

use super::draws::Stream;
use crate::job::{Action, Step};

/// The tool that is asked.
pub const TOOL: &str = "search";

/// A question: hops that have to be resolved one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// For each hop, whether the policy collapses onto one wrong step there.
    pub traps: Vec<bool>,
}

impl Chain {
    /// The chain that a seed gives a question.
    pub fn of(config: &ScriptedConfig, seed: u64, question: &str) -> Self {
        let mut stream = Stream::of_question(seed, question);
        let (fewest, most) = (config.min_hops, config.max_hops.max(config.min_hops));
        let hops = fewest + (stream.uniform() * f64::from(most - fewest + 1)) as u32;
        Self {
            traps: (0..hops).map(|_| stream.uniform() < config.trap).collect(),
        }
    }

    /// Its hops.
    pub fn hops(&self) -> usize {
        self.traps.len()
    }
}

/// What a step does to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// It resolves the next hop.
    Forward,
    /// It leaves the path, for good and unnoticed.
    Aside,
    /// It repeats what is known.
    Again,
}

impl Move {
    /// All moves, in the order in which they are drawn.
    pub const ALL: [Self; 3] = [Self::Forward, Self::Aside, Self::Again];

    /// The call that makes the move where `resolved` hops are resolved.
    pub fn call(self, resolved: usize) -> Action {
        let hop = resolved + 1;
        let input = match self {
            Self::Forward => format!("hop {hop}"),
            Self::Aside => format!("aside of hop {hop}"),
            Self::Again => format!("again before hop {hop}"),
        };
        Action::Call {
            tool: TOOL.into(),
            input,
        }
    }

    /// The move that a call makes.
    fn of(action: &Action) -> Option<Self> {
        let Action::Call { input, .. } = action else {
            return None;
        };
        match input.split_once(' ')?.0 {
            "hop" => Some(Self::Forward),
            "aside" => Some(Self::Aside),
            "again" => Some(Self::Again),
            _ => None,
        }
    }
}

/// Where a path stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Hops resolved before the path was left.
    pub resolved: usize,
    /// Whether the path was left.
    pub derailed: bool,
}

impl Place {
    /// The place that steps lead to.
    pub fn after(chain: &Chain, steps: &[Arc<Step>]) -> Self {
        let steps = steps.iter();
        steps.fold(Self::default(), |place, step| place.on(chain, &step.action))
    }

    /// The place that one more step leads to.
    #[must_use]
    pub fn on(mut self, chain: &Chain, action: &Action) -> Self {
        match Move::of(action) {
            Some(Move::Forward) if !self.derailed => {
                self.resolved = (self.resolved + 1).min(chain.hops());
            }
            Some(Move::Aside) => self.derailed = true,
            _ => {}
        }
        self
    }

    /// Whether every hop is resolved.
    pub fn is_done(self, chain: &Chain) -> bool {
        !self.derailed && self.resolved >= chain.hops()
    }

    /// The share of the hops that is resolved; 0 off the path.
    pub fn share(self, chain: &Chain) -> f64 {
        if self.derailed {
            return 0.0;
        }
        self.resolved as f64 / chain.hops() as f64
    }

    /// What the tool says there. It never tells that the path was left.
    pub fn text(self, chain: &Chain) -> String {
        format!("{} of {} hops", self.resolved, chain.hops())
    }
}
