//! Taking the terminal and giving it back, whatever happens.
//!
//! ratatui's own panic hook leaves the alternate screen when *any* thread
//! panics, while the dashboard goes on drawing. Here only a panic of the thread
//! that owns the screen gives it back; the others are reported as messages.

use std::io::{IsTerminal, Stdout, stdin, stdout};
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::clipboard::CopyToClipboard;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use crate::error::TuiError;

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync + 'static;

/// The terminal in raw mode on its alternate screen; dropped, it is as before.
pub(crate) struct Screen {
    pub(crate) terminal: Terminal<CrosstermBackend<Stdout>>,
    hook: Arc<Hook>,
    reports: Reports,
    mouse: bool,
}

/// Panics of other threads, in the words of the default hook's first line.
#[derive(Clone, Default)]
pub(crate) struct Reports(Arc<Mutex<Vec<String>>>);

impl Reports {
    /// The last report, if a thread panicked.
    pub(crate) fn last(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last()
            .cloned()
    }

    fn add(&self, report: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(report);
    }
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// Not a terminal, or one that refuses raw mode or the alternate screen.
    pub(crate) fn take() -> Result<Self, TuiError> {
        if !stdin().is_terminal() {
            return Err(TuiError::NoTerminal {
                stream: "standard input",
            });
        }
        if !stdout().is_terminal() {
            return Err(TuiError::NoTerminal {
                stream: "standard output",
            });
        }
        take_again(true)?;
        let terminal = match Terminal::new(CrosstermBackend::new(stdout())) {
            Ok(terminal) => terminal,
            Err(source) => {
                give_back();
                return Err(TuiError::Terminal {
                    action: "measure",
                    source,
                });
            }
        };
        let hook: Arc<Hook> = Arc::from(std::panic::take_hook());
        let reports = Reports::default();
        install(&hook, &reports, std::thread::current().id());
        Ok(Screen {
            terminal,
            hook,
            reports,
            mouse: true,
        })
    }

    /// Draws everything anew. Raw mode is set again too: a shell that had the terminal
    /// in between may have changed it.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(crate) fn clear(&mut self) -> Result<(), TuiError> {
        take_again(self.mouse)?;
        self.terminal.clear().map_err(unwritable)
    }

    /// Puts a text into the terminal's clipboard, where it allows that.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(crate) fn copy(&mut self, text: &str) -> Result<(), TuiError> {
        execute!(stdout(), CopyToClipboard::to_clipboard_from(text)).map_err(unwritable)
    }

    /// Hears the mouse, or leaves it to the terminal.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(crate) fn mouse(&mut self, on: bool) -> Result<(), TuiError> {
        self.mouse = on;
        let written = if on {
            execute!(stdout(), EnableMouseCapture)
        } else {
            execute!(stdout(), DisableMouseCapture)
        };
        written.map_err(unwritable)
    }

    /// Gives the terminal to another program while it runs.
    ///
    /// # Errors
    /// The terminal cannot be taken again.
    pub(crate) fn lend<T>(&mut self, borrower: impl FnOnce() -> T) -> Result<T, TuiError> {
        give_back();
        let result = borrower();
        self.clear()?;
        Ok(result)
    }

    /// Stops the process as Ctrl-z does for any program, and returns when it goes on.
    ///
    /// # Errors
    /// The terminal cannot be taken again.
    pub(crate) fn suspend(&mut self) -> Result<(), TuiError> {
        self.lend(|| {
            // The whole group, so that a program that started this one stops as well.
            // Without a shell that could continue it the system ignores the signal.
            let _ = rustix::process::kill_current_process_group(rustix::process::Signal::TSTP);
        })
    }

    pub(crate) fn reports(&self) -> Reports {
        self.reports.clone()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        if !std::thread::panicking() {
            let before = Arc::clone(&self.hook);
            std::panic::set_hook(Box::new(move |info| before(info)));
        }
    }
}

fn install(before: &Arc<Hook>, reports: &Reports, owner: ThreadId) {
    let (before, reports) = (Arc::clone(before), reports.clone());
    std::panic::set_hook(Box::new(move |info| {
        let thread = std::thread::current();
        if thread.id() == owner {
            give_back();
            before(info);
        } else {
            reports.add(format!(
                "thread {}: {info}",
                thread.name().unwrap_or("without a name")
            ));
        }
    }));
}

fn unwritable(source: std::io::Error) -> TuiError {
    TuiError::Terminal {
        action: "write to",
        source,
    }
}

/// Raw mode, the alternate screen, pasting and the mouse.
fn take_again(mouse: bool) -> Result<(), TuiError> {
    enable_raw_mode().map_err(|source| TuiError::Terminal {
        action: "set up",
        source,
    })?;
    let entered = execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide);
    let heard = if mouse {
        execute!(stdout(), EnableMouseCapture)
    } else {
        Ok(())
    };
    entered.and(heard).map_err(|source| {
        give_back();
        unwritable(source)
    })
}

/// Best effort: there is nobody to tell when the terminal is gone.
fn give_back() {
    let _ = execute!(
        stdout(),
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
}

/// Columns and rows of the terminal, when there is one.
#[must_use]
pub fn terminal_size() -> Option<(u16, u16)> {
    ratatui::crossterm::terminal::size().ok()
}
