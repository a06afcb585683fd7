//! Answer files of the field's own tools: which questions, and how their answers are written.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use dataset::{Record, records};
use serde_json::Value;
use tracking::evaluation::contender::Fnv;

use super::{alpaca_eval, arena_hard, mt_bench};

/// A tool whose answer files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// AlpacaEval: one JSON list.
    AlpacaEval,
    /// Arena-Hard as of 2025: JSON lines with `uid` and `messages`.
    ArenaHard,
    /// Arena-Hard before 2025: JSON lines with `question_id` and `choices`.
    ArenaHard2024,
    /// MT-Bench of FastChat: JSON lines with the turns of each choice.
    MtBench,
}

const EXPORTS: [(Export, &str); 4] = [
    (Export::AlpacaEval, "alpaca-eval"),
    (Export::ArenaHard, "arena-hard"),
    (Export::ArenaHard2024, "arena-hard-2024"),
    (Export::MtBench, "mt-bench"),
];

impl fmt::Display for Export {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = EXPORTS.iter().find(|(export, _)| export == self);
        formatter.write_str(name.map_or("", |(_, name)| name))
    }
}

impl FromStr for Export {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        let found = EXPORTS.iter().find(|(_, name)| *name == text);
        found
            .map(|(export, _)| *export)
            .ok_or_else(|| ExportError::Name(text.to_owned()))
    }
}

/// What can go wrong with questions and answers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// No such tool.
    #[error(
        "no answer file of `{0}` - allowed: alpaca-eval, arena-hard, arena-hard-2024, mt-bench"
    )]
    Name(String),
    /// The file cannot be read.
    #[error(transparent)]
    Data(#[from] dataset::DatasetError),
    /// A file without a question.
    #[error("{}: no question - allowed: one at least", .0.display())]
    Empty(PathBuf),
    /// A question that is not the tool's.
    #[error(
        "{}, {place}: {why} - {export} has questions such as {example}; name its own question file",
        path.display()
    )]
    Question {
        /// The tool.
        export: Export,
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: dataset::Place,
        /// What is wrong.
        why: String,
        /// What a question looks like.
        example: &'static str,
    },
    /// Two questions of the same id, of which the tool would keep one.
    #[error(
        "{}: two questions have the id {id} - {export} keeps one answer of each; number them anew",
        path.display()
    )]
    Twice {
        /// The tool.
        export: Export,
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
    },
}

/// A question of a tool's file.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What the tool knows it by; as it stands in the file, a number or a text.
    pub id: Value,
    /// What is asked, a turn after the answer to the one before.
    pub turns: Vec<String>,
    /// The temperature that the tool generates with; none where it leaves that to the model.
    pub temperature: Option<f64>,
    /// Columns that go into the answer.
    pub kept: Record,
}

impl Question {
    /// Its id as a text.
    pub fn name(&self) -> String {
        match &self.id {
            Value::String(id) => id.clone(),
            other => other.to_string(),
        }
    }
}

/// The answer to one turn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Turn {
    /// What was said, without its trace.
    pub text: String,
    /// Tokens of it, by the model's own tokenizer.
    pub tokens: u64,
}

/// Who answered, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Author {
    /// The model's name in the tool's tables.
    pub name: String,
    /// Seconds since 1970.
    pub seconds: f64,
}

impl Export {
    /// New tokens of an answer, at most, as the tool itself generates.
    pub fn max_new_tokens(self) -> usize {
        match self {
            // alpaca_eval/models_configs: 2048 for most; gen_answer_config.yaml: 4096 and more;
            // gen_model_answer.py: 1024.
            Self::AlpacaEval => 2048,
            Self::ArenaHard | Self::ArenaHard2024 => 4096,
            Self::MtBench => 1024,
        }
    }

    /// Whether the file has room for several answers to a question.
    pub fn takes_choices(self) -> bool {
        matches!(self, Self::MtBench | Self::ArenaHard2024)
    }

    /// Whether the tool takes the model's name from the name of the file.
    pub fn is_named_by_its_file(self) -> bool {
        self != Self::AlpacaEval
    }

    /// The questions of a file.
    ///
    /// # Errors
    /// A file that cannot be read or has none; a question of another tool; an id that comes twice.
    pub fn questions(self, path: &Path) -> Result<Vec<Question>, ExportError> {
        let mut questions = Vec::new();
        let mut known = std::collections::HashSet::new();
        for record in records(path)? {
            let (place, record) = record?;
            let (read, example) = match self {
                Self::AlpacaEval => (alpaca_eval::question(record), alpaca_eval::EXAMPLE),
                Self::ArenaHard => (arena_hard::question(&record), arena_hard::EXAMPLE),
                Self::ArenaHard2024 => {
                    (arena_hard::question_2024(&record), arena_hard::EXAMPLE_2024)
                }
                Self::MtBench => (mt_bench::question(&record), mt_bench::EXAMPLE),
            };
            let question = read.map_err(|why| ExportError::Question {
                export: self,
                path: path.to_owned(),
                place,
                why,
                example,
            })?;
            // AlpacaEval knows a question by its text, and a text that comes twice by both.
            if !known.insert(question.name()) && self != Self::AlpacaEval {
                return Err(ExportError::Twice {
                    export: self,
                    path: path.to_owned(),
                    id: question.name(),
                });
            }
            questions.push(question);
        }
        if questions.is_empty() {
            return Err(ExportError::Empty(path.to_owned()));
        }
        Ok(questions)
    }

