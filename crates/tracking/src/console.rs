//! What a worker says on its console, line by line, with a level and a source.
//!
//! `console.log` holds whatever the worker and the libraries under it wrote to stdout and
//! stderr. Our own lines name their level (`warning: ...`, `error: ...`); LibTorch, Python
//! and most loggers have habits that are recognised here; anything else is information.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How grave a line is, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// Anything that says nothing else of itself.
    #[default]
    Info,
    /// Something to know; the run goes on.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    /// All, the least first.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warning, Self::Error];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The level that a logger's word or letter names.
    fn of_word(word: &str) -> Option<Self> {
        let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        if is(&["error", "fatal", "critical", "panic"]) {
            Some(Self::Error)
        } else if is(&["warning", "warn", "userwarning", "futurewarning"]) {
            Some(Self::Warning)
        } else if is(&["info", "note"]) {
            Some(Self::Info)
        } else if is(&["debug", "trace"]) {
            Some(Self::Debug)
        } else {
            None
        }
    }
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogLine {
    /// How grave.
    pub level: Level,
    /// Who says it: a part of the worker, a library's file, `console` when nobody is
    /// named.
    pub target: String,
    /// When, in seconds since 1970; the console does not tell.
    pub time: Option<f64>,
    /// What.
    pub text: String,
}

/// The target of lines that name none.
pub const CONSOLE: &str = "console";

/// Starts of lines that tell of an end without naming a level.
const FATAL: [&str; 6] = [
    "thread '",
    "Traceback (most recent call last)",
    "terminate called",
    "Segmentation fault",
    "Aborted",
    "Killed",
];

impl LogLine {
    /// Reads one line of a console; `before` is the level of the line above it, which an
    /// indented line continues.
    pub fn of_console(line: &str, before: Level) -> Self {
        let plain = |level, text: &str| Self {
            level,
            target: CONSOLE.to_owned(),
            time: None,
            text: text.to_owned(),
        };
        if line.starts_with([' ', '\t']) {
            return plain(before, line);
        }
        if let Some(found) = lettered(line) {
            return found;
        }
        let rest = without_time(line);
        if let Some((level, said)) = named_level(rest) {
            let (target, text) = target_of(said);
            return Self {
                level,
                target: target.to_owned(),
                time: None,
                text: text.to_owned(),
            };
        }
        let fatal = FATAL.iter().any(|start| line.starts_with(start))
            && (!line.starts_with("thread '") || line.contains("panicked at"));
        plain(if fatal { Level::Error } else { Level::Info }, line)
    }
}

/// `[W1124 13:35:02.1 file.cpp:12] text` and `[W file.cpp:12] text`, as LibTorch and glog
/// write.
fn lettered(line: &str) -> Option<LogLine> {
    let inside = line.strip_prefix('[')?;
    let (head, text) = inside.split_once(']')?;
    let level = match head.chars().next()? {
        'E' | 'F' => Level::Error,
        'W' => Level::Warning,
        'I' => Level::Info,
        'D' | 'V' => Level::Debug,
        _ => return None,
    };
    let rest = &head[1..];
    if !rest.starts_with(|first: char| first.is_ascii_digit() || first == ' ') {
        return None;
    }
    let file = rest.split_whitespace().next_back().unwrap_or(CONSOLE);
    let text = text.trim_start();
    let text = text.strip_prefix("Warning: ").unwrap_or(text);
    Some(LogLine {
        level,
        target: file.to_owned(),
        time: None,
        text: text.to_owned(),
    })
}

/// The line without a date and time at its start.
fn without_time(line: &str) -> &str {
    let bytes = line.as_bytes();
    let dated = bytes.len() > 19
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && matches!(bytes[10], b'T' | b' ')
        && bytes[13] == b':';
    if !dated {
        return line;
    }
    let end = bytes[11..]
        .iter()
        .position(|byte| !byte.is_ascii_digit() && !b":.,Z+".contains(byte))
        .map_or(bytes.len(), |at| at + 11);
    line[end..].trim_start_matches([' ', '-'])
}

