//! Which parts of a text that grows are a thought.

const BEGIN: &str = "<think>";
const END: &str = "</think>";

/// Parts text at the marks of thoughts, which belong to the thought; holds back what may become one.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    inside: bool,
    held: String,
}

impl Thoughts {
    /// At the beginning of an answer; `inside` when the template began a thought already.
    pub(super) fn new(inside: bool) -> Self {
        Thoughts {
            inside,
            held: String::new(),
        }
    }

    /// Takes text in; gives out parts, each with whether it is thought.
    pub(super) fn take(&mut self, text: &str) -> Vec<(bool, String)> {
        self.held.push_str(text);
        let mut parts = Vec::new();
        loop {
            let mark = if self.inside { END } else { BEGIN };
            let Some(at) = self.held.find(mark) else {
                let kept = overlap(&self.held, mark);
                let rest = self.held.split_off(self.held.len() - kept);
                parts.push((self.inside, std::mem::replace(&mut self.held, rest)));
                break;
            };
            let end = if self.inside { at + mark.len() } else { at };
            let rest = self.held.split_off(end);
            parts.push((self.inside, std::mem::replace(&mut self.held, rest)));
            self.inside = !self.inside;
            if self.inside {
                // The mark itself is in front of what is thought.
                let rest = self.held.split_off(mark.len());
                parts.push((true, std::mem::replace(&mut self.held, rest)));
            }
        }
        parts.retain(|(_, text)| !text.is_empty());
        parts
    }

    /// What was held back.
    pub(super) fn end(&mut self) -> Option<(bool, String)> {
        let rest = std::mem::take(&mut self.held);
        (!rest.is_empty()).then_some((self.inside, rest))
    }
}

/// Bytes at the end of `text` that begin `mark`.
fn overlap(text: &str, mark: &str) -> usize {
    (1..mark.len())
        .rev()
        .find(|length| text.ends_with(&mark[..*length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thoughts in brackets.
    fn shown(inside: bool, pieces: &[&str]) -> String {
        let mut thoughts = Thoughts::new(inside);
        let mut parts: Vec<(bool, String)> = Vec::new();
        for piece in pieces {
            parts.extend(thoughts.take(piece));
        }
        parts.extend(thoughts.end());
        let mut text = String::new();
        for (thought, part) in parts {
            text.push_str(&if thought { format!("[{part}]") } else { part });
        }
        text.replace("][", "")
    }

    #[test]
    fn thoughts_are_found_across_pieces() {
        assert_eq!(
            shown(false, &["a<thi", "nk>b</", "think>c"]),
            "a[<think>b</think>]c"
        );
        assert_eq!(shown(true, &["b</think>", "c<"]), "[b</think>]c<");
        assert_eq!(shown(false, &["<think>x"]), "[<think>x]");
        assert_eq!(shown(false, &["1 < 2, <b>"]), "1 < 2, <b>");
    }

    #[test]
    fn what_cannot_become_a_mark_is_given_out_at_once() {
        let mut thoughts = Thoughts::new(false);
        assert_eq!(thoughts.take("a <"), [(false, "a ".to_owned())]);
        assert_eq!(thoughts.take("b"), [(false, "<b".to_owned())]);
    }
}
