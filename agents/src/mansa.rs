//! MANSA (Mguni et al. 2023): a third agent decides, state by state, whether the team acts
//! and learns independently or centrally.
//!
//! | module | what it holds |
//! |---|---|
//! | [`budget`] | the budget of calls of a whole training, granted to rounds under way |
//! | [`decision`] | deciding while episodes are played, within the budget of calls |

pub mod budget;
pub mod decision;