/// The level at the start of a line and what follows it: `warning: a`, `[WARN] a`,
/// `WARNING:root:a`, `ERROR a`. A word in the middle of a sentence is no level.
fn named_level(line: &str) -> Option<(Level, &str)> {
    let bracketed = line.strip_prefix('[');
    let inner = bracketed.unwrap_or(line);
    let length = inner
        .find(|letter: char| !letter.is_ascii_alphabetic())
        .unwrap_or(inner.len());
    let (word, rest) = inner.split_at(length);
    let level = Level::of_word(word)?;
    if bracketed.is_some() {
        return Some((
            level,
            rest.strip_prefix(']')?.trim_start_matches([' ', ':']),
        ));
    }
    let loud = word.chars().all(|letter| letter.is_ascii_uppercase());
    if let Some(said) = rest.strip_prefix(':') {
        return Some((level, said.trim_start()));
    }
    // `error[E0502]: a`
    if let Some((code, said)) = rest
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]:"))
        && !code.contains(' ')
    {
        return Some((level, said.trim_start()));
    }
    (loud && rest.starts_with(' ')).then(|| (level, rest.trim_start_matches([' ', '-'])))
}

/// Who speaks, where the text begins with a name and a colon.
fn target_of(said: &str) -> (&str, &str) {
    const LONGEST: usize = 40;
    let end = said
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || "_.-/".contains(letter)))
        .unwrap_or(said.len());
    // Paths in Rust have colons of their own: `tracking::sink: full`.
    let mut end = end;
    while said[end..].starts_with("::") {
        let rest = &said[end + 2..];
        let more = rest
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
            .unwrap_or(rest.len());
        end += 2 + more;
    }
    let (name, rest) = said.split_at(end);
    match rest.strip_prefix(':') {
        Some(text) if !name.is_empty() && name.len() <= LONGEST => (name, text.trim_start()),
        _ => (CONSOLE, said),
    }
}

/// Bytes of a console that are read when it is opened.
const TAIL: u64 = 128 * 1024;
/// A longer line is cut, in characters.
const LONGEST_LINE: usize = 2_000;

/// Follows a `console.log` from its tail on.
#[derive(Debug)]
pub struct ConsoleReader {
    path: PathBuf,
    offset: u64,
    /// A line that is not yet at its end.
    rest: Vec<u8>,
    level: Level,
}

impl ConsoleReader {
    /// A reader of a file that need not exist yet.
    pub fn open(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            offset: 0,
            rest: Vec::new(),
            level: Level::default(),
        }
    }

    /// The whole lines since the last poll; of a long file its tail. A file that cannot
    /// be read has none.
    pub fn poll(&mut self) -> Vec<LogLine> {
        let Some((bytes, cut)) = self.read() else {
            return Vec::new();
        };
        self.rest.extend(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            self.rest.truncate(TAIL as usize);
            return Vec::new();
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        let text = String::from_utf8_lossy(&whole);
        let mut lines = Vec::new();
        for line in text.lines().skip(usize::from(cut)) {
            let line = LogLine::of_console(&cleaned(line), self.level);
            self.level = line.level;
            lines.push(line);
        }
        lines
    }

    /// What was appended, and whether the start of it was left out.
    fn read(&mut self) -> Option<(Vec<u8>, bool)> {
        let mut file = File::open(&self.path).ok()?;
        let length = file.metadata().ok()?.len();
        if length < self.offset {
            self.offset = 0;
            self.rest.clear();
        }
        let cut = length - self.offset > TAIL;
        if cut {
            self.offset = length - TAIL;
            self.rest.clear();
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(self.offset)).ok()?;
        file.take(TAIL).read_to_end(&mut bytes).ok()?;
        self.offset += bytes.len() as u64;
        Some((bytes, cut))
    }
}

/// A line without escape sequences and control characters. Of a progress bar, which
/// rewrites its line, the last state.
fn cleaned(line: &str) -> String {
    let shown = line
        .rsplit('\r')
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let mut text = String::new();
    let mut letters = shown.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => skip_escape(&mut letters),
            '\t' => text.push_str("    "),
            _ if letter.is_control() => {}
            _ => text.push(letter),
        }
        if text.len() >= LONGEST_LINE {
            break;
        }
    }
    text
}

/// Passes over the rest of an escape sequence (`ESC [ ... letter`, or one letter).
fn skip_escape(letters: &mut std::str::Chars<'_>) {
    let mut ahead = letters.clone();
    match ahead.next() {
        Some('[') => {
            for letter in ahead.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&letter) {
                    break;
                }
            }
            *letters = ahead;
        }
        Some(_) => *letters = ahead,
        None => {}
    }
}

#[cfg(test)]
mod tests;
