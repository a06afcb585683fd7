//! Random streams that depend on the seed and a number alone, so that nothing has to be kept for
//! a search to go on as if it had never stopped.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// A backend's reply to a job.
    Job,
    /// The choice of a node.
    Selection,
}

/// The seed of the stream of that number: SplitMix64's mixing over seed, purpose and number.
pub fn seed(seed: u64, stream: Stream, number: u64) -> u64 {
    let purpose = match stream {
        Stream::Job => 1,
        Stream::Selection => 2,
    };
    mixed(mixed(mixed(seed) ^ purpose) ^ number)
}

/// The stream itself.
pub fn stream(seed_of_search: u64, purpose: Stream, number: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed(seed_of_search, purpose, number))
}

/// A standard normal draw (Box and Muller).
pub(crate) fn normal(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

fn mixed(number: u64) -> u64 {
    finalised(number.wrapping_add(0x9E37_79B9_7F4A_7C15))
}

/// The last mixing of SplitMix64: every digit of the number changes about half of the others.
pub(crate) fn finalised(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
