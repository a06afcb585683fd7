//! What the code of the dashboard must not say, since it was tried and went wrong.

/// Words and the reason; the test beside each guard is named in `docs/dashboard.md`.
const TRAPS: [(&str, &str); 6] = [
    (
        "Gauge",
        "it panics on shares that are not finite or beyond 1; draw a bar with `gauge_ratio`",
    ),
    (
        "Color::",
        "colours belong to `theme.rs`; ask the theme for a role",
    ),
    (
        "ratatui::init",
        "it panics without a terminal and gives the screen back on any thread's panic",
    ),
    (
        "terminal.clear()",
        "it asks the terminal for its cursor and waits for the answer; use `Screen::clear`",
    ),
    (
        "println!",
        "it writes into the middle of what is drawn; send a message",
    ),
    (
        "SystemTime::now",
        "the clock comes with `Msg::Tick`, so that a test can set it",
    ),
];

/// Where colours of the terminal are made and translated.
const OF_COLOURS: [&str; 2] = ["tui/src/theme.rs", "tui/src/text_chart.rs"];

/// Whether a file is code of the dashboard.
pub fn is_drawn(name: &str) -> bool {
    name.starts_with("tui/src/") && name.ends_with(".rs") && !name.ends_with("/tests.rs")
}

/// The traps in a file's code; comments and tests may name them.
pub fn traps(name: &str, text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (word, why) in TRAPS {
            let allowed = word == "Color::" && OF_COLOURS.contains(&name);
            if line.contains(word) && !allowed {
                found.push(format!("{name}:{}: `{word}`: {why}", index + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_are_found_in_code_and_nowhere_else() {
        let text = "/// A Gauge would panic.\nlet bar = Gauge::default();\nlet red = Color::Red;\n#[cfg(test)]\nColor::Red";
        let found = traps("tui/src/view.rs", text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("tui/src/view.rs:2: `Gauge`"));
        assert_eq!(traps("tui/src/theme.rs", text).len(), 1);
        assert!(is_drawn("tui/src/panes/runs.rs") && !is_drawn("crates/cli/src/main.rs"));
    }
}
