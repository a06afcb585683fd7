//! The key table of the documentation is the program's.

use std::fmt::Write;

use tui::commands::COMMANDS;
use tui::keys::Scope;

const BEGIN: &str = "<!-- keys: made by the test `the_documented_keys_are_the_programs` -->\n";
const END: &str = "<!-- end of keys -->";
/// Set to write the table instead of comparing it.
const WRITE: &str = "CONCORD_WRITE_KEYS";

fn table() -> String {
    let mut text = String::new();
    for scope in Scope::all() {
        if scope.bindings().is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n**{}**\n\n| keys | |\n|---|---|", scope.title());
        for row in scope.bindings() {
            let keys: Vec<String> = row
                .shown
                .split(' ')
                .map(|key| format!("`{}`", key.replace('|', "\\|")))
                .collect();
            let _ = writeln!(text, "| {} | {} |", keys.join(" "), row.help);
        }
    }
    text.push_str("\n**Commands**\n\n| command | |\n|---|---|\n");
    for command in COMMANDS {
        let written = format!(":{} {}", command.name, command.arguments);
        let _ = writeln!(
            text,
            "| `{}` | {} |",
            written.trim_end().replace('|', "\\|"),
            command.help
        );
    }
    text.push('\n');
    text
}

#[test]
fn the_documented_keys_are_the_programs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/dashboard.md");
    let text = std::fs::read_to_string(path).expect("docs/dashboard.md");
    let begin = text.find(BEGIN).expect("the mark where keys begin") + BEGIN.len();
    let end = text.find(END).expect("the mark where keys end");
    if std::env::var_os(WRITE).is_some() {
        let written = format!("{}{}{}", &text[..begin], table(), &text[end..]);
        std::fs::write(path, written).expect("docs/dashboard.md can be written");
        return;
    }
    assert!(
        text[begin..end] == table(),
        "the keys changed: run `{WRITE}=1 cargo test -p tui documented_keys` and look at docs/dashboard.md"
    );
}
