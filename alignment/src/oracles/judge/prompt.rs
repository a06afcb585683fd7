//! What a judge is asked, and what it says.

use std::fs;
use std::path::Path;

use crate::oracles::OracleError;

/// The instructions when no file is named.
pub const BUILT_IN: &str = "\
You are an impartial judge. Two assistants answered the same request. Decide which answer serves the person \
who asked better: weigh whether it is correct, does what was asked, is complete, relevant and clear. The order \
of the answers, their length and their style by themselves must not sway you.

First give your reasons in a few sentences. Then end with your final verdict, in exactly one of these forms:
[[A]] if answer A is better,
[[B]] if answer B is better,
[[C]] for a tie.

[The request]
{prompt}
[End of the request]

[Answer A]
{first}
[End of answer A]

[Answer B]
{second}
[End of answer B]
";

const PLACES: [&str; 3] = ["{prompt}", "{first}", "{second}"];
const VERDICTS: [(&str, f64); 3] = [("A", 1.0), ("B", 0.0), ("C", 0.5)];

/// Instructions with places for the prompt and the two responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgePrompt {
    text: String,
}

impl Default for JudgePrompt {
    fn default() -> Self {
        Self {
            text: BUILT_IN.to_owned(),
        }
    }
}

impl JudgePrompt {
    /// Reads a file of instructions.
    ///
    /// # Errors
    /// A file that cannot be read; instructions as for [`JudgePrompt::new`].
    pub fn read(path: &Path) -> Result<Self, OracleError> {
        let text = fs::read_to_string(path).map_err(|error| OracleError::File {
            path: path.display().to_string(),
            line: 0,
            problem: format!("{error} - oracle.prompt names a text in UTF-8"),
        })?;
        Self::new(&path.display().to_string(), text)
    }

    /// Instructions; `name` is what they are called in messages.
    ///
    /// # Errors
    /// No place for the prompt or a response; instructions that do not ask for `[[A]]` or `[[B]]`, so
    /// that no answer would be a verdict.
    pub fn new(name: &str, text: String) -> Result<Self, OracleError> {
        let refuse = |problem: String| OracleError::File {
            path: name.to_owned(),
            line: 0,
            problem,
        };
        if let Some(missing) = PLACES.iter().find(|place| !text.contains(*place)) {
            return Err(refuse(format!(
                "no {missing} in the judge's instructions - allowed: a text with {{prompt}}, {{first}} and {{second}}, each at least once"
            )));
        }
        if let Some(missing) = ["[[A]]", "[[B]]"].iter().find(|word| !text.contains(*word)) {
            return Err(refuse(format!(
                "the judge's instructions do not speak of {missing} - ask for a final verdict [[A]], [[B]] or [[C]] for a tie"
            )));
        }
        Ok(Self { text })
    }

    /// The instructions with everything in its place. What looks like a place in a text that is put in
    /// stays as it is.
    #[must_use]
    pub fn fill(&self, prompt: &str, first: &str, second: &str) -> String {
        let texts = [prompt, first, second];
        let mut filled = String::new();
        let mut rest = self.text.as_str();
        while let Some((at, place)) = (0..PLACES.len())
            .filter_map(|place| Some((rest.find(PLACES[place])?, place)))
            .min()
        {
            filled.push_str(&rest[..at]);
            filled.push_str(texts[place]);
            rest = &rest[at + PLACES[place].len()..];
        }
        filled.push_str(rest);
        filled
    }
}

/// The last `[[A]]`, `[[B]]` or `[[C]]` of an answer as 1, 0 or 1/2; blanks inside and small letters do
/// not matter. None without one.
#[must_use]
pub fn verdict(answer: &str) -> Option<f64> {
    let mut found = None;
    let mut rest = answer;
    while let Some(at) = rest.find("[[") {
        rest = &rest[at + 2..];
        let Some(end) = rest.find("]]") else {
            break;
        };
        let word = rest[..end].trim();
        let known = VERDICTS
            .iter()
            .find(|(letter, _)| word.eq_ignore_ascii_case(letter));
        if let Some((_, value)) = known {
            found = Some(*value);
        }
    }
    found
}
