//! The critic: gain or none, with errors.

use std::collections::HashMap;
use std::sync::Arc;

use configs::search::ScriptedConfig;

use super::chain::{Chain, Place};
use super::draws::Stream;
use super::output;
use crate::job::{Job, Outcome};
use crate::tree::NodeId;

/// Mean and standard deviation of a judgement's tokens.
const TOKENS: (f64, f64) = (30.0, 7.0);

/// Most points that a step gains or loses, of 10.
const MOST: f64 = 4.0;

/// What a critic that is asked how good a state is says of one that is worth nothing, of 10, and
/// how much more of one that is worth an answer: it is sure of itself from the beginning.
const ABSOLUTE: (f64, f64) = (4.0, 5.0);

/// Standard deviation of that.
const ABSOLUTE_NOISE: f64 = 1.0;

/// The first judgement of each node.
#[derive(Clone, Debug, Default)]
pub(super) struct Judged {
    first: HashMap<(Arc<str>, NodeId), f64>,
}

impl Judged {
    /// Judges the step from the first place to the second.
    pub(super) fn judge(
        &mut self,
        config: &ScriptedConfig,
        chain: &Chain,
        (before, after): (Place, Place),
        job: &Job,
        stream: &mut Stream,
    ) -> Outcome {
        let mut delta = delta(config, chain, before, after, stream);
        let (floor, range) = ABSOLUTE;
        let score = floor + range * after.share(chain) + ABSOLUTE_NOISE * stream.normal();
        let usage = output(stream.tokens(TOKENS, job.max_tokens));
        if config.repeated_judgements > 0.0 {
            let repeats = stream.uniform() < config.repeated_judgements;
            let node = (job.state.question_id.clone(), job.node);
            let first = *self.first.entry(node).or_insert(delta);
            if repeats {
                delta = first;
            }
        }
        Outcome::Judged {
            delta: Some(delta),
            score: Some(score.round().clamp(1.0, 10.0)),
            sufficient: None,
            why: String::new(),
            usage,
        }
    }
}

/// What the critic says that a step added.
fn delta(
    config: &ScriptedConfig,
    chain: &Chain,
    before: Place,
    after: Place,
    stream: &mut Stream,
) -> f64 {
    let gain = (config.progress / chain.hops() as f64).min(MOST);
    let error = stream.uniform();
    let seen = if after.resolved > before.resolved {
        if error < config.false_negative {
            0.0
        } else {
            gain
        }
    } else if error < config.false_positive {
        gain
    } else if after.derailed && !before.derailed {
        -1.0
    } else {
        0.0
    };
    let noise = config.bias + config.noise * stream.normal();
    (seen + noise).round().clamp(-MOST, MOST)
}
