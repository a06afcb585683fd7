//! The budget of central calls of a whole training.
//!
//! Rounds are played at the same time on several threads, and a round knows how many calls it
//! made only when it ends. So each round is granted calls before it starts, plays with no more
//! than those, and gives back what it did not spend:
//!
//! ```text
//! used + outstanding <= n        at every moment, whatever the order of grants and returns
//! ```
//!
//! The budget therefore holds surely, not on average (Mguni et al. 2023: a fixed number of calls;
//! the remaining number is part of the switch's state). A budget per episode needs no ledger:
//! every episode counts for itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why calls could not be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// A grant that was never made, or was returned before.
    #[error("grant {number} of central calls is not open - a grant is returned once")]
    UnknownGrant {
        /// The grant's number.
        number: u64,
    },
    /// More calls than were granted.
    #[error("{spent} central calls were made of {granted} granted - the budget is broken")]
    Overspent {
        /// Calls made.
        spent: u64,
        /// Calls granted.
        granted: u64,
    },
    /// A ledger on disk that breaks its own rule.
    #[error("{used} used and {outstanding} granted central calls exceed the budget of {calls}")]
    Exceeded {
        /// Calls used.
        used: u64,
        /// Calls granted.
        outstanding: u64,
        /// The budget (n).
        calls: u64,
    },
}

/// Calls that one round may make.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// Names the grant when it is returned.
    pub number: u64,
    /// Calls granted.
    pub calls: u64,
    /// Share of the budget that was not used when the grant was made, from 0 to 1.
    pub budget_left: f32,
    /// Chance of a call in every decision that would spread what is not used over all
    /// decisions left in the training.
    pub even_chance: f64,
}

/// Who used how much of a training's budget, and what is granted to rounds under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct BudgetLedger {
    record: Record,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    calls: u64,
    used: u64,
    next_number: u64,
    open: BTreeMap<u64, u64>, // calls of each grant that is not returned
}

impl BudgetLedger {
    /// A budget of `calls` central calls (n), none of them used.
    pub fn new(calls: u64) -> Self {
        let record = Record {
            calls,
            used: 0,
            next_number: 0,
            open: BTreeMap::new(),
        };
        Self { record }
    }

    /// The whole budget (n).
    pub fn calls(&self) -> u64 {
        self.record.calls
    }

    /// Calls made by the rounds that were returned.
    pub fn used(&self) -> u64 {
        self.record.used
    }

    /// Calls granted to rounds under way.
    pub fn outstanding(&self) -> u64 {
        self.record.outstanding()
    }

    /// Calls that can still be granted.
    pub fn free(&self) -> u64 {
        self.calls() - self.used() - self.outstanding()
    }

    /// Share of the budget that is not used, from 0 to 1; 0 for a budget of nothing.
    pub fn remaining_share(&self) -> f32 {
        let left = self.calls() - self.used();
        (left as f64 / self.calls().max(1) as f64) as f32
    }

    /// Grants as many of `wanted` calls as are free, down to none. `decisions_left` are those
    /// of the whole training that are still to come.
    pub fn grant(&mut self, wanted: u64, decisions_left: u64) -> Grant {
        let grant = Grant {
            number: self.record.next_number,
            calls: wanted.min(self.free()),
            budget_left: self.remaining_share(),
            even_chance: (self.calls() - self.used()) as f64 / decisions_left.max(1) as f64,
        };
        self.record.next_number += 1;
        self.record.open.insert(grant.number, grant.calls);
        grant
    }

    /// Calls that may be granted now to a round at whose end `progress` of the training is
    /// over, from 0 to 1, when the budget is spread evenly: those of the budget that fall into
    /// that share and are neither used nor granted. For switches that know no better than to
    /// spread ([`configs::train::SwitchKind::Random`]).
    pub fn due(&self, progress: f64) -> u64 {
        let fallen = (self.calls() as f64 * progress.clamp(0.0, 1.0)).floor() as u64;
        fallen
            .saturating_sub(self.used() + self.outstanding())
            .min(self.free())
    }

    /// Takes back a grant of which `spent` calls were made; the others are free again.
    ///
    /// # Errors
    /// A grant that is not open, more calls than it had. Nothing changes then.
    pub fn settle(&mut self, number: u64, spent: u64) -> Result<(), BudgetError> {
        let record = &mut self.record;
        let granted = *record
            .open
            .get(&number)
            .ok_or(BudgetError::UnknownGrant { number })?;
        if spent > granted {
            return Err(BudgetError::Overspent { spent, granted });
        }
        record.open.remove(&number);
        record.used += spent;
        Ok(())
    }

    /// Frees all grants of rounds that will never come back: a resumed training whose rounds
    /// under way were lost with the process.
    pub fn forget_outstanding(&mut self) {
        self.record.open.clear();
    }
}

impl Record {
    fn outstanding(&self) -> u64 {
        self.open.values().sum()
    }
}

impl TryFrom<Record> for BudgetLedger {
    type Error = BudgetError;

    fn try_from(record: Record) -> Result<Self, BudgetError> {
        let outstanding = record
            .open
            .values()
            .fold(0u64, |sum, &calls| sum.saturating_add(calls));
        if record.used.saturating_add(outstanding) > record.calls {
            return Err(BudgetError::Exceeded {
                used: record.used,
                outstanding,
                calls: record.calls,
            });
        }
        if let Some((&number, _)) = record.open.range(record.next_number..).next() {
            return Err(BudgetError::UnknownGrant { number });
        }
        Ok(Self { record })
    }
}

