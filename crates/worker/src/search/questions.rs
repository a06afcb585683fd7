//! What is asked in a run, and the answers that count. Only who judges sees the latter.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use search::job::Question;
use serde::{Deserialize, Serialize};
use tracking::RunFolder;

use crate::exit::{BAD_CONFIG, ENVIRONMENT, Failure};

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

/// A line of `questions.jsonl`.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(default)]
    id: Option<Identity>,
    question: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answers>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    answers: Vec<String>,
}

/// Identities are words or numbers.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Identity {
    Word(String),
    Number(i64),
}

/// One answer or several.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Answers {
    One(String),
    Several(Vec<String>),
}

/// The questions of `questions.jsonl`; none when there is no such file.
///
/// # Errors
/// A line that holds no question, an identity that is there twice, no question at all.
pub fn kept(run: &RunFolder) -> Result<Option<Vec<Asked>>, Failure> {
    let path = run.questions();
    match fs::read_to_string(&path) {
        Ok(text) => read(&path, &text).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(
            ENVIRONMENT,
            format!("cannot read {}: {error}", path.display()),
        )),
    }
}

/// Writes `questions.jsonl`.
///
/// # Errors
/// The file cannot be written.
pub fn keep(run: &RunFolder, asked: &[Asked]) -> Result<(), Failure> {
    let mut text = String::new();
    for one in asked {
        let line = Line {
            id: Some(Identity::Word(one.question.id.to_string())),
            question: one.question.text.to_string(),
            answer: None,
            answers: one.expected.clone(),
        };
        let line = serde_json::to_string(&line).expect("a question holds strings only");
        text.push_str(&line);
        text.push('\n');
    }
    Ok(tracking::write_atomic(&run.questions(), text.as_bytes())?)
}

fn read(path: &Path, text: &str) -> Result<Vec<Asked>, Failure> {
    let mut asked = Vec::new();
    let mut known = HashSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |what: String| {
            Failure::new(
                BAD_CONFIG,
                format!(
                    "{}, line {number}: {what} - allowed: a JSON object with `question`, and where known `id` and `answer` or `answers` - mend the line",
                    path.display()
                ),
            )
        };
        let line: Line = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        if line.question.trim().is_empty() {
            return Err(wrong("the question is empty".to_owned()));
        }
        let id = match line.id {
            Some(Identity::Word(word)) if !word.is_empty() => word,
            Some(Identity::Number(number)) => number.to_string(),
            _ => format!("q{number}"),
        };
        if !known.insert(id.clone()) {
            return Err(wrong(format!("the id `{id}` is there twice")));
        }
        let mut expected = line.answers;
        match line.answer {
            Some(Answers::One(answer)) => expected.insert(0, answer),
            Some(Answers::Several(answers)) => expected.extend(answers),
            None => {}
        }
        asked.push(Asked {
            question: Question::new(&id, &line.question),
            expected,
        });
    }
    if asked.is_empty() {
        return Err(Failure::new(
            BAD_CONFIG,
            format!(
                "{} holds no question - a line for each is wanted, such as {{\"id\":\"q1\",\"question\":\"...\"}}",
                path.display()
            ),
        ));
    }
    Ok(asked)
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
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn asked(text: &str) -> Result<Vec<Asked>, Failure> {
        read(Path::new("Q.jsonl"), text)
    }

    #[test]
    fn lines_are_questions_with_what_is_known() {
        let read = asked(
            "{\"question\":\"Who?\"}\n\n{\"id\":7,\"question\":\"Where?\",\"answer\":\"Graz\",\"answers\":[\"Gratz\"]}\n{\"id\":\"x\",\"question\":\"When?\",\"answer\":[\"1811\",\"in 1811\"],\"level\":\"hard\"}\n",
        )
        .unwrap();
        let ids: Vec<&str> = read.iter().map(|one| &*one.question.id).collect();
        assert_eq!(ids, ["q1", "7", "x"]);
        assert_eq!(read[0].expected, Vec::<String>::new());
        assert_eq!(read[1].expected, ["Graz", "Gratz"]);
        assert_eq!(read[2].expected, ["1811", "in 1811"]);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, what) in [
            ("{\"question\":\"a\"}\n{\"question\":", "line 2"),
            ("{\"id\":\"a\"}", "missing field `question`"),
            ("{\"question\":\" \"}", "line 1: the question is empty"),
            (
                "{\"id\":1,\"question\":\"a\"}\n{\"id\":\"1\",\"question\":\"b\"}",
                "line 2: the id `1` is there twice",
            ),
            ("\n", "holds no question"),
        ] {
            let failure = asked(text).unwrap_err();
            assert_eq!(failure.code, BAD_CONFIG);
            assert!(failure.to_string().contains(what), "{failure}");
        }
    }

    #[test]
    fn every_question_has_a_file_of_its_own() {
        let lines = ["a/b", "a:b", "A_B", "..", "5a7b"]
            .map(|id| format!("{{\"id\":\"{id}\",\"question\":\"?\"}}"));
        let names = names(&asked(&lines.join("\n")).unwrap());
        assert_eq!(names, ["a_b", "a_b~2", "A_B~3", "_..", "5a7b"]);
    }
}
