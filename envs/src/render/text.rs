//! Scenes for terminals.

use std::fmt::Write;

use crate::scene::{Mark, MarkKind, Scene};

/// Draws a scene with plain characters, a legend below. An agent is its letter with its level, a
/// food a star with its level; agents in one cell stand side by side.
///
/// ```text
/// Foraging-5x5-2p-1f-v3 | step 3 of 50
/// +----------------+
/// | .  .  .  .  .  |
/// | .  A1 *3 .  .  |
/// | .  .  B2 .  .  |
/// | .  .  .  .  .  |
/// | .  .  .  .  .  |
/// +----------------+
/// A, B agents, * food, digits levels
/// ```
#[must_use]
pub fn text(scene: &Scene) -> String {
    let mut cells = vec![String::new(); scene.rows * scene.cols];
    for mark in &scene.marks {
        if mark.row < scene.rows && mark.col < scene.cols {
            cells[mark.row * scene.cols + mark.col] += &symbol(mark);
        }
    }
    for cell in &mut cells {
        if cell.is_empty() {
            cell.push('.');
        }
    }
    let width = cells
        .iter()
        .map(|cell| cell.chars().count())
        .max()
        .unwrap_or(1)
        .max(2);
    let mut out = format!(
        "{} | step {} of {}\n",
        scene.title, scene.step, scene.step_limit
    );
    let rule = format!("+{}+\n", "-".repeat(scene.cols * (width + 1) + 1));
    out += &rule;
    for line in cells.chunks_exact(scene.cols.max(1)) {
        out.push('|');
        for cell in line {
            // Writing to a string cannot fail.
            let _ = write!(out, " {cell:<width$}");
        }
        out += " |\n";
    }
    out += &rule;
    let legend = legend(scene);
    for line in [&legend, &scene.note] {
        if !line.is_empty() {
            out += line;
            out.push('\n');
        }
    }
    out
}

fn symbol(mark: &Mark) -> String {
    let level = mark
        .level
        .map(|level| level.to_string())
        .unwrap_or_default();
    match mark.kind {
        MarkKind::Agent | MarkKind::Cell => format!("{}{level}", mark.label),
        MarkKind::Food => format!("*{level}"),
        MarkKind::Goal => format!("o{level}"),
        MarkKind::Chosen => format!("[{}]", mark.label),
    }
}

fn legend(scene: &Scene) -> String {
    let has = |kind: MarkKind| scene.marks.iter().any(|mark| mark.kind == kind);
    let names: Vec<&str> = scene
        .marks
        .iter()
        .filter(|mark| mark.kind == MarkKind::Agent)
        .map(|mark| mark.label.as_str())
        .collect();
    let mut parts = Vec::new();
    match names.as_slice() {
        [] => {}
        [one] => parts.push(format!("{one} agent")),
        [first, .., last] => parts.push(format!("{first} to {last} agents")),
    }
    for (kind, words) in [
        (MarkKind::Food, "* food"),
        (MarkKind::Goal, "o goal"),
        (MarkKind::Chosen, "[ ] chosen"),
    ] {
        if has(kind) {
            parts.push(words.to_owned());
        }
    }
    if scene.marks.iter().any(|mark| mark.level.is_some()) {
        parts.push("digits levels".to_owned());
    }
    parts.join(", ")
}
