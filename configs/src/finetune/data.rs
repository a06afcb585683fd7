//! `[data]`: what is learnt from.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// The rows and how they are cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// File of prompts, preferences or conversations (JSONL or Parquet), or arithmetic for made-up problems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The columns of the file; auto looks at them.
    pub form: DataForm,
    /// How many rows are used, from the first; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// File of prompts or problems that are never trained on, or arithmetic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<String>,
    /// Put before every prompt that has no system message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Whether the chat template opens a thinking trace; auto leaves it to the template.
    pub thinking: Thinking,
    /// The string that opens a thinking trace.
    pub think_open: String,
    /// The string that closes a thinking trace.
    pub think_close: String,
    /// Longer prompts lose their beginning.
    pub max_prompt_tokens: usize,
    /// Prompt and response together; longer responses lose their end.
    pub max_tokens: usize,
    /// Whether rows come in another order every epoch.
    pub shuffle: bool,
}

/// In place of a file: made-up problems.
pub const ARITHMETIC: &str = "arithmetic";

/// The columns of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataForm {
    /// By the columns that are there.
    #[default]
    Auto,
    /// LLaMA-Factory's ShareGPT with a ranking.
    SharegptRanking,
    /// SPPO's released data.
    Sppo,
    /// UltraFeedback-binarized.
    UltrafeedbackBinarized,
    /// TRL's preferences.
    Preference,
    /// UltraFeedback.
    Ultrafeedback,
    /// `prompt`, `responses`, `scores`.
    Rated,
    /// `problem` and `answer`.
    Problems,
    /// `prompt` or `messages`.
    Prompts,
    /// `messages` that end with an assistant turn.
    Conversations,
}

impl DataForm {
    /// The form's name where files are read. Conversations are prompts that end with an answer.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::SharegptRanking => "sharegpt-ranking",
            Self::Sppo => "sppo",
            Self::UltrafeedbackBinarized => "ultrafeedback-binarized",
            Self::Preference => "preference",
            Self::Ultrafeedback => "ultrafeedback",
            Self::Rated => "rated",
            Self::Problems => "problems",
            Self::Prompts | Self::Conversations => "prompts",
        }
    }
}

/// Whether the template opens a thinking trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// As the template does by itself.
    #[default]
    Auto,
    /// It opens one.
    On,
    /// It writes an empty one.
    Off,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            path: None,
            form: DataForm::Auto,
            rows: None,
            evaluation: None,
            system: None,
            thinking: Thinking::Auto,
            think_open: "<think>".to_owned(),
            think_close: "</think>".to_owned(),
            max_prompt_tokens: 512,
            max_tokens: 1_024,
            shuffle: true,
        }
    }
}

impl DataConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new("data.path", "Data", FieldKind::Data, "File of prompts, preferences or conversations (JSONL or Parquet), or arithmetic for made-up problems.").optional().known_as(&["dataset", "dataset_name", "train_file"]),
        Field::new("data.form", "Form", FieldKind::Choice { values: &["auto", "sharegpt_ranking", "sppo", "ultrafeedback_binarized", "preference", "ultrafeedback", "rated", "problems", "prompts", "conversations"] }, "The columns of the file; auto looks at them.").advanced(),
        Field::new("data.rows", "Rows", FieldKind::Integer { min: 1, max: i64::MAX }, "How many rows are used, from the first; all when absent.").unit("rows").optional().known_as(&["max_samples"]),
        Field::new("data.evaluation", "Held-out data", FieldKind::Data, "File of prompts or problems that are never trained on, or arithmetic.").optional().known_as(&["eval_file"]),
        Field::new("data.system", "System message", FieldKind::Text, "Put before every prompt that has no system message.").optional().advanced(),
        Field::new("data.thinking", "Thinking", FieldKind::Choice { values: &["auto", "on", "off"] }, "Whether the chat template opens a thinking trace; auto leaves it to the template.").known_as(&["enable_thinking"]),
        Field::new("data.think_open", "Trace begins", FieldKind::Text, "The string that opens a thinking trace.").advanced(),
        Field::new("data.think_close", "Trace ends", FieldKind::Text, "The string that closes a thinking trace.").advanced(),
        Field::new("data.max_prompt_tokens", "Longest prompt", FieldKind::Integer { min: 1, max: i64::MAX }, "Longer prompts lose their beginning.").unit("tokens").known_as(&["max_prompt_length"]),
        Field::new("data.max_tokens", "Longest row", FieldKind::Integer { min: 2, max: i64::MAX }, "Prompt and response together; longer responses lose their end.").unit("tokens").known_as(&["max_length", "max_seq_length", "cutoff_len"]),
        Field::new("data.shuffle", "Shuffle", FieldKind::Boolean, "Whether rows come in another order every epoch.").advanced(),
    ];
}
