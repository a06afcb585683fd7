//! MANSA (Mguni et al. 2023): a third agent decides, state by state, whether the team acts
//! and learns independently or centrally.
//!
//! | module | what it holds |
//! |---|---|
//! | [`decision`] | deciding while episodes are played, within the budget of calls |

pub mod decision;
