//! Stratified percentile bootstrap.

use serde::{Deserialize, Serialize};

use super::{interquartile_mean_of_sorted, probability_of_improvement, quantile, sort};
use crate::event::encoding::number;

/// A point estimate with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Statistic of the scores themselves.
    #[serde(with = "number")]
    pub estimate: f64,
    /// Lower end.
    #[serde(with = "number")]
    pub low: f64,
    /// Upper end.
    #[serde(with = "number")]
    pub high: f64,
}

/// Settings of the bootstrap. The same scores, settings and seed give the same interval
/// on every machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Tables to draw.
    pub resamples: usize,
    /// Coverage of the interval, 0 to 1.
    pub confidence: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 2000,
            confidence: 0.95,
            seed: 0,
        }
    }
}

impl Bootstrap {
    /// Interval of any statistic of `scores[task][run]`: each task's runs are drawn with
    /// replacement, independently of the other tasks. NaN ends for an empty table.
    pub fn interval(
        &self,
        scores: &[Vec<f64>],
        statistic: impl Fn(&[Vec<f64>]) -> f64,
    ) -> Interval {
        let mut stream = Stream::new(self.seed);
        let mut drawn = scores.to_vec();
        let estimates = (0..self.resamples)
            .map(|_| {
                stream.resample(scores, &mut drawn);
                statistic(&drawn)
            })
            .collect();
        self.percentiles(statistic(scores), estimates)
    }

    /// Interval of the interquartile mean of all scores of a table `scores[task][run]`.
    pub fn interquartile_mean(&self, scores: &[Vec<f64>]) -> Interval {
        let mut stream = Stream::new(self.seed);
        let mut drawn = scores.to_vec();
        let mut flat: Vec<f64> = Vec::with_capacity(scores.iter().map(Vec::len).sum());
        let mut statistic = |table: &[Vec<f64>]| {
            flat.clear();
            flat.extend(table.iter().flatten());
            sort(&mut flat);
            interquartile_mean_of_sorted(&flat)
        };
        let estimates = (0..self.resamples)
            .map(|_| {
                stream.resample(scores, &mut drawn);
                statistic(&drawn)
            })
            .collect();
        self.percentiles(statistic(scores), estimates)
    }

    /// Interval of [`probability_of_improvement`]; both tables are resampled.
    pub fn probability_of_improvement(&self, first: &[Vec<f64>], second: &[Vec<f64>]) -> Interval {
        let mut stream = Stream::new(self.seed);
        let (mut ours, mut theirs) = (first.to_vec(), second.to_vec());
        let estimates = (0..self.resamples)
            .map(|_| {
                stream.resample(first, &mut ours);
                stream.resample(second, &mut theirs);
                probability_of_improvement(&ours, &theirs)
            })
            .collect();
        self.percentiles(probability_of_improvement(first, second), estimates)
    }

    /// Intervals of several statistics of the same `count` things, drawn together: every
    /// statistic sees the same draw. For what was measured under the same conditions, such as
    /// teams that met the same starts. `statistics` gets the places that were drawn and fills
    /// one number for each of `outputs`.
    pub fn jointly(
        &self,
        count: usize,
        outputs: usize,
        mut statistics: impl FnMut(&[usize], &mut [f64]),
    ) -> Vec<Interval> {
        let mut stream = Stream::new(self.seed);
        let mut places: Vec<usize> = (0..count).collect();
        let mut found = vec![f64::NAN; outputs];
        statistics(&places, &mut found);
        let whole = found.clone();
        let mut estimates = vec![Vec::with_capacity(self.resamples); outputs];
        for _ in 0..self.resamples {
            places.fill_with(|| stream.below(count));
            statistics(&places, &mut found);
            for (list, value) in estimates.iter_mut().zip(&found) {
                list.push(*value);
            }
        }
        let intervals = whole.into_iter().zip(estimates);
        intervals
            .map(|(estimate, list)| self.percentiles(estimate, list))
            .collect()
    }

    fn percentiles(&self, estimate: f64, mut estimates: Vec<f64>) -> Interval {
        sort(&mut estimates);
        let tail = (1.0 - self.confidence.clamp(0.0, 1.0)) / 2.0;
        Interval {
            estimate,
            low: quantile(&estimates, tail),
            high: quantile(&estimates, 1.0 - tail),
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a few lines that never change, where a crate's
/// generator may change its stream with a version.
struct Stream {
    state: u64,
}

impl Stream {
    fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in `0..count` by multiplication; the bias is below `count / 2^64`.
    fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }

    fn resample(&mut self, scores: &[Vec<f64>], drawn: &mut [Vec<f64>]) {
        for (task, runs) in scores.iter().zip(drawn) {
            for score in runs.iter_mut() {
                *score = task[self.below(task.len())];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_splitmix64() {
        // First outputs for seed 1234567, from the algorithm's public reference code.
        let mut stream = Stream::new(1_234_567);
        assert_eq!(
            [stream.next(), stream.next(), stream.next()],
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }
}
