//! The keys of the screen.

use ratatui::crossterm::event::KeyCode;
use ratatui::crossterm::event::KeyCode::{BackTab, Char, Enter, Tab};

use crate::keys::{self, Binding};

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Talk to the chosen model, or take it for the setting that asked.
    Choose,
    /// The next part of the screen.
    NextPart,
    /// The previous part of the screen.
    PreviousPart,
    /// Write the name of a model to fetch.
    Fetch,
    /// Stop the chosen download.
    Cancel,
    /// Let a download that broke off go on.
    Continue,
    /// Look for a folder to list.
    Browse,
    /// Remove from the cache, or from the list.
    Remove,
    /// A sample conversation in the model's template.
    Preview,
    /// Order by the next column.
    Sort,
    /// Turn the order around.
    Reverse,
    /// Copy the name.
    Copy,
    /// Look at the cache again.
    Reload,
}

const fn row(
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding::new(keys, shown, keys::Action::Models(action), help)
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    row(
        &[Enter],
        "Enter",
        Action::Choose,
        "talk to the model, or take it for the setting that asked",
    )
    .footer("chat"),
    row(
        &[Char('f')],
        "f",
        Action::Fetch,
        "fetch a model: OWNER/NAME or OWNER/NAME@REVISION",
    )
    .footer("fetch"),
    row(
        &[Char('p')],
        "p",
        Action::Preview,
        "a sample conversation as the model reads it, or the facts",
    )
    .footer("preview"),
    row(
        &[Char('x')],
        "x",
        Action::Cancel,
        "stop the chosen download, or the one under way; what has arrived is kept",
    )
    .footer("cancel"),
    row(
        &[Char('r')],
        "r",
        Action::Continue,
        "let a download that broke off go on, or fetch a model that is not whole",
    ),
    row(
        &[Char('o')],
        "o",
        Action::Browse,
        "look for a folder with a model, to list it here",
    )
    .footer("folder"),
    row(
        &[Char('D')],
        "D",
        Action::Remove,
        "remove the snapshot from the cache (asks for its name), or the folder from the list",
    ),
    row(
        &[Tab],
        "Tab",
        Action::NextPart,
        "next part: models, details, downloads",
    )
    .footer("part"),
    row(&[BackTab], "S-Tab", Action::PreviousPart, "previous part"),
    row(&[Char('s')], "s", Action::Sort, "sort by the next column"),
    row(&[Char('S')], "S", Action::Reverse, "turn the order around"),
    row(&[Char('y')], "y", Action::Copy, "copy the model's name"),
    row(&[Char('R')], "R", Action::Reload, "look at the cache again"),
];
