//! Reads run folders and turns what is new into messages. The only reader in
//! this crate; it writes nothing.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tracking::{EvaluationPurpose, Event, EventKind, EventReader, RunFolder, unix_seconds};

use crate::detail::{Episode, EvaluationPoint, WorldFrame};
use crate::figures::{count, number, printable};
use crate::run::RunSummary;
use crate::update::News;

/// Runs listed, newest first.
const RUNS: usize = 300;
/// Bytes of the console read when a run is opened.
const CONSOLE_TAIL: u64 = 128 * 1024;
/// A longer line of the console is cut.
const LONGEST_LINE: usize = 2_000;
/// Larger episode files are not opened.
const LARGEST_EPISODE: u64 = 32 * 1024 * 1024;

/// Makes a frame of a recorded scene; the binary knows the environments.
pub type SceneRenderer = dyn Fn(&serde_json::Value) -> Option<WorldFrame> + Send + Sync;

/// The summaries of all runs under a folder, newest first.
#[must_use]
pub fn runs(root: &Path) -> Vec<RunSummary> {
    let now = unix_seconds();
    let folders = RunFolder::list(root).unwrap_or_default();
    folders
        .iter()
        .rev()
        .take(RUNS)
        .map(|run| summary(run, now))
        .collect()
}

/// The summary of one run.
#[must_use]
pub fn summary(run: &RunFolder, now: f64) -> RunSummary {
    let status = run.status().unwrap_or_default();
    RunSummary {
        id: run.id(),
        state: status.observed_state(now),
        step: status.progress.step as f64,
        total_steps: status.total_steps as f64,
        updates: status.progress.updates as f64,
        last_return: status.last_evaluation,
        steps_per_second: status.steps_per_second,
        heard: status.heartbeat,
        seconds: status.progress.seconds,
        message: status.message,
        exit_code: status.exit_code,
        device: status.device,
        ..RunSummary::default()
    }
}

/// Follows one run.
pub struct Watcher {
    run: RunFolder,
    events: EventReader,
    console: u64,
    rest: Vec<u8>,
    episode: Option<(PathBuf, SystemTime)>,
}

impl Watcher {
    /// A watcher at the beginning of a run.
    #[must_use]
    pub fn new(run: RunFolder) -> Self {
        let events = EventReader::open(&run.events());
        Watcher {
            run,
            events,
            console: 0,
            rest: Vec::new(),
            episode: None,
        }
    }

    /// What is new since the last call; `None` when nothing is.
    pub fn poll(&mut self, render: &SceneRenderer) -> Option<News> {
        let mut news = News {
            id: self.run.id(),
            ..News::default()
        };
        self.read_events(&mut news);
        self.read_console(&mut news);
        news.episode = self.read_episode(render);
        let quiet =
            !news.anew && news.events.is_empty() && news.log.is_empty() && news.episode.is_none();
        (!quiet).then_some(news)
    }

    fn read_events(&mut self, news: &mut News) {
        let before = self.events.offset();
        // An unreadable log is not the dashboard's business: the run's status tells.
        let _ = self.events.poll_into(&mut |event| news.events.push(event));
        news.anew = self.events.offset() < before;
    }

