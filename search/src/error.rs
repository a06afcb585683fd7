//! What can go wrong in a search.

use crate::ledger::ReservationId;
use crate::resource::Resource;

/// Errors of the ledger and of node selection.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A reservation does not fit. The ledger is unchanged.
    #[error(
        "reserving {asked} {resource}: {available} unreserved of {limit} - \
         ask for less, or stop and answer with what is left"
    )]
    OverBudget {
        /// The first resource that is short.
        resource: Resource,
        /// Units asked for.
        asked: u64,
        /// Units neither spent nor reserved.
        available: u64,
        /// The whole budget.
        limit: u64,
    },
    /// A job used more than was reserved for it. The ledger is unchanged, the reservation open.
    #[error(
        "committing {used} {resource} on reservation {id}: {reserved} reserved - \
         commit the reserved amount and record a budget violation"
    )]
    OverReservation {
        /// The reservation.
        id: ReservationId,
        /// The first resource that was exceeded.
        resource: Resource,
        /// Units reported as used.
        used: u64,
        /// Units reserved.
        reserved: u64,
    },
    /// A reservation that was never made, or is committed or refunded already.
    #[error(
        "reservation {id} is not open - \
         commit or refund each reservation once, on the ledger that made it"
    )]
    NotOpen {
        /// The reservation asked for.
        id: ReservationId,
    },
    /// A stored ledger that no sequence of calls can have produced.
    #[error(
        "stored ledger, {resource}: spent {spent} and reserved {reserved} exceed {limit} - \
             restore an older checkpoint or start the search again"
    )]
    Overspent {
        /// The resource that does not add up.
        resource: Resource,
        /// Units spent.
        spent: u64,
        /// Units in open reservations, [`u64::MAX`] where their sum is larger.
        reserved: u64,
        /// The whole budget.
        limit: u64,
    },
    /// A stored ledger that would hand out the number of an open reservation again.
    #[error(
        "stored ledger: next reservation {next}, but {id} is open - \
         restore an older checkpoint or start the search again"
    )]
    ReusedReservation {
        /// The number that the ledger would give next.
        next: u64,
        /// An open reservation at or above it.
        id: ReservationId,
    },
    /// Budgets that never end a search.
    #[error(
        "budget: tokens, model calls, time and money have no limit - \
         set one of them: tool calls alone end no search"
    )]
    Unlimited,
    /// A budget below the cost of the smallest answer.
    #[error(
        "budget: {limit} {resource}, and an answer takes {least} - allowed are {least} and more"
    )]
    NoAnswer {
        /// The resource.
        resource: Resource,
        /// The whole budget.
        limit: u64,
        /// What an answer takes at least.
        least: u64,
    },
    /// Nothing to select from.
    #[error("selecting a node: no candidates - stop the search when no node is open")]
    NoCandidates,
    /// A node value that is not a number.
    #[error("selecting a node: value {value} of candidate {index} - values are finite numbers")]
    Value {
        /// Position among the candidates.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A fraction of the budget outside 0..=1.
    #[error("selecting a node: fraction left {fraction} - allowed are 0 to 1")]
    Fraction {
        /// The fraction.
        fraction: f64,
    },
    /// A largest exponent below 1 or not finite, or an exponent that is.
    #[error("selecting a node: exponent {exponent} - allowed are finite numbers from 1")]
    Exponent {
        /// The exponent.
        exponent: f64,
    },
    /// A random number that is not in 0..1.
    #[error("selecting a node: random number {uniform} - allowed are 0 to below 1")]
    Uniform {
        /// The number.
        uniform: f64,
    },
    /// A number that the convergence theorem has no meaning for.
    #[error("steps that suffice: {what} {value} - allowed are {allowed}")]
    Theorem {
        /// Which number.
        what: &'static str,
        /// The number.
        value: f64,
        /// Its range, in words.
        allowed: &'static str,
    },
}
