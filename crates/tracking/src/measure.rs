//! What the returns of an evaluation are, in the words of the job that wrote them.

use std::collections::BTreeMap;

/// The key of [`crate::EventKind::Evaluation`]'s further numbers for shares of right answers.
pub const ACCURACY: &str = "accuracy";
/// The key for shares of comparisons won against the model that the run began with.
pub const WIN_RATE: &str = "win_rate";
/// The key of a language model's evaluation that nothing scored; all its returns are 0.
pub const UNSCORED: &str = "unscored";

/// What the returns of an evaluation are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Measure {
    /// Returns of episodes.
    #[default]
    Return,
    /// Shares of right answers.
    Accuracy,
    /// Shares of comparisons won.
    WinRate,
    /// Nothing: texts were written and not scored.
    Unscored,
}

impl Measure {
    /// By the further numbers of an evaluation; accuracy before win rate where there are both.
    #[must_use]
    pub fn of(extra: &BTreeMap<String, Vec<f64>>) -> Self {
        [
            (ACCURACY, Self::Accuracy),
            (WIN_RATE, Self::WinRate),
            (UNSCORED, Self::Unscored),
        ]
        .into_iter()
        .find(|(key, _)| extra.contains_key(*key))
        .map_or(Self::Return, |(_, measure)| measure)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Return => "return",
            Self::Accuracy => "accuracy",
            Self::WinRate => "win rate",
            Self::Unscored => "not scored",
        }
    }

    /// What is counted, and what its length is counted in.
    #[must_use]
    pub fn units(self) -> (&'static str, &'static str) {
        match self {
            Self::Return => ("episodes", "steps"),
            _ => ("prompts", "tokens"),
        }
    }

    /// What the absolute evaluation scored.
    #[must_use]
    pub fn final_name(self) -> &'static str {
        match self {
            Self::Return => "best checkpoint",
            _ => "final model",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_numbers_tell_what_the_returns_are() {
        let of = |names: &[&str]| {
            let extra = names.iter().map(|name| ((*name).to_owned(), vec![0.5]));
            Measure::of(&extra.collect())
        };
        assert_eq!(of(&[]), Measure::Return);
        assert_eq!(of(&["cl_calls"]), Measure::Return);
        assert_eq!(of(&["win_rate", "accuracy"]), Measure::Accuracy);
        assert_eq!(of(&["win_rate"]), Measure::WinRate);
        assert_eq!(of(&["unscored"]), Measure::Unscored);
        assert_eq!(of(&["accuracy"]).units(), ("prompts", "tokens"));
    }
}
