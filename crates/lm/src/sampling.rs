//! The choice of a token, with the filters of `transformers` in its order: repetition
//! penalty, temperature, top-k, top-p, min-p.

mod wide;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use nn::fused::decoding::first_of_largest;
use nn::random::RandomStream;

use self::wide::Wide;
use crate::LmError;

/// How a token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the scores; 0 takes the best token always.
    pub temperature: f64,
    /// Keeps that many best tokens, and those that tie with the last; 0 keeps all.
    pub top_k: usize,
    /// Keeps the fewest best tokens whose probabilities reach this sum; 1 keeps all.
    pub top_p: f64,
    /// Drops tokens less probable than this part of the best one; 0 keeps all.
    pub min_p: f64,
    /// Makes tokens of the prompt and of the text less likely above 1 (Keskar et al. 2019).
    pub repetition_penalty: f64,
}

impl Sampling {
    /// The best token always.
    pub const GREEDY: Self = Self {
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
    };

    /// The model's own distribution.
    pub const PLAIN: Self = Self {
        temperature: 1.0,
        ..Self::GREEDY
    };

    /// Whether the best score decides alone.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0 || self.top_k == 1
    }

    /// Checks every value.
    ///
    /// # Errors
    /// All values that are out of range, in one sentence.
    pub fn check(&self) -> Result<(), LmError> {
        let ranges = [
            ("temperature", self.temperature, 0.0..=100.0),
            ("top_p", self.top_p, 1e-6..=1.0),
            ("min_p", self.min_p, 0.0..=1.0),
            ("repetition_penalty", self.repetition_penalty, 1e-3..=1e3),
        ];
        let wrong: Vec<String> = ranges
            .iter()
            .filter(|(_, value, range)| !range.contains(value))
            .map(|(name, value, range)| {
                format!(
                    "{name}: {value} - allowed: {} to {}",
                    range.start(),
                    range.end()
                )
            })
            .collect();
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(LmError::Input(wrong.join("; ")))
        }
    }
}

/// A token that may be drawn.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    score: f32,
    id: u32,
}

/// Best first; ties by id, so that the order depends on the scores alone.
fn best_first(left: &Candidate, right: &Candidate) -> Ordering {
    let by_score = right.score.total_cmp(&left.score);
    by_score.then(left.id.cmp(&right.id))
}

fn candidate(scores: &[f32], id: usize) -> Candidate {
    Candidate {
        score: scores[id],
        id: id as u32,
    }
}

/// From 0 to below 1, of 53 bits, so that rare tokens of a large vocabulary are reached.
fn uniform(stream: &mut RandomStream) -> f64 {
    (stream.word() >> 11) as f64 / (1u64 << 53) as f64
}

/// Draws tokens; keeps its memory from one draw to the next.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    scores: Vec<f32>,           // [vocabulary], after penalty and temperature
    candidates: Vec<Candidate>, // what is left, where that was singled out
    weights: Vec<f64>,          // of the candidates
    wide: Wide,
}

impl Sampler {
    /// A sampler.
    pub fn new(sampling: Sampling) -> Self {
        Self {
            sampling,
            scores: Vec::new(),
            candidates: Vec::new(),
            weights: Vec::new(),
            wide: Wide::default(),
        }
    }

    /// Chooses a token. `scores` `[vocabulary]` are a model's logits; `text` is everything
    /// before, the prompt included.
    pub fn draw(&mut self, scores: &[f32], text: &[i64], stream: &mut RandomStream) -> i64 {
        self.collect(scores, text);
        let best = first_of_largest(&self.scores);
        if self.sampling.is_greedy() {
            return best.map_or(0, |best| best as i64);
        }
        let best = best.map_or(f32::NEG_INFINITY, |best| self.scores[best]);
        let k = self.sampling.top_k;
        let cut = k > 0 && k < self.scores.len();
        if !cut && best.is_finite() {
            return self.draw_wide(best, stream);
        }
        if cut {
            self.keep_top_k();
        } else {
            self.single_out(|_, _| true);
        }
        self.keep_top_p();
        self.keep_min_p();
        self.pick(stream)
    }

