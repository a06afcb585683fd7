//! The inside of an environment: what one copy remembers (`Simulation`) apart from what all copies
//! share (`Rules`), and the wrapper that makes a public [`Environment`] of the two.

use crate::environment::{Diagnostics, Environment, EnvironmentSpec, StepFlags};
use crate::error::EnvironmentError;
use crate::numpy_random::SeedSequence;
use crate::scene::Scene;
use crate::snapshot::{Decoder, Encoder};

/// Where a copy's random stream comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StreamSeed {
    /// `SeedSequence(seed)`: a single environment, as the reference seeds it.
    Single(u64),
    /// `SeedSequence(seed).spawn(n)[index]`: copy `index` of a batch.
    Spawned(u64, u32),
}

impl StreamSeed {
    pub(crate) fn sequence(self) -> SeedSequence {
        match self {
            Self::Single(seed) => SeedSequence::new(seed),
            Self::Spawned(seed, index) => SeedSequence::spawned(seed, index),
        }
    }
}

/// One copy of an environment. Slices have the lengths of the spec and actions exist: the wrappers
/// check before they call.
pub(crate) trait Simulation: Send {
    /// What all copies share and no step changes.
    type Rules: Send + Sync;

    fn seed(&mut self, seed: StreamSeed);
    fn reset(&mut self, rules: &Self::Rules);
    fn step(
        &mut self,
        rules: &Self::Rules,
        actions: &[u8],
        rewards: &mut [f64],
    ) -> Result<StepFlags, EnvironmentError>;
    fn write_observations(&self, rules: &Self::Rules, out: &mut [f32]);
    fn write_state(&self, rules: &Self::Rules, out: &mut [f32]) {
        self.write_observations(rules, out);
    }
    fn write_action_mask(&self, _rules: &Self::Rules, out: &mut [u8]) {
        out.fill(1);
    }
    fn encode(&self, encoder: &mut Encoder);
    fn decode(
        &mut self,
        rules: &Self::Rules,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), EnvironmentError>;
    fn scene(&self, rules: &Self::Rules) -> Scene;
    fn diagnostics(&self) -> Diagnostics {
        Diagnostics::default()
    }
}

/// Everything needed to build one copy or many.
pub(crate) struct Blueprint<S: Simulation> {
    pub spec: EnvironmentSpec,
    pub rules: S::Rules,
    pub prototype: S,
    pub common_reward: bool,
}

/// Uses a blueprint of a type it does not know beforehand.
pub(crate) trait UseBlueprint {
    type Output;
    fn apply<S: Simulation + Clone + 'static>(self, blueprint: Blueprint<S>) -> Self::Output;
}

/// A single environment.
pub(crate) struct Single<S: Simulation> {
    blueprint: Blueprint<S>,
}

impl<S: Simulation> Single<S> {
    pub(crate) fn new(mut blueprint: Blueprint<S>) -> Self {
        blueprint.prototype.seed(StreamSeed::Single(0));
        Self { blueprint }
    }
}

impl<S: Simulation> Environment for Single<S> {
    fn spec(&self) -> &EnvironmentSpec {
        &self.blueprint.spec
    }

    fn seed(&mut self, seed: u64) {
        self.blueprint.prototype.seed(StreamSeed::Single(seed));
    }

    fn reset(&mut self) {
        self.blueprint.prototype.reset(&self.blueprint.rules);
    }

    fn step(&mut self, actions: &[u8], rewards: &mut [f64]) -> Result<StepFlags, EnvironmentError> {
        let Blueprint {
            spec,
            rules,
            prototype,
            common_reward,
        } = &mut self.blueprint;
        check_length("actions", "[agents]", actions.len(), spec.agents)?;
        check_length("rewards", "[agents]", rewards.len(), spec.agents)?;
        check_actions(actions, spec)?;
        let flags = prototype.step(rules, actions, rewards)?;
        if *common_reward {
            share(rewards);
        }
        Ok(flags)
    }

