//! The loop: threads that read become messages, messages change the model, commands go
//! to threads of their own, and what changed is drawn.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};
use tracking::unix_seconds;

use crate::error::TuiError;
use crate::host::{Answer, Host};
use crate::look::Look;
use crate::model::{Leave, Model};
use crate::panes;
use crate::preferences::Preferences;
use crate::run::is_alive;
use crate::source::SceneRenderer;
use crate::terminal::Screen;
use crate::theme::{Role, Surroundings};
use crate::update::{Cmd, Msg, update};
use crate::view::view;

mod outside;
mod threads;

use threads::Threads;

/// Messages waiting for the screen; the readers wait when it is full.
const WAITING: usize = 256;
const FRAME: Duration = Duration::from_millis(50);
const BUSY_TICK: Duration = Duration::from_millis(100);
const IDLE_TICK: Duration = Duration::from_millis(500);

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
    /// What the user prefers, or what is wrong with the file that says so.
    pub preferences: Result<Preferences, String>,
    /// The user's editor, as a shell would run it.
    pub editor: String,
    /// Draws recorded scenes.
    pub render: Arc<SceneRenderer>,
    /// What is asked of the program around the dashboard.
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
    match options.preferences {
        Ok(preferences) => {
            screen.mouse(!preferences.no_mouse)?;
            model = model.with_preferences(preferences);
        }
        Err(text) => model.notify(text, Role::Bad),
    }
    if let Ok(size) = screen.terminal.size() {
        model.size = (size.width, size.height);
    }
    model.foreground = options.foreground.clone();
    model.selected = options.selected.clone().or(options.foreground);
    let mut dashboard = Dashboard {
        screen: &mut screen,
        model,
        threads: &threads,
        looked: Look::Nothing,
        editor: &options.editor,
    };
    let result = dashboard.show(&inbox);
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

struct Dashboard<'a> {
    screen: &'a mut Screen,
    model: Model,
    threads: &'a Threads,
    /// What the job panes were said to look at.
    looked: Look,
    editor: &'a str,
}

impl Dashboard<'_> {
    fn show(&mut self, inbox: &Receiver<Msg>) -> Result<Leave, TuiError> {
        self.draw()?;
        // The list of runs, which comes next, is not made to wait for its turn.
        let now = Instant::now();
        let mut drawn = now.checked_sub(FRAME).unwrap_or(now);
        loop {
            let first = match inbox.recv_timeout(self.tick()) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Leave::Broken("every reader is gone".to_owned()));
                }
            };
            let before = self.beat();
            let mut changed = false;
            let mut commands = update(&mut self.model, Msg::Tick(unix_seconds()));
            for message in first.into_iter().chain(inbox.try_iter().take(WAITING)) {
                changed = true;
                commands.extend(update(&mut self.model, message));
            }
            for command in commands {
                self.carry_out(command)?;
            }
            self.look();
            if let Some(leave) = self.model.leave.take() {
                return Ok(leave);
            }
            if !changed && self.beat() == before {
                continue;
            }
            if let Some(wait) = FRAME.checked_sub(drawn.elapsed()) {
                std::thread::sleep(wait);
            }
            self.draw()?;
            drawn = Instant::now();
        }
    }

    /// Passes on what the job panes look at, when it changed.
    fn look(&mut self) {
        let look = panes::look(&self.model);
        if look != self.looked && self.threads.look(look.clone()) {
            self.looked = look;
        }
    }

    /// What changes by the clock alone: whole seconds and animations.
    fn beat(&self) -> (u64, u64, bool) {
        (
            self.model.now as u64,
            panes::beat(&self.model),
            self.model.notice.is_some(),
        )
    }

    fn tick(&self) -> Duration {
        let alive = self.model.runs.iter().any(|run| is_alive(run.state));
        if alive || panes::is_animated(&self.model) {
            BUSY_TICK
        } else {
            IDLE_TICK
        }
    }

    fn draw(&mut self) -> Result<(), TuiError> {
        let model = &self.model;
        self.screen
            .terminal
            .draw(|frame| view(model, frame))
            .map(|_| ())
            .map_err(|source| TuiError::Terminal {
                action: "write to",
                source,
            })
    }

    fn carry_out(&mut self, command: Cmd) -> Result<(), TuiError> {
        match command {
            Cmd::Clear => self.screen.clear()?,
            Cmd::Copy(text) => self.screen.copy(&text)?,
            Cmd::Mouse(on) => self.screen.mouse(on)?,
            Cmd::Suspend => {
                let _still = self.threads.hold_input();
                self.screen.suspend()?;
            }
            Cmd::Edit { text, ending } => {
                let _still = self.threads.hold_input();
                let editor = self.editor;
                let edited = self.screen.lend(|| outside::edit(editor, &text, ending))?;
                let commands = update(&mut self.model, Msg::Edited(edited));
                for command in commands {
                    self.carry_out(command)?;
                }
            }
            other => {
                if let Some(refused) = self.threads.carry_out(other) {
                    update(&mut self.model, Msg::Answer(Answer::Said(Err(refused))));
                }
            }
        }
        Ok(())
    }
}
