//! Recorded episodes: the newest one is shown.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::SceneRenderer;
use crate::detail::{Episode, WorldFrame};

/// Larger episode files are not opened.
const LARGEST_EPISODE: u64 = 32 * 1024 * 1024;

/// Watches the episodes of a run.
#[derive(Debug)]
pub(super) struct Episodes {
    folder: PathBuf,
    newest: Option<(PathBuf, SystemTime)>,
    /// Last change of the folder and of the newest file, as seen at the last look.
    seen: Option<(SystemTime, Option<SystemTime>)>,
}

impl Episodes {
    pub(super) fn of(folder: PathBuf) -> Self {
        Episodes {
            folder,
            newest: None,
            seen: None,
        }
    }

    /// Makes the next call give the newest episode again.
    pub(super) fn forget(&mut self) {
        (self.newest, self.seen) = (None, None);
    }

    /// The newest episode, when it is another than at the last call.
    pub(super) fn poll(&mut self, render: &SceneRenderer) -> Option<Episode> {
        let changed = |path: &Path| std::fs::metadata(path).ok()?.modified().ok();
        let newest = self.newest.as_ref().and_then(|(path, _)| changed(path));
        let seen = (changed(&self.folder)?, newest);
        if self.seen == Some(seen) {
            return None;
        }
        let newest = newest_episode(&self.folder)?;
        self.seen = Some((seen.0, Some(newest.1)));
        if self.newest.as_ref() == Some(&newest) {
            return None;
        }
        let path = newest.0.clone();
        self.newest = Some(newest);
        let text = std::fs::read_to_string(&path).ok()?;
        let label = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let frames = frames(&text, render);
        (!frames.is_empty()).then(|| Episode {
            label: label.unwrap_or_default(),
            frames,
        })
    }
}

fn newest_episode(folder: &Path) -> Option<(PathBuf, SystemTime)> {
    std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let kind = path.extension()?.to_str()?;
            let meta = entry.metadata().ok()?;
            let right = matches!(kind, "jsonl" | "json") && meta.len() <= LARGEST_EPISODE;
            right.then_some((path, meta.modified().ok()?))
        })
        .max_by(|left, right| (left.1, &left.0).cmp(&(right.1, &right.0)))
}

/// The frames of an episode file: a JSON list of scenes, an object that holds one
/// under `frames` or `scenes`, or one scene per line. A scene is what the renderer
/// knows, else its text.
#[must_use]
pub fn frames(text: &str, render: &SceneRenderer) -> Vec<WorldFrame> {
    let values = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => scenes(value),
        Err(_) => text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .flat_map(scenes)
            .collect(),
    };
    values
        .iter()
        .filter_map(|value| frame(value, render))
        .collect()
}

fn scenes(value: serde_json::Value) -> Vec<serde_json::Value> {
    match value {
        serde_json::Value::Array(list) => list,
        serde_json::Value::Object(mut object) => {
            let list = ["frames", "scenes"]
                .into_iter()
                .find_map(|key| object.remove(key));
            match list {
                Some(serde_json::Value::Array(list)) => list,
                _ => vec![serde_json::Value::Object(object)],
            }
        }
        other => vec![other],
    }
}

fn frame(value: &serde_json::Value, render: &SceneRenderer) -> Option<WorldFrame> {
    if let Some(frame) = render(value) {
        return Some(frame);
    }
    let nested = value.get("scene").and_then(render);
    let text = value.as_str().or_else(|| value.get("text")?.as_str());
    nested.or_else(|| text.map(WorldFrame::from_text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &serde_json::Value) -> Option<WorldFrame> {
        None
    }

    #[test]
    fn episodes_are_read_in_every_form_and_the_newest_wins() {
        let render = |value: &serde_json::Value| {
            let caption = format!("step {}", value.get("step")?.as_u64()?);
            Some(WorldFrame {
                rows: Vec::new(),
                caption,
                ..WorldFrame::default()
            })
        };
        let captions = |text: &str| -> Vec<String> {
            frames(text, &render)
                .into_iter()
                .map(|frame| frame.caption)
                .collect()
        };
        assert_eq!(
            captions("[{\"step\":0},{\"step\":1}]"),
            ["step 0", "step 1"]
        );
        assert_eq!(
            captions("{\"return\":1,\"scenes\":[{\"step\":4}]}"),
            ["step 4"]
        );
        assert_eq!(
            captions("{\"step\":1}\n{\"scene\":{\"step\":2}}\nbroken\n"),
            ["step 1", "step 2"]
        );
        assert_eq!(frames("[\"A1 .\\n. .\"]", &none)[0].rows.len(), 2);
    }
}
