//! What a user types: something to say, or a command.

use std::path::PathBuf;

use serde_json::{Value, json};

/// The commands with what they do.
pub(super) const COMMANDS: [(&str, &str); 9] = [
    (
        "/system TEXT",
        "set the system message; without TEXT take it away",
    ),
    (
        "/set NAME=VALUE",
        "temperature, top_k, top_p, min_p, repetition_penalty, max_new, seed, stop, template.NAME; /set alone shows all",
    ),
    ("/retry", "answer the last turn again"),
    ("/forget", "begin a new conversation"),
    (
        "/save FILE",
        "write the conversation as JSON, for --continue and concord model preview",
    ),
    (
        "/tokens",
        "show each token with its log-probability and what else was likely, or stop doing so",
    ),
    ("\"\"\"", "begin and end a text of several lines"),
    ("//TEXT", "say /TEXT"),
    ("/quit", "leave, as ctrl-d does; ctrl-c stops an answer"),
];

/// One line or block of input.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    Say(String),
    Help,
    System(String),
    /// An object of changes.
    Set(Value),
    Settings,
    Retry,
    Forget,
    Save(PathBuf),
    Tokens,
    Quit,
    /// What is wrong with it.
    Wrong(String),
}

impl Line {
    pub(super) fn read(text: &str) -> Self {
        let Some(command) = text.strip_prefix('/') else {
            return Line::Say(text.to_owned());
        };
        if command.starts_with('/') {
            return Line::Say(command.to_owned());
        }
        let (name, rest) = command
            .split_once(char::is_whitespace)
            .unwrap_or((command, ""));
        let rest = rest.trim();
        match (name, rest) {
            ("help" | "?", _) => Line::Help,
            ("system", text) => Line::System(text.to_owned()),
            ("set", "") => Line::Settings,
            ("set", change) => setting(change),
            ("retry", "") => Line::Retry,
            ("forget" | "clear" | "new", "") => Line::Forget,
            ("save", "") => Line::Wrong("/save - allowed: /save FILE".to_owned()),
            ("save", file) => Line::Save(PathBuf::from(file)),
            ("tokens", "") => Line::Tokens,
            ("quit" | "exit" | "bye" | "q", "") => Line::Quit,
            _ => Line::Wrong(format!(
                "no command /{command} - allowed: /help, /system, /set, /retry, /forget, /save, /tokens, /quit; // says a text that begins with /"
            )),
        }
    }
}

/// `NAME=VALUE`, or `NAME VALUE`; what is no JSON is a text.
fn setting(change: &str) -> Line {
    let Some((name, value)) = change.split_once(['=', ' ']) else {
        return Line::Wrong(format!(
            "/set {change} - allowed: /set NAME=VALUE such as /set temperature=0.7"
        ));
    };
    let (name, value) = (name.trim().replace('-', "_"), value.trim());
    let value: Value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    Line::Set(match name.strip_prefix("template.") {
        Some(argument) => json!({ "template": { argument: value } }),
        None if name == "stop" && !value.is_array() => {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            json!({ "stop": [text] })
        }
        None => json!({ name: value }),
    })
}

/// Puts lines between `"""` together.
#[derive(Debug, Default)]
pub(super) struct Block(Option<String>);

impl Block {
    /// Whether a block is open.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Takes a line in; gives out what is complete.
    pub(super) fn take(&mut self, line: &str) -> Option<Line> {
        match self.0.take() {
            None => {
                let Some(rest) = line.trim_start().strip_prefix("\"\"\"") else {
                    return Some(Line::read(line.trim()));
                };
                match rest.trim_end().strip_suffix("\"\"\"") {
                    Some(text) => Some(Line::Say(text.to_owned())),
                    None => {
                        self.0 = Some(rest.trim_start().to_owned());
                        None
                    }
                }
            }
            Some(mut text) => {
                let last = line.trim_end().strip_suffix("\"\"\"");
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(last.unwrap_or(line));
                if last.is_some() {
                    return Some(Line::Say(text.trim_end_matches('\n').to_owned()));
                }
                self.0 = Some(text);
                None
            }
        }
    }

    /// What an open block holds when the input ends.
    pub(super) fn rest(&mut self) -> Option<Line> {
        self.0.take().map(Line::Say)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_text() {
        let read = |text| Line::read(text);
        assert_eq!(read("hello /set"), Line::Say("hello /set".to_owned()));
        assert_eq!(read("//path"), Line::Say("/path".to_owned()));
        assert_eq!(
            read("/system be  brief "),
            Line::System("be  brief".to_owned())
        );
        assert_eq!(read("/set"), Line::Settings);
        assert_eq!(
            read("/set temperature=0.7"),
            Line::Set(json!({"temperature": 0.7}))
        );
        assert_eq!(read("/set max-new 5"), Line::Set(json!({"max_new": 5})));
        assert_eq!(read("/set stop=END"), Line::Set(json!({"stop": ["END"]})));
        assert_eq!(
            read("/set template.enable_thinking=false"),
            Line::Set(json!({"template": {"enable_thinking": false}}))
        );
        assert_eq!(
            read("/save a b.json"),
            Line::Save(PathBuf::from("a b.json"))
        );
        for wrong in ["/sett x", "/save", "/set heat", "/retry now"] {
            assert!(matches!(read(wrong), Line::Wrong(_)), "{wrong}");
        }
    }

    #[test]
    fn blocks_hold_several_lines() {
        let mut block = Block::default();
        assert_eq!(block.take("\"\"\"one"), None);
        assert!(block.is_open());
        assert_eq!(block.take("  /quit"), None);
        assert_eq!(
            block.take("three\"\"\""),
            Some(Line::Say("one\n  /quit\nthree".to_owned()))
        );
        assert_eq!(
            block.take("\"\"\"all\"\"\""),
            Some(Line::Say("all".to_owned()))
        );
        assert_eq!(block.take("\"\"\""), None);
        assert_eq!(block.take("left"), None);
        assert_eq!(block.rest(), Some(Line::Say("left".to_owned())));
    }
}
