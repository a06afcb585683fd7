//! The choice of a token, with the filters of `transformers` in its order: repetition
//! penalty, temperature, top-k, top-p, min-p.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use nn::random::RandomStream;

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

/// Draws tokens; keeps its memory from one draw to the next.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    candidates: Vec<Candidate>,
    weights: Vec<f64>,
}

impl Sampler {
    /// A sampler.
    pub fn new(sampling: Sampling) -> Self {
        Self {
            sampling,
            candidates: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// Chooses a token. `scores` `[vocabulary]` are a model's logits; `text` is everything
    /// before, the prompt included.
    pub fn draw(&mut self, scores: &[f32], text: &[i64], stream: &mut RandomStream) -> i64 {
        self.collect(scores, text);
        if self.sampling.is_greedy() {
            let best = self.candidates.iter().min_by(|a, b| best_first(a, b));
            return best.map_or(0, |best| i64::from(best.id));
        }
        let temperature = self.sampling.temperature as f32;
        if temperature != 1.0 {
            for candidate in &mut self.candidates {
                candidate.score /= temperature;
            }
        }
        self.keep_top_k();
        self.keep_top_p();
        self.keep_min_p();
        self.pick(stream)
    }

    fn collect(&mut self, scores: &[f32], text: &[i64]) {
        self.candidates.clear();
        let scores = scores.iter().enumerate();
        self.candidates.extend(scores.map(|(id, score)| Candidate {
            // A model that overflows must not end the program.
            score: if score.is_nan() {
                f32::NEG_INFINITY
            } else {
                *score
            },
            id: id as u32,
        }));
        let penalty = self.sampling.repetition_penalty as f32;
        if penalty != 1.0 {
            let seen: BTreeSet<i64> = text.iter().copied().collect();
            for id in seen {
                if let Some(candidate) = self.candidates.get_mut(id as usize) {
                    let score = &mut candidate.score;
                    *score = if *score < 0.0 {
                        *score * penalty
                    } else {
                        *score / penalty
                    };
                }
            }
        }
    }

    fn keep_top_k(&mut self) {
        let k = self.sampling.top_k;
        if k == 0 || k >= self.candidates.len() {
            return;
        }
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
        self.weigh();
        let target = self.sampling.top_p * self.weights.iter().sum::<f64>();
        let best = self.candidates.iter().map(|candidate| candidate.score);
        let best = f64::from(best.fold(f32::NEG_INFINITY, f32::max));
        // Mostly a few hundred tokens are enough; sorting all of a large vocabulary is not
        // needed then.
        let mut count = 256;
        loop {
            let all = count >= self.candidates.len();
            if !all {
                self.candidates.select_nth_unstable_by(count, best_first);
            }
            let count_now = count.min(self.candidates.len());
            let front = &mut self.candidates[..count_now];
            front.sort_unstable_by(best_first);
            let mut before = 0.0;
            let kept = front.iter().position(|candidate| {
                let reached = before >= target;
                before += (f64::from(candidate.score) - best).exp();
                reached
            });
            match kept {
                Some(kept) => return self.candidates.truncate(kept.max(1)),
                None if all => return,
                None => count *= 8,
            }
        }
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
        // 53 bits, so that rare tokens of a large vocabulary are reached.
        let uniform = (stream.word() >> 11) as f64 / (1u64 << 53) as f64;
        let mut left = uniform * total;
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
        sampler.keep_top_p();
        let kept: f64 = sampler
            .candidates
            .iter()
            .map(|c| f64::from(c.score).exp())
            .sum();
        let all: f64 = scores.iter().map(|score| f64::from(*score).exp()).sum();
        assert!(kept >= 0.5 * all);
        let last = f64::from(sampler.candidates.last().unwrap().score).exp();
        assert!(kept - last < 0.5 * all);
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
