//! The budgets of one question, shared by all branches of its tree (BAVT: hard ceilings,
//! `b_{t+1} = b_t - C(a_t)` for each resource).
//!
//! A job reserves the most it can cost before it starts, commits what it did cost, and gives the
//! rest back. At all times and for each resource
//! `spent + reserved + available = limit` and `spent + left = limit`.

use crate::SearchError;
use crate::resource::{Amounts, Limits, Resource};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Names an open reservation of one ledger. Never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[must_use = "what is reserved stays reserved until it is committed or refunded"]
pub struct ReservationId(u64);

impl fmt::Display for ReservationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What may be spent, is spent and is promised. A stored ledger that does not add up is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Ledger {
    limits: Limits,
    spent: Amounts,
    /// The sum of `open`.
    reserved: Amounts,
    open: BTreeMap<ReservationId, Amounts>,
    next: u64,
}

/// A ledger as it is stored: `reserved` follows from the rest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    limits: Limits,
    spent: Amounts,
    open: Vec<(ReservationId, Amounts)>,
    next: u64,
}

impl Ledger {
    /// A ledger with nothing spent.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            spent: Amounts::default(),
            reserved: Amounts::default(),
            open: BTreeMap::new(),
            next: 0,
        }
    }

    /// Sets `most` aside, for all resources or for none.
    ///
    /// # Errors
    /// [`SearchError::OverBudget`] when a resource has less than that available.
    pub fn reserve(&mut self, most: Amounts) -> Result<ReservationId, SearchError> {
        for resource in Resource::ALL {
            let available = self.available(resource);
            let asked = most.get(resource);
            if asked > available {
                return Err(SearchError::OverBudget {
                    resource,
                    asked,
                    available,
                    limit: self.ceiling(resource),
                });
            }
        }
        let id = ReservationId(self.next);
        self.next += 1;
        self.reserved = self.reserved.zip(most, |sum, amount| sum + amount);
        self.open.insert(id, most);
        Ok(id)
    }

    /// Spends `used` of a reservation, gives the rest back and closes it.
    ///
    /// # Errors
    /// [`SearchError::NotOpen`]; [`SearchError::OverReservation`] when more was used than
    /// reserved: the ledger then is as before and the reservation still open.
    pub fn commit(&mut self, id: ReservationId, used: Amounts) -> Result<(), SearchError> {
        let reserved = *self.open.get(&id).ok_or(SearchError::NotOpen { id })?;
        for resource in Resource::ALL {
            if used.get(resource) > reserved.get(resource) {
                return Err(SearchError::OverReservation {
                    id,
                    resource,
                    used: used.get(resource),
                    reserved: reserved.get(resource),
                });
            }
        }
        self.refund(id)?;
        self.spent = self.spent.zip(used, |sum, amount| sum + amount);
        Ok(())
    }

    /// Gives a whole reservation back and closes it, for a job that was never started.
    ///
    /// # Errors
    /// [`SearchError::NotOpen`].
    pub fn refund(&mut self, id: ReservationId) -> Result<(), SearchError> {
        let reserved = self.open.remove(&id).ok_or(SearchError::NotOpen { id })?;
        self.reserved = self.reserved.zip(reserved, |sum, amount| sum - amount);
        Ok(())
    }

    /// What an open reservation sets aside.
    pub fn reservation(&self, id: ReservationId) -> Option<Amounts> {
        self.open.get(&id).copied()
    }

    /// Replaces the whole budgets, raised to what is spent and reserved where they are below
    /// that. Gives what they are now.
    pub(crate) fn set_limits(&mut self, limits: Limits) -> Limits {
        let mut raised = limits;
        for resource in Resource::ALL {
            let taken = self.spent.get(resource) + self.reserved.get(resource);
            let limit = limits.get(resource).map(|limit| limit.max(taken));
            raised = raised.with(resource, limit);
        }
        self.limits = raised;
        raised
    }

    /// The whole budgets.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What was committed.
    pub fn spent(&self) -> Amounts {
        self.spent
    }

    /// The sum of the open reservations.
    pub fn reserved(&self) -> Amounts {
        self.reserved
    }

    /// Reservations neither committed nor refunded, oldest first.
    pub fn open(&self) -> impl Iterator<Item = (ReservationId, Amounts)> {
        self.open.iter().map(|(id, amounts)| (*id, *amounts))
    }

    /// `b_t`: the budget that is not spent, open reservations included; none without a limit.
    pub fn left(&self, resource: Resource) -> Option<u64> {
        let limit = self.limits.get(resource)?;
        Some(limit - self.spent.get(resource))
    }

    /// The most that a reservation can get: neither spent nor reserved. Without a limit, what
    /// still can be counted.
    pub fn available(&self, resource: Resource) -> u64 {
        self.ceiling(resource) - self.spent.get(resource) - self.reserved.get(resource)
    }

    /// `b_t / B` of one resource; none without a limit, and with a budget of 0 from the start.
    pub fn fraction_left_of(&self, resource: Resource) -> Option<f64> {
        let limit = self.limits.get(resource).filter(|limit| *limit > 0)?;
        // Beyond 2^53 units both round alike, and the quotient stays within 0..=1.
        self.left(resource).map(|left| left as f64 / limit as f64)
    }

    /// `r_t`, BAVT eq. 4: the smallest fraction left of any resource, in 0..=1. Resources without
    /// a limit or with a budget of 0 from the start do not count; 1 when none counts.
    ///
    /// Open reservations count as left: they are no cost yet, and most are larger than the cost.
    pub fn fraction_left(&self) -> f64 {
        Resource::ALL
            .into_iter()
            .filter_map(|resource| self.fraction_left_of(resource))
            .fold(1.0, f64::min)
    }

    fn ceiling(&self, resource: Resource) -> u64 {
        self.limits.get(resource).unwrap_or(u64::MAX)
    }
}

impl TryFrom<Record> for Ledger {
    type Error = SearchError;

    fn try_from(record: Record) -> Result<Self, SearchError> {
        let mut ledger = Self::new(record.limits);
        for (id, amounts) in record.open {
            if id.0 >= record.next || ledger.open.insert(id, amounts).is_some() {
                let next = record.next;
                return Err(SearchError::ReusedReservation { next, id });
            }
            ledger.reserved = ledger.reserved.zip(amounts, u64::saturating_add);
        }
        for resource in Resource::ALL {
            let (spent, reserved) = (record.spent.get(resource), ledger.reserved.get(resource));
            let limit = ledger.ceiling(resource);
            if spent.checked_add(reserved).is_none_or(|sum| sum > limit) {
                return Err(SearchError::Overspent {
                    resource,
                    spent,
                    reserved,
                    limit,
                });
            }
        }
        ledger.spent = record.spent;
        ledger.next = record.next;
        Ok(ledger)
    }
}

impl From<Ledger> for Record {
    fn from(ledger: Ledger) -> Self {
        Self {
            limits: ledger.limits,
            spent: ledger.spent,
            open: ledger.open.into_iter().collect(),
            next: ledger.next,
        }
    }
}