    /// Draws from the whole vocabulary. Only what min-p leaves is singled out.
    fn draw_wide(&mut self, best: f32, stream: &mut RandomStream) -> i64 {
        let Sampling { top_p, min_p, .. } = self.sampling;
        self.wide.weigh(&self.scores, best);
        let least = min_p as f32;
        if top_p >= 1.0 {
            if min_p > 0.0 {
                self.single_out(|wide, id| wide.weights[id] >= least);
                return self.pick(stream);
            }
            return self.wide.in_order(uniform(stream) * self.wide.total()) as i64;
        }
        self.wide.spread(&self.scores, best);
        let target = top_p * self.wide.total();
        let (last, kept) = self.wide.cut(&self.scores, target);
        if min_p > 0.0 {
            let scores = std::mem::take(&mut self.scores);
            let kept = |id: usize| best_first(&candidate(&scores, id), &last) != Ordering::Greater;
            self.candidates.clear();
            let ids = (0..scores.len()).filter(|id| self.wide.weights[*id] >= least && kept(*id));
            self.candidates.extend(ids.map(|id| candidate(&scores, id)));
            self.candidates.sort_unstable_by(best_first);
            self.scores = scores;
            return self.pick(stream);
        }
        let reach = uniform(stream) * kept;
        i64::from(self.wide.reach(&self.scores, reach, &last).id)
    }

    fn collect(&mut self, scores: &[f32], text: &[i64]) {
        self.scores.clear();
        // A model that overflows must not end the program.
        let number = |score: &f32| {
            if score.is_nan() {
                f32::NEG_INFINITY
            } else {
                *score
            }
        };
        self.scores.extend(scores.iter().map(number));
        let penalty = self.sampling.repetition_penalty as f32;
        if penalty != 1.0 {
            let seen: BTreeSet<i64> = text.iter().copied().collect();
            for id in seen {
                if let Some(score) = self.scores.get_mut(id as usize) {
                    *score = if *score < 0.0 {
                        *score * penalty
                    } else {
                        *score / penalty
                    };
                }
            }
        }
        let temperature = self.sampling.temperature as f32;
        if !self.sampling.is_greedy() && temperature != 1.0 {
            for score in &mut self.scores {
                *score /= temperature;
            }
        }
    }

    /// Makes candidates of the ids that `which` takes, in their order.
    fn single_out(&mut self, which: impl Fn(&Wide, usize) -> bool) {
        self.candidates.clear();
        let ids = (0..self.scores.len()).filter(|id| which(&self.wide, *id));
        self.candidates
            .extend(ids.map(|id| candidate(&self.scores, id)));
    }

    /// Singles out the `top_k` best, and those that tie with the last.
    fn keep_top_k(&mut self) {
        let k = self.sampling.top_k;
        // The k-th of the bests of blocks bounds the k-th of all from below.
        let blocks = self.scores.chunks(16);
        let best = |block: &[f32]| block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut bests: Vec<f32> = blocks.map(best).collect();
        let mut bound = f32::NEG_INFINITY;
        if k <= bests.len() {
            let (_, kth, _) = bests.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
            bound = *kth;
        }
        let scores = std::mem::take(&mut self.scores);
        self.candidates.clear();
        let ids = (0..scores.len()).filter(|id| scores[*id] >= bound);
        self.candidates.extend(ids.map(|id| candidate(&scores, id)));
        self.scores = scores;
        let (_, last, _) = self.candidates.select_nth_unstable_by(k - 1, best_first);
        let last = last.score;
        self.candidates.retain(|candidate| candidate.score >= last);
        // The order after a selection is the algorithm's own.
        self.candidates.sort_unstable_by(best_first);
    }

    /// `exp(score - best)` of every candidate.
    fn weigh(&mut self) {
        let best = self.candidates.iter().map(|candidate| candidate.score);
        let best = f64::from(best.fold(f32::NEG_INFINITY, f32::max));
        let weight = |candidate: &Candidate| match f64::from(candidate.score) - best {
            // All scores are minus infinity: any token is as good as another.
            difference if difference.is_nan() => 1.0,
            difference => difference.exp(),
        };
        self.weights.clear();
        self.weights.extend(self.candidates.iter().map(weight));
    }

    fn keep_top_p(&mut self) {
        if self.sampling.top_p >= 1.0 {
            return;
        }
        self.candidates.sort_unstable_by(best_first);
        self.weigh();
        let target = self.sampling.top_p * self.weights.iter().sum::<f64>();
        let mut before = 0.0;
        let kept = self.weights.iter().position(|weight| {
            let reached = before >= target;
            before += weight;
            reached
        });
        let kept = kept.unwrap_or(self.candidates.len());
        self.candidates.truncate(kept.max(1));
    }

    fn keep_min_p(&mut self) {
        let least = self.sampling.min_p;
        if least > 0.0 {
            self.weigh();
            let mut weights = self.weights.iter();
            self.candidates
                .retain(|_| weights.next().is_some_and(|weight| *weight >= least));
        }
    }

