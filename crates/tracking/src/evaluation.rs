//! Evaluations that are kept: policies scored alone, against each other, or at several
//! settings of their execution.
//!
//! An evaluation is a folder. `evaluation.json` says what is played ([`Plan`]), `games/`
//! holds one file per finished [`Unit`], and the tables ([`Results`]) are computed from
//! both. A unit that is on disk is never played again, so that an evaluation may be killed
//! at any moment and continued.
//!
//! | part | what |
//! |---|---|
//! | [`contender`] | a policy on disk: sizes, environment, fingerprint; which fit together |
//! | [`plan`] | what is played: policies, options, values of a sweep, units |
//! | [`folder`] | the folder: creation, lock, finished units, history of a root |
//! | [`searches`] | accuracy of recorded searches against their budgets |
//! | [`results`] | scores, cross-play, ranking and sweep from the finished units |

pub mod contender;
pub mod folder;
pub mod plan;
pub mod results;
mod reuse;
pub mod searches;

pub use contender::{Contender, Sizes, mismatch};
pub use folder::{EvaluationFolder, EvaluationState, Games, TeamGames};
pub use plan::{Kind, Parameter, Plan, PlayOptions, SweepValue, Unit};
pub use results::{CrossPlay, Ranked, Results, ScoreRow, SweepRow};

#[cfg(test)]
mod tests;
