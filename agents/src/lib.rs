//! Agents that learn to act together, and the actor-learner runtime they learn in.
//!
//! | module | what it holds |
//! |---|---|
//! | [`training`] | the loop: rounds of episodes in, updates out, evaluations and checkpoints between |
//! | [`actor`], [`rollout`] | threads that play; the loop that plays one episode per environment |
//! | [`learner`], [`iql`] | what an algorithm must offer; independent Q-learning |
//! | [`network`], [`exploration`] | utilities of observations; choosing actions by them |
//! | [`utilities`] | utilities of batches and their gradient, by kernels or autograd |
//! | [`replay`], [`reward_standardisation`] | what is learnt from, and on which scale |
//! | [`shards`] | data-parallel gradients on several threads |
//! | [`evaluation`], [`policy`] | scoring a policy; a policy on disk |
//! | [`checkpoint`], [`report`] | everything a run needs to continue; everything it writes down |
//!
//! To add a learner, implement [`learner::Learner`] and name it in [`training::Training::new`].

pub mod actor;
pub mod advantages;
pub mod checkpoint;
pub mod environment;
pub mod error;
pub mod evaluation;
pub mod exploration;
pub mod iql;
pub mod learner;
pub mod network;
pub mod policy;
pub mod policy_gradient;
pub mod replay;
pub mod report;
pub mod reward_standardisation;
pub mod rollout;
pub mod shards;
pub mod training;
pub mod utilities;
pub mod value_normalisation;

pub use error::AgentsError;
