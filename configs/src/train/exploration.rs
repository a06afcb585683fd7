//! `[exploration]`: how the agents explore.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// Epsilon-greedy with a straight line from start to end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExplorationConfig {
    /// Chance of a random action at the first step.
    pub epsilon_start: f64,
    /// Chance of a random action once annealing is over.
    pub epsilon_end: f64,
    /// Environment steps from the first value to the last, summed over all environments.
    pub anneal_steps: u64,
}

impl Default for ExplorationConfig {
    fn default() -> Self {
        Self {
            epsilon_start: 1.0,
            epsilon_end: 0.05,
            anneal_steps: 200_000,
        }
    }
}

impl ExplorationConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "exploration.epsilon_start",
            "Epsilon, start",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Chance of a random action at the first step.",
        ),
        Field::new(
            "exploration.epsilon_end",
            "Epsilon, end",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Chance of a random action once annealing is over.",
        )
        .known_as(&["epsilon_finish"]),
        Field::new(
            "exploration.anneal_steps",
            "Annealing",
            FieldKind::Integer {
                min: 0,
                max: i64::MAX,
            },
            "Environment steps from the first value to the last, summed over all environments.",
        )
        .known_as(&["epsilon_anneal_time"])
        .unit("environment steps"),
    ];

    /// Epsilon after `steps` environment steps.
    #[must_use]
    pub fn epsilon(&self, steps: u64) -> f64 {
        if steps >= self.anneal_steps {
            return self.epsilon_end;
        }
        let share = steps as f64 / self.anneal_steps as f64;
        self.epsilon_start + share * (self.epsilon_end - self.epsilon_start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epsilon_falls_on_a_straight_line_and_stays() {
        let exploration = ExplorationConfig::default();
        assert_eq!(exploration.epsilon(0), 1.0);
        assert!((exploration.epsilon(100_000) - 0.525).abs() < 1e-12);
        assert_eq!(exploration.epsilon(200_000), 0.05);
        assert_eq!(exploration.epsilon(u64::MAX), 0.05);
        let none = ExplorationConfig {
            anneal_steps: 0,
            ..exploration
        };
        assert_eq!(none.epsilon(0), 0.05);
    }
}
