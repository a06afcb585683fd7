//! The policy: what it asks, and when it ends a trajectory by itself.

use configs::search::ScriptedConfig;

use super::chain::{Chain, Move, Place};
use super::draws::Stream;
use super::output;
use crate::job::{Action, Outcome};

/// Mean and standard deviation of a step's tokens.
const TOKENS: (f64, f64) = (60.0, 15.0);

/// Probability that a trajectory that left its path is ended, at each step.
const GIVES_UP: f64 = 0.6;

/// Probability that a trajectory on its path is ended too early, at each step.
const STOPS_EARLY: f64 = 0.05;

/// Whether the policy ends the trajectory here. One that has not begun is never ended.
pub(super) fn ends(chain: &Chain, place: Place, begun: bool, stream: &mut Stream) -> bool {
    let chance = stream.uniform();
    if place.is_done(chain) {
        true
    } else if place.derailed {
        chance < GIVES_UP
    } else {
        begun && chance < STOPS_EARLY
    }
}

/// The next call.
pub(super) fn step(
    config: &ScriptedConfig,
    chain: &Chain,
    place: Place,
    tried: &[Action],
    max_tokens: u64,
    stream: &mut Stream,
) -> Outcome {
    let mut weights = weights(config, chain, place);
    for (weight, choice) in weights.iter_mut().zip(Move::ALL) {
        if tried.contains(&choice.call(place.resolved)) {
            *weight *= config.tried_weight;
        }
    }
    let choice = drawn(weights, stream.uniform());
    Outcome::Stepped {
        thought: String::new(),
        action: choice.call(place.resolved),
        cut: false,
        usage: output(stream.tokens(TOKENS, max_tokens)),
    }
}

/// Weights of [`Move::ALL`].
fn weights(config: &ScriptedConfig, chain: &Chain, place: Place) -> [f64; 3] {
    if place.derailed {
        return [0.0, 0.0, 1.0];
    }
    match chain.traps.get(place.resolved) {
        Some(true) => {
            let (right, wrong) = (config.trap_correct, config.trap_wrong);
            [right, wrong, (1.0 - right - wrong).max(0.0)]
        }
        Some(false) => {
            let other = (1.0 - config.correct) / 2.0;
            [config.correct, other, other]
        }
        // Every hop is resolved and the critic did not see it.
        None => [0.0, 0.5, 0.5],
    }
}

fn drawn(weights: [f64; 3], uniform: f64) -> Move {
    let mut rest = uniform * weights.iter().sum::<f64>();
    for (weight, choice) in weights.into_iter().zip(Move::ALL) {
        if rest < weight {
            return choice;
        }
        rest -= weight;
    }
    Move::Again
}
