//! Returns of a tournament by who had which seats.

use std::collections::BTreeMap;

use super::{CrossPlay, Improvement, Ranked, interval_of_mean, mean_at};
use crate::evaluation::folder::Games;
use crate::evaluation::plan::{Plan, Unit};
use crate::statistics::{Bootstrap, Interval};

/// Means that differ by no more are one: sums in another order are not exactly equal.
const SAME: f64 = 1e-9;

/// Returns of all teams that were played.
pub(super) struct Seats<'a> {
    games: &'a BTreeMap<Unit, Games>,
    policies: usize,
    agents: usize,
    episodes: usize,
}

impl<'a> Seats<'a> {
    pub(super) fn new(plan: &Plan, games: &'a BTreeMap<Unit, Games>) -> Self {
        let agents = plan.contenders.first().map_or(0, |one| one.sizes.agents);
        Self {
            games,
            policies: plan.contenders.len(),
            // More seats than the bits of a mask have no games: the worker refuses them.
            agents: agents.min(16),
            episodes: plan.options.episodes as usize,
        }
    }

    /// Deals that give at least one seat to either policy: bit `i` gives seat `i` to the
    /// first. A team of one has none; its policy plays alone.
    fn masks(&self) -> impl Iterator<Item = u32> + use<> {
        1..(1_u32 << self.agents).saturating_sub(1)
    }

    /// Returns of `policy` in the seats of `mask` with `partner` in the others.
    fn returns(&self, policy: usize, partner: usize, mask: u32) -> Option<&'a [f64]> {
        if policy == partner {
            let unit = Unit::Alone {
                policy,
                value: None,
            };
            let team = self.games.get(&unit)?.teams.first()?;
            return Some(&team.returns);
        }
        let (first, second) = (policy.min(partner), policy.max(partner));
        let games = self.games.get(&Unit::Pair { first, second })?;
        let place = |one: usize| usize::from(one == second);
        let seats: Vec<usize> = (0..self.agents)
            .map(|seat| {
                place(if mask >> seat & 1 == 1 {
                    policy
                } else {
                    partner
                })
            })
            .collect();
        let team = games.teams.iter().find(|team| team.seats == seats)?;
        Some(&team.returns)
    }

    /// For every start the mean return of `policy` with `partner` over the deals that
    /// `which` keeps.
    fn with(&self, policy: usize, partner: usize, which: impl Fn(u32) -> bool) -> Option<Vec<f64>> {
        let teams: Option<Vec<&[f64]>> = self
            .masks()
            .filter(|mask| which(*mask))
            .map(|mask| self.returns(policy, partner, mask))
            .collect();
        let teams = teams.filter(|teams| !teams.is_empty())?;
        Some(mean_of_columns(&teams, self.episodes))
    }

    pub(super) fn matrix(&self, bootstrap: &Bootstrap) -> CrossPlay {
        let cell = |row: usize, column: usize| -> Option<Interval> {
            let returns = if row == column {
                self.returns(row, row, 0)?.to_vec()
            } else {
                self.with(row, column, |mask| mask & 1 == 1)?
            };
            Some(interval_of_mean(&returns, bootstrap))
        };
        let row = |row| {
            let columns = 0..self.policies;
            columns.map(|column| cell(row, column)).collect()
        };
        CrossPlay {
            cells: (0..self.policies).map(row).collect(),
        }
    }

    /// The policies that played with all of each other. Where games are missing, the policy
    /// that lacks most of them is left out first, the last one among equals.
    pub(super) fn complete(&self) -> Vec<usize> {
        let mut kept: Vec<usize> = (0..self.policies).collect();
        loop {
            let lacks = |policy: usize| {
                let partners = kept.iter();
                let lacking = |partner: &&usize| self.with(policy, **partner, |_| true).is_none();
                partners.filter(lacking).count()
            };
            let most = kept.iter().map(|&policy| (lacks(policy), policy)).max();
            match most {
                Some((lacking, policy)) if lacking > 0 => kept.retain(|one| *one != policy),
                _ => return kept,
            }
        }
    }

    pub(super) fn ranking(&self, policies: &[usize], bootstrap: &Bootstrap) -> Vec<Ranked> {
        let count = policies.len();
        let across: Vec<Vec<f64>> = policies
            .iter()
            .map(|&policy| {
                let partners = policies.iter().filter(|partner| **partner != policy);
                let columns: Vec<Vec<f64>> = partners
                    .filter_map(|&partner| self.with(policy, partner, |_| true))
                    .collect();
                let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
                mean_of_columns(&columns, self.episodes)
            })
            .collect();
        // The first outputs are the means, the others the ranks.
        let found = bootstrap.jointly(self.episodes, 2 * count, |places, out| {
            for (index, returns) in across.iter().enumerate() {
                out[index] = mean_at(returns, places);
            }
            for index in 0..count {
                let bar = out[index] + SAME;
                let better = out[..count].iter().filter(|mean| **mean > bar);
                out[count + index] = 1.0 + better.count() as f64;
            }
        });
        let mut ranking: Vec<Ranked> = policies
            .iter()
            .enumerate()
            .map(|(index, &policy)| {
                let rank = found[count + index];
                let own = self.returns(policy, policy, 0).unwrap_or_default();
                Ranked {
                    policy,
                    rank: rank.estimate as usize,
                    rank_range: (rank.low.floor() as usize, rank.high.ceil() as usize),
                    cross_play: found[index],
                    self_play: interval_of_mean(own, bootstrap),
                }
            })
            .collect();
        ranking.sort_by_key(|one| (one.rank, one.policy));
        ranking
    }

    pub(super) fn improvement(
        &self,
        ranking: &[Ranked],
        bootstrap: &Bootstrap,
    ) -> Vec<Improvement> {
        let policies: Vec<usize> = ranking.iter().map(|one| one.policy).collect();
        let pairs = policies.iter().flat_map(|&policy| {
            let others = policies.iter().filter(move |over| **over != policy);
            others.map(move |&over| (policy, over))
        });
        pairs
            .filter_map(|(policy, over)| {
                let wins = self.wins(policy, over, &policies)?;
                let chance = interval_of_mean(&wins, bootstrap);
                Some(Improvement {
                    policy,
                    over,
                    chance,
                })
            })
            .collect()
    }

    /// For every start the share of partners and seats with which `policy` does better than
    /// `over` in the same seats, ties counted half.
    fn wins(&self, policy: usize, over: usize, partners: &[usize]) -> Option<Vec<f64>> {
        let mut columns: Vec<Vec<f64>> = Vec::new();
        for &partner in partners {
            for mask in self.masks() {
                let ours = self.returns(policy, partner, mask)?;
                let theirs = self.returns(over, partner, mask)?;
                let both = ours.iter().zip(theirs);
                columns.push(both.map(|(our, their)| win(*our, *their)).collect());
            }
        }
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        Some(mean_of_columns(&columns, self.episodes))
    }
}

fn win(ours: f64, theirs: f64) -> f64 {
    if ours > theirs {
        1.0
    } else if ours == theirs {
        0.5
    } else {
        0.0
    }
}

fn mean_of_columns(columns: &[&[f64]], length: usize) -> Vec<f64> {
    let row = |place: usize| {
        let values = columns.iter().map(|column| column[place]);
        values.sum::<f64>() / columns.len() as f64
    };
    (0..length).map(row).collect()
}
