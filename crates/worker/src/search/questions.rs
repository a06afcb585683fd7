//! What is asked in a run, and the answers that count. Only who judges sees the latter.

use std::collections::HashMap;

use search::datasets::{self, DataError, DataQuestion};
use search::job::Question;
use search::metrics::Variant;
use serde_json::json;
use tracking::RunFolder;

use crate::exit::{BAD_CONFIG, Failure};

/// Characters of the longest name of a log.
const LONGEST_NAME: usize = 80;

/// A question of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What the search sees.
    pub question: Question,
    /// Answers that count as right; none where they are not known.
    pub expected: Vec<String>,
}

/// The questions of `questions.jsonl`, and how they are scored by their format; none when there is
/// no such file.
///
/// # Errors
/// A line that holds no question, an identity that is there twice, no question at all.
pub fn kept(run: &RunFolder) -> Result<Option<(Vec<Asked>, Variant)>, Failure> {
    let path = run.questions();
    if !path.exists() {
        return Ok(None);
    }
    let read = datasets::read(&path, None, None)?;
    let asked = read.questions.into_iter().map(Asked::from).collect();
    Ok(Some((asked, read.format.metric())))
}

impl From<DataQuestion> for Asked {
    fn from(read: DataQuestion) -> Self {
        Self {
            question: Question::new(&read.id, &read.text),
            expected: read.answers,
        }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::new(BAD_CONFIG, error.to_string())
    }
}

/// Writes `questions.jsonl`.
///
/// # Errors
/// The file cannot be written.
pub fn keep(run: &RunFolder, asked: &[Asked]) -> Result<(), Failure> {
    let mut text = String::new();
    for one in asked {
        let mut line = json!({"id": &*one.question.id, "question": &*one.question.text});
        if !one.expected.is_empty() {
            line["answers"] = json!(one.expected);
        }
        text.push_str(&format!("{line}\n"));
    }
    Ok(tracking::write_atomic(&run.questions(), text.as_bytes())?)
}

/// The names of the questions' logs: their identities where these can be names of files.
pub fn names(asked: &[Asked]) -> Vec<String> {
    let mut taken: HashMap<String, usize> = HashMap::new();
    let plain = |one: &Asked| {
        let name: String = one
            .question
            .id
            .chars()
            .map(|sign| match sign {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => sign,
                '.' => '.',
                _ => '_',
            })
            .take(LONGEST_NAME)
            .collect();
        match name.starts_with('.') || name.is_empty() {
            true => format!("_{name}"),
            false => name,
        }
    };
    asked
        .iter()
        .map(|one| {
            let name = plain(one);
            // Names that differ in capitals only are one file on some disks.
            let count = taken.entry(name.to_lowercase()).or_default();
            *count += 1;
            match *count {
                1 => name,
                count => format!("{name}~{count}"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_has_a_file_of_its_own() {
        let asked = ["a/b", "a:b", "A_B", "..", "5a7b"].map(|id| Asked {
            question: Question::new(id, "?"),
            expected: Vec::new(),
        });
        assert_eq!(names(&asked), ["a_b", "a_b~2", "A_B~3", "_..", "5a7b"]);
    }
}
