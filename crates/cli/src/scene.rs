//! A scene of an environment as a frame of the dashboard.

use envs::{MarkKind, Scene};
use tui::model::{Piece, WorldFrame};
use tui::theme::Role;

/// Boards up to this many columns get a space between cells.
const ROOMY: usize = 9;
/// Larger boards are another program's business.
const LARGEST: usize = 200;

/// Draws a recorded scene; `None` when the value is none.
pub(crate) fn from_json(value: &serde_json::Value) -> Option<WorldFrame> {
    // Checked first: deserialising text into a scene would fail anyway, and slowly.
    value.get("marks")?;
    let scene: Scene = serde_json::from_value(value.clone()).ok()?;
    (scene.rows <= LARGEST && scene.cols <= LARGEST).then(|| frame(&scene))
}

/// Cells of two characters: a letter and a level for agents, `*` and a level for food.
pub(crate) fn frame(scene: &Scene) -> WorldFrame {
    let labels = scene
        .marks
        .iter()
        .filter(|mark| matches!(mark.kind, MarkKind::Cell | MarkKind::Chosen));
    let widest = labels
        .map(|mark| mark.label.chars().count())
        .max()
        .unwrap_or(0)
        .max(2);
    let gap = if scene.cols <= ROOMY { " " } else { "" };
    let empty: Piece = (format!("{:<widest$}{gap}", "·"), Role::Muted);
    let mut rows = vec![vec![empty; scene.cols]; scene.rows];
    let mut agents = 0;
    for mark in &scene.marks {
        let level = mark
            .level
            .map(|level| level.to_string())
            .unwrap_or_default();
        let (text, role) = match mark.kind {
            MarkKind::Agent => {
                let index = agents;
                agents += 1;
                // The first series' colour belongs to the curves.
                (format!("{}{level}", mark.label), Role::Series(index + 1))
            }
            MarkKind::Food => (format!("*{level}"), Role::Goal),
            MarkKind::Goal => (format!("{}+", mark.label), Role::Goal),
            MarkKind::Cell => (mark.label.clone(), Role::Muted),
            MarkKind::Chosen => (mark.label.clone(), Role::Selected),
        };
        if let Some(cell) = rows.get_mut(mark.row).and_then(|row| row.get_mut(mark.col)) {
            *cell = (format!("{text:<widest$}{gap}"), role);
        }
    }
    let mut caption = format!("step {}", scene.step);
    if !scene.note.is_empty() {
        caption.push_str(&format!("  {}", scene.note));
    }
    WorldFrame { rows, caption }
}

/// The frame as plain text, for a terminal or a file.
pub(crate) fn text(scene: &Scene) -> String {
    let frame = frame(scene);
    let mut text = String::new();
    for row in &frame.rows {
        let line: String = row.iter().map(|piece| piece.0.as_str()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&frame.caption);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use envs::Mark;

    fn scene() -> Scene {
        let mark = |row, col, kind, label: &str, level| Mark {
            row,
            col,
            kind,
            label: label.to_owned(),
            level,
        };
        Scene {
            title: "Foraging".to_owned(),
            rows: 2,
            cols: 3,
            marks: vec![
                mark(0, 2, MarkKind::Food, "", Some(3)),
                mark(1, 0, MarkKind::Agent, "A", Some(1)),
                mark(9, 9, MarkKind::Agent, "B", Some(1)),
            ],
            step: 4,
            step_limit: 50,
            note: "return 0.5".to_owned(),
        }
    }

    #[test]
    fn cells_show_letter_and_level_and_marks_outside_are_left_out() {
        assert_eq!(text(&scene()), "·  ·  *3\nA1 ·  ·\nstep 4  return 0.5\n");
    }

    #[test]
    fn only_scenes_are_drawn() {
        let value = serde_json::to_value(scene()).expect("a scene is JSON");
        assert_eq!(from_json(&value), Some(frame(&scene())));
        assert_eq!(from_json(&serde_json::json!({"marks": 3})), None);
        let huge = Scene {
            rows: usize::MAX,
            ..scene()
        };
        assert_eq!(from_json(&serde_json::to_value(huge).expect("JSON")), None);
    }
}
