//! What is shown, written to a file through the Host.

use super::content::{members, plot};
use super::places::sheet;
use super::{Shown, Table};
use crate::comparison::{self, curves_csv, curves_json};
use crate::host;
use crate::model::Model;
use crate::text_chart::text_plot;
use crate::theme::{ColourDepth, Role, Surroundings};
use crate::update::Cmd;
use crate::widgets::path_prompt::{PathPrompt, Target};

/// Endings of the files, which tell what is written.
const ENDINGS: &[&str] = &["csv", "json", "svg", "txt", "md"];
/// Columns and rows of a chart in a text file.
const TEXT: (u16, u16) = (120, 36);

/// Asks for the path.
pub(super) fn prompt() -> PathPrompt {
    PathPrompt::new("comparison.csv", ENDINGS)
}

/// Asks the Host to write: the curves, or the table where it fills the screen.
pub(super) fn write(model: &mut Model, target: Target) -> Vec<Cmd> {
    match content(model, target.ending()) {
        Some(text) => vec![Cmd::Ask(host::Request::Save {
            path: target.path,
            text,
            replace: target.replace,
        })],
        None => {
            model.notify(target.refusal(ENDINGS), Role::Bad);
            Vec::new()
        }
    }
}

fn content(model: &Model, ending: &str) -> Option<String> {
    let state = &model.compare;
    let table = sheet(state);
    match (ending, state.shown) {
        ("csv", Shown::Table) => Some(table?.to_csv()),
        ("json", Shown::Table) => Some(pretty(&table?.to_json())),
        ("txt", Shown::Table) => Some(table?.to_text()),
        ("csv", _) => Some(curves_csv(&state.found, &state.request)),
        ("json", _) => Some(pretty(&curves_json(&state.found, &state.request))),
        ("txt", _) => Some(text(model)),
        ("svg", _) => Some(crate::widgets::plot::svg(&plot(model), &title(model))),
        ("md", _) => Some(
            Table::ALL
                .iter()
                .zip(&state.sheets)
                .filter(|(table, _)| state.tables().contains(table))
                .map(|(_, sheet)| sheet.to_markdown())
                .collect(),
        ),
        _ => None,
    }
}

fn title(model: &Model) -> String {
    let state = &model.compare;
    comparison::title(&state.request.metric, state.found.axis, &members(model))
}

/// The chart with the table below, without colours.
fn text(model: &Model) -> String {
    let surroundings = Surroundings {
        colour: ColourDepth::None,
        unicode: model.theme.unicode(),
    };
    let state = &model.compare;
    let mut text = text_plot(&title(model), &plot(model), TEXT.0, TEXT.1, surroundings);
    for note in &state.found.notes {
        text.push_str(&format!("  {}\n", crate::figures::printable(note)));
    }
    if let Some(table) = sheet(state) {
        text.push_str(&format!("\n{}", table.to_text()));
    }
    text
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
