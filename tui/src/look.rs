//! What the pane of a kind of job wants to see beyond the events of its run, and the
//! thread that reads it: other recorded episodes, maps of calls, live episodes, search
//! logs.
//!
//! The model says what is looked at ([`crate::panes::look`]); nothing is read, and no
//! worker is asked for frames, for a pane that is not on the screen.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use tracking::RunFolder;
use tracking::control::{LiveFrame, LiveFrames};
use tracking::search_log::{self, SLICE, SearchEvent, SearchReader};
use tracking::switching::CallMap;

use crate::detail::{Episode, WorldFrame};
use crate::source::{self, SceneRenderer};
use crate::update::Msg;

/// How often folders are looked through.
const LIST_EVERY: Duration = Duration::from_millis(1_000);
/// How often a search log is looked at.
const POLL: Duration = Duration::from_millis(250);
/// How long a live frame is waited for before orders are looked at.
const LIVE_WAIT: Duration = Duration::from_millis(50);
/// How long a worker may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_millis(1_500);
/// Pause before a worker that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// Larger episodes are not opened.
const LARGEST_EPISODE: u64 = 32 * 1024 * 1024;

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// Nothing beyond the events.
    #[default]
    Nothing,
    /// The world of a training.
    World {
        /// The run.
        run: String,
        /// A recorded episode by name; none for the newest, which the run's reader has.
        episode: Option<String>,
        /// A map of calls by name; none for the newest.
        map: Option<String>,
        /// The environment that is watched while the run trains.
        live: Option<usize>,
    },
    /// The tree of a search.
    Search {
        /// The run.
        run: String,
        /// The question by the name of its file; none for the first.
        question: Option<String>,
    },
}

/// What was seen.
#[derive(Clone, Debug)]
pub enum Seen {
    /// Names of recorded episodes and of maps of calls.
    Recorded {
        /// The run.
        run: String,
        /// Episodes: by step, `best` last.
        episodes: Vec<String>,
        /// Maps of calls in the same order.
        maps: Vec<String>,
    },
    /// The episode that was asked for.
    Episode {
        /// The run.
        run: String,
        /// It, or why not.
        episode: Result<Episode, String>,
    },
    /// A map of calls.
    Map {
        /// The run.
        run: String,
        /// Its name.
        name: String,
        /// It, or why not.
        map: Result<CallMap, String>,
    },
    /// A moment of a live episode, or why there is none.
    Live {
        /// The run.
        run: String,
        /// The environment.
        environment: usize,
        /// It.
        moment: Result<LiveMoment, String>,
    },
    /// The questions of a search.
    Questions {
        /// The run.
        run: String,
        /// Names of their files.
        questions: Vec<String>,
    },
    /// A part of a search log.
    Search {
        /// The run.
        run: String,
        /// The question.
        question: String,
        /// What was read before is void.
        anew: bool,
        /// The next events.
        events: Vec<SearchEvent>,
        /// Lines that are no events, so far.
        damaged: u64,
        /// There is more to read.
        more: bool,
    },
}

/// A moment of a live episode, ready to draw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveMoment {
    /// The board.
    pub frame: WorldFrame,
    /// Steps played in this episode.
    pub step: u64,
    /// The team's return so far.
    pub episode_return: f64,
    /// Whether the coming step is a central call; none without a switch.
    pub central: Option<bool>,
    /// Share of the call budget that is left.
    pub budget_left: Option<f64>,
    /// The episode is over.
    pub over: bool,
}

