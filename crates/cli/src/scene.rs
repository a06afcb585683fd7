//! A scene of an environment as a frame of the dashboard.

use std::path::Path;

use envs::{MarkKind, Scene};
use tui::model::{Piece, WorldFrame};
use tui::theme::Role;

use crate::failure::Failure;

/// Boards up to this many columns get a space between cells.
const ROOMY: usize = 9;
/// How long a frame of an animation stays on.
const FRAME_MILLISECONDS: u16 = 250;
/// Larger boards are another program's business.
const LARGEST: usize = 200;
/// The action of level-based foraging that loads food.
const LOAD: u64 = 5;
/// What the recorder notes of a scene before a central call.
const CENTRAL_NOTE: &str = "central call";

/// Draws a recorded scene; `None` when the value is none.
pub(crate) fn from_json(value: &serde_json::Value) -> Option<WorldFrame> {
    // Checked first: deserialising text into a scene would fail anyway, and slowly.
    value.get("marks")?;
    let scene: Scene = serde_json::from_value(value.clone()).ok()?;
    if scene.rows > LARGEST || scene.cols > LARGEST {
        return None;
    }
    let mut frame = frame(&scene);
    if let Some(actions) = value.get("actions").and_then(serde_json::Value::as_array) {
        let reward = value.get("reward").and_then(serde_json::Value::as_f64);
        let rewarded = reward.is_some_and(|reward| reward > 0.0);
        mark_loading(&mut frame, &scene, actions, rewarded);
    }
    Some(frame)
}

/// Agents that load food are bold, and the caption names them: those that chose to and
/// stand at a food, or whose food is gone with a reward. Far from food the action does
/// nothing.
fn mark_loading(
    frame: &mut WorldFrame,
    scene: &Scene,
    actions: &[serde_json::Value],
    rewarded: bool,
) {
    if !scene.title.starts_with("Foraging") {
        return;
    }
    let of = |kind| scene.marks.iter().filter(move |mark| mark.kind == kind);
    let mut names = Vec::new();
    for (agent, action) in of(MarkKind::Agent).zip(actions) {
        let at_food = of(MarkKind::Food)
            .any(|food| food.row.abs_diff(agent.row) + food.col.abs_diff(agent.col) == 1);
        if action.as_u64() != Some(LOAD) || !(at_food || rewarded) {
            continue;
        }
        names.push(agent.label.as_str());
        let row = frame.rows.get_mut(agent.row);
        if let Some(cell) = row.and_then(|row| row.get_mut(agent.col)) {
            cell.1 = Role::Strong;
        }
    }
    if !names.is_empty() {
        frame
            .caption
            .push_str(&format!("  {} loading", names.join(", ")));
    }
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
    let agents = scene.marks.iter();
    let agents = agents.filter(|mark| mark.kind == MarkKind::Agent);
    WorldFrame {
        rows,
        caption,
        agents: agents.map(|mark| (mark.row, mark.col)).collect(),
        central: scene.note.contains(CENTRAL_NOTE),
    }
}

/// Reads a recorded episode, a scene per line.
pub(crate) fn read_episode(path: &Path) -> Option<Vec<Scene>> {
    let text = std::fs::read_to_string(path).ok()?;
    let scenes: Result<Vec<Scene>, _> = text.lines().map(serde_json::from_str).collect();
    scenes.ok().filter(|scenes| {
        !scenes.is_empty()
            && scenes
                .iter()
                .all(|scene| scene.rows <= LARGEST && scene.cols <= LARGEST)
    })
}

