//! The symmetric two-player game of one win matrix: arXiv 2405.00675, section 3.

use crate::oracles::WinMatrix;

/// A game in which both players pick one of K responses and the first wins with `P(i > k)`.
#[derive(Debug, Clone, PartialEq)]
pub struct PreferenceGame {
    preferences: WinMatrix,
}

impl PreferenceGame {
    /// The game of this matrix.
    pub fn new(preferences: WinMatrix) -> Self {
        Self { preferences }
    }

    /// K.
    pub fn responses(&self) -> usize {
        self.preferences.responses()
    }

    /// The matrix.
    pub fn preferences(&self) -> &WinMatrix {
        &self.preferences
    }

    /// `P(y > pi)` of each response, `[K]`; `policy` holds K probabilities.
    pub fn win_rates(&self, policy: &[f64]) -> Vec<f64> {
        self.preferences
            .rows()
            .iter()
            .map(|row| row.iter().zip(policy).map(|(win, share)| win * share).sum())
            .collect()
    }

    /// `max_pi P(pi > policy) - 1/2`, 0 at the equilibrium and at most 1/2.
    pub fn exploitability(&self, policy: &[f64]) -> f64 {
        let best = self.win_rates(policy).into_iter().fold(0.0, f64::max);
        best - 0.5
    }

    /// `max_pi P(pi > policy) - min_pi P(policy > pi)`: twice the exploitability, since the second
    /// is one less the first.
    pub fn duality_gap(&self, policy: &[f64]) -> f64 {
        2.0 * self.exploitability(policy)
    }
}

/// `softmax`, `[K]` to `[K]`, of logits of any size.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let odds: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let total: f64 = odds.iter().sum();
    odds.into_iter().map(|odd| odd / total).collect()
}
