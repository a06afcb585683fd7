//! The dashboard on a pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::harness::{Place, eventually, signal};

const LEAVE_ALTERNATE: &str = "\u{1b}[?1049l";
const ENTER_ALTERNATE: &str = "\u{1b}[?1049h";

/// What an empty folder shows.
pub const NO_RUNS: &str = "concord train demo";

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
pub struct Screen {
    ours: File,
    theirs: OwnedFd,
    child: Child,
    pub seen: String,
}

impl Screen {
    fn open(place: &Place, behaviour: &str, arguments: &[&str]) -> Self {
        Screen::of_size(place, behaviour, arguments, (100, 30), &[])
    }

    pub fn of_size(
        place: &Place,
        behaviour: &str,
        arguments: &[&str],
        size: (u16, u16),
        environment: &[(&str, &str)],
    ) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&ours).expect("its other end");
        unlockpt(&ours).expect("its other end");
        let name = ptsname(&ours, Vec::new()).expect("a name");
        let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())
            .expect("its other end");
        let size = Winsize {
            ws_row: size.1,
            ws_col: size.0,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&theirs, size).expect("a size");
        rustix::io::ioctl_fionbio(&ours, true).expect("a terminal that can be polled");
        let end = || Stdio::from(theirs.try_clone().expect("a copy"));
        let child = place
            .concord(arguments)
            .env("FAKE_WORKER", behaviour)
            .envs(environment.iter().copied())
            // A group of its own, as a shell gives: suspending must not stop the tests.
            .process_group(0)
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
    pub fn until(&mut self, words: &str) {
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

    pub fn press(&mut self, keys: &str) {
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

    /// The state letter of the process: `T` when it is stopped.
    fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    }

    /// Forgets what was shown, so that only what comes now is waited for.
    pub fn forget(&mut self) {
        self.seen.clear();
    }

    /// Waits for the end; the terminal is as before. Returns the exit code.
    pub fn end(&mut self) -> Option<i32> {
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
    screen.until(NO_RUNS);
    assert!(screen.seen.starts_with(ENTER_ALTERNATE) && !screen.echoes());
    screen.press("?");
    screen.until("mark the run");
    screen.press("?");
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let place = Place::new();
    let mut screen = Screen::open(&place, "", &[]);
    screen.until(NO_RUNS);
    signal(&screen.child, Signal::TERM);
    assert_eq!(screen.end(), Some(0));
}

/// The library that reads the keyboard never comes back from a terminal that was closed.
#[test]
fn a_closed_terminal_ends_it() {
    let place = Place::new();
    let mut screen = Screen::open(&place, "", &[]);
    screen.until(NO_RUNS);
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

#[test]
fn suspending_gives_the_terminal_back_and_continuing_takes_it_again() {
    let place = Place::new();
    let mut screen = Screen::open(&place, "", &[]);
    screen.until(NO_RUNS);
    screen.press("\u{1a}");
    screen.until(LEAVE_ALTERNATE);
    eventually("the stop", || screen.state() == Some('T'));
    assert!(screen.echoes(), "raw mode is off while it is stopped");
    screen.forget();
    signal(&screen.child, Signal::CONT);
    screen.until(ENTER_ALTERNATE);
    screen.until(NO_RUNS);
    assert!(!screen.echoes());
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn a_killed_worker_is_told_and_leaves_the_dashboard_as_it_was() {
    let place = Place::new();
    let mut screen = Screen::open(&place, "wait", &["train", "demo"]);
    screen.until("evaluation at 10");
    let worker = place.worker().expect("a worker");
    rustix::process::kill_process(worker, Signal::KILL).expect("it can be killed");
    screen.until("lost");
    screen.press("?");
    screen.until("mark the run");
    screen.press("q");
    screen.press("q");
    assert_ne!(screen.end(), Some(0), "the run did not end well");
}

#[test]
fn a_run_folder_that_is_removed_while_shown_goes_from_the_list() {
    let place = Place::new();
    place.run(&["train", "demo", "--ui", "none"]);
    let mut screen = Screen::open(&place, "", &[]);
    screen.until("done");
    std::fs::remove_dir_all(place.run_folder()).expect("it can be removed");
    screen.until(NO_RUNS);
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn two_dashboards_show_one_run_and_both_can_stop_it() {
    let place = Place::new();
    let mut first = Screen::open(&place, "wait", &["train", "demo"]);
    first.until("evaluation at 10");
    let mut second = Screen::open(&place, "", &["attach", "last"]);
    second.until("evaluation at 10");
    second.press("x");
    second.until("Stop this run?");
    second.press("y");
    first.until("■ stopped");
    second.until("■ stopped");
    second.press("q");
    assert_eq!(second.end(), Some(0), "it was not the one that started it");
    first.press("q");
    assert_eq!(first.end(), Some(5));
}

#[test]
fn a_terminal_of_20_columns_shows_one_pane() {
    let place = Place::new();
    place.run(&["train", "demo", "--ui", "none"]);
    let mut screen = Screen::of_size(&place, "", &[], (20, 8), &[]);
    screen.until("1 Runs");
    screen.until("done");
    screen.press("6");
    // The last letter of the titles is the same and is not drawn again.
    screen.until("6 Log");
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn no_color_writes_no_colour_and_keeps_bold() {
    let place = Place::new();
    place.run(&["train", "demo", "--ui", "none"]);
    let colourless = [("NO_COLOR", "1")];
    let mut screen = Screen::of_size(&place, "", &[], (100, 30), &colourless);
    screen.until("done");
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
    for sequence in ["\u{1b}[38;", "\u{1b}[48;"] {
        assert!(!screen.seen.contains(sequence), "{:?}", screen.seen);
    }
    assert!(screen.seen.contains("\u{1b}[1m"), "bold is left");
}

#[test]
fn a_locale_without_utf_8_gets_ascii_alone() {
    let place = Place::new();
    let environment = [("LC_ALL", "C"), ("LANG", "C")];
    let mut screen = Screen::of_size(&place, "", &[], (100, 30), &environment);
    screen.until(NO_RUNS);
    screen.press("?");
    screen.until("mark the run");
    screen.press("q");
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
    assert!(screen.seen.is_ascii(), "{:?}", screen.seen);
}

#[test]
fn preferences_move_keys_and_a_wrong_file_is_told_and_not_used() {
    let place = Place::new();
    let folder = place.path().join("config/concord");
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("dashboard.toml");
    std::fs::write(&file, "[keys.everywhere]\n\"q\" = \"Q\"\n").expect("a file");
    let mut screen = Screen::open(&place, "", &[]);
    screen.until(NO_RUNS);
    screen.press("q?");
    screen.until("mark the run");
    screen.press("?Q");
    assert_eq!(screen.end(), Some(0));
    std::fs::write(&file, "theme = \"loud\"\n").expect("a file");
    let mut screen = Screen::open(&place, "", &[]);
    screen.until("allowed: okabe-ito");
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
}

/// The first journey: from an empty folder to a run that is followed, changed in an editor on
/// the way, and to a second one by the command that the launcher shows.
#[test]
fn a_run_is_made_in_the_launcher_and_followed() {
    let place = Place::new();
    let editor = [("VISUAL", "sed -i 's/^seed = 1$/seed = 7/'")];
    let mut screen = Screen::of_size(&place, "", &[], (100, 30), &editor);
    screen.until(NO_RUNS);
    screen.press("n");
    screen.until("start from");
    screen.press("/smoke\r\r");
    screen.until("preset smoke");
    screen.until("ready");
    screen.press("e");
    screen.until("concord train smoke --seed 7");
    screen.press("p");
    screen.until("program and LibTorch");
    screen.press("ps");
    screen.until("Enter starts it");
    screen.press("first\r");
    screen.until("is on its way");
    screen.until("finished with exit code 0");
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
    let folder = place.run_folder();
    assert!(
        folder.to_string_lossy().ends_with("-first"),
        "{}",
        folder.display()
    );
    let config = std::fs::read_to_string(folder.join("config.toml")).expect("a configuration");
    let again = place.run(&["config", "show", "smoke", "--set", "seed=7"]);
    let plain: Vec<&str> = again
        .stdout
        .lines()
        .map(|line| line.split("  # ").next().unwrap_or(line))
        .collect();
    assert_eq!(config.trim(), plain.join("\n").trim());
    let origins = std::fs::read_to_string(folder.join("origin.json")).expect("origins");
    assert!(origins.contains("seed=7"), "{origins}");
}