/// Moments of an episode side by side in a width of text: the start, the end, and as
/// many evenly between as fit.
pub(crate) fn strip(scenes: &[Scene], width: usize) -> String {
    const GAP: usize = 4;
    let cells = scenes
        .iter()
        .map(|scene| frame(scene).rows.first().map_or(0, |row| piece_width(row)))
        .max();
    let cell_width = cells.unwrap_or(0).max(8);
    let fitting = ((width + GAP) / (cell_width + GAP)).clamp(1, scenes.len().max(1));
    let index = |place: usize| place * (scenes.len() - 1) / (fitting - 1).max(1);
    let chosen: Vec<WorldFrame> = match fitting {
        1 => scenes.last().map(frame).into_iter().collect(),
        _ => (0..fitting)
            .map(|place| frame(&scenes[index(place)]))
            .collect(),
    };
    let height = chosen
        .iter()
        .map(|frame| frame.rows.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        let padded: Vec<String> = cells
            .into_iter()
            .map(|cell| format!("{cell:<cell_width$}"))
            .collect();
        text.push_str(padded.join(&" ".repeat(GAP)).trim_end());
        text.push('\n');
    };
    for row in 0..height {
        line(
            chosen
                .iter()
                .map(|frame| {
                    frame.rows.get(row).map_or_else(String::new, |row| {
                        row.iter().map(|piece| piece.0.as_str()).collect()
                    })
                })
                .collect(),
        );
    }
    let step = |frame: &WorldFrame| frame.caption.split("  ").next().unwrap_or("").to_owned();
    line(chosen.iter().map(step).collect());
    text
}

fn piece_width(row: &[Piece]) -> usize {
    row.iter().map(|piece| piece.0.chars().count()).sum()
}

/// Writes an episode as an animation.
pub(crate) fn write_gif(scenes: &[Scene], path: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::environment(format!(
            "cannot write {}: {error} - name another file or free disk space",
            path.display()
        ))
    };
    let mut bytes = Vec::new();
    envs::render::write_gif(scenes, FRAME_MILLISECONDS, &mut bytes)?;
    std::fs::write(path, bytes).map_err(failed)
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
        assert_eq!(strip(&[scene()], 10), "·  ·  *3\nA1 ·  ·\nstep 4\n");
    }

    #[test]
    fn a_strip_begins_with_the_start_and_ends_with_the_end() {
        let scenes: Vec<Scene> = (0..10).map(|step| Scene { step, ..scene() }).collect();
        let text = strip(&scenes, 40);
        let steps: Vec<&str> = text
            .lines()
            .last()
            .expect("a line")
            .split("step")
            .map(str::trim)
            .collect();
        assert_eq!(steps, ["", "0", "4", "9"]);
        assert_eq!(strip(&[], 40), "\n");
    }

    #[test]
    fn agents_that_load_are_bold_and_named_and_central_calls_are_known() {
        let mark = |col, kind, label: &str| Mark {
            row: 1,
            col,
            kind,
            label: label.to_owned(),
            level: Some(1),
        };
        let mut scene = Scene {
            marks: vec![
                mark(1, MarkKind::Food, ""),
                mark(0, MarkKind::Agent, "A"),
                mark(2, MarkKind::Agent, "B"),
            ],
            ..scene()
        };
        scene.note = "return 0.00 · central call".to_owned();
        let drawn = |actions: serde_json::Value, reward: f64, scene: &Scene| {
            let mut value = serde_json::to_value(scene).expect("a scene is JSON");
            value["actions"] = actions;
            value["reward"] = reward.into();
            from_json(&value).expect("a frame")
        };
        let frame = drawn(serde_json::json!([5, 0]), 0.0, &scene);
        assert_eq!(frame.rows[1][0], ("A1 ".to_owned(), Role::Strong));
        assert_eq!(frame.rows[1][2].1, Role::Series(2));
        assert!(frame.caption.ends_with("  A loading"), "{}", frame.caption);
        assert!(frame.central && frame.agents == [(1, 0), (1, 2)]);
        scene.marks.remove(0);
        let far = drawn(serde_json::json!([5, 5]), 0.0, &scene);
        assert!(!far.caption.contains("loading"));
        let eaten = drawn(serde_json::json!([5, 5]), 1.0, &scene);
        assert!(
            eaten.caption.ends_with("  A, B loading"),
            "{}",
            eaten.caption
        );
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
