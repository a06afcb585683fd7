//! Reports of a recorded search, from the lines of its log (`search/<question>.jsonl`).
//!
//! | format | for |
//! |---|---|
//! | [`Format::Html`] | one page that needs nothing else: tree, replay, budgets over time, keyboard |
//! | [`Format::Dot`] | Graphviz; the whole text of a step is in its tooltip |
//! | [`Format::Mermaid`] | Markdown pages; texts are shortened |
//! | [`Format::Json`] | programs: the tree as it ended, with its costs |
//!
//! A log that is still being written gives a report of what there is. Texts of models and tools
//! are hostile until escaped: each format does so in its own module, and has a test for it.

use std::fmt;
use std::str::FromStr;

mod cost;
mod dot;
mod html;
mod json;
mod mermaid;
mod recorded;
mod state;
mod usage;

pub use cost::{Cost, CostLine, Prices};
pub use recorded::{Ended, Question, Recorded, RecordedAnswer, RecordedNode, Step};
pub use state::{Ending, NodeEnding, SpentOf};
pub use usage::Totals;

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page for a browser.
    Html,
    /// Graphviz.
    Dot,
    /// A flowchart in Mermaid's language.
    Mermaid,
    /// JSON.
    Json,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Html, Self::Dot, Self::Mermaid, Self::Json];

    /// Its name, which is also the ending of its files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Dot => "dot",
            Self::Mermaid => "mmd",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = ReportError;

    fn from_str(text: &str) -> Result<Self, ReportError> {
        let lower = text.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|format| {
                format.name() == lower || (lower == "mermaid" && *format == Self::Mermaid)
            })
            .ok_or_else(|| ReportError::Format(text.to_owned()))
    }
}

/// What can go wrong with a report.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// No format has this name.
    #[error("report as `{0}` - allowed: html, dot, mmd (mermaid), json - name one of these")]
    Format(String),
    /// A word of a price table cannot be used.
    #[error(
        "prices, `{word}`: {why} - allowed: input=, cached=, output= per million tokens, call= and \
         call.TOOL= per call, unit= per unit of tool calls, currency=, date= - for example input=0.15,output=0.6,call=0.005"
    )]
    Price {
        /// The word.
        word: String,
        /// What is wrong with it.
        why: String,
    },
    /// The lines hold no search.
    #[error(
        "search log: {refused} lines refused and no node read - allowed: the lines of \
         search/<question>.jsonl - name another file"
    )]
    Empty {
        /// Lines that were refused.
        refused: u64,
    },
}

/// A report of a recorded search; money by a price table, where there is one.
///
/// # Errors
/// [`ReportError::Empty`] when the log holds neither a question nor a node.
pub fn write(
    recorded: &Recorded,
    format: Format,
    prices: Option<&Prices>,
) -> Result<String, ReportError> {
    if recorded.nodes.is_empty() && recorded.question == Question::default() {
        return Err(ReportError::Empty {
            refused: recorded.refused,
        });
    }
    let ending = Ending::of(recorded);
    let cost = prices.map(|prices| Cost::of(recorded, &ending, prices));
    Ok(match format {
        Format::Html => html::page(recorded, &ending, cost.as_ref()),
        Format::Dot => dot::graph(recorded, &ending),
        Format::Mermaid => mermaid::flowchart(recorded, &ending),
        Format::Json => json::document(recorded, &ending, cost.as_ref()),
    })
}

/// At most so many characters, with a sign where some are left out.
fn shortened(text: &str, most: usize) -> String {
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(most).collect();
    if characters.next().is_some() {
        start + "\u{2026}"
    } else {
        start
    }
}

/// A number with at most three digits behind the point, and without zeros at its end.
fn short_number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
