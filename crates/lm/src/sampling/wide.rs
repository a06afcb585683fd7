//! Draws from a whole vocabulary without sorting it.
//!
//! Top-p asks where a sum over the tokens, best first, is reached, and so does a draw from
//! them. Tokens are spread over ranges of score; only the range that holds the answer is
//! sorted.

use nn::fused::decoding::{WEIGHTS_PER_SUM, soft_weights};

use super::{Candidate, best_first, candidate};

/// Ranges of score.
const RANGES: usize = 1024;
/// Differences from the best score beyond this share the last range.
const WIDEST: f32 = 32.0;

/// The weights of a vocabulary, and their sums over ranges of score.
#[derive(Debug, Default)]
pub(super) struct Wide {
    pub(super) weights: Vec<f32>, // [vocabulary], relative to the best score's
    sums: Vec<f32>,               // of each WEIGHTS_PER_SUM weights
    ranges: Vec<f64>,             // [RANGES], best first
    places: Vec<u16>,             // [vocabulary], the range of each token
    range: Vec<Candidate>,        // one range, best first
}

impl Wide {
    /// Weighs `scores`, of which `best` is the largest, and finite.
    pub(super) fn weigh(&mut self, scores: &[f32], best: f32) {
        self.weights.resize(scores.len(), 0.0);
        self.sums
            .resize(scores.len().div_ceil(WEIGHTS_PER_SUM), 0.0);
        soft_weights(scores, best, &mut self.weights, &mut self.sums);
    }

    pub(super) fn total(&self) -> f64 {
        self.sums.iter().map(|sum| f64::from(*sum)).sum()
    }

    /// The token where the sum of the weights, in the order of the ids, passes `left`.
    pub(super) fn in_order(&self, mut left: f64) -> usize {
        let (mut first, mut count) = (0, 0);
        let blocks = self.weights.chunks(WEIGHTS_PER_SUM).zip(&self.sums);
        for (number, (weights, sum)) in blocks.enumerate() {
            let sum = f64::from(*sum);
            if sum > 0.0 {
                (first, count) = (number * WEIGHTS_PER_SUM, weights.len());
                if left < sum {
                    break;
                }
                left -= sum;
            }
        }
        let block = &self.weights[first..first + count];
        let found = block.iter().position(|weight| {
            left -= f64::from(*weight);
            left < 0.0
        });
        // Rounding left a little over: the last that can be drawn takes it.
        let possible = || block.iter().rposition(|weight| *weight > 0.0);
        first + found.or_else(possible).unwrap_or(0)
    }

    /// Spreads the weights over ranges of score.
    pub(super) fn spread(&mut self, scores: &[f32], best: f32) {
        let floor = best - WIDEST;
        let least = scores.iter().fold(best, |least, score| {
            let score = if *score > floor { *score } else { floor };
            if score < least { score } else { least }
        });
        let scale = (RANGES - 1) as f32 / (best - least).max(1e-6);
        self.places.clear();
        // Further down the score, further down the ranges: rounding keeps the order.
        self.places.extend(scores.iter().map(|score| {
            let place = (best - score) * scale;
            place.min((RANGES - 1) as f32) as u16
        }));
        self.ranges.clear();
        self.ranges.resize(RANGES, 0.0);
        for (place, weight) in self.places.iter().zip(&self.weights) {
            self.ranges[usize::from(*place)] += f64::from(*weight);
        }
    }

    /// The last of the fewest best tokens whose weights reach `target`, and their sum.
    pub(super) fn cut(&mut self, scores: &[f32], target: f64) -> (Candidate, f64) {
        let mut before = self.enter(scores, |sum| sum >= target);
        let mut last = self.range[0];
        for candidate in &self.range {
            if before >= target {
                break;
            }
            before += f64::from(self.weights[candidate.id as usize]);
            last = *candidate;
        }
        (last, before)
    }

    /// The token where the sum of the weights, best first, passes `left`; `last` at most.
    pub(super) fn reach(&mut self, scores: &[f32], left: f64, last: &Candidate) -> Candidate {
        let before = self.enter(scores, |sum| sum > left);
        let mut left = left - before;
        for candidate in &self.range {
            left -= f64::from(self.weights[candidate.id as usize]);
            if left < 0.0 || candidate.id == last.id {
                return *candidate;
            }
        }
        *last
    }

    /// Sorts the first range at whose end the sum is `enough`; returns the sum before it.
    fn enter(&mut self, scores: &[f32], enough: impl Fn(f64) -> bool) -> f64 {
        let filled = |(_, sum): &(usize, &f64)| **sum > 0.0;
        // Rounding may leave the sum of all a little short: then it is the last range.
        let (mut before, mut entered, mut sum) = (0.0, 0, 0.0);
        for (number, of_range) in self.ranges.iter().enumerate().filter(filled) {
            (before, entered) = (sum, number);
            sum += of_range;
            if enough(sum) {
                break;
            }
        }
        let places = self.places.iter().enumerate();
        let ids = places.filter(|(_, place)| usize::from(**place) == entered);
        self.range.clear();
        self.range.extend(ids.map(|(id, _)| candidate(scores, id)));
        self.range.sort_unstable_by(best_first);
        before
    }
}