    fn pick(&mut self, stream: &mut RandomStream) -> i64 {
        self.weigh();
        let total: f64 = self.weights.iter().sum();
        let mut left = uniform(stream) * total;
        for (candidate, weight) in self.candidates.iter().zip(&self.weights) {
            left -= weight;
            if left < 0.0 {
                return i64::from(candidate.id);
            }
        }
        // Rounding left a little over: the last token that can be drawn takes it.
        let possible = self.candidates.iter().zip(&self.weights).rev();
        let mut possible = possible.filter(|(_, weight)| **weight > 0.0);
        possible
            .next()
            .map_or(0, |(candidate, _)| i64::from(candidate.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f32; 8] = [1.5, -0.5, 2.25, 0.0, 1.5, -3.0, 0.75, 2.0];
    const DRAWS: usize = 100_000;

    /// The distribution after the filters, written apart from them, over whole vectors.
    fn expected(sampling: &Sampling, text: &[i64]) -> Vec<f64> {
        let mut scores: Vec<f64> = SCORES.iter().map(|score| f64::from(*score)).collect();
        for id in text.iter().collect::<BTreeSet<_>>() {
            let score = &mut scores[*id as usize];
            let penalty = sampling.repetition_penalty;
            *score = if *score < 0.0 {
                *score * penalty
            } else {
                *score / penalty
            };
        }
        let softmax = |scores: &[f64]| -> Vec<f64> {
            let weights: Vec<f64> = scores.iter().map(|score| score.exp()).collect();
            let total: f64 = weights.iter().sum();
            weights.iter().map(|weight| weight / total).collect()
        };
        scores
            .iter_mut()
            .for_each(|score| *score /= sampling.temperature);
        if sampling.top_k > 0 {
            let mut sorted = scores.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let last = sorted[sampling.top_k - 1];
            scores
                .iter_mut()
                .filter(|score| **score < last)
                .for_each(|score| *score = f64::NEG_INFINITY);
        }
        let chances = softmax(&scores);
        let above = |id: usize| -> f64 {
            let better = |other: &usize| {
                chances[*other] > chances[id] || (chances[*other] == chances[id] && *other < id)
            };
            (0..8).filter(better).map(|other| chances[other]).sum()
        };
        let dropped: Vec<usize> = (0..8).filter(|id| above(*id) >= sampling.top_p).collect();
        dropped
            .iter()
            .for_each(|id| scores[*id] = f64::NEG_INFINITY);
        let chances = softmax(&scores);
        let best = chances.iter().copied().fold(0.0, f64::max);
        (0..8)
            .filter(|id| chances[*id] < sampling.min_p * best)
            .for_each(|id| scores[id] = f64::NEG_INFINITY);
        softmax(&scores)
    }

    /// The 0.9999 quantiles of chi-square with 0 to 7 degrees of freedom.
    const QUANTILES: [f64; 8] = [0.0, 15.14, 18.42, 21.11, 23.51, 25.74, 27.86, 29.88];

    #[test]
    fn draws_follow_the_filtered_distribution() {
        let text = [2, 2, 5];
        let mut grid = Vec::new();
        for temperature in [0.5, 1.0, 1.7] {
            for (top_k, top_p, min_p, repetition_penalty) in [
                (0, 1.0, 0.0, 1.0),
                (3, 1.0, 0.0, 1.0),
                (4, 1.0, 0.0, 1.3), // the fourth and fifth tie
                (0, 0.8, 0.0, 1.0),
                (0, 1.0, 0.25, 1.0),
                (6, 0.9, 0.1, 1.5),
            ] {
                grid.push(Sampling {
                    temperature,
                    top_k,
                    top_p,
                    min_p,
                    repetition_penalty,
                });
            }
        }
        for sampling in grid {
            let mut stream = RandomStream::new(11, "sampling", 0);
            let mut sampler = Sampler::new(sampling);
            let mut counts = [0usize; 8];
            for _ in 0..DRAWS {
                counts[sampler.draw(&SCORES, &text, &mut stream) as usize] += 1;
            }
            let mut chi = 0.0;
            let mut freedom = 0usize;
            for (count, chance) in counts.iter().zip(expected(&sampling, &text)) {
                if chance == 0.0 {
                    assert_eq!(
                        *count, 0,
                        "{sampling:?} drew what it had dropped: {counts:?}"
                    );
                } else {
                    let mean = chance * DRAWS as f64;
                    chi += (*count as f64 - mean).powi(2) / mean;
                    freedom += 1;
                }
            }
            assert!(
                chi <= QUANTILES[freedom - 1],
                "{sampling:?}: chi-square {chi}, {counts:?}"
            );
        }
    }

    #[test]
    fn a_large_vocabulary_is_cut_where_the_sum_is_reached() {
        // Nearly flat: the prefix is longer than the first selection.
        let scores: Vec<f32> = (0..5000)
            .map(|id| ((id * 7919) % 5000) as f32 * 1e-4)
            .collect();
        let mut sampler = Sampler::new(Sampling {
            top_p: 0.5,
            ..Sampling::PLAIN
        });
        sampler.collect(&scores, &[]);
        let best = scores.iter().copied().fold(0.0, f32::max);
        sampler.wide.weigh(&scores, best);
        sampler.wide.spread(&scores, best);
        let total = sampler.wide.total();
        let (last, kept) = sampler.wide.cut(&scores, 0.5 * total);
        assert!(kept >= 0.5 * total);
        assert!(kept - f64::from(last.score - best).exp() < 0.5 * total);
        let above = scores.iter().filter(|score| **score >= last.score);
        let above: f64 = above.map(|score| f64::from(score - best).exp()).sum();
        assert!((above - kept).abs() < 1e-5 * kept, "{above} {kept}");
    }

    /// A draw by sorting the whole vocabulary, in f64.
    fn drawn_by_sorting(sampling: &Sampling, scores: &[f32], stream: &mut RandomStream) -> i64 {
        let mut sorted: Vec<Candidate> =
            (0..scores.len()).map(|id| candidate(scores, id)).collect();
        if sampling.top_p < 1.0 {
            sorted.sort_by(best_first);
        }
        let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |candidate: &Candidate| f64::from(candidate.score - best).exp();
        let total: f64 = sorted.iter().map(weight).sum();
        let mut before = 0.0;
        sorted.retain(|candidate| {
            let kept = before < sampling.top_p * total;
            before += weight(candidate);
            kept && weight(candidate) >= sampling.min_p
        });
        let mut left = uniform(stream) * sorted.iter().map(weight).sum::<f64>();
        let found = sorted.iter().find(|candidate| {
            left -= weight(candidate);
            left < 0.0
        });
        i64::from(found.unwrap_or(&sorted[sorted.len() - 1]).id)
    }

    #[test]
    fn a_large_vocabulary_is_drawn_from_as_by_sorting_it() {
        let mut drawn = RandomStream::new(3, "scores", 0);
        for (spread, top_p, min_p) in [
            (0.1, 0.9, 0.0),
            (4.0, 0.9, 0.0),
            (40.0, 0.99, 0.0),
            (200.0, 0.5, 0.0),
            (0.0, 0.7, 0.0),
            (4.0, 1.0, 0.0),
            (4.0, 0.9, 0.2),
            (4.0, 1.0, 0.2),
        ] {
            let scores = (0..3001).map(|_| spread * drawn.uniform() - 3.0);
            let mut scores: Vec<f32> = scores.collect();
            scores[7] = f32::NEG_INFINITY;
            let sampling = Sampling {
                top_p,
                min_p,
                ..Sampling::PLAIN
            };
            let mut sampler = Sampler::new(sampling);
            let (mut one, mut other) = (
                RandomStream::new(5, "sampling", 0),
                RandomStream::new(5, "sampling", 0),
            );
            let differ = (0..200).filter(|_| {
                sampler.draw(&scores, &[], &mut one)
                    != drawn_by_sorting(&sampling, &scores, &mut other)
            });
            // A draw at the very border of two tokens may fall to either by rounding.
            let differ = differ.count();
            assert!(differ <= 1, "{spread} {top_p} {min_p}: {differ} of 200");
        }
    }

    #[test]
    fn greedy_takes_the_first_of_the_best() {
        let mut stream = RandomStream::new(0, "sampling", 0);
        let mut sampler = Sampler::new(Sampling::GREEDY);
        assert_eq!(sampler.draw(&SCORES, &[], &mut stream), 2);
        assert_eq!(sampler.draw(&[0.0, 3.0, 3.0], &[], &mut stream), 1);
        assert_eq!(sampler.draw(&[f32::NAN, 3.0, 2.0], &[], &mut stream), 1);
    }

    #[test]
    fn values_out_of_range_are_told_together() {
        let sampling = Sampling {
            temperature: -1.0,
            top_p: 0.0,
            ..Sampling::PLAIN
        };
        let message = sampling.check().unwrap_err().to_string();
        assert!(
            message.contains("temperature: -1") && message.contains("top_p: 0"),
            "{message}"
        );
    }
}
