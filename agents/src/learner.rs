//! What the runtime needs from a learning algorithm.

use std::sync::Arc;

use nn::arrays::Arrays;
use serde::de::DeserializeOwned;
use tch::Tensor;

use crate::AgentsError;
use crate::replay::EpisodeReplay;
use crate::rollout::EpisodeBatch;
use crate::team::Team;

/// Figures of one update.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateReport {
    /// The loss.
    pub loss: f64,
    /// Euclidean norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Mean value of the chosen actions.
    pub mean_value: f64,
    /// Mean target.
    pub mean_target: f64,
    /// Further figures, by the name of their curve.
    pub more: Vec<(&'static str, f64)>,
}

/// A learning algorithm: takes episodes, updates weights, can be saved and restored.
pub trait Learner: Send {
    /// What the actors run.
    fn team(&self) -> &Arc<Team>;

    /// The weights that the actors run, a copy over [`Team::layout`] on the CPU.
    /// `[scalars]`, f32
    fn acting_weights(&self) -> Tensor;

    /// Whether each episode is learnt from once, by the policy that played it. Such a
    /// learner is updated whenever it is [`Learner::ready`].
    fn on_policy(&self) -> bool {
        false
    }

    /// Takes in new episodes.
    fn observe(&mut self, episodes: &EpisodeBatch);

    /// Whether there is enough to learn from.
    fn ready(&self) -> bool;

    /// Number of updates so far.
    fn updates(&self) -> u64;

    /// One update.
    ///
    /// # Errors
    /// A loss or gradient that is not finite ([`AgentsError::Diverged`]); LibTorch's.
    fn update(&mut self) -> Result<UpdateReport, AgentsError>;

    /// Everything but the replay: arrays and a small JSON state.
    ///
    /// # Errors
    /// Never for the learners here; a learner with outside state may fail.
    fn to_arrays(&self) -> Result<(Arrays, serde_json::Value), AgentsError>;

    /// Takes up what [`Learner::to_arrays`] gave.
    ///
    /// # Errors
    /// Arrays or a state of another network or algorithm; the learner may then be half
    /// loaded and must not be used.
    fn load_arrays(&mut self, arrays: &Arrays, state: serde_json::Value)
    -> Result<(), AgentsError>;

    /// The replay, for a checkpoint.
    fn replay(&self) -> &EpisodeReplay;

    /// The replay, to restore it.
    fn replay_mut(&mut self) -> &mut EpisodeReplay;
}

/// Reads the JSON state that a learner gave a checkpoint.
///
/// # Errors
/// The state of another learner.
pub(crate) fn read_state<T: DeserializeOwned>(state: serde_json::Value) -> Result<T, AgentsError> {
    serde_json::from_value(state).map_err(|error| AgentsError::Checkpoint {
        path: "state.json".into(),
        problem: format!("the learner's state does not read: {error}"),
    })
}