    fn write_observations(&self, out: &mut [f32]) {
        self.blueprint
            .prototype
            .write_observations(&self.blueprint.rules, out);
    }

    fn write_state(&self, out: &mut [f32]) {
        self.blueprint
            .prototype
            .write_state(&self.blueprint.rules, out);
    }

    fn write_action_mask(&self, out: &mut [u8]) {
        self.blueprint
            .prototype
            .write_action_mask(&self.blueprint.rules, out);
    }

    fn save(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(&self.blueprint.spec.id);
        self.blueprint.prototype.encode(&mut encoder);
        encoder.finish()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), EnvironmentError> {
        let mut decoder = Decoder::open(bytes, &self.blueprint.spec.id)?;
        self.blueprint
            .prototype
            .decode(&self.blueprint.rules, &mut decoder)?;
        decoder.finish()
    }

    fn scene(&self) -> Scene {
        self.blueprint.prototype.scene(&self.blueprint.rules)
    }

    fn diagnostics(&self) -> Diagnostics {
        self.blueprint.prototype.diagnostics()
    }
}

/// A user's own environment inside the wrappers of this crate.
impl Simulation for Box<dyn Environment> {
    type Rules = ();

    fn seed(&mut self, seed: StreamSeed) {
        let seed = match seed {
            StreamSeed::Single(seed) => seed,
            StreamSeed::Spawned(..) => seed.sequence().generate::<1>()[0],
        };
        Environment::seed(self.as_mut(), seed);
    }

    fn reset(&mut self, _rules: &()) {
        Environment::reset(self.as_mut());
    }

    fn step(
        &mut self,
        _rules: &(),
        actions: &[u8],
        rewards: &mut [f64],
    ) -> Result<StepFlags, EnvironmentError> {
        Environment::step(self.as_mut(), actions, rewards)
    }

    fn write_observations(&self, _rules: &(), out: &mut [f32]) {
        Environment::write_observations(self.as_ref(), out);
    }

    fn write_state(&self, _rules: &(), out: &mut [f32]) {
        Environment::write_state(self.as_ref(), out);
    }

    fn write_action_mask(&self, _rules: &(), out: &mut [u8]) {
        Environment::write_action_mask(self.as_ref(), out);
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.bytes(&self.save());
    }

    fn decode(&mut self, _rules: &(), decoder: &mut Decoder<'_>) -> Result<(), EnvironmentError> {
        self.restore(decoder.bytes()?)
    }

    fn scene(&self, _rules: &()) -> Scene {
        Environment::scene(self.as_ref())
    }

    fn diagnostics(&self) -> Diagnostics {
        Environment::diagnostics(self.as_ref())
    }
}

pub(crate) fn check_length(
    buffer: &'static str,
    shape: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), EnvironmentError> {
    if found == expected {
        Ok(())
    } else {
        Err(EnvironmentError::Buffer {
            buffer,
            found,
            expected,
            shape,
        })
    }
}

/// Checks a whole batch of actions before any copy moves.
pub(crate) fn check_actions(
    actions: &[u8],
    spec: &EnvironmentSpec,
) -> Result<(), EnvironmentError> {
    // A maximum over bytes runs sixteen at a time; the search for the culprit is the rare case.
    let highest = actions.iter().copied().max().unwrap_or(0);
    if usize::from(highest) < spec.actions {
        return Ok(());
    }
    let index = actions
        .iter()
        .position(|&action| action == highest)
        .unwrap_or(0);
    Err(EnvironmentError::Action {
        environment: index / spec.agents,
        agent: index % spec.agents,
        action: highest,
        actions: spec.actions,
    })
}

/// EPyMARL's common reward: the sum, in the order of the agents.
pub(crate) fn share(rewards: &mut [f64]) {
    let sum = rewards.iter().sum::<f64>();
    rewards.fill(sum);
}
