//! Agents that learn to act together, and the actor-learner runtime they learn in.
//!
//! | module | what it holds |
//! |---|---|
//! | [`training`] | the loop: rounds of episodes in, updates out, evaluations and checkpoints between |
//! | [`actor`], [`rollout`] | threads that play; the loop that plays one episode per environment |
//! | [`learner`] | what an algorithm must offer |
//! | [`q_learning`], [`td_loss`], [`mixing`], [`qmix`] | IQL, VDN, QMIX: the learner, its loss, how values are mixed |
//! | [`policy_gradient`], [`critic`], [`advantages`], [`value_normalisation`] | IPPO, MAPPO: the learner, its critics, what they learn |
//! | [`mansa`] | switching between an independent and a central learner |
//! | [`team`], [`acting`], [`exploration`] | what acts; its outputs step by step; choosing actions by them |
//! | [`network`], [`network_pass`], [`mixer_pass`] | networks; their and mixers' outputs and gradients for batches, by kernels or autograd |
//! | [`replay`], [`reward_standardisation`] | what is learnt from, and on which scale |
//! | [`shards`] | data-parallel gradients on several threads |
//! | [`evaluation`], [`cross_play`] | scoring a policy, or a team of several |
//! | [`policy`], [`export`] | a policy on disk; for other programs |
//! | [`checkpoint`], [`report`] | everything a run needs to continue; everything it writes down |
//!
//! To add a learner, implement [`learner::Learner`] and name it in [`training::Training::new`].

pub mod acting;
pub mod actor;
pub mod advantages;
pub mod checkpoint;
pub mod critic;
pub mod cross_play;
pub mod environment;
pub mod error;
pub mod evaluation;
pub mod exploration;
pub mod export;
pub mod learner;
mod live;
pub mod mansa;
pub mod mixer_pass;
pub mod mixing;
pub mod network;
pub mod network_pass;
pub mod policy;
pub mod policy_gradient;
pub mod q_learning;
pub mod qmix;
pub mod replay;
pub mod report;
pub mod reward_standardisation;
pub mod rollout;
pub mod shards;
pub mod td_loss;
pub mod team;
pub mod training;
pub mod value_normalisation;
mod vdn;

pub use error::AgentsError;
