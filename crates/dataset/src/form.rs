//! The forms of files, told apart by their columns.

use std::fmt;
use std::str::FromStr;

use crate::error::DatasetError;

/// What the columns of a file mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// The first of the others whose columns are there.
    Auto,
    /// LLaMA-Factory's ShareGPT with a ranking: `conversations` of `from` and `value`, `chosen`, `rejected`.
    ShareGptRanking,
    /// SPPO's released data: `chosen` and `rejected` conversations, `chosen_probs`, `chosen_probs_win`,
    /// `chosen_probs_lose`.
    Sppo,
    /// UltraFeedback-binarized: `prompt`, conversations `chosen` and `rejected`, `score_chosen`,
    /// `score_rejected`.
    UltraFeedbackBinarized,
    /// TRL's preferences: `chosen` and `rejected`, texts or messages, with `prompt` or a common beginning.
    Preference,
    /// UltraFeedback: `instruction` and `completions` with their scores.
    UltraFeedback,
    /// `prompt`, `responses` and, where they were scored, `scores`, `win_matrix`, `raw_logits`.
    Rated,
    /// `problem` or `question`, and `answer`.
    Problems,
    /// `prompt` or `messages`, perhaps with `answer`.
    Prompts,
}

/// The kind of row that a form gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`crate::Prompt`]
    Prompts,
    /// [`crate::PreferenceRow`]
    Preferences,
    /// [`crate::RatedRow`]
    Rated,
}

/// Every form but `Auto` in the order of detection: name and the columns that tell it, alternatives together.
const FORMS: [(Form, &str, &[&[&str]]); 8] = [
    (
        Form::ShareGptRanking,
        "sharegpt-ranking",
        &[&["conversations"], &["chosen"], &["rejected"]],
    ),
    (
        Form::Sppo,
        "sppo",
        &[
            &["chosen"],
            &["rejected"],
            &["chosen_probs", "chosen_probs_win", "chosen_probs_lose"],
        ],
    ),
    (
        Form::UltraFeedbackBinarized,
        "ultrafeedback-binarized",
        &[
            &["chosen"],
            &["rejected"],
            &["score_chosen"],
            &["score_rejected"],
        ],
    ),
    (
        Form::Preference,
        "preference",
        &[&["chosen"], &["rejected"]],
    ),
    (
        Form::UltraFeedback,
        "ultrafeedback",
        &[&["instruction"], &["completions"]],
    ),
    (Form::Rated, "rated", &[&["prompt"], &["responses"]]),
    (
        Form::Problems,
        "problems",
        &[&["problem", "question"], &["answer"]],
    ),
    (Form::Prompts, "prompts", &[&["prompt", "messages"]]),
];

impl Form {
    /// The form whose columns are there.
    #[must_use]
    pub fn detect(columns: &[&str]) -> Option<Form> {
        let there = |name: &&str| columns.contains(name);
        FORMS
            .iter()
            .find(|(_, _, groups)| groups.iter().all(|group| group.iter().any(there)))
            .map(|(form, _, _)| *form)
    }

    /// The name in commands and settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        FORMS
            .iter()
            .find(|(form, _, _)| *form == self)
            .map_or("auto", |(_, name, _)| name)
    }

    /// The kind of its rows; `None` for `Auto`.
    #[must_use]
    pub fn kind(self) -> Option<Kind> {
        Some(match self {
            Form::Auto => return None,
            Form::ShareGptRanking
            | Form::Sppo
            | Form::UltraFeedbackBinarized
            | Form::Preference => Kind::Preferences,
            Form::UltraFeedback | Form::Rated => Kind::Rated,
            Form::Problems | Form::Prompts => Kind::Prompts,
        })
    }

    /// All names but `auto`.
    pub(crate) fn names() -> String {
        FORMS.map(|(_, name, _)| name).join(", ")
    }

    /// All names with their columns.
    pub(crate) fn table() -> String {
        FORMS
            .map(|(_, name, groups)| {
                let columns: Vec<String> = groups.iter().map(|group| group.join("|")).collect();
                format!("{name} ({})", columns.join(", "))
            })
            .join(", ")
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Form {
    type Err = DatasetError;

    fn from_str(text: &str) -> Result<Self, DatasetError> {
        if text == "auto" {
            return Ok(Form::Auto);
        }
        FORMS
            .iter()
            .find(|(_, name, _)| *name == text)
            .map(|(form, _, _)| *form)
            .ok_or_else(|| DatasetError::FormName {
                name: text.to_owned(),
            })
    }
}
