//! The loop: threads that read become messages, messages change the model,
//! commands go to a thread of their own, and what changed is drawn.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use ratatui::crossterm::event::{self, Event};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use tracking::{RunFolder, unix_seconds};

use crate::error::TuiError;
use crate::model::{Leave, Model, is_alive};
use crate::source::{self, SceneRenderer, Watcher};
use crate::terminal::Screen;
use crate::theme::Surroundings;
use crate::update::{Cmd, Msg, update};
use crate::view::view;

/// Messages waiting for the screen; the readers wait when it is full.
const WAITING: usize = 256;
/// How long threads may take to end; the slowest one looks up every 100 milliseconds.
const JOIN_LIMIT: Duration = Duration::from_secs(2);
const FRAME: Duration = Duration::from_millis(50);
const BUSY_TICK: Duration = Duration::from_millis(100);
const IDLE_TICK: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(250);
const LIST_EVERY: u32 = 2;

/// What the dashboard asks of the program around it. Called on a thread of its own.
pub trait Host: Send + Sync {
    /// Asks a run to stop with a checkpoint; the answer is shown.
    ///
    /// # Errors
    /// Why not, in the words for the user.
    fn stop(&self, id: &str) -> Result<String, String>;

    /// Starts a run's worker again from its last checkpoint; the answer is shown.
    ///
    /// # Errors
    /// Why not, in the words for the user.
    fn resume(&self, id: &str) -> Result<String, String>;
}

/// How the dashboard is opened.
pub struct Options {
    /// The folder that holds the run folders.
    pub root: PathBuf,
    /// The run that it is opened for: selected first, and leaving asks while it runs.
    pub foreground: Option<String>,
    /// The run selected first, without the question.
    pub selected: Option<String>,
    /// What is known of the terminal.
    pub surroundings: Surroundings,
    /// Draws recorded scenes.
    pub render: Arc<SceneRenderer>,
    /// Stops and resumes runs.
    pub host: Arc<dyn Host>,
}

/// Opens the dashboard and returns when it was left; the terminal is as before.
///
/// # Errors
/// No terminal, or one that refuses.
pub fn run(options: Options) -> Result<Leave, TuiError> {
    let mut screen = Screen::take()?;
    let (messages, inbox) = bounded(WAITING);
    let threads = Threads::start(&options, &messages)?;
    let shown_root = options.root.display().to_string();
    let mut model = Model::new(&shown_root, options.surroundings, unix_seconds());
    model.foreground = options.foreground.clone();
    model.selected = options.selected.clone().or(options.foreground);
    let result = show(&mut screen, &mut model, &inbox, &threads);
    // The readers may wait on the full inbox; without it they see that it is gone.
    drop(inbox);
    let report = screen.reports();
    threads.join();
    drop(screen);
    let leave = result?;
    Ok(match report.last() {
        Some(text) if matches!(leave, Leave::Broken(_)) => Leave::Broken(text),
        _ => leave,
    })
}

fn show(
    screen: &mut Screen,
    model: &mut Model,
    inbox: &Receiver<Msg>,
    threads: &Threads,
) -> Result<Leave, TuiError> {
    let failed = |source| TuiError::Terminal {
        action: "write to",
        source,
    };
    let mut drawn = Instant::now();
    screen
        .terminal
        .draw(|frame| view(model, frame))
        .map_err(failed)?;
    loop {
        let busy = model.runs.iter().any(|run| is_alive(run.state))
            || (model.detail.episode.is_some() && !model.playback.frozen);
        let first = match inbox.recv_timeout(if busy { BUSY_TICK } else { IDLE_TICK }) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                return Ok(Leave::Broken("every reader is gone".to_owned()));
            }
        };
        let mut commands = update(model, Msg::Tick(unix_seconds()));
        for message in first.into_iter().chain(inbox.try_iter().take(WAITING)) {
            commands.extend(update(model, message));
        }
        for command in commands {
            if command == Cmd::Clear {
                screen.terminal.clear().map_err(failed)?;
            } else if let Some(refused) = threads.carry_out(command) {
                update(model, Msg::Done(Err(refused)));
            }
        }
        if let Some(leave) = model.leave.take() {
            return Ok(leave);
        }
        if let Some(wait) = FRAME.checked_sub(drawn.elapsed()) {
            std::thread::sleep(wait);
        }
        screen
            .terminal
            .draw(|frame| view(model, frame))
            .map_err(failed)?;
        drawn = Instant::now();
    }
}

