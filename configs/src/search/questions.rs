//! `[questions]`: what is asked.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// The questions and how their answers are scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuestionsConfig {
    /// Where the questions come from: the symbolic world, a file, or one that is written here.
    pub kind: QuestionsKind,
    /// The question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The answer that counts as right, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// File of questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Format of the file; auto looks at its fields.
    pub format: QuestionFormat,
    /// File of documents to search in; the questions' own when absent, and those of the world for a question that is written here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<String>,
    /// File of other names of answers (2WikiMultihopQA).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aliases: Option<String>,
    /// Which F1: hotpotqa scores a wrong yes or no as 0, squad has no such rule; auto goes by the format.
    pub metric: Metric,
    /// How many questions are asked; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Questions that are passed over first.
    pub offset: u64,
}

/// Where the questions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionsKind {
    /// The symbolic world.
    #[default]
    World,
    /// A file.
    File,
    /// One question, in the configuration itself.
    Text,
}

/// Format of a question file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionFormat {
    /// By its fields.
    #[default]
    Auto,
    /// HotpotQA.
    Hotpotqa,
    /// 2WikiMultihopQA.
    TwoWiki,
    /// MuSiQue.
    Musique,
    /// Bamboogle.
    Bamboogle,
    /// JSON lines with `id`, `question` and `answer` or `answers`.
    Plain,
}

/// Which F1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// By the format of the questions.
    #[default]
    Auto,
    /// HotpotQA's: a wrong yes, no or noanswer is 0.
    Hotpotqa,
    /// SQuAD's and MuSiQue's.
    Squad,
}

impl Default for QuestionsConfig {
    fn default() -> Self {
        Self {
            kind: QuestionsKind::World,
            text: None,
            expected: None,
            path: None,
            format: QuestionFormat::Auto,
            documents: None,
            aliases: None,
            metric: Metric::Auto,
            count: None,
            offset: 0,
        }
    }
}

impl QuestionsConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new("questions.kind", "Questions from", FieldKind::Variant { values: &["world", "file", "text"] }, "Where the questions come from: the symbolic world, a file, or one that is written here.").when("model.kind", &["local", "server"]),
        Field::new("questions.text", "Question", FieldKind::Text, "The question.").optional().known_as(&["question", "prompt"]).when("questions.kind", &["text"]),
        Field::new("questions.expected", "Right answer", FieldKind::Text, "The answer that counts as right, where it is known.").optional().when("questions.kind", &["text"]),
        Field::new("questions.path", "Question file", FieldKind::Text, "File of questions.").optional().known_as(&["question_file", "dataset"]).when("questions.kind", &["file"]),
        Field::new("questions.format", "Format", FieldKind::Choice { values: &["auto", "hotpotqa", "two_wiki", "musique", "bamboogle", "plain"] }, "Format of the file; auto looks at its fields.").advanced().when("questions.kind", &["file"]),
        Field::new("questions.documents", "Documents", FieldKind::Text, "File of documents to search in; the questions' own when absent, and those of the world for a question that is written here.").optional().known_as(&["corpus"]).when("questions.kind", &["file", "text"]),
        Field::new("questions.aliases", "Aliases", FieldKind::Text, "File of other names of answers (2WikiMultihopQA).").optional().advanced().when("questions.kind", &["file"]),
        Field::new("questions.metric", "Metric", FieldKind::Choice { values: &["auto", "hotpotqa", "squad"] }, "Which F1: hotpotqa scores a wrong yes or no as 0, squad has no such rule; auto goes by the format.").advanced().when("model.kind", &["local", "server"]),
        Field::new("questions.count", "Questions", FieldKind::Integer { min: 1, max: i64::MAX }, "How many questions are asked; all when absent.").optional().unit("questions").known_as(&["limit"]),
        Field::new("questions.offset", "Skip", FieldKind::Integer { min: 0, max: i64::MAX }, "Questions that are passed over first.").unit("questions").advanced(),
    ];
}
