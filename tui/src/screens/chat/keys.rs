//! The keys of the chat while nothing is written.

use ratatui::crossterm::event::KeyCode;
use ratatui::crossterm::event::KeyCode::{Char, Enter, Left, Right};

use crate::keys::{self, Binding};

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write.
    Write,
    /// Interrupt the answer.
    Stop,
    /// Answer the last turn again; start a worker that ended again.
    Retry,
    /// Begin a new conversation.
    Clear,
    /// Begin a new conversation, whatever is not saved.
    Forget,
    /// The settings.
    Settings,
    /// Fold thinking, or unfold it.
    Fold,
    /// The tokens of the answers, or the text alone.
    Tokens,
    /// The next token.
    NextToken,
    /// The token before.
    PreviousToken,
    /// The next token below ten percent, or the one before.
    Unlikely(bool),
    /// Write the conversation to a file.
    Save,
    /// Copy the last answer.
    Copy,
    /// Leave the screen, whatever is not saved.
    Leave,
}

const fn row(
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding::new(keys, shown, keys::Action::Chat(action), help)
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    row(
        &[Char('i'), Enter],
        "i Enter",
        Action::Write,
        "write: Enter sends, A-Enter or C-j begins a line, Esc reads",
    )
    .footer("write"),
    row(
        &[Char('x')],
        "x",
        Action::Stop,
        "interrupt the answer, as Esc and C-c do; again: end a worker that does not react",
    ),
    row(
        &[Char('r')],
        "r",
        Action::Retry,
        "answer the last turn again, or start a worker that ended",
    )
    .footer("retry"),
    row(
        &[Char('t')],
        "t",
        Action::Tokens,
        "every token with its probability and its alternatives, or the text alone",
    )
    .footer("tokens"),
    row(
        &[Char('l'), Right],
        "l Right",
        Action::NextToken,
        "the next token",
    ),
    row(
        &[Char('h'), Left],
        "h Left",
        Action::PreviousToken,
        "the token before",
    ),
    row(
        &[Char('n')],
        "n",
        Action::Unlikely(true),
        "the next token below 10 percent",
    ),
    row(
        &[Char('N')],
        "N",
        Action::Unlikely(false),
        "the token below 10 percent before",
    ),
    row(
        &[Char('f')],
        "f",
        Action::Fold,
        "fold what the model thinks, or unfold it",
    )
    .footer("fold"),
    row(
        &[Char('s')],
        "s",
        Action::Settings,
        "temperature, length, seed, system prompt, template options",
    )
    .footer("settings"),
    row(
        &[Char('w')],
        "w",
        Action::Save,
        "write the conversation to a file that `concord model preview` reads",
    )
    .footer("save"),
    row(
        &[Char('C')],
        "C",
        Action::Clear,
        "a new conversation (asks while this one is not saved)",
    ),
    row(&[Char('y')], "y", Action::Copy, "copy the last answer"),
];
