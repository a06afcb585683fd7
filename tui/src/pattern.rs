//! What is typed behind `/`: a regular expression without regard to case, `!` inverts.
//! Each line of a text is searched for itself.

use regex_lite::{Regex, RegexBuilder};

/// A filter.
#[derive(Clone, Debug)]
pub struct Pattern {
    expression: Option<Regex>,
    inverted: bool,
}

impl Pattern {
    /// Reads a filter. What is no regular expression is searched for as it stands: half of
    /// one while it is typed, or a name with brackets.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (inverted, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let build = |text: &str| {
            RegexBuilder::new(text)
                .case_insensitive(true)
                .multi_line(true)
                .size_limit(1 << 20)
                .build()
        };
        let expression = (!text.is_empty())
            .then(|| {
                build(text)
                    .or_else(|_| build(&regex_lite::escape(text)))
                    .ok()
            })
            .flatten();
        Pattern {
            expression,
            inverted,
        }
    }

    /// Whether it lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expression.is_none()
    }

    /// Whether a text passes.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.expression
            .as_ref()
            .is_none_or(|expression| expression.is_match(text) != self.inverted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_inversions_and_half_typed_ones() {
        let matches = |filter: &str, text: &str| Pattern::new(filter).matches(text);
        assert!(matches("iql.*s2$", "lbf-IQL-s2"));
        assert!(!matches("iql.*s2$", "lbf-iql-s21"));
        assert!(!matches("!iql", "lbf-iql"));
        assert!(matches("", "anything") && matches("!", "anything"));
        assert!(matches("a(", "x a( y"), "half an expression is text");
        assert!(Pattern::new("!").is_empty());
    }
}
