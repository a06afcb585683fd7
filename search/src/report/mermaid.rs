//! A Mermaid flowchart, for Markdown pages. Labels are short: Mermaid has no place for the rest,
//! which the other formats keep.

use std::fmt::Write;

use super::dot::colour;
use super::recorded::Recorded;
use super::state::Ending;
use super::{short_number, shortened};

/// Characters of a step that are shown.
const LABEL: usize = 100;
/// What Mermaid draws unless its page raises `maxEdges`.
const MOST_EDGES: usize = 500;

pub(super) fn flowchart(recorded: &Recorded, ending: &Ending) -> String {
    let mut text = String::from("flowchart TD\n");
    let mut push = |what: std::fmt::Arguments| {
        text.write_fmt(what)
            .expect("writing into a text never fails");
    };
    let edges = recorded
        .nodes
        .iter()
        .filter(|node| node.parent.is_some())
        .count();
    if edges > MOST_EDGES {
        push(format_args!(
            "  %% {edges} edges: a page draws at most {MOST_EDGES} unless it sets maxEdges and maxTextSize\n"
        ));
    }
    for (place, node) in recorded.nodes.iter().enumerate() {
        let end = &ending.nodes[place];
        let value = end.value.map(|value| format!(" V {}", short_number(value)));
        let answer = end.answers.last().map(|answer| {
            let text = shortened(&recorded.answers[*answer].text, LABEL);
            format!("<br/>= {}", escaped(&text))
        });
        push(format_args!(
            "  n{place}[\"{}{}<br/>{}{}\"]\n",
            escaped(&format!("{} {}", node.id, node.role)),
            value.unwrap_or_default(),
            escaped(&shortened(&node.text, LABEL)),
            answer.unwrap_or_default(),
        ));
    }
    for (place, node) in recorded.nodes.iter().enumerate() {
        let Some(parent) = node.parent else { continue };
        let arrow = match (
            ending.best_path.contains(&place),
            &ending.nodes[place].pruned,
        ) {
            (true, _) => "==>",
            (_, Some(_)) => "-.->",
            _ => "-->",
        };
        push(format_args!("  n{parent} {arrow} n{place}\n"));
    }
    for (place, end) in ending.nodes.iter().enumerate() {
        let Some(value) = end.value else { continue };
        push(format_args!(
            "  style n{place} fill:{},color:#000\n",
            colour(value)
        ));
    }
    text
}

/// Text in a quoted label: everything that Mermaid or the page could read as theirs as a number.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("<br/>"),
            ' ' => out.push(' '),
            other if other.is_control() => {}
            other if other.is_alphanumeric() || ".,:-_/+()=?!'\u{2026}".contains(other) => {
                out.push(other);
            }
            other => out.push_str(&format!("#{};", other as u32)),
        }
    }
    out
}
