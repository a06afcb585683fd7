//! The trait every environment implements, and what it says about itself.

use serde::{Deserialize, Serialize};

use crate::error::EnvironmentError;
use crate::scene::Scene;

/// What an environment is: sizes, names and limits. It never changes after construction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentSpec {
    /// The id that [`crate::make`] was called with.
    pub id: String,
    /// Number of agents; all act in every step.
    pub agents: usize,
    /// Number of actions; the same for every agent.
    pub actions: usize,
    /// A name per action, `[actions]`.
    pub action_names: Vec<String>,
    /// Shape of one agent's observation, such as `[12]` or `[3, 5, 5]`.
    pub observation_shape: Vec<usize>,
    /// Numbers in one agent's observation: the product of the shape.
    pub observation_size: usize,
    /// Numbers in the state that centralised learners may read.
    pub state_size: usize,
    /// Steps after which an episode ends at the latest.
    pub max_episode_steps: usize,
}

impl EnvironmentSpec {
    /// Numbers in the observations of all agents, `[agents, observation]`.
    #[must_use]
    pub fn joint_observation_size(&self) -> usize {
        self.agents * self.observation_size
    }

    /// Bytes in the action masks of all agents, `[agents, actions]`.
    #[must_use]
    pub fn joint_mask_size(&self) -> usize {
        self.agents * self.actions
    }
}

/// Why an episode ended; both `false` while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepFlags {
    /// The task is over: nothing follows, so a learner does not bootstrap.
    pub terminated: bool,
    /// The episode was cut: a learner bootstraps from the last observation.
    pub truncated: bool,
}

impl StepFlags {
    /// Whether the episode is over for either reason.
    #[must_use]
    pub fn done(self) -> bool {
        self.terminated | self.truncated
    }
}

/// Counts of rare events, for logs and for `concord env check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Episodes started.
    pub resets: u64,
    /// Starts with fewer foods than the id asks for (level-based foraging gives up after 1000
    /// tries, silently in the reference).
    pub starts_with_missing_food: u64,
}

/// A cooperative multi-agent environment with discrete actions.
///
/// All agents observe and act in every step. `envs/examples/own_environment.rs` implements the
/// trait for a new task; [`crate::doors::check`] tries the promises written here.
pub trait Environment: Send {
    /// Sizes, names and limits.
    fn spec(&self) -> &EnvironmentSpec;

    /// Restarts the environment's own random stream; the next [`reset`](Self::reset) draws from it.
    fn seed(&mut self, seed: u64);

    /// Starts an episode. Without a call of [`seed`](Self::seed) it continues the stream.
    fn reset(&mut self);

    /// Plays one joint action, `[agents]`, and writes the rewards, `[agents]`.
    ///
    /// # Errors
    /// An action that does not exist or a slice of the wrong length; nothing changes then.
    fn step(&mut self, actions: &[u8], rewards: &mut [f64]) -> Result<StepFlags, EnvironmentError>;

    /// Writes what the agents see, `[agents, observation]`.
    fn write_observations(&self, out: &mut [f32]);

    /// Writes the state that centralised learners may read, `[state]`; by default the concatenated
    /// observations, as EPyMARL does.
    fn write_state(&self, out: &mut [f32]) {
        self.write_observations(out);
    }

    /// Writes which actions do something, `[agents, actions]`, 1 = allowed.
    fn write_action_mask(&self, out: &mut [u8]) {
        out.fill(1);
    }

    /// Everything that decides the future, the random stream included.
    fn save(&self) -> Vec<u8>;

    /// Takes up what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// Bytes of another environment, cut short or changed; nothing changes then.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), EnvironmentError>;

    /// The present moment, for rendering.
    fn scene(&self) -> Scene;

    /// Counts of rare events since construction.
    fn diagnostics(&self) -> Diagnostics {
        Diagnostics::default()
    }
}