impl From<BudgetLedger> for Record {
    fn from(ledger: BudgetLedger) -> Self {
        ledger.record
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Event {
        Grant { wanted: u64 },
        // Of the grants ever made, and the part of it that was spent, in percent.
        Settle { which: usize, percent: u64 },
        Overspend { which: usize },
        SaveAndLoad,
        Forget,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0u64..80).prop_map(|wanted| Event::Grant { wanted }),
            4 => (any::<usize>(), 0u64..=100)
                .prop_map(|(which, percent)| Event::Settle { which, percent }),
            1 => any::<usize>().prop_map(|which| Event::Overspend { which }),
            1 => Just(Event::SaveAndLoad),
            1 => Just(Event::Forget),
        ]
    }

    proptest! {
        // Grants, returns in any order, second returns, returns of too much, resumes: the calls
        // made and those that rounds under way may still make never exceed the budget.
        #[test]
        fn no_interleaving_exceeds_the_budget(
            calls in 0u64..200,
            events in prop::collection::vec(event(), 0..120),
        ) {
            let mut ledger = BudgetLedger::new(calls);
            let mut grants: Vec<(Grant, bool)> = Vec::new(); // with: still open
            let mut made = 0;
            for event in events {
                match event {
                    Event::Grant { wanted } => {
                        let free = ledger.free();
                        let grant = ledger.grant(wanted, 100);
                        prop_assert_eq!(grant.calls, wanted.min(free));
                        grants.push((grant, true));
                    }
                    Event::Settle { which, percent } if !grants.is_empty() => {
                        let index = which % grants.len();
                        let (grant, open) = &mut grants[index];
                        let spent = grant.calls * percent / 100;
                        let settled = ledger.settle(grant.number, spent);
                        prop_assert_eq!(settled.is_ok(), *open);
                        made += if *open { spent } else { 0 };
                        *open = false;
                    }
                    Event::Overspend { which } if !grants.is_empty() => {
                        let (grant, _) = grants[which % grants.len()];
                        let before = ledger.clone();
                        prop_assert!(ledger.settle(grant.number, grant.calls + 1).is_err());
                        prop_assert_eq!(&before, &ledger);
                    }
                    Event::SaveAndLoad => {
                        let text = serde_json::to_string(&ledger).unwrap();
                        let read: BudgetLedger = serde_json::from_str(&text).unwrap();
                        prop_assert_eq!(&read, &ledger);
                        ledger = read;
                    }
                    Event::Forget => {
                        ledger.forget_outstanding();
                        grants.iter_mut().for_each(|(_, open)| *open = false);
                    }
                    _ => {}
                }
                let open = grants.iter().filter(|(_, open)| *open);
                let may_come: u64 = open.map(|(grant, _)| grant.calls).sum();
                prop_assert!(made + may_come <= calls);
                prop_assert_eq!((ledger.used(), ledger.outstanding()), (made, may_come));
                prop_assert!(ledger.free() + made + may_come == calls);
                prop_assert!((0.0..=1.0).contains(&ledger.remaining_share()));
            }
        }

        // What is due up to the end of each round, if it is spent, is the budget at the end.
        #[test]
        fn a_spread_budget_is_used_up_evenly(calls in 0u64..500, rounds in 1u64..60) {
            let mut ledger = BudgetLedger::new(calls);
            for round in 1..=rounds {
                let due = ledger.due(round as f64 / rounds as f64);
                prop_assert!(due <= calls.div_ceil(rounds) + 1);
                let grant = ledger.grant(due, 100);
                ledger.settle(grant.number, grant.calls).unwrap();
            }
            prop_assert_eq!(ledger.used(), calls);
        }
    }

    #[test]
    fn a_grant_is_returned_once_and_never_overspent() {
        let mut ledger = BudgetLedger::new(10);
        let (first, second) = (ledger.grant(6, 40), ledger.grant(6, 40));
        assert_eq!((first.calls, second.calls), (6, 4));
        assert_eq!(ledger.grant(1, 40).calls, 0);
        let overspent = BudgetError::Overspent {
            spent: 7,
            granted: 6,
        };
        assert_eq!(ledger.settle(first.number, 7), Err(overspent));
        assert_eq!(ledger.settle(first.number, 2), Ok(()));
        assert_eq!(
            (ledger.used(), ledger.outstanding(), ledger.free()),
            (2, 4, 4)
        );
        let unknown = BudgetError::UnknownGrant {
            number: first.number,
        };
        assert_eq!(ledger.settle(first.number, 0), Err(unknown));
        let last = ledger.grant(9, 16);
        assert_eq!((last.budget_left, last.even_chance), (0.8, 0.5));
    }

    #[test]
    fn a_ledger_on_disk_that_breaks_the_budget_is_refused() {
        let text = r#"{"calls": 5, "used": 3, "next_number": 1, "open": {"0": 3}}"#;
        let message = serde_json::from_str::<BudgetLedger>(text)
            .unwrap_err()
            .to_string();
        assert!(message.contains("exceed the budget of 5"), "{message}");
        let text = r#"{"calls": 5, "used": 0, "next_number": 0, "open": {"0": 3}}"#;
        assert!(serde_json::from_str::<BudgetLedger>(text).is_err());
    }
}
