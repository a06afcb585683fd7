//! Live episodes over the control socket: what an actor shows and a watcher receives.
//!
//! A watcher sends `{"v":1,"command":"watch","environment":3}` and, after the reply,
//! receives a [`LiveFrame`] per line, at most ten a second, and an empty line now and
//! then while there is none. Training plays far faster than that: frames picked at that
//! rate would come from a different episode each and show no play. So a watcher is shown
//! one whole episode, and the next one that begins after he has seen it. Actors make
//! nothing for a watcher who still has frames to see, and never wait for one.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::event::encoding::number;

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// An empty line after this long without a frame finds watchers that left.
const QUIET: Duration = Duration::from_secs(1);
/// Frames kept of one episode; what follows is not shown.
const LONGEST_EPISODE: usize = 1000;
/// Watchers at the same time.
const MOST_WATCHERS: usize = 16;

/// One moment of an environment that is being trained in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveFrame {
    /// Which of the run's training environments, from 0.
    pub environment: usize,
    /// Steps played in this episode.
    pub step: u64,
    /// The scene, as recorded episodes hold it.
    pub scene: serde_json::Value,
    /// Whether the switch chose central (or independent) play for the coming step; nothing
    /// without a switch and at the end of an episode.
    pub central: Option<bool>,
    /// Share of the budget of central calls that is left, 0 to 1; nothing without a budget.
    pub budget_left: Option<f64>,
    /// The team's return in this episode so far.
    #[serde(with = "number")]
    pub episode_return: f64,
    /// The team's reward of the last step; 0 at the start.
    #[serde(with = "number", default)]
    pub reward: f64,
    /// The joint action of the last step, an index per agent; empty at the start.
    #[serde(default)]
    pub actions: Vec<u8>,
    /// Whether the episode is over.
    #[serde(default)]
    pub over: bool,
}

/// Where actors show episodes and watchers take their seats.
#[derive(Debug)]
pub struct LiveStage {
    environments: usize,
    watchers: AtomicUsize,
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    taken: Vec<Arc<Seat>>,
    closed: bool,
}

/// A watcher, as an actor sees him.
#[derive(Debug, Clone)]
pub struct LiveWatcher(Arc<Seat>);

#[derive(Debug)]
struct Seat {
    environment: usize,
    view: Mutex<View>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct View {
    frames: VecDeque<LiveFrame>,
    closed: bool,
}

/// What a watcher is to do next.
enum Next {
    Show(Box<LiveFrame>),
    Nothing,
    Leave,
}

impl LiveStage {
    /// A stage for that many environments.
    pub fn new(environments: usize) -> Arc<Self> {
        Arc::new(Self {
            environments,
            watchers: AtomicUsize::new(0),
            seats: Mutex::default(),
        })
    }

    /// Watchers of these environments that have seen all that they were shown. Without any
    /// watcher this is one relaxed read.
    pub fn waiting(&self, environments: Range<usize>) -> Vec<LiveWatcher> {
        if self.watchers.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        self.seats()
            .taken
            .iter()
            .filter(|seat| environments.contains(&seat.environment))
            .filter(|seat| seat.view().frames.is_empty())
            .map(|seat| LiveWatcher(Arc::clone(seat)))
            .collect()
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why this environment cannot be watched now.
    pub(super) fn refusal(&self, environment: usize) -> Option<String> {
        if environment >= self.environments {
            return Some(format!(
                "environment {environment} - allowed: 0 to {} - this run trains in {} environments",
                self.environments.saturating_sub(1),
                self.environments
            ));
        }
        (self.watchers.load(Ordering::Relaxed) >= MOST_WATCHERS).then(|| {
            format!("{MOST_WATCHERS} watchers at once are enough - close one of them first")
        })
    }

    /// Sends frames until the watcher leaves or [`LiveStage::close`].
    pub(super) fn serve(&self, environment: usize, mut stream: &UnixStream) -> io::Result<()> {
        let taken = Taken::new(self, environment);
        let mut due = Instant::now();
        loop {
            match taken.seat.next(due) {
                Next::Show(frame) => {
                    super::write_line(stream, &frame)?;
                    due = Instant::now() + FRAME;
                }
                Next::Nothing => stream.write_all(b"\n")?,
                Next::Leave => return Ok(()),
            }
        }
    }

    /// Sends every watcher away.
    pub(super) fn close(&self) {
        let mut seats = self.seats();
        seats.closed = true;
        for seat in &seats.taken {
            seat.view().closed = true;
            seat.changed.notify_all();
        }
    }
}

impl LiveWatcher {
    /// Which environment is watched.
    pub fn environment(&self) -> usize {
        self.0.environment
    }

    /// Adds a moment to what the watcher will see; never waits for him.
    pub fn show(&self, frame: LiveFrame) {
        let mut view = self.0.view();
        if view.frames.len() < LONGEST_EPISODE {
            view.frames.push_back(frame);
            self.0.changed.notify_all();
        }
    }
}

impl Seat {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next frame, not before `due`.
    fn next(&self, due: Instant) -> Next {
        let asked = Instant::now();
        let mut view = self.view();
        loop {
            if view.closed {
                return Next::Leave;
            }
            let early = due.saturating_duration_since(Instant::now());
            let wait = match view.frames.is_empty() {
                false if early.is_zero() => {
                    let frame = view.frames.pop_front();
                    return frame.map_or(Next::Nothing, |frame| Next::Show(Box::new(frame)));
                }
                false => early,
                true => QUIET.saturating_sub(asked.elapsed()),
            };
            if wait.is_zero() {
                return Next::Nothing;
            }
            view = self
                .changed
                .wait_timeout(view, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// A seat in use; given back when dropped.
struct Taken<'a> {
    stage: &'a LiveStage,
    seat: Arc<Seat>,
}

impl<'a> Taken<'a> {
    fn new(stage: &'a LiveStage, environment: usize) -> Self {
        let mut seats = stage.seats();
        let seat = Arc::new(Seat {
            environment,
            view: Mutex::new(View {
                closed: seats.closed,
                ..View::default()
            }),
            changed: Condvar::new(),
        });
        seats.taken.push(Arc::clone(&seat));
        stage.watchers.fetch_add(1, Ordering::Relaxed);
        Self { stage, seat }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.stage.watchers.fetch_sub(1, Ordering::Relaxed);
        self.stage
            .seats()
            .taken
            .retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}
