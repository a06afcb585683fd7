//! The dashboard on a pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::harness::{Place, eventually, signal};

const LEAVE_ALTERNATE: &str = "\u{1b}[?1049l";
const ENTER_ALTERNATE: &str = "\u{1b}[?1049h";

/// The text without escape sequences and spaces.
fn squeezed(text: &str) -> String {
    let mut kept = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // Up to the letter that ends the sequence; the bracket is no letter.
            let _ = characters.find(char::is_ascii_alphabetic);
        } else if !character.is_whitespace() {
            kept.push(character);
        }
    }
    kept
}

/// A terminal of 100x30 with `concord` in it.
struct Screen {
    ours: File,
    theirs: OwnedFd,
    child: Child,
    seen: String,
}

impl Screen {
    fn open(place: &Place, behaviour: &str, arguments: &[&str]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&ours).expect("its other end");
        unlockpt(&ours).expect("its other end");
        let name = ptsname(&ours, Vec::new()).expect("a name");
        let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())
            .expect("its other end");
        let size = Winsize {
            ws_row: 30,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&theirs, size).expect("a size");
        rustix::io::ioctl_fionbio(&ours, true).expect("a terminal that can be polled");
        let end = || Stdio::from(theirs.try_clone().expect("a copy"));
        let child = place
            .concord(arguments)
            .env("FAKE_WORKER", behaviour)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("concord starts");
        Screen {
            ours: File::from(ours),
            theirs,
            child,
            seen: String::new(),
        }
    }

    /// Reads until the words were shown. Cells that were blank before are skipped by
    /// the drawing, so spaces and cursor movements do not count.
    fn until(&mut self, words: &str) {
        let wanted = squeezed(words);
        eventually(words, || {
            let mut bytes = [0; 4096];
            match self.ours.read(&mut bytes) {
                Ok(read) => self.seen.push_str(&String::from_utf8_lossy(&bytes[..read])),
                Err(error) => assert_eq!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock,
                    "{}",
                    self.seen
                ),
            }
            self.seen.contains(words)
                || (!wanted.is_empty() && squeezed(&self.seen).contains(&wanted))
        });
    }

    fn press(&mut self, keys: &str) {
        self.ours
            .write_all(keys.as_bytes())
            .expect("a writable terminal");
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.theirs)
            .expect("a terminal")
            .local_modes
            .contains(LocalModes::ECHO)
    }

    /// Waits for the end; the terminal is as before. Returns the exit code.
    fn end(&mut self) -> Option<i32> {
        self.until(LEAVE_ALTERNATE);
        let mut code = None;
        eventually("the end of concord", || {
            // What it prints last must be read, or it waits for the terminal.
            let mut bytes = [0; 4096];
            if let Ok(read) = self.ours.read(&mut bytes) {
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            code = self.child.try_wait().expect("a child");
            code.is_some()
        });
        assert!(self.echoes(), "raw mode is off again");
        code.and_then(|status| status.code())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_bare_command_opens_it_and_q_gives_the_terminal_back() {
    let place = Place::new();
    let mut screen = Screen::open(&place, "", &[]);
    screen.until("concord config presets");
    assert!(screen.seen.starts_with(ENTER_ALTERNATE) && !screen.echoes());
    screen.press("?");
    screen.until("leave the dashboard; runs keep going");
    screen.press("?");
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let place = Place::new();
    let mut screen = Screen::open(&place, "", &[]);
    screen.until("concord config presets");
    signal(&screen.child, Signal::TERM);
    assert_eq!(screen.end(), Some(0));
}

/// The library that reads the keyboard never comes back from a terminal that was closed.
#[test]
fn a_closed_terminal_ends_it() {
    let place = Place::new();
    let mut screen = Screen::open(&place, "", &[]);
    screen.until("concord config presets");
    screen.ours = File::open("/dev/null").expect("a file in place of the terminal");
    signal(&screen.child, Signal::HUP);
    eventually("the end of concord", || {
        screen.child.try_wait().expect("a child").is_some()
    });
}

#[test]
fn training_is_shown_live_and_its_result_stays_on_the_normal_screen() {
    let place = Place::new();
    let mut screen = Screen::open(&place, "", &["train", "demo"]);
    screen.until("finished with exit code 0");
    screen.until("100%");
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
    let after = screen
        .seen
        .rsplit(LEAVE_ALTERNATE)
        .next()
        .expect("a rest")
        .to_owned();
    let folder = place.run_folder();
    let id = folder
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    screen.seen = after;
    screen.until("ckpt/step-100");
    assert!(
        screen.seen.contains(&format!("runs/{id}")),
        "{}",
        screen.seen
    );
}

#[test]
fn leaving_a_running_training_asks_and_stopping_ends_with_its_code() {
    let place = Place::new();
    let mut screen = Screen::open(&place, "wait", &["train", "demo"]);
    screen.until("running");
    screen.until("evaluation at 10");
    screen.press("q");
    screen.until("Leave the dashboard?");
    screen.press("x");
    screen.until("■ stopped");
    screen.press("q");
    assert_eq!(screen.end(), Some(5));
    assert_eq!(place.state().as_deref(), Some("interrupted"));
}

#[test]
fn no_room_for_the_dashboard_means_plain_progress() {
    let place = Place::new();
    let answer = place.run(&["train", "demo", "--ui", "tui"]);
    assert_eq!(answer.code, Some(0));
    assert!(
        answer.stderr.contains("going on with --ui plain") && !answer.stdout.contains('\u{1b}'),
        "{}",
        answer.stderr
    );
}
