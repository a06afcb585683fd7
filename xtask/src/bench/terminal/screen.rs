//! `concord` on a pseudo-terminal: what it draws is read and counted, as a terminal would.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
const COLUMNS: u16 = 200;
const ROWS: u16 = 60;

/// The dashboard in a terminal of 200 x 60.
pub(super) struct Screen {
    keys: File,
    child: Child,
    started: Instant,
    shown: Arc<Mutex<Shown>>,
    reader: Option<JoinHandle<()>>,
}

/// What the terminal got.
#[derive(Default)]
struct Shown {
    /// The text since the last key, without escape sequences and blanks.
    text: String,
    bytes: usize,
    /// When the last of it came.
    last: Option<Instant>,
}

impl Screen {
    /// Starts the dashboard over a folder of runs.
    pub(super) fn open(concord: &Path, runs: &Path) -> Result<Self> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let name = ptsname(&ours, Vec::new())?;
        let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
        let size = Winsize {
            ws_row: ROWS,
            ws_col: COLUMNS,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&theirs, size)?;
        let end = || -> Result<Stdio> { Ok(Stdio::from(theirs.try_clone()?)) };
        let started = Instant::now();
        let child = Command::new(concord)
            .arg("--run-dir")
            .arg(runs)
            .env("TERM", "xterm-256color")
            .env("COLORTERM", "truecolor")
            .env("LANG", "C.UTF-8")
            .env_remove("NO_COLOR")
            .env_remove("CI")
            .stdin(end()?)
            .stdout(end()?)
            .stderr(end()?)
            .spawn()
            .context("starting concord")?;
        let keys = File::from(ours);
        let output = keys.try_clone()?;
        let shown = Arc::new(Mutex::new(Shown::default()));
        let kept = Arc::clone(&shown);
        let reader = std::thread::spawn(move || read(output, &kept));
        Ok(Screen {
            keys,
            child,
            started,
            shown,
            reader: Some(reader),
        })
    }

    /// Waits until these words were drawn; seconds since the start.
    pub(super) fn until(&self, words: &str) -> Result<f64> {
        let wanted: String = words.split_whitespace().collect();
        let limit = Instant::now() + PATIENCE;
        while Instant::now() < limit {
            let shown = self.shown.lock().expect("the reader does not panic");
            if shown.text.contains(&wanted) {
                return Ok(self.started.elapsed().as_secs_f64());
            }
            drop(shown);
            std::thread::sleep(Duration::from_millis(1));
        }
        bail!("the dashboard did not show `{words}` within {PATIENCE:?}")
    }

    /// Presses keys and waits for the words: the seconds in between.
    pub(super) fn answer(&mut self, keys: &str, words: &str) -> Result<f64> {
        {
            let mut shown = self.shown.lock().expect("the reader does not panic");
            shown.text.clear();
        }
        let pressed = Instant::now();
        self.keys.write_all(keys.as_bytes())?;
        self.until(words)?;
        Ok(pressed.elapsed().as_secs_f64())
    }

    /// Peak of the process's memory so far, bytes.
    pub(super) fn peak_memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(&path).context("reading the dashboard's status")?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .context("no VmHWM in the dashboard's status")?;
        let kibibytes: u64 = line
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .parse()
            .context("reading VmHWM")?;
        Ok(kibibytes * 1024)
    }

    /// Leaves the dashboard.
    pub(super) fn close(mut self) -> Result<()> {
        self.keys.write_all(b"q")?;
        let limit = Instant::now() + PATIENCE;
        while Instant::now() < limit {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the dashboard did not leave on q")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // One that is still there belongs to a measurement that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Reads until the last process has left the terminal.
fn read(mut output: File, shown: &Mutex<Shown>) {
    let mut bytes = [0; 16 * 1024];
    let mut escaped = false;
    while let Ok(count) = output.read(&mut bytes) {
        if count == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes[..count]);
        let mut shown = shown.lock().expect("nobody else panics with it");
        for letter in text.chars() {
            if escaped {
                // Up to the letter that ends the sequence; the bracket is no letter.
                escaped = !letter.is_ascii_alphabetic();
            } else if letter == '\u{1b}' {
                escaped = true;
            } else if !letter.is_whitespace() {
                shown.text.push(letter);
            }
        }
        // Long enough for any screen; a day of drawing would fill the memory.
        const KEPT: usize = 1 << 20;
        if shown.text.len() > KEPT {
            shown.text.clear();
        }
        shown.bytes += count;
        shown.last = Some(Instant::now());
    }
}
