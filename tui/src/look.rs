//! What the pane of a kind of job wants to see beyond the events of its run, and the
//! thread that reads it: other recorded episodes, maps of calls, live episodes, search
//! logs.
//!
//! The model says what is looked at ([`crate::panes::look`]); nothing is read, and no
//! worker is asked for frames, for a pane that is not on the screen.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use tracking::RunFolder;
use tracking::search_log::{Outcome, SearchEvent};
use tracking::switching::CallMap;

use crate::detail::{Episode, WorldFrame};
use crate::source::SceneRenderer;
use crate::update::Msg;

mod search;
mod world;

use search::{Search, Searches};
use world::World;

/// How often folders are looked through.
const LIST_EVERY: Duration = Duration::from_millis(1_000);
/// How often a search log is looked at.
const POLL: Duration = Duration::from_millis(250);

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
        /// The question by the name of its file; none for the one that is searched now.
        question: Option<String>,
    },
    /// What the searches of several runs came to.
    Searches {
        /// The runs.
        runs: Vec<String>,
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
    /// The questions of a search, and where they stand.
    Outcomes {
        /// The run.
        run: String,
        /// In the order of their names.
        outcomes: Vec<Outcome>,
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
    Searches(Vec<Searches>),
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
                Reader::World(Box::new(World::new(folder, run, episode, map, live)))
            }),
            Look::Search { run, question } => RunFolder::open(&root.join(&run))
                .map_or(Reader::Nothing, |folder| {
                    Reader::Search(Box::new(Search::new(run, &folder, question)))
                }),
            Look::Searches { runs } => {
                let folders = runs
                    .iter()
                    .filter_map(|run| RunFolder::open(&root.join(run)).ok());
                Reader::Searches(folders.map(|folder| Searches::of(&folder)).collect())
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
            ) if world.is_of(&run) => {
                world.turn(episode, map, live);
                Reader::World(world)
            }
            (Reader::Search(mut search), Look::Search { run, question }) if search.is_of(&run) => {
                search.turn(question);
                Reader::Search(search)
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
            Reader::Searches(all) => {
                let waits: Option<Vec<Duration>> =
                    all.iter_mut().map(|one| one.read(tell)).collect();
                Some(waits?.into_iter().min().unwrap_or(LIST_EVERY))
            }
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

#[cfg(test)]
mod tests;