/// Reads what is looked at until the dashboard is over.
pub(crate) fn serve(
    over: &AtomicBool,
    to: &Sender<Msg>,
    looks: &Receiver<Look>,
    root: &Path,
    render: &SceneRenderer,
) {
    let mut reader = Reader::of(root, Look::Nothing);
    while !over.load(Ordering::Relaxed) {
        let tell = |seen: Seen| to.send(Msg::Seen(seen)).is_ok();
        let Some(wait) = reader.read(render, &tell) else {
            return;
        };
        match looks.recv_timeout(wait) {
            Ok(look) => {
                let look = looks.try_iter().last().unwrap_or(look);
                reader = reader.turn(root, look);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

enum Reader {
    Nothing,
    World(Box<World>),
    Search(Box<Search>),
}

impl Reader {
    fn of(root: &Path, look: Look) -> Self {
        match look {
            Look::Nothing => Reader::Nothing,
            Look::World {
                run,
                episode,
                map,
                live,
            } => RunFolder::open(&root.join(&run)).map_or(Reader::Nothing, |folder| {
                Reader::World(Box::new(World {
                    run,
                    folder,
                    listed: None,
                    names: Default::default(),
                    wanted_episode: episode,
                    told_episode: None,
                    wanted_map: map,
                    told_map: None,
                    live: live.map(Live::new),
                }))
            }),
            Look::Search { run, question } => {
                RunFolder::open(&root.join(&run)).map_or(Reader::Nothing, |folder| {
                    Reader::Search(Box::new(Search {
                        run,
                        folder: folder.searches(),
                        listed: None,
                        names: Vec::new(),
                        wanted: question,
                        reader: None,
                        fresh: true,
                    }))
                })
            }
        }
    }

    /// The reader for something else; what stays the same is not read again.
    fn turn(self, root: &Path, look: Look) -> Self {
        match (self, look) {
            (
                Reader::World(mut world),
                Look::World {
                    run,
                    episode,
                    map,
                    live,
                },
            ) if world.run == run => {
                if world.wanted_episode != episode {
                    world.wanted_episode = episode;
                    world.told_episode = None;
                }
                if world.wanted_map != map {
                    world.wanted_map = map;
                    world.told_map = None;
                }
                if world.live.as_ref().map(|one| one.environment) != live {
                    world.live = live.map(Live::new);
                }
                Reader::World(world)
            }
            (_, look) => Reader::of(root, look),
        }
    }

    /// Reads what is due and tells how long to wait; `None` when nobody listens.
    fn read(&mut self, render: &SceneRenderer, tell: &dyn Fn(Seen) -> bool) -> Option<Duration> {
        match self {
            Reader::Nothing => Some(LIST_EVERY),
            Reader::World(world) => world.read(render, tell),
            Reader::Search(search) => search.read(tell),
        }
    }
}

/// Whether a list is to be read again.
fn due(listed: &mut Option<Instant>) -> bool {
    let now = Instant::now();
    if listed.is_some_and(|before| now.duration_since(before) < LIST_EVERY) {
        return false;
    }
    *listed = Some(now);
    true
}

struct World {
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
    fn read(&mut self, render: &SceneRenderer, tell: &dyn Fn(Seen) -> bool) -> Option<Duration> {
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

struct Search {
    run: String,
    folder: PathBuf,
    listed: Option<Instant>,
    names: Vec<(String, PathBuf)>,
    wanted: Option<String>,
    reader: Option<(String, SearchReader)>,
    /// Nothing of the log was told yet.
    fresh: bool,
}

impl Search {
    fn read(&mut self, tell: &dyn Fn(Seen) -> bool) -> Option<Duration> {
        let run = self.run.clone();
        if due(&mut self.listed)
            && let Ok(names) = search_log::questions(&self.folder)
            && names != self.names
        {
            self.names = names;
            let questions = self.names.iter().map(|(name, _)| name.clone()).collect();
            let run = run.clone();
            tell(Seen::Questions { run, questions }).then_some(())?;
        }
        if self.reader.is_none() {
            let wanted = |(name, _): &&(String, PathBuf)| {
                self.wanted.as_ref().is_none_or(|wanted| wanted == name)
            };
            let found = self.names.iter().find(wanted);
            self.reader = found.map(|(name, path)| (name.clone(), SearchReader::open(path)));
        }
        let Some((question, reader)) = &mut self.reader else {
            return Some(POLL);
        };
        // A file that cannot be read now may be readable later.
        let Ok(slice) = reader.poll(SLICE) else {
            return Some(LIST_EVERY);
        };
        let more = slice.more;
        if slice.anew || !slice.events.is_empty() {
            let anew = slice.anew || std::mem::take(&mut self.fresh);
            tell(Seen::Search {
                run,
                question: question.clone(),
                anew,
                events: slice.events,
                damaged: reader.damaged(),
                more,
            })
            .then_some(())?;
        }
        Some(if more { Duration::ZERO } else { POLL })
    }
}

#[cfg(test)]
mod tests;
