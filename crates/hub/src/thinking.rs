//! Thinking traces in text: where one begins and ends, and how a prompt asks for none.
//!
//! Templates differ. Some write `<think>` themselves (R1 distillations end their prompt with
//! it), some write a closed empty block where no trace is wanted (Qwen3 with
//! `enable_thinking = false`), most know nothing of traces.

use configs::finetune::DataConfig;

use crate::conversation::RenderedConversation;

/// The argument by which templates are told whether a trace is wanted.
pub const ENABLE_THINKING: &str = "enable_thinking";

/// The strings around a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThinkMarks {
    /// What opens a trace, such as `<think>`.
    pub open: String,
    /// What closes it.
    pub close: String,
}

impl Default for ThinkMarks {
    fn default() -> Self {
        Self {
            open: "<think>".to_owned(),
            close: "</think>".to_owned(),
        }
    }
}

/// A response without its marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What was thought; none where no trace was begun.
    pub trace: Option<String>,
    /// The answer; empty where the trace never closed.
    pub answer: String,
    /// Whether a trace that was begun was also closed; true without a trace.
    pub closed: bool,
}

impl From<&DataConfig> for ThinkMarks {
    fn from(data: &DataConfig) -> Self {
        Self {
            open: data.think_open.clone(),
            close: data.think_close.clone(),
        }
    }
}

impl ThinkMarks {
    /// Whether a rendered prompt ends inside a trace.
    pub fn opens(&self, prompt: &str) -> bool {
        prompt.trim_end().ends_with(&self.open)
    }

    /// Whether a rendered prompt ends with a trace that is closed, an empty one.
    pub fn is_closed(&self, prompt: &str) -> bool {
        let text = prompt.trim_end();
        text.strip_suffix(self.close.as_str())
            .is_some_and(|before| before.trim_end().ends_with(&self.open))
    }

    /// The prompt with a closed empty trace at its end, as Qwen3's template writes it; a trace
    /// that the template has opened is completed and no second one begun.
    pub fn without_trace(&self, prompt: String) -> String {
        if self.is_closed(&prompt) {
            return prompt;
        }
        if self.opens(&prompt) {
            let kept = prompt.trim_end().len();
            return format!("{}\n\n{}\n\n", &prompt[..kept], self.close);
        }
        format!("{prompt}{}\n\n{}\n\n", self.open, self.close)
    }

    /// Takes a response apart. `opened` says that its prompt ended inside a trace.
    pub fn split(&self, response: &str, opened: bool) -> Split {
        let begun = response.trim_start().strip_prefix(self.open.as_str());
        let inside = match (begun, opened) {
            (Some(inside), _) => inside,
            (None, true) => response,
            (None, false) => {
                return Split {
                    trace: None,
                    answer: response.trim().to_owned(),
                    closed: true,
                };
            }
        };
        match inside.split_once(self.close.as_str()) {
            Some((trace, answer)) => Split {
                trace: Some(trace.trim().to_owned()),
                answer: answer.trim().to_owned(),
                closed: true,
            },
            None => Split {
                trace: Some(inside.trim().to_owned()),
                answer: String::new(),
                closed: false,
            },
        }
    }
}

impl RenderedConversation {
    /// As a training without traces reads it: the prompt ends with a closed empty one, which is
    /// not learnt. Several answers stay as the template wrote them, as they do in a training.
    #[must_use]
    pub fn without_trace(mut self, marks: &ThinkMarks) -> Self {
        match self.answers.as_mut_slice() {
            [] => self.text = marks.without_trace(self.text),
            [answer] => {
                let prompt = marks.without_trace(self.text[..answer.range.start].to_owned());
                if !self.text.starts_with(&prompt) {
                    let behind = &self.text[answer.range.start..];
                    answer.range.end += prompt.len() - answer.range.start;
                    self.text = format!("{prompt}{behind}");
                }
                answer.range.start = prompt.len();
            }
            _ => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Segment;

    #[test]
    fn an_empty_trace_belongs_to_the_prompt_and_is_not_learnt() {
        let marks = ThinkMarks::default();
        let read = |prompt: &str, answers: &[&str]| {
            let mut text = prompt.to_owned();
            let segments = answers.iter().map(|answer| {
                let begin = text.len();
                text.push_str(answer);
                Segment {
                    message: 1,
                    range: begin..text.len(),
                }
            });
            let rendered = RenderedConversation {
                answers: segments.collect(),
                text,
                notes: Vec::new(),
            };
            let rendered = rendered.without_trace(&marks);
            let learnt = rendered.answers.iter();
            let learnt: Vec<String> = learnt
                .map(|answer| rendered.text[answer.range.clone()].to_owned())
                .collect();
            (rendered.text, learnt)
        };
        let whole = "A:<think>\n\n</think>\n\n5.".to_owned();
        for (prompt, answer) in [
            ("A:", "5."),
            ("A:<think>\n", "5."),
            ("A:<think>\n\n</think>\n\n", "5."),
            // The template writes it into the answer.
            ("A:", "<think>\n\n</think>\n\n5."),
        ] {
            let found = read(prompt, &[answer]);
            assert_eq!(found, (whole.clone(), vec!["5.".to_owned()]), "{prompt}");
        }
        let prompt = "A:<think>\n\n</think>\n\n".to_owned();
        assert_eq!(read("A:", &[]), (prompt, Vec::new()));
        let several = vec!["4.".to_owned(), "5.".to_owned()];
        assert_eq!(read("A:", &["4.", "5."]), ("A:4.5.".to_owned(), several));
    }

    #[test]
    fn prompts_ask_for_no_trace_whatever_the_template_wrote() {
        let marks = ThinkMarks::default();
        let closed = "A:<think>\n\n</think>\n\n";
        for prompt in ["A:", "A:<think>\n", closed] {
            assert_eq!(marks.without_trace(prompt.to_owned()), closed, "{prompt}");
        }
        assert!(marks.opens("A:<think>\n") && !marks.opens(closed) && marks.is_closed(closed));
    }

    #[test]
    fn responses_are_taken_apart() {
        let marks = ThinkMarks::default();
        let split = |text: &str, opened| {
            let split = marks.split(text, opened);
            (split.trace, split.answer, split.closed)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(split("5", false), (None, "5".to_owned(), true));
        assert_eq!(
            split("<think>\n2+3\n</think>\n\n5", false),
            (some("2+3"), "5".to_owned(), true)
        );
        assert_eq!(
            split("2+3</think>5", true),
            (some("2+3"), "5".to_owned(), true)
        );
        assert_eq!(
            split("<think>2+3", false),
            (some("2+3"), String::new(), false)
        );
        assert_eq!(split("2+3", true), (some("2+3"), String::new(), false));
    }
}