    /// The answer to a question: `[choices][turns]`. AlpacaEval and Arena-Hard take the first choice.
    pub fn answer(self, question: &Question, choices: &[Vec<Turn>], author: &Author) -> Value {
        match self {
            Self::AlpacaEval => alpaca_eval::answer(question, choices, author),
            Self::ArenaHard => arena_hard::answer(question, choices, author),
            Self::ArenaHard2024 => arena_hard::answer_2024(question, choices, author),
            Self::MtBench => mt_bench::answer(question, choices, author),
        }
    }

    /// The file of all answers, in the order of the questions.
    pub fn file(self, answers: &[Value]) -> String {
        if self == Self::AlpacaEval {
            let text = serde_json::to_string_pretty(answers).expect("answers are plain data");
            return text + "\n";
        }
        answers.iter().map(|answer| format!("{answer}\n")).collect()
    }
}

/// A column that has to be a text which is not empty.
pub(super) fn text(record: &Record, name: &str) -> Result<String, String> {
    match record.get(name) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        Some(Value::String(_)) => Err(format!("`{name}` is empty")),
        Some(_) => Err(format!("`{name}` is no text")),
        None => {
            let columns: Vec<&str> = record.keys().map(String::as_str).collect();
            Err(format!(
                "no column `{name}` among {}",
                if columns.is_empty() {
                    "none".to_owned()
                } else {
                    columns.join(", ")
                }
            ))
        }
    }
}

/// A column that has to be an id.
pub(super) fn id(record: &Record, name: &str) -> Result<Value, String> {
    match record.get(name) {
        Some(value @ (Value::String(_) | Value::Number(_))) => Ok(value.clone()),
        Some(_) => Err(format!("`{name}` is neither a text nor a number")),
        None => text(record, name).map(Value::String),
    }
}

/// An id of 22 letters and digits such as the tools' own, made from what it names: the same answer
/// at the same second has the same one.
pub(super) fn short_id(parts: &[&str]) -> String {
    const LETTERS: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    // FNV-1a of the parts is the seed of a SplitMix64 stream.
    let mut hash = Fnv::default();
    for part in parts {
        hash.add(part.as_bytes());
        hash.add(&[0]);
    }
    let mut state = hash.finish();
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let letter = |value: u64| char::from(LETTERS[(value % LETTERS.len() as u64) as usize]);
    (0..22).map(|_| letter(next())).collect()
}

/// The text of the first choice's turn.
pub(super) fn first(choices: &[Vec<Turn>]) -> Turn {
    let turn = choices.first().and_then(|turns| turns.first());
    turn.cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn names_go_both_ways() {
        for (export, name) in EXPORTS {
            assert_eq!(name.parse::<Export>().unwrap(), export);
            assert_eq!(export.to_string(), name);
        }
        let refused = "helm".parse::<Export>().unwrap_err().to_string();
        assert!(
            refused.contains("`helm`") && refused.contains("mt-bench"),
            "{refused}"
        );
    }

    #[test]
    fn questions_of_another_tool_are_refused() {
        let alpaca = file("[{\"instruction\": \"Say hello.\", \"dataset\": \"koala\"}]");
        let refused = Export::MtBench.questions(alpaca.path()).unwrap_err();
        let refused = refused.to_string();
        assert!(refused.contains("no column `question_id`"), "{refused}");
        assert!(
            refused.contains("instruction, dataset") || refused.contains("dataset, instruction"),
            "{refused}"
        );
        assert!(refused.contains("\"turns\""), "{refused}");
        let empty = file("[]");
        let refused = Export::AlpacaEval.questions(empty.path()).unwrap_err();
        assert!(refused.to_string().contains("no question"), "{refused}");
        let twice = file(
            "{\"question_id\": 1, \"turns\": [\"a\"]}\n{\"question_id\": 1, \"turns\": [\"b\"]}\n",
        );
        let refused = Export::MtBench.questions(twice.path()).unwrap_err();
        assert!(refused.to_string().contains("the id 1"), "{refused}");
    }

    #[test]
    fn ids_are_alike_for_alike_answers() {
        let one = short_id(&["model", "7", "text"]);
        assert_eq!(one, short_id(&["model", "7", "text"]));
        assert_ne!(one, short_id(&["model", "7te", "xt"]));
        assert_eq!(one.len(), 22);
    }
}
