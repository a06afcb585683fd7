//! Named random streams.
//!
//! Every consumer of randomness (environment, exploration, replay, initialisation)
//! has a stream of its own, derived from the run's seed, the stream's name and an
//! index. Adding a consumer never shifts the numbers of another, and a stream's
//! whole state is serialisable, so that a resumed run continues bit for bit.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A seeded stream of random numbers (ChaCha with 8 rounds).
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct RandomStream(ChaCha8Rng);

impl RandomStream {
    /// The stream called `name`, number `index`, of a run with this `seed`.
    pub fn new(seed: u64, name: &str, index: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(index.to_le_bytes());
        hash.update(name.as_bytes());
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// A uniform 64-bit word.
    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`, 24 bits of precision.
    pub fn uniform(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// Uniform in `[0, bound)`; 0 when `bound` is 0. Unbiased (Lemire's rejection).
    pub fn below(&mut self, bound: usize) -> usize {
        if bound <= 1 {
            return 0;
        }
        let bound = bound as u64;
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// `count` distinct indices below `bound` in random order (Floyd's algorithm).
    ///
    /// Returns every index when `count >= bound`.
    pub fn distinct(&mut self, count: usize, bound: usize) -> Vec<usize> {
        let count = count.min(bound);
        let mut chosen = Vec::with_capacity(count);
        for upper in bound - count..bound {
            let candidate = self.below(upper + 1);
            let pick = if chosen.contains(&candidate) {
                upper
            } else {
                candidate
            };
            chosen.push(pick);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_separate_and_reproducible() {
        let mut a = RandomStream::new(7, "exploration", 0);
        let mut b = RandomStream::new(7, "exploration", 0);
        let mut c = RandomStream::new(7, "exploration", 1);
        let mut d = RandomStream::new(7, "replay", 0);
        let first = a.word();
        assert_eq!(first, b.word());
        assert_ne!(first, c.word());
        assert_ne!(first, d.word());
    }

    #[test]
    fn a_saved_stream_continues() {
        let mut stream = RandomStream::new(1, "replay", 0);
        stream.uniform();
        let text = serde_json::to_string(&stream).unwrap();
        let mut copy: RandomStream = serde_json::from_str(&text).unwrap();
        for _ in 0..100 {
            assert_eq!(stream.word(), copy.word());
        }
    }

    #[test]
    fn below_is_uniform() {
        let mut stream = RandomStream::new(3, "test", 0);
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[stream.below(6)] += 1;
        }
        // Five degrees of freedom: the 0.999 quantile of chi-square is 20.5.
        let chi: f64 = counts
            .iter()
            .map(|&c| (f64::from(c) - 1e4).powi(2) / 1e4)
            .sum();
        assert!(chi < 20.5, "chi-square {chi}");
    }

    #[test]
    fn distinct_draws_do_not_repeat() {
        let mut stream = RandomStream::new(3, "test", 1);
        let mut drawn = stream.distinct(32, 40);
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 32);
        assert!(drawn.iter().all(|&i| i < 40));
        assert_eq!(stream.distinct(5, 3).len(), 3);
    }
}
