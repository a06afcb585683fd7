//! How the values of all agents make the value of the team.
//!
//! | mixer | value of the team | algorithm |
//! |---|---|---|
//! | [`Mixer::None`] | none: each agent's value stands alone | IQL |
//! | [`Mixer::Sum`] | `Q_tot = sum over i of Q_i` | VDN (Sunehag et al. 2018, equation 3) |
//! | [`Mixer::Monotone`] | a network with `dQ_tot / dQ_i >= 0`, see [`crate::qmix`] | QMIX (Rashid et al. 2018) |
//!
//! In all three the best joint action is made of each agent's own best action, so that
//! agents can act alone.

use nn::parameters::Parameters;
use tch::Tensor;

pub use crate::qmix::{MixerShape, MonotoneMixer};

/// How the agents' values make the team's.
#[derive(Clone, Debug)]
pub enum Mixer {
    /// Not at all: each agent learns from its own value.
    None,
    /// Their sum.
    Sum,
    /// A network that grows with each of them.
    Monotone(MonotoneMixer),
}

impl Mixer {
    /// Mixes the values of chosen actions.
    ///
    /// `chosen` `[transitions, agents]`, `states` `[transitions, state]` (looked at only when
    /// [`Mixer::sees_state`]). `[transitions, 1]`, or `chosen` itself without a mixer.
    pub fn forward(&self, parameters: &Parameters, chosen: &Tensor, states: &Tensor) -> Tensor {
        match self {
            Self::None => chosen.shallow_clone(),
            Self::Sum => crate::vdn::sum(chosen),
            Self::Monotone(mixer) => mixer.forward(parameters, chosen, states),
        }
    }

    /// Whether the mixer looks at the state of the environment.
    pub fn sees_state(&self) -> bool {
        matches!(self, Self::Monotone(_))
    }

    /// Values per transition that come out of [`Mixer::forward`] for a team of `agents`.
    pub fn values_per_step(&self, agents: usize) -> usize {
        match self {
            Self::None => agents,
            Self::Sum | Self::Monotone(_) => 1,
        }
    }
}
