//! numpy's random stream, bit for bit: `Generator(PCG64(SeedSequence(seed)))`.
//!
//! Checked against numpy 2.4.6. Only what level-based foraging draws is here: bounded integers
//! (Lemire's method) and permutations (masked rejection), both from 32-bit words of which each
//! 64-bit output gives the low half first. It costs little enough (one 128-bit product per two
//! words) to serve the fast batches as well, so there is one stream and not two.

use crate::error::EnvironmentError;
use crate::snapshot::{Decoder, Encoder};

const POOL: usize = 4;
const PCG_MULTIPLIER: u128 = (2_549_297_995_355_413_924 << 64) | 4_865_540_595_714_422_341;

/// numpy's `SeedSequence` after mixing: spreads a seed and a spawn key over four words.
#[derive(Debug, Clone, Copy)]
pub struct SeedSequence {
    pool: [u32; POOL],
}

impl SeedSequence {
    /// `SeedSequence(seed)`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::mix(&seed_words(seed))
    }

    /// `SeedSequence(seed).spawn(n)[index]`: independent streams for the environments of a batch.
    #[must_use]
    pub fn spawned(seed: u64, index: u32) -> Self {
        let mut entropy = [0; POOL + 1];
        for (slot, word) in entropy.iter_mut().zip(seed_words(seed)) {
            *slot = word;
        }
        // numpy pads the seed to the pool's size so that key and seed cannot be confused.
        entropy[POOL] = index;
        Self::mix(&entropy)
    }

    fn mix(entropy: &[u32]) -> Self {
        let mut hash = 0x43b0_d7e5_u32;
        let mut hashed = |value: u32| {
            let mut value = value ^ hash;
            hash = hash.wrapping_mul(0x931e_8875);
            value = value.wrapping_mul(hash);
            value ^ (value >> 16)
        };
        let combined = |left: u32, right: u32| {
            let mixed = left
                .wrapping_mul(0xca01_f9dd)
                .wrapping_sub(right.wrapping_mul(0x4973_f715));
            mixed ^ (mixed >> 16)
        };
        let mut pool = [0; POOL];
        for (index, slot) in pool.iter_mut().enumerate() {
            *slot = hashed(entropy.get(index).copied().unwrap_or(0));
        }
        for source in 0..POOL {
            for target in 0..POOL {
                if source != target {
                    pool[target] = combined(pool[target], hashed(pool[source]));
                }
            }
        }
        for &word in entropy.iter().skip(POOL) {
            for slot in &mut pool {
                *slot = combined(*slot, hashed(word));
            }
        }
        Self { pool }
    }

    /// `generate_state(N, uint64)`.
    #[must_use]
    pub fn generate<const N: usize>(&self) -> [u64; N] {
        let mut hash = 0x8b51_f9dd_u32;
        let mut source = self.pool.iter().cycle();
        let mut next = || {
            let mut value = source.next().copied().unwrap_or(0) ^ hash;
            hash = hash.wrapping_mul(0x58f3_8ded);
            value = value.wrapping_mul(hash);
            u64::from(value ^ (value >> 16))
        };
        std::array::from_fn(|_| next() | (next() << 32))
    }
}

fn seed_words(seed: u64) -> Vec<u32> {
    let (low, high) = (seed as u32, (seed >> 32) as u32);
    if high == 0 {
        vec![low]
    } else {
        vec![low, high]
    }
}

/// numpy's `PCG64` (XSL-RR 128/64) with its half-used output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pcg64 {
    state: u128,
    increment: u128,
    half: u32,
    has_half: bool,
}

impl Pcg64 {
    /// `PCG64(sequence)`.
    #[must_use]
    pub fn new(sequence: &SeedSequence) -> Self {
        let words = sequence.generate::<4>();
        let join = |high: u64, low: u64| (u128::from(high) << 64) | u128::from(low);
        let mut generator = Self {
            state: 0,
            increment: (join(words[2], words[3]) << 1) | 1,
            half: 0,
            has_half: false,
        };
        generator.advance();
        generator.state = generator.state.wrapping_add(join(words[0], words[1]));
        generator.advance();
        generator
    }

    /// `PCG64(SeedSequence(seed))`, what `reset(seed=seed)` of the reference makes.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::new(&SeedSequence::new(seed))
    }

    fn advance(&mut self) {
        self.state = self
            .state
            .wrapping_mul(PCG_MULTIPLIER)
            .wrapping_add(self.increment);
    }

    /// The next 64-bit output; leaves a half-used one alone, as numpy does.
    pub fn next_u64(&mut self) -> u64 {
        self.advance();
        let folded = ((self.state >> 64) as u64) ^ (self.state as u64);
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// The next 32-bit word: low half of a fresh output, then its high half.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.has_half {
            self.has_half = false;
            return self.half;
        }
        let word = self.next_u64();
        self.half = (word >> 32) as u32;
        self.has_half = true;
        word as u32
    }

    /// `integers(low, high)`, the end excluded: Lemire's method; a range of one draws nothing.
    ///
    /// `low < high` must hold; the environments check their bounds when they are made.
    #[inline]
    pub fn integer(&mut self, low: u32, high: u32) -> u32 {
        debug_assert!(low < high, "an empty range has no integer");
        let range = high.wrapping_sub(low);
        if range <= 1 {
            return low;
        }
        let mut product = u64::from(self.next_u32()) * u64::from(range);
        if (product as u32) < range {
            let threshold = range.wrapping_neg() % range;
            while (product as u32) < threshold {
                product = u64::from(self.next_u32()) * u64::from(range);
            }
        }
        low + (product >> 32) as u32
    }

    /// `permutation(items.len())` applied to `items`: Fisher-Yates from the end, each index drawn
    /// by masked rejection (not by Lemire's method).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.masked(last as u32) as usize);
        }
    }

    /// Draws what `permutation(count)` draws and forgets it.
    pub fn skip_permutation(&mut self, count: usize) {
        for last in (1..count).rev() {
            self.masked(last as u32);
        }
    }

    fn masked(&mut self, last: u32) -> u32 {
        let mask = u32::MAX >> last.leading_zeros();
        loop {
            let value = self.next_u32() & mask;
            if value <= last {
                return value;
            }
        }
    }

    /// Appends the stream to a snapshot.
    pub fn encode(&self, encoder: &mut Encoder) {
        encoder.u128(self.state);
        encoder.u128(self.increment);
        encoder.u32(self.half);
        encoder.u8(u8::from(self.has_half));
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// A snapshot that was cut short.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, EnvironmentError> {
        Ok(Self {
            state: decoder.u128()?,
            increment: decoder.u128()?,
            half: decoder.u32()?,
            has_half: decoder.u8()? != 0,
        })
    }
}
