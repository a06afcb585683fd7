//! The keys of the screen.

use ratatui::crossterm::event::KeyCode;
use ratatui::crossterm::event::KeyCode::{BackTab, Char, Enter, Left, Right, Tab};

use crate::keys::{self, Binding};

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// The next part of the screen.
    NextPart,
    /// The previous part of the screen.
    PreviousPart,
    /// Edit the field, or open the evaluation.
    Open,
    /// The next value of the field, or further to the right.
    More,
    /// The previous value of the field, or back to the left.
    Less,
    /// Begin the evaluation.
    Start,
    /// End the chosen evaluation; what is played stays.
    Cancel,
    /// Play what is missing of the chosen evaluation.
    Continue,
    /// Copy the command.
    Copy,
    /// Write the shown results to a file.
    Export,
    /// The next table.
    NextTable,
    /// The previous table.
    PreviousTable,
}

const fn row(
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding::new(keys, shown, keys::Action::Evaluate(action), help)
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    row(
        &[Tab],
        "Tab",
        Action::NextPart,
        "next part: new evaluation, earlier ones, tables",
    )
    .footer("part"),
    row(&[BackTab], "S-Tab", Action::PreviousPart, "previous part"),
    row(
        &[Enter],
        "Enter",
        Action::Open,
        "edit the field, or open the evaluation",
    )
    .footer("edit"),
    row(
        &[Char('l'), Right],
        "l Right",
        Action::More,
        "next value of the field; in a table to the right",
    ),
    row(
        &[Char('h'), Left],
        "h Left",
        Action::Less,
        "previous value of the field; in a table to the left",
    ),
    row(
        &[Char('s')],
        "s",
        Action::Start,
        "start the evaluation in the form",
    )
    .footer("start"),
    row(
        &[Char('x')],
        "x",
        Action::Cancel,
        "end the chosen evaluation; what is played is kept",
    )
    .footer("cancel"),
    row(
        &[Char('r')],
        "r",
        Action::Continue,
        "play what is missing of the chosen evaluation",
    )
    .footer("resume"),
    row(
        &[Char('y')],
        "y",
        Action::Copy,
        "copy the command that does what the form says",
    )
    .footer("copy"),
    row(
        &[Char('e')],
        "e",
        Action::Export,
        "write the shown results to a file: .md, .csv or .json",
    )
    .footer("export"),
    row(&[Char(']')], "]", Action::NextTable, "next table").footer("table"),
    row(&[Char('[')], "[", Action::PreviousTable, "previous table"),
];
