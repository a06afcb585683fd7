//! Learning rates that rise, stay and fall, as `get_scheduler` of `transformers` makes them.

use std::f64::consts::PI;

/// How the rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// Not at all (`constant`, `constant_with_warmup`).
    Constant,
    /// In a line to zero (`linear`).
    Linear,
    /// In half a wave to zero (`cosine`).
    Cosine,
}

/// How long the rate rises from zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WarmUp {
    /// That many steps (`warmup_steps`).
    Steps(u64),
    /// That part of all steps, rounded up (`warmup_ratio`).
    Ratio(f64),
}

/// The factor of a learning rate at every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSchedule {
    /// What follows the warm-up.
    pub decay: Decay,
    /// How long the rate rises.
    pub warm_up: WarmUp,
    /// Steps of the whole training; a constant rate without a ratio needs none.
    pub total_steps: u64,
}

impl RateSchedule {
    /// The full rate at every step.
    pub const CONSTANT: Self = Self {
        decay: Decay::Constant,
        warm_up: WarmUp::Steps(0),
        total_steps: 0,
    };

    /// Steps during which the rate rises.
    pub fn warm_up_steps(&self) -> u64 {
        match self.warm_up {
            WarmUp::Steps(steps) => steps,
            WarmUp::Ratio(ratio) => (self.total_steps as f64 * ratio).ceil().max(0.0) as u64,
        }
    }

    /// The factor of the step after `taken` others: with a warm-up the first step has 0.
    pub fn factor(&self, taken: u64) -> f64 {
        let warm_up = self.warm_up_steps();
        if taken < warm_up {
            return taken as f64 / warm_up as f64;
        }
        let left = self.total_steps.saturating_sub(warm_up).max(1) as f64;
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => self.total_steps.saturating_sub(taken) as f64 / left,
            Decay::Cosine => {
                let progress = (taken - warm_up) as f64 / left;
                (0.5 * (1.0 + (PI * progress).cos())).max(0.0)
            }
        }
    }
}
