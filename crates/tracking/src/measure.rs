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

/// The key for mean lengths of a prompt's answers, which are no whole numbers where there are
/// several.
pub const LENGTH: &str = "response_length";

/// The mean length of an evaluation's episodes or answers, as exactly as it is known; NaN for none.
#[must_use]
pub fn mean_length(lengths: &[u64], extra: &BTreeMap<String, Vec<f64>>) -> f64 {
    match extra.get(LENGTH) {
        Some(exact) => crate::statistics::mean(exact),
        None => {
            let lengths: Vec<f64> = lengths.iter().map(|length| *length as f64).collect();
            crate::statistics::mean(&lengths)
        }
    }
}

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

    /// What was counted, and how long it was on average: an episode, or the answers to a prompt.
    #[must_use]
    pub fn extent(self, counted: usize, mean_length: &str) -> String {
        match self {
            Self::Return => format!("{counted} episodes of {mean_length} steps"),
            Self::Answers => format!("{counted} questions of {mean_length} tokens"),
            _ => format!("{counted} prompts, answers of {mean_length} tokens"),
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
        assert_eq!(
            of(&["accuracy"]).extent(200, "8.4"),
            "200 prompts, answers of 8.4 tokens"
        );
        assert_eq!(of(&["accuracy", "backstop", "f1"]), Measure::Answers);
        assert_eq!(
            Measure::Answers.extent(3, "8.4"),
            "3 questions of 8.4 tokens"
        );
    }

    #[test]
    fn mean_lengths_are_exact_where_they_are_known() {
        let none = BTreeMap::new();
        assert_eq!(mean_length(&[1, 2], &none), 1.5);
        let exact = BTreeMap::from([(LENGTH.to_owned(), vec![1.25, 2.0])]);
        assert_eq!(mean_length(&[1, 2], &exact), 1.625);
    }
}
