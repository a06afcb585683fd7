//! MANSA (Mguni et al. 2023): a third agent decides, state by state, whether the team acts
//! and learns independently or centrally.
//!
//! | module | what it holds |
//! |---|---|
//! | [`budget`] | the budget of calls of a whole training, granted to rounds under way |
//! | [`switch`] | what a switch is paid and what every way of learning it offers |
//! | [`double_dqn`], [`discrete_sac`], [`proximal`] | ways of learning it |
//! | [`paired_policies`] | the learner over IPPO and MAPPO; over Q-learners it is [`crate::q_learning`] |
//! | [`decision`] | deciding while episodes are played, within the budget of calls |
//! | [`call_map`] | where calls fire |

pub mod budget;
pub mod call_map;
pub mod decision;
pub mod discrete_sac;
pub mod double_dqn;
mod learnt;
pub mod paired_policies;
pub mod proximal;
pub mod switch;
