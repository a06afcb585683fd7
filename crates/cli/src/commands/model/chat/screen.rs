//! What a conversation looks like: answers alone on stdout, everything else on stderr.

use std::io::{IsTerminal, Write, stderr, stdin, stdout};

use serde_json::Value;
use tui::ColourDepth;

use super::line::COMMANDS;
use super::thought::Thoughts;
use crate::failure::Failure;
use crate::output::{tell, visible};
use crate::surroundings::of_stdout;

const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// The terminal, or what stands in for it.
pub(super) struct Screen {
    /// Somebody types.
    pub(super) interactive: bool,
    terminal: bool,
    colour: bool,
    /// Tokens are shown with their log-probabilities.
    pub(super) tokens: bool,
    thoughts: Thoughts,
    /// The answer does not end with a newline yet.
    open: bool,
    table: Vec<String>,
}

impl Screen {
    pub(super) fn new() -> Self {
        let terminal = stdout().is_terminal();
        Screen {
            interactive: stdin().is_terminal(),
            terminal,
            colour: terminal && of_stdout().colour != ColourDepth::None,
            tokens: false,
            thoughts: Thoughts::default(),
            open: false,
            table: Vec::new(),
        }
    }

    /// Something that is no answer.
    pub(super) fn say(&self, text: &str) {
        if self.colour && stderr().is_terminal() {
            tell(&format!("{DIM}{text}{PLAIN}"));
        } else {
            tell(text);
        }
    }

    /// As [`Screen::say`], where somebody types.
    pub(super) fn hint(&self, text: &str) {
        if self.interactive {
            self.say(text);
        }
    }

    pub(super) fn help(&self) {
        let lines = COMMANDS.map(|(command, what)| format!("  {command:<16} {what}"));
        self.say(&lines.join("\n"));
    }

    /// Where the next line is typed.
    pub(super) fn prompt(&self, continued: bool) {
        if self.interactive {
            let _ = write!(stderr(), "{}", if continued { ". " } else { "> " });
            let _ = stderr().flush();
        }
    }

    pub(super) fn begin(&mut self, thinking: bool) {
        self.thoughts = Thoughts::new(thinking);
        self.open = false;
        self.table.clear();
    }

    pub(super) fn token(&mut self, event: &Value) -> Result<(), Failure> {
        let text = event["text"].as_str().unwrap_or_default();
        let parts = self.thoughts.take(text);
        self.write(parts)?;
        if self.tokens {
            self.table.push(described(event));
        }
        Ok(())
    }

    /// Ends the answer, and says how it went.
    pub(super) fn done(&mut self, event: &Value) -> Result<(), Failure> {
        let rest = self.thoughts.end();
        self.write(rest.into_iter().collect())?;
        let mut stdout = stdout().lock();
        if self.open || !self.interactive {
            stdout.write_all(b"\n")?;
            stdout.flush()?;
        }
        self.open = false;
        for line in std::mem::take(&mut self.table) {
            self.say(&line);
        }
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        let why = match event["finish"].as_str() {
            Some("max_new_tokens") => ", cut at max_new: /set max_new=N allows more",
            Some("context") => ", the context is full",
            Some("stopped") => ", stopped",
            _ => "",
        };
        let rate = event["tokens_per_second"].as_f64().unwrap_or_default();
        self.hint(&format!(
            "({} tokens, {rate:.1}/s{why}; {} of {} tokens before it were kept)",
            number("tokens"),
            number("cached_tokens"),
            number("prompt_tokens"),
        ));
        Ok(())
    }

    /// A line that broke off is ended.
    pub(super) fn break_off(&mut self) -> Result<(), Failure> {
        if self.open {
            self.open = false;
            let mut stdout = stdout().lock();
            stdout.write_all(b"\n")?;
            stdout.flush()?;
        }
        Ok(())
    }

    fn write(&mut self, parts: Vec<(bool, String)>) -> Result<(), Failure> {
        let mut stdout = stdout().lock();
        for (thought, text) in parts {
            let text = visible(&text, self.terminal);
            let Some(last) = text.chars().next_back() else {
                continue;
            };
            self.open = last != '\n';
            if thought && self.colour {
                write!(stdout, "{DIM}{text}{PLAIN}")?;
            } else {
                stdout.write_all(text.as_bytes())?;
            }
        }
        Ok(stdout.flush()?)
    }
}

/// A token with what else was likely: `-0.12 "Hello"   "Hi" -2.10 ..`.
fn described(event: &Value) -> String {
    let one = |token: &Value, text: &str| {
        let log = token["log_probability"].as_f64().unwrap_or_default();
        (log, visible(&format!("{text:?}"), true))
    };
    let others = event["alternatives"].as_array().into_iter().flatten();
    let mine = others.clone().find(|other| other["id"] == event["id"]);
    let text = mine.unwrap_or(event)["text"].as_str().unwrap_or_default();
    let (log, text) = one(event, text);
    let mut line = format!("{log:>7.2} {text:<14}");
    for other in others.filter(|other| other["id"] != event["id"]) {
        let (log, text) = one(other, other["text"].as_str().unwrap_or_default());
        line.push_str(&format!("  {text} {log:.2}"));
    }
    line
}
