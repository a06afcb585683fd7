//! Graphviz: `dot -Tsvg`. Labels are short, tooltips hold everything.

use std::fmt::Write;

use super::cost::spent_text;
use super::recorded::Recorded;
use super::state::Ending;
use super::{short_number, shortened};

/// Characters of a step in its label.
const LABEL: usize = 120;
/// Characters in a line of a label.
const LINE: usize = 36;

pub(super) fn graph(recorded: &Recorded, ending: &Ending) -> String {
    let mut text = String::from("digraph search {\n");
    text.push_str("  graph [rankdir=TB, fontname=\"sans-serif\", labelloc=t];\n");
    text.push_str(
        "  node [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\", fontsize=10];\n",
    );
    let mut heading = vec![recorded.question.text.clone()];
    heading.extend(spent_text(recorded, ending));
    push(
        &mut text,
        format_args!("  label=\"{}\";\n", quoted(&heading.join("\n"))),
    );
    for place in 0..recorded.nodes.len() {
        node(&mut text, recorded, ending, place);
    }
    for (place, node) in recorded.nodes.iter().enumerate() {
        let Some(parent) = node.parent else { continue };
        let best = ending.best_path.contains(&place);
        let bold = if best { " [penwidth=3]" } else { "" };
        push(&mut text, format_args!("  n{parent} -> n{place}{bold};\n"));
    }
    text.push_str("}\n");
    text
}

fn push(text: &mut String, what: std::fmt::Arguments) {
    text.write_fmt(what)
        .expect("writing into a text never fails");
}

fn node(text: &mut String, recorded: &Recorded, ending: &Ending, place: usize) {
    let (node, end) = (&recorded.nodes[place], &ending.nodes[place]);
    let mut label = vec![format!("{} {}", node.id, node.role)];
    if let Some(value) = end.value {
        label[0].push_str(&format!("  V {}", short_number(value)));
    }
    label.extend(lines(&shortened(&node.text, LABEL)));
    let mut tip = vec![
        format!("node {} ({})", node.id, node.role),
        node.text.clone(),
    ];
    tip.extend(details(recorded, ending, place));
    for answer in &end.answers {
        label.push(format!(
            "= {}",
            shortened(&recorded.answers[*answer].text, LABEL)
        ));
        tip.push(format!("answer: {}", recorded.answers[*answer].text));
    }
    let fill = end.value.map_or("white".to_owned(), colour);
    let mut more = String::new();
    if end.pruned.is_some() {
        more.push_str(", style=\"filled,rounded,dashed\", fontcolor=\"#666666\"");
    }
    if ending.best_path.contains(&place) {
        more.push_str(", penwidth=3");
    }
    push(
        text,
        format_args!(
            "  n{place} [label=\"{}\", tooltip=\"{}\", fillcolor=\"{fill}\"{more}];\n",
            quoted(&label.join("\n")),
            quoted(&tip.join("\n"))
        ),
    );
}

/// What is told of a node beside its text.
fn details(recorded: &Recorded, ending: &Ending, place: usize) -> Vec<String> {
    let end = &ending.nodes[place];
    let mut details = Vec::new();
    if let Some(value) = end.value {
        let delta = end.delta.map(|delta| format!(" (critic {delta:+})"));
        let value = short_number(value);
        details.push(format!("value {value}{}", delta.unwrap_or_default()));
    }
    if !end.why.is_empty() {
        details.push(format!("why: {}", end.why));
    }
    details.push(format!("visits {}", end.visits));
    for (resource, cost) in recorded.resources.iter().zip(&end.costs) {
        if *cost > 0.0 {
            details.push(format!(
                "{} {}",
                resource.replace('_', " "),
                short_number(*cost)
            ));
        }
    }
    if let Some(why) = &end.pruned {
        details.push(format!("pruned: {why}"));
    }
    details
}

/// A text broken at blanks into short lines.
fn lines(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + word.chars().count() >= LINE {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The inside of a quoted string. Graphviz reads `\N` and the like and HTML's entities in it;
/// control characters, which it cannot hold, become their pictures.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '&' => out.push_str("&amp;"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push(' '),
            '\r' => {}
            other if (other as u32) < 0x20 => {
                out.extend(char::from_u32(0x2400 + other as u32));
            }
            other => out.push(other),
        }
    }
    out
}

/// From pale yellow to green: light enough for black letters, told apart in grey too.
pub(super) fn colour(value: f64) -> String {
    let share = value.clamp(0.0, 1.0);
    let mix = |low: f64, high: f64| (low + (high - low) * share).round() as u8;
    format!(
        "#{:02x}{:02x}{:02x}",
        mix(255.0, 120.0),
        mix(247.0, 198.0),
        mix(188.0, 121.0)
    )
}
