//! Many copies of one environment, stepped together into memory that the caller owns.

use serde::{Deserialize, Serialize};

use crate::environment::{Diagnostics, EnvironmentSpec};
use crate::error::EnvironmentError;
use crate::scene::Scene;
use crate::simulation::check_length;

pub(crate) mod engine;

/// What happens to a copy whose episode ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetMode {
    /// It starts its next episode within the same step: `observations` hold the new start,
    /// `final_observations` (where asked for) the end, `rewards` and flags belong to the end.
    Automatic,
    /// It stands still until [`VectorEnvironment::reset_all`]: its actions are ignored, its rewards
    /// are 0, and its observations, mask and flags stay as they were at the end.
    Hold,
}

/// Owned memory for a batch: one contiguous block per quantity. Blocks that stay empty are not
/// written, so nobody pays for what he does not read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchBuffers {
    /// `[environments, agents, observation]`.
    pub observations: Vec<f32>,
    /// `[environments, agents]`.
    pub rewards: Vec<f64>,
    /// `[environments]`.
    pub terminated: Vec<bool>,
    /// `[environments]`.
    pub truncated: Vec<bool>,
    /// `[environments, agents, actions]`, 1 = allowed; or empty.
    pub action_mask: Vec<u8>,
    /// `[environments, state]`; or empty.
    pub states: Vec<f32>,
    /// `[environments, agents, observation]`, valid where an automatic reset just happened; or
    /// empty.
    pub final_observations: Vec<f32>,
}

impl BatchBuffers {
    /// Observations, rewards and flags for `count` copies.
    #[must_use]
    pub fn new(spec: &EnvironmentSpec, count: usize) -> Self {
        Self {
            observations: vec![0.0; count * spec.joint_observation_size()],
            rewards: vec![0.0; count * spec.agents],
            terminated: vec![false; count],
            truncated: vec![false; count],
            ..Self::default()
        }
    }

    /// Asks for action masks as well.
    #[must_use]
    pub fn with_action_mask(mut self, spec: &EnvironmentSpec) -> Self {
        self.action_mask = vec![0; self.terminated.len() * spec.joint_mask_size()];
        self
    }

    /// Asks for states as well.
    #[must_use]
    pub fn with_states(mut self, spec: &EnvironmentSpec) -> Self {
        self.states = vec![0.0; self.terminated.len() * spec.state_size];
        self
    }

    /// Asks for the last observations of episodes that were reset automatically.
    #[must_use]
    pub fn with_final_observations(mut self, spec: &EnvironmentSpec) -> Self {
        self.final_observations = vec![0.0; self.terminated.len() * spec.joint_observation_size()];
        self
    }

    /// The same memory, borrowed.
    pub fn slices(&mut self) -> BatchSlices<'_> {
        BatchSlices {
            observations: &mut self.observations,
            rewards: &mut self.rewards,
            terminated: &mut self.terminated,
            truncated: &mut self.truncated,
            action_mask: &mut self.action_mask,
            states: &mut self.states,
            final_observations: &mut self.final_observations,
        }
    }
}

/// Borrowed memory for a batch, for callers who own it elsewhere (a tensor, shared memory). Shapes
/// as in [`BatchBuffers`]; `action_mask`, `states` and `final_observations` may be empty.
#[derive(Debug)]
pub struct BatchSlices<'a> {
    /// `[environments, agents, observation]`.
    pub observations: &'a mut [f32],
    /// `[environments, agents]`.
    pub rewards: &'a mut [f64],
    /// `[environments]`.
    pub terminated: &'a mut [bool],
    /// `[environments]`.
    pub truncated: &'a mut [bool],
    /// `[environments, agents, actions]` or empty.
    pub action_mask: &'a mut [u8],
    /// `[environments, state]` or empty.
    pub states: &'a mut [f32],
    /// `[environments, agents, observation]` or empty.
    pub final_observations: &'a mut [f32],
}

impl BatchSlices<'_> {
    fn check(&self, spec: &EnvironmentSpec, count: usize) -> Result<(), EnvironmentError> {
        let joint = count * spec.joint_observation_size();
        let optional = |found: usize, expected: usize| if found == 0 { 0 } else { expected };
        check_length(
            "observations",
            "[environments, agents, observation]",
            self.observations.len(),
            joint,
        )?;
        check_length(
            "rewards",
            "[environments, agents]",
            self.rewards.len(),
            count * spec.agents,
        )?;
        check_length("terminated", "[environments]", self.terminated.len(), count)?;
        check_length("truncated", "[environments]", self.truncated.len(), count)?;
        check_length(
            "action_mask",
            "[environments, agents, actions] or empty",
            self.action_mask.len(),
            optional(self.action_mask.len(), count * spec.joint_mask_size()),
        )?;
        check_length(
            "states",
            "[environments, state] or empty",
            self.states.len(),
            optional(self.states.len(), count * spec.state_size),
        )?;
        check_length(
            "final_observations",
            "[environments, agents, observation] or empty",
            self.final_observations.len(),
            optional(self.final_observations.len(), joint),
        )
    }
}

/// A batch of copies of one environment.
///
/// Results depend on the seed and the actions only, never on the number of threads. A step
/// allocates nothing (with more than one thread, rayon's queue takes a block of memory about every
/// 63 calls from outside its pool).
pub trait VectorEnvironment: Send {
    /// Sizes, names and limits of one copy.
    fn spec(&self) -> &EnvironmentSpec;

    /// Number of copies.
    fn len(&self) -> usize;

    /// Whether there is no copy.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Restarts all random streams: copy `i` draws from numpy's `SeedSequence(seed).spawn(n)[i]`,
    /// so streams of different copies and of different seeds are independent.
    fn seed(&mut self, seed: u64);

    /// Starts an episode in every copy and writes observations, masks and states; rewards become 0
    /// and flags `false`.
    ///
    /// # Errors
    /// A buffer of the wrong length.
    fn reset_all_into(&mut self, slices: BatchSlices<'_>) -> Result<(), EnvironmentError>;

    /// Plays one joint action per copy, `[environments, agents]`.
    ///
    /// # Errors
    /// An action that does not exist or a slice of the wrong length; no copy moves then.
    fn step_into(
        &mut self,
        actions: &[u8],
        slices: BatchSlices<'_>,
    ) -> Result<(), EnvironmentError>;

    /// [`reset_all_into`](Self::reset_all_into) owned buffers.
    ///
    /// # Errors
    /// A buffer of the wrong length.
    fn reset_all(&mut self, buffers: &mut BatchBuffers) -> Result<(), EnvironmentError> {
        self.reset_all_into(buffers.slices())
    }

    /// [`step_into`](Self::step_into) owned buffers.
    ///
    /// # Errors
    /// As there.
    fn step(&mut self, actions: &[u8], buffers: &mut BatchBuffers) -> Result<(), EnvironmentError> {
        self.step_into(actions, buffers.slices())
    }

    /// Everything that decides the future of all copies, random streams included.
    fn save(&self) -> Vec<u8>;

    /// Takes up what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// Bytes of another batch, cut short or changed.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), EnvironmentError>;

    /// The present moment of copy `index`, for rendering; the last copy's when there are fewer.
    fn scene(&self, index: usize) -> Scene;

    /// Counts of rare events, summed over the copies.
    fn diagnostics(&self) -> Diagnostics;
}