/// The threads of the dashboard: named, owned, joined.
struct Threads {
    over: Arc<AtomicBool>,
    watch: Sender<String>,
    orders: Sender<Cmd>,
    signals: Handle,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    fn start(options: &Options, messages: &Sender<Msg>) -> Result<Self, TuiError> {
        let over = Arc::new(AtomicBool::new(false));
        let (watch, watched) = bounded(16);
        let (orders, ordered) = bounded(16);
        let mut signals =
            Signals::new([SIGTERM, SIGHUP, SIGINT]).map_err(|source| TuiError::Start {
                what: "the signal handlers",
                source,
            })?;
        let mut threads = Threads {
            over,
            watch,
            orders,
            signals: signals.handle(),
            handles: Vec::new(),
        };

        let (over, to) = (Arc::clone(&threads.over), messages.clone());
        threads.spawn("tui-input", messages, move || read_input(&over, &to))?;

        let (over, to) = (Arc::clone(&threads.over), messages.clone());
        let (root, render) = (options.root.clone(), Arc::clone(&options.render));
        threads.spawn("tui-source", messages, move || {
            read_runs(&over, &to, &watched, &root, &*render);
        })?;

        let (host, to) = (Arc::clone(&options.host), messages.clone());
        threads.spawn("tui-orders", messages, move || {
            for command in ordered {
                let answer = match command {
                    Cmd::Stop(id) => host.stop(&id),
                    Cmd::Resume(id) => host.resume(&id),
                    Cmd::Watch(_) | Cmd::Clear => continue,
                };
                if to.send(Msg::Done(answer)).is_err() {
                    return;
                }
            }
        })?;

        let to = messages.clone();
        threads.spawn("tui-signals", messages, move || {
            for signal in signals.forever() {
                if to.send(Msg::Signal(signal)).is_err() {
                    return;
                }
            }
        })?;
        Ok(threads)
    }

    fn spawn(
        &mut self,
        name: &'static str,
        messages: &Sender<Msg>,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), TuiError> {
        let to = messages.clone();
        let handle = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                if catch_unwind(AssertUnwindSafe(body)).is_err() {
                    let _ = to.send(Msg::ThreadDied(format!("{name} died")));
                }
            })
            .map_err(|source| TuiError::Start { what: name, source })?;
        self.handles.push(handle);
        Ok(())
    }

    /// Hands a command to its thread; what to tell when it cannot take it now.
    fn carry_out(&self, command: Cmd) -> Option<String> {
        let refused = match command {
            Cmd::Watch(id) => self.watch.try_send(id).is_err(),
            other => self.orders.try_send(other).is_err(),
        };
        refused.then(|| "still busy with what was asked before; try again".to_owned())
    }

    fn join(self) {
        self.over.store(true, Ordering::Relaxed);
        self.signals.close();
        drop((self.watch, self.orders));
        let limit = Instant::now() + JOIN_LIMIT;
        for handle in self.handles {
            // crossterm never comes back from reading a terminal that was closed: such a
            // thread ends with the process.
            while !handle.is_finished() && Instant::now() < limit {
                std::thread::sleep(FRAME);
            }
            if handle.is_finished() {
                // A panic was caught inside and reported as a message.
                let _ = handle.join();
            }
        }
    }
}

fn read_input(over: &AtomicBool, to: &Sender<Msg>) {
    while !over.load(Ordering::Relaxed) {
        let message = match event::poll(Duration::from_millis(100)) {
            Ok(false) => continue,
            Ok(true) => match event::read() {
                Ok(Event::Key(key)) => Msg::Key(key),
                Ok(Event::Resize(..)) => Msg::Resized,
                Ok(_) => continue,
                Err(error) => Msg::ThreadDied(format!("the keyboard cannot be read: {error}")),
            },
            Err(error) => Msg::ThreadDied(format!("the keyboard cannot be read: {error}")),
        };
        let last = matches!(message, Msg::ThreadDied(_));
        if to.send(message).is_err() || last {
            return;
        }
    }
}

fn read_runs(
    over: &AtomicBool,
    to: &Sender<Msg>,
    watched: &Receiver<String>,
    root: &std::path::Path,
    render: &SceneRenderer,
) {
    let mut watcher: Option<Watcher> = None;
    for round in 0_u32.. {
        if round.is_multiple_of(LIST_EVERY) && to.send(Msg::Runs(source::runs(root))).is_err() {
            return;
        }
        if let Some(news) = watcher.as_mut().and_then(|watcher| watcher.poll(render))
            && to.send(Msg::News(news)).is_err()
        {
            return;
        }
        match watched.recv_timeout(POLL) {
            Ok(id) => {
                let last = watched.try_iter().last().unwrap_or(id);
                watcher = RunFolder::open(&root.join(last)).ok().map(Watcher::new);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if over.load(Ordering::Relaxed) {
            return;
        }
    }
}
