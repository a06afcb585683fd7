//! Random streams: of a question, and of what happens on a path.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Coupling;
use crate::job::{Action, Job};
use crate::random::normal;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Step,
    Critic,
    Answer,
}

/// Gives each job its stream.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    seed: u64,
    coupling: Coupling,
    /// How often was drawn for a purpose on a path.
    drawn: HashMap<u64, u64>,
}

impl Draws {
    pub(super) fn new(seed: u64, coupling: Coupling) -> Self {
        Self {
            seed,
            coupling,
            drawn: HashMap::new(),
        }
    }

    pub(super) fn stream(&mut self, job: &Job, purpose: Purpose) -> Stream {
        let key = match self.coupling {
            Coupling::Job => Key::new(job.seed),
            Coupling::Path => {
                let key = path(self.seed, job).number(purpose as u64);
                let times = self.drawn.entry(key.0).or_insert(0);
                *times += 1;
                key.number(*times)
            }
        };
        Stream::of(key)
    }
}

fn path(seed: u64, job: &Job) -> Key {
    let question = Key::new(seed).text(&job.state.question_id);
    job.state
        .steps
        .iter()
        .fold(question, |key, step| match &step.action {
            Action::Think => key.number(0),
            Action::Call { input, .. } => key.text(input),
            Action::Answer { text } => key.number(1).text(text),
        })
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// What a question is made of.
    pub(super) fn of_question(seed: u64, question: &str) -> Self {
        Self::of(Key::new(!seed).text(question))
    }

    fn of(key: Key) -> Self {
        Self(ChaCha8Rng::seed_from_u64(key.0))
    }

    /// Uniform in 0..1.
    pub fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        normal(&mut self.0)
    }

    /// A normal number of tokens, from 1 to `most`.
    pub fn tokens(&mut self, (mean, deviation): (f64, f64), most: u64) -> u64 {
        let tokens = mean + deviation * self.normal();
        // Negative ones become 0.
        (tokens.round() as u64).clamp(1, most.max(1))
    }
}

/// A hash that is the same on every machine (FNV-1a of 64 bits, mixed by a multiplication).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key(u64);

impl Key {
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    fn new(seed: u64) -> Self {
        Self(0xcbf2_9ce4_8422_2325).number(seed)
    }

    fn number(self, number: u64) -> Self {
        number.to_le_bytes().into_iter().fold(self, Self::byte)
    }

    /// The length keeps "ab", "c" from "a", "bc".
    fn text(self, text: &str) -> Self {
        text.bytes()
            .fold(self.number(text.len() as u64), Self::byte)
    }

    fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(Self::PRIME))
    }
}