    fn read_console(&mut self, news: &mut News) {
        let Ok(mut file) = File::open(self.run.console_log()) else {
            return;
        };
        let length = file.metadata().map_or(0, |meta| meta.len());
        if length < self.console {
            self.console = 0;
            self.rest.clear();
        }
        let mut cut = false;
        if length - self.console > CONSOLE_TAIL {
            self.console = length - CONSOLE_TAIL;
            self.rest.clear();
            cut = true;
        }
        let mut bytes = Vec::new();
        let read = file
            .seek(SeekFrom::Start(self.console))
            .and_then(|_| file.take(CONSOLE_TAIL).read_to_end(&mut bytes));
        if read.is_err() {
            return;
        }
        self.console += bytes.len() as u64;
        self.rest.append(&mut bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return;
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        news.log
            .extend(console_lines(&whole).skip(usize::from(cut)));
    }

    fn read_episode(&mut self, render: &SceneRenderer) -> Option<Episode> {
        let newest = newest_episode(&self.run.media().join("episodes"))?;
        if self.episode.as_ref() == Some(&newest) {
            return None;
        }
        let path = newest.0.clone();
        self.episode = Some(newest);
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

/// What of an event deserves a line for people.
#[must_use]
pub fn describe(event: &Event) -> Option<String> {
    let text = match &event.kind {
        EventKind::Evaluation {
            purpose,
            progress,
            returns,
            lengths,
            ..
        } => {
            let point = EvaluationPoint::of(progress.step, returns);
            let steps = lengths.iter().sum::<u64>() as f64 / lengths.len().max(1) as f64;
            let what = match purpose {
                EvaluationPurpose::Interval => {
                    format!("evaluation at {}", count(point.step as f64))
                }
                EvaluationPurpose::Absolute => "best checkpoint".to_owned(),
            };
            let (low, high) = point.interval;
            format!(
                "{what}: return {} [{}, {}] over {} episodes of {} steps",
                number(point.mean),
                number(low),
                number(high),
                point.episodes,
                number(steps),
            )
        }
        EventKind::Checkpoint { path, best, .. } => {
            format!(
                "{} written: {path}",
                if *best { "best policy" } else { "checkpoint" }
            )
        }
        EventKind::Warning { source, message } => format!("warning: {source}: {message}"),
        EventKind::Resumed { checkpoint, .. } => format!("continuing from {checkpoint}"),
        EventKind::State { state, message, .. } if message.is_empty() => state.to_string(),
        EventKind::State { state, message, .. } => format!("{state}: {message}"),
        EventKind::Finished {
            outcome,
            exit_code,
            message,
            ..
        } => {
            let colon = if message.is_empty() { "" } else { ": " };
            format!("{outcome} with exit code {exit_code}{colon}{message}")
        }
        _ => return None,
    };
    Some(printable(&text))
}

fn console_lines(bytes: &[u8]) -> impl Iterator<Item = String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(|line| {
            // A progress bar rewrites its line; only its last state counts.
            let shown = line
                .rsplit('\r')
                .find(|part| !part.is_empty())
                .unwrap_or("");
            printable(shown).chars().take(LONGEST_LINE).collect()
        })
        .collect::<Vec<String>>()
        .into_iter()
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
    use std::io::Write;
    use tracking::{Axis, NewRun, Progress};

    fn event(sequence: u64, kind: EventKind) -> String {
        Event {
            version: 1,
            sequence,
            time: 0.0,
            kind,
        }
        .to_line()
    }

    fn scalar(sequence: u64, step: u64, value: f64) -> String {
        event(
            sequence,
            EventKind::Scalar {
                name: "return".to_owned(),
                value,
                axis: Axis::EnvSteps,
                step,
            },
        )
    }

    fn append(path: &Path, text: &str) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .expect("a writable file");
        file.write_all(text.as_bytes()).expect("a written file");
    }

    fn none(_: &serde_json::Value) -> Option<WorldFrame> {
        None
    }

    #[test]
    fn a_run_is_followed_from_its_beginning_over_half_lines() {
        let root = tempfile::tempdir().expect("a folder");
        let new = NewRun {
            name: "a".into(),
            total_steps: 9,
            ..NewRun::default()
        };
        let run = RunFolder::create(root.path(), &new).expect("a run");
        let mut watcher = Watcher::new(run.clone());
        assert!(watcher.poll(&none).is_none());

        let second = scalar(1, 20, 2.0);
        append(
            &run.events(),
            &format!("{}\n{}", scalar(0, 10, 1.0), &second[..10]),
        );
        append(&run.console_log(), "hello\n\u{1b}[1mhalf");
        let news = watcher.poll(&none).expect("news");
        assert_eq!(
            (news.events.len(), news.anew, news.log),
            (1, false, vec!["hello".to_owned()])
        );

        append(&run.events(), &format!("{}\n", &second[10..]));
        append(&run.console_log(), " line\n");
        let news = watcher.poll(&none).expect("news");
        assert_eq!(
            (news.events.len(), news.log),
            (1, vec!["[1mhalf line".to_owned()])
        );
        assert!(watcher.poll(&none).is_none());

        std::fs::write(run.events(), format!("{}\n", scalar(0, 1, 0.5))).expect("a replaced log");
        let news = watcher.poll(&none).expect("news");
        assert_eq!((news.anew, news.events.len()), (true, 1));
        assert_eq!(runs(root.path())[0].total_steps, 9.0);
    }

    #[test]
    fn events_are_told_in_words() {
        let kind = EventKind::Evaluation {
            purpose: EvaluationPurpose::Interval,
            progress: Progress {
                step: 40_000,
                ..Progress::default()
            },
            returns: vec![0.5; 4],
            lengths: vec![10, 20, 10, 20],
            extra: std::collections::BTreeMap::new(),
            checkpoint: String::new(),
        };
        let told = |kind| {
            describe(&Event {
                version: 1,
                sequence: 0,
                time: 0.0,
                kind,
            })
        };
        let expected =
            "evaluation at 40k: return 0.500 [0.500, 0.500] over 4 episodes of 15.00 steps";
        assert_eq!(told(kind).as_deref(), Some(expected));
        let warning = EventKind::Warning {
            source: "disk".to_owned(),
            message: "\u{1b}full".to_owned(),
        };
        assert_eq!(told(warning).as_deref(), Some("warning: disk: full"));
        assert_eq!(told(EventKind::Unknown), None);
    }

    #[test]
    fn episodes_are_read_in_every_form_and_the_newest_wins() {
        let render = |value: &serde_json::Value| {
            let caption = format!("step {}", value.get("step")?.as_u64()?);
            Some(WorldFrame {
                rows: Vec::new(),
                caption,
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
