//! The threads of the dashboard: named, owned, joined.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use ratatui::crossterm::event::{self, Event, MouseButton, MouseEventKind};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::{FRAME, Options};
use crate::error::TuiError;
use crate::host::{Answer, Host, Request};
use crate::look::{self, Look};
use crate::source::{Watched, Workers, read_runs, watch_machine};
use crate::update::{Cmd, MouseKind, Msg};

/// How long threads may take to end; the slowest one looks up every 100 milliseconds.
const JOIN_LIMIT: Duration = Duration::from_secs(2);
const KEY_POLL: Duration = Duration::from_millis(100);
/// Requests that may wait for their thread.
const ORDERS: usize = 64;

/// Whether the keyboard is read; another program may have it.
#[derive(Default)]
struct Hold {
    wanted: AtomicBool,
    holding: AtomicBool,
}

/// The keyboard belongs to another program until this is dropped.
pub(super) struct Held(Arc<Hold>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.wanted.store(false, Ordering::SeqCst);
    }
}

pub(super) struct Threads {
    over: Arc<AtomicBool>,
    hold: Arc<Hold>,
    watch: Sender<Watched>,
    looks: Sender<Look>,
    orders: Sender<Request>,
    signals: Handle,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(super) fn start(options: &Options, messages: &Sender<Msg>) -> Result<Self, TuiError> {
        let over = Arc::new(AtomicBool::new(false));
        let (watch, watched) = bounded(16);
        let (looks, looked) = bounded(16);
        let (orders, ordered) = bounded(ORDERS);
        let mut signals =
            Signals::new([SIGTERM, SIGHUP, SIGINT, SIGCONT]).map_err(|source| TuiError::Start {
                what: "the signal handlers",
                source,
            })?;
        let mut threads = Threads {
            over,
            hold: Arc::default(),
            watch,
            looks,
            orders,
            signals: signals.handle(),
            handles: Vec::new(),
        };

        let (over, to) = (Arc::clone(&threads.over), messages.clone());
        let hold = Arc::clone(&threads.hold);
        threads.spawn("tui-input", messages, move || read_input(&over, &hold, &to))?;

        let (over, to) = (Arc::clone(&threads.over), messages.clone());
        let (root, render) = (options.root.clone(), Arc::clone(&options.render));
        let workers = Workers::default();
        let found = Arc::clone(&workers);
        threads.spawn("tui-source", messages, move || {
            read_runs(&over, &to, &watched, &root, &*render, &found);
        })?;

        let (over, to) = (Arc::clone(&threads.over), messages.clone());
        let root = options.root.clone();
        threads.spawn("tui-machine", messages, move || {
            watch_machine(&over, &to, &root, &workers);
        })?;

        let (over, to) = (Arc::clone(&threads.over), messages.clone());
        let (root, render) = (options.root.clone(), Arc::clone(&options.render));
        threads.spawn("tui-look", messages, move || {
            look::serve(&over, &to, &looked, &root, &*render);
        })?;

        let (host, to) = (Arc::clone(&options.host), messages.clone());
        threads.spawn("tui-orders", messages, move || {
            take_orders(&host, &ordered, &to);
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

    /// Says what the job panes look at; false when the thread cannot take it now.
    pub(super) fn look(&self, look: Look) -> bool {
        self.looks.try_send(look).is_ok()
    }

    /// Hands a command to its thread; what to tell when it cannot take it now.
    pub(super) fn carry_out(&self, command: Cmd) -> Option<String> {
        let refused = match command {
            Cmd::Watch { selected, compared } => {
                self.watch.try_send(Watched { selected, compared }).is_err()
            }
            Cmd::Ask(request) => self.orders.try_send(request).is_err(),
            // The loop itself carries these out.
            Cmd::Copy(_) | Cmd::Edit { .. } | Cmd::Mouse(_) | Cmd::Clear | Cmd::Suspend => false,
        };
        refused.then(|| "still busy with what was asked before; try again".to_owned())
    }

    /// Stops reading the keyboard until the guard is dropped.
    pub(super) fn hold_input(&self) -> Held {
        self.hold.wanted.store(true, Ordering::SeqCst);
        let limit = Instant::now() + JOIN_LIMIT;
        while !self.hold.holding.load(Ordering::SeqCst) && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
        Held(Arc::clone(&self.hold))
    }

    pub(super) fn join(self) {
        self.over.store(true, Ordering::Relaxed);
        self.signals.close();
        drop((self.watch, self.looks, self.orders));
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

/// Requests in their order; those that take long on threads of their own.
fn take_orders(host: &Arc<dyn Host>, ordered: &Receiver<Request>, to: &Sender<Msg>) {
    for request in ordered {
        if request.is_long() {
            let (host, to) = (Arc::clone(host), to.clone());
            let started = std::thread::Builder::new()
                .name("tui-request".to_owned())
                .spawn(move || answer(&*host, request, &to));
            // The thread is not joined: what it runs is the Host's to end.
            if started.is_ok() {
                continue;
            }
            return;
        }
        answer(&**host, request, to);
    }
}

fn answer(host: &dyn Host, request: Request, to: &Sender<Msg>) {
    let tell = |answer: Answer| {
        let _ = to.send(Msg::Answer(answer));
    };
    let carried_out = catch_unwind(AssertUnwindSafe(|| host.carry_out(request, &tell)));
    tell(carried_out.unwrap_or_else(|_| {
        Answer::Said(Err(
            "the request broke off; nothing else is affected".to_owned()
        ))
    }));
}

fn read_input(over: &AtomicBool, hold: &Hold, to: &Sender<Msg>) {
    while !over.load(Ordering::Relaxed) {
        if hold.wanted.load(Ordering::SeqCst) {
            hold.holding.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(10));
            continue;
        }
        hold.holding.store(false, Ordering::SeqCst);
        let message = match event::poll(KEY_POLL) {
            Ok(false) => continue,
            Ok(true) => match event::read() {
                Ok(event) => match message(event) {
                    Some(message) => message,
                    None => continue,
                },
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

fn message(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) => Some(Msg::Key(key)),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(columns, rows) => Some(Msg::Resized(columns, rows)),
        Event::Mouse(mouse) => {
            let kind = match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => MouseKind::Click,
                MouseEventKind::Drag(MouseButton::Left) => MouseKind::Drag,
                MouseEventKind::ScrollUp => MouseKind::WheelUp,
                MouseEventKind::ScrollDown => MouseKind::WheelDown,
                _ => return None,
            };
            Some(Msg::Mouse(kind, mouse.column, mouse.row))
        }
        _ => None,
    }
}
