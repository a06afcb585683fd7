//! Recorded episodes, maps of calls and live episodes of a training.

use std::path::Path;
use std::time::{Duration, Instant};

use tracking::RunFolder;
use tracking::control::{LiveFrame, LiveFrames};
use tracking::switching::CallMap;

use super::{LIST_EVERY, LiveMoment, POLL, Seen, due};
use crate::detail::Episode;
use crate::source::{self, SceneRenderer};

/// How long a live frame is waited for before orders are looked at.
const LIVE_WAIT: Duration = Duration::from_millis(50);
/// How long a worker may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_millis(1_500);
/// Pause before a worker that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// Larger episodes are not opened.
const LARGEST_EPISODE: u64 = 32 * 1024 * 1024;

/// The world of one run.
pub(super) struct World {
    run: String,
    folder: RunFolder,
    listed: Option<Instant>,
    names: (Vec<String>, Vec<String>),
    wanted_episode: Option<String>,
    told_episode: Option<String>,
    wanted_map: Option<String>,
    told_map: Option<String>,
    live: Option<Live>,
}

impl World {
    pub(super) fn new(
        folder: RunFolder,
        run: String,
        episode: Option<String>,
        map: Option<String>,
        live: Option<usize>,
    ) -> Self {
        World {
            run,
            folder,
            listed: None,
            names: (Vec::new(), Vec::new()),
            wanted_episode: episode,
            told_episode: None,
            wanted_map: map,
            told_map: None,
            live: live.map(Live::new),
        }
    }

    pub(super) fn is_of(&self, run: &str) -> bool {
        self.run == run
    }

    /// Looks at something else of the same run; what stays is not read again.
    pub(super) fn turn(
        &mut self,
        episode: Option<String>,
        map: Option<String>,
        live: Option<usize>,
    ) {
        if self.wanted_episode != episode {
            self.wanted_episode = episode;
            self.told_episode = None;
        }
        if self.wanted_map != map {
            self.wanted_map = map;
            self.told_map = None;
        }
        if self.live.as_ref().map(|one| one.environment) != live {
            self.live = live.map(Live::new);
        }
    }

    pub(super) fn read(
        &mut self,
        render: &SceneRenderer,
        tell: &dyn Fn(Seen) -> bool,
    ) -> Option<Duration> {
        let run = self.run.clone();
        if due(&mut self.listed) {
            let media = self.folder.media();
            let names = (
                recorded(&media.join("episodes"), ".jsonl"),
                recorded(&media.join("calls"), ".json"),
            );
            if names != self.names {
                self.names = names.clone();
                let (episodes, maps) = names;
                let run = run.clone();
                tell(Seen::Recorded {
                    run,
                    episodes,
                    maps,
                })
                .then_some(())?;
            }
        }
        if self.wanted_episode != self.told_episode
            && let Some(name) = self.wanted_episode.clone()
        {
            let episode = read_episode(&self.folder, &name, render);
            self.told_episode = Some(name);
            let run = run.clone();
            tell(Seen::Episode { run, episode }).then_some(())?;
        }
        let newest = || self.names.1.last().cloned();
        let map = self.wanted_map.clone().or_else(newest);
        if map != self.told_map
            && let Some(name) = map
        {
            let path = self.folder.media().join("calls");
            let map = CallMap::read(&path.join(format!("{name}.json")));
            let map = map.map_err(|error| error.to_string());
            self.told_map = Some(name.clone());
            let run = run.clone();
            tell(Seen::Map { run, name, map }).then_some(())?;
        }
        let Some(live) = &mut self.live else {
            return Some(LIST_EVERY);
        };
        if let Some(moment) = live.next(&self.folder, render) {
            let environment = live.environment;
            tell(Seen::Live {
                run,
                environment,
                moment,
            })
            .then_some(())?;
        }
        Some(if live.frames.is_some() {
            Duration::ZERO
        } else {
            POLL
        })
    }
}

/// A watched environment.
struct Live {
    environment: usize,
    frames: Option<LiveFrames>,
    asked: Option<Instant>,
}

impl Live {
    fn new(environment: usize) -> Self {
        Live {
            environment,
            frames: None,
            asked: None,
        }
    }

    fn next(
        &mut self,
        run: &RunFolder,
        render: &SceneRenderer,
    ) -> Option<Result<LiveMoment, String>> {
        if self.frames.is_none() {
            if self
                .asked
                .is_some_and(|before| before.elapsed() < ASK_AGAIN)
            {
                return None;
            }
            self.asked = Some(Instant::now());
            match LiveFrames::open(run, self.environment, ANSWER_LIMIT) {
                Ok(frames) => self.frames = Some(frames),
                Err(error) => return Some(Err(error.to_string())),
            }
        }
        match self.frames.as_mut()?.next(LIVE_WAIT) {
            Ok(frame) => frame.map(|frame| {
                moment(frame, render).ok_or_else(|| "the worker sent no scene".to_owned())
            }),
            Err(error) => {
                self.frames = None;
                Some(Err(error.to_string()))
            }
        }
    }
}

fn moment(live: LiveFrame, render: &SceneRenderer) -> Option<LiveMoment> {
    let mut scene = live.scene;
    // The renderer of the program knows which actions are worth showing.
    if let Some(object) = scene.as_object_mut() {
        object.insert("actions".to_owned(), serde_json::json!(live.actions));
        object.insert("reward".to_owned(), serde_json::json!(live.reward));
    }
    Some(LiveMoment {
        frame: render(&scene)?,
        step: live.step,
        episode_return: live.episode_return,
        central: live.central,
        budget_left: live.budget_left,
        over: live.over,
    })
}

fn read_episode(run: &RunFolder, name: &str, render: &SceneRenderer) -> Result<Episode, String> {
    let path = run.media().join("episodes").join(format!("{name}.jsonl"));
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let length = std::fs::metadata(&path).map_err(failed)?.len();
    if length > LARGEST_EPISODE {
        return Err(format!("{}: too large to show", path.display()));
    }
    let text = std::fs::read_to_string(&path).map_err(failed)?;
    let frames = source::frames(&text, render);
    if frames.is_empty() {
        return Err(format!("{}: no episode", path.display()));
    }
    Ok(Episode {
        label: name.to_owned(),
        frames,
    })
}

/// Names of the files of a folder with an ending: step-900 before step-1000, `best` last.
fn recorded(folder: &Path, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_suffix(ending).map(str::to_owned)
        })
        .collect();
    names.sort_by_key(|name| {
        let step = name
            .strip_prefix("step-")
            .and_then(|step| step.parse().ok());
        (step.unwrap_or(u64::MAX), name.clone())
    });
    names
}
