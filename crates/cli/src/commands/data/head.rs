//! `concord data head`: rows as they were understood.

use std::io::IsTerminal;

use dataset::{Content, PreferenceRow, Prompt, RatedRow, Record, Rows, WriteRow, read};
use serde_json::{Value, json};

use super::{answered, each_part};
use crate::arguments::{DataFile, Format};
use crate::failure::Failure;
use crate::output::{Table, print, print_json, visible};

/// Runs the command.
pub(super) fn head(data: &DataFile, count: usize, format: Format) -> Result<(), Failure> {
    let read = read(&data.file, data.form)?;
    let rows = first(read.rows, count);
    match format {
        Format::Json => print_json(&documents(&rows)?),
        Format::Csv => {
            let mut table = Table::new(&["row", "part", "text"]);
            each_part(&rows, |index, (part, content)| {
                table.row(vec![json!(index + 1), json!(part), json!(plain(content))]);
            });
            table.print(Format::Csv)
        }
        Format::Table => {
            let terminal = std::io::stdout().is_terminal();
            print(&visible(&text(&rows), terminal))
        }
    }
}

fn first(mut rows: Rows, count: usize) -> Rows {
    match &mut rows {
        Rows::Prompts(rows) => rows.truncate(count),
        Rows::Preferences(rows) => rows.truncate(count),
        Rows::Rated(rows) => rows.truncate(count),
    }
    rows
}

fn documents(rows: &Rows) -> Result<Vec<Record>, Failure> {
    fn all<R: WriteRow>(rows: &[R]) -> Result<Vec<Record>, String> {
        rows.iter().map(WriteRow::record).collect()
    }
    match rows {
        Rows::Prompts(rows) => all(rows),
        Rows::Preferences(rows) => all(rows),
        Rows::Rated(rows) => all(rows),
    }
    .map_err(Failure::arguments)
}

/// Roles in front of turns, unless there is but one.
fn plain(content: &Content) -> String {
    match content {
        Content::Text(text) => text.clone(),
        Content::Messages(messages) if messages.len() == 1 => messages[0].content.clone(),
        Content::Messages(messages) => {
            let turns = messages
                .iter()
                .map(|message| format!("[{}] {}", message.role, message.content));
            turns.collect::<Vec<_>>().join("\n")
        }
    }
}

/// The name of a row itself, beside those of its parts.
const ROW: &str = "row";

fn text(rows: &Rows) -> String {
    let mut shown = String::new();
    let mut say = |name: &str, said: &str| {
        if name == ROW {
            shown.push_str(&format!("row {said}\n"));
            return;
        }
        let mut lines = said.lines();
        let first = lines.next().unwrap_or_default();
        shown.push_str(&format!("  {name:<9}{first}\n"));
        for line in lines {
            shown.push_str(&format!("  {:<9}{line}\n", ""));
        }
    };
    match rows {
        Rows::Prompts(rows) => {
            for row in rows {
                say(ROW, &row.id);
                match answered(&row.content) {
                    Some((asked, answer)) => {
                        say("prompt", &plain(&asked));
                        say("answer", &plain(&answer));
                    }
                    None => say("prompt", &plain(&row.content)),
                }
                last(row, &mut say);
            }
        }
        Rows::Preferences(rows) => {
            for row in rows {
                say(ROW, &row.prompt.id);
                preference(row, &mut say);
            }
        }
        Rows::Rated(rows) => {
            for row in rows {
                say(ROW, &row.prompt.id);
                rated(row, &mut say);
            }
        }
    }
    shown
}

/// The right answer and the columns without a meaning.
fn last(prompt: &Prompt, say: &mut impl FnMut(&str, &str)) {
    if let Some(answer) = &prompt.answer {
        say("right", answer);
    }
    for (name, value) in &prompt.extra {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        say("also", &format!("{name} = {value}"));
    }
}

fn preference(row: &PreferenceRow, say: &mut impl FnMut(&str, &str)) {
    say("prompt", &plain(&row.prompt.content));
    say("chosen", &plain(&row.chosen));
    say("rejected", &plain(&row.rejected));
    for (name, value) in [
        ("chosen beats rejected", row.chosen_wins),
        ("chosen beats the policy", row.chosen_win_rate),
        ("rejected beats the policy", row.rejected_win_rate),
    ] {
        if let Some(value) = value {
            say("rate", &format!("{name}: {value}"));
        }
    }
    last(&row.prompt, say);
}

fn rated(row: &RatedRow, say: &mut impl FnMut(&str, &str)) {
    say("prompt", &plain(&row.prompt.content));
    for (index, response) in row.responses.iter().enumerate() {
        if let Some(trace) = &response.trace {
            say("trace", trace);
        }
        say("response", &response.text);
        if let Some(score) = row.scores.as_ref().and_then(|scores| scores.get(index)) {
            say("score", &score.to_string());
        }
        if let Some(wins) = row.win_matrix.as_ref().and_then(|rows| rows.get(index)) {
            say("beats", &format!("{wins:?}"));
        }
    }
    last(&row.prompt, say);
}
