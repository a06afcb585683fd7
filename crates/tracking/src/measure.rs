//! What the returns of an evaluation are, in the words of the job that wrote them.

use std::collections::BTreeMap;

/// The key of [`crate::EventKind::Evaluation`]'s further numbers for shares of right answers.
pub const ACCURACY: &str = "accuracy";
/// The key for shares of answers that were forced, which searches alone have.
pub const BACKSTOP: &str = "backstop";
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
    /// Right answers of searches, 1 or 0 for each question.
    Answers,
    /// Shares of comparisons won.
    WinRate,
    /// Nothing: texts were written and not scored.
    Unscored,
}

impl Measure {
    /// By the further numbers of an evaluation; accuracy before win rate where there are both.
    #[must_use]
    pub fn of(extra: &BTreeMap<String, Vec<f64>>) -> Self {
        if extra.contains_key(ACCURACY) && extra.contains_key(BACKSTOP) {
            return Self::Answers;
        }
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
            Self::Accuracy | Self::Answers => "accuracy",
            Self::WinRate => "win rate",
            Self::Unscored => "not scored",
        }
    }

    /// What is counted, and what its length is counted in.
    #[must_use]
    pub fn units(self) -> (&'static str, &'static str) {
        match self {
            Self::Return => ("episodes", "steps"),
            Self::Answers => ("questions", "tokens"),
            _ => ("prompts", "tokens"),
        }
    }

    /// What the absolute evaluation scored.
    #[must_use]
    pub fn final_name(self) -> &'static str {
        match self {
            Self::Return => "best checkpoint",
            Self::Answers => "all questions",
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
        assert_eq!(of(&["accuracy", "backstop", "f1"]), Measure::Answers);
        assert_eq!(Measure::Answers.units(), ("questions", "tokens"));
    }
}
