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
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
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
        execute!(stdout(), Clear(ClearType::All)).map_err(unwritable)?;
        // Not `Terminal::clear`: it asks the terminal for its cursor and waits for an
        // answer that the thread of the keyboard may take away.
        self.terminal = Terminal::new(CrosstermBackend::new(stdout())).map_err(unwritable)?;
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

    use super::*;

    const LEAVE_ALTERNATE: &str = "\u{1b}[?1049l";

    /// Runs one of the ignored tests below on a pseudo-terminal; what it wrote, and
    /// whether the terminal echoes afterwards.
    fn on_a_terminal(test: &str) -> (String, bool) {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&ours).expect("its other end");
        unlockpt(&ours).expect("its other end");
        let name = ptsname(&ours, Vec::new()).expect("a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let theirs = rustix::fs::open(name, flags, Mode::empty()).expect("its other end");
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&theirs, size).expect("a size");
        rustix::io::ioctl_fionbio(&ours, true).expect("a terminal that can be polled");
        let end = || Stdio::from(theirs.try_clone().expect("a copy"));
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", test, "--ignored", "--nocapture"])
            .process_group(0)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("this program starts");
        let (mut ours, mut seen) = (File::from(ours), String::new());
        loop {
            let over = child.try_wait().expect("a child").is_some();
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = ours.read(&mut bytes) {
                seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            if over {
                break;
            }
            std::thread::yield_now();
        }
        let modes = tcgetattr(&theirs).expect("a terminal").local_modes;
        (seen, modes.contains(LocalModes::ECHO))
    }

    #[test]
    #[ignore = "ends in a panic; another test runs it on a terminal of its own"]
    fn panics_with_the_screen() {
        let _screen = Screen::take().expect("a terminal");
        panic!("the screen's own thread");
    }

    #[test]
    #[ignore = "takes the terminal; another test runs it on one of its own"]
    fn draws_on_after_another_thread_panicked() {
        let mut screen = Screen::take().expect("a terminal");
        let other = std::thread::Builder::new().name("reader".to_owned());
        let died = other.spawn(|| panic!("out of bounds")).expect("a thread");
        assert!(died.join().is_err());
        let report = screen.reports().last().expect("a report");
        screen
            .terminal
            .draw(|frame| frame.render_widget(report.as_str(), frame.area()))
            .expect("a terminal");
    }

    #[test]
    fn a_panic_of_the_screens_thread_gives_the_terminal_back_before_its_report() {
        let (seen, echoes) = on_a_terminal("terminal::tests::panics_with_the_screen");
        let left = seen.find(LEAVE_ALTERNATE).expect("the screen was left");
        let told = seen.find("the screen's own thread").expect("a report");
        assert!(left < told, "{seen:?}");
        assert!(echoes, "raw mode is off again");
    }

    #[test]
    fn a_panic_of_another_thread_leaves_the_screen_alone() {
        let name = "terminal::tests::draws_on_after_another_thread_panicked";
        let (seen, echoes) = on_a_terminal(name);
        let left = seen.rfind(LEAVE_ALTERNATE).expect("the screen was left");
        let told = seen.find("reader:").expect("the report is drawn");
        assert!(told < left, "drawn before the screen was left: {seen:?}");
        assert_eq!(seen.matches(LEAVE_ALTERNATE).count(), 1);
        assert!(echoes, "raw mode is off again");
    }
}
