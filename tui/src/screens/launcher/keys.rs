//! The launcher's rows of the key table.

use ratatui::crossterm::event::KeyCode::{Char, Enter, Left, Right};

use super::View;
pub(super) use crate::keys::Action as Any;
use crate::keys::Binding;

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open what is chosen, or edit the focused setting.
    Choose,
    /// The other truth, or the next word.
    Toggle,
    /// The next value up or down.
    Step(bool),
    /// Twice or half.
    Scale(bool),
    /// Show or hide advanced settings.
    Advanced,
    /// Take the last change back.
    Undo,
    /// Put a setting back; take a run out of the queue.
    Remove,
    /// To the next or the previous problem.
    NextProblem(bool),
    /// What was changed.
    Differences,
    /// The text in the user's editor.
    Edit,
    /// Write the form to a file.
    Save,
    /// The command into the clipboard.
    Copy,
    /// The dry run.
    Plan,
    /// Start it, after a last look.
    Start,
    /// The runs that wait.
    Queue,
    /// A waiting run goes earlier.
    Lift,
    /// A waiting run goes later.
    Lower,
    /// Look for a file.
    Browse,
}

const fn row(
    keys: &'static [ratatui::crossterm::event::KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding::new(keys, shown, Any::Launcher(action), help)
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    row(
        &[Enter],
        "Enter",
        Action::Choose,
        "open what is chosen, or edit the setting",
    ),
    row(
        &[Char('s')],
        "s",
        Action::Start,
        "start it: name, seeds, now or queued",
    ),
    row(
        &[Char(' ')],
        "Space",
        Action::Toggle,
        "the other truth, or the next word",
    ),
    row(
        &[Char('l'), Char('+'), Char('='), Right],
        "l + Right",
        Action::Step(true),
        "the next value up",
    ),
    row(
        &[Char('h'), Char('-'), Left],
        "h - Left",
        Action::Step(false),
        "the next value down",
    ),
    row(&[Char('>')], ">", Action::Scale(true), "twice the number"),
    row(&[Char('<')], "<", Action::Scale(false), "half the number"),
    row(
        &[Char('p')],
        "p",
        Action::Plan,
        "dry run: plan, time, disk, memory; again for the form",
    ),
    row(&[Char('e')], "C-e", Action::Plan, "dry run, as p").control(),
    row(
        &[Char('n')],
        "n",
        Action::NextProblem(true),
        "to the next problem",
    ),
    row(
        &[Char('N')],
        "N",
        Action::NextProblem(false),
        "to the previous problem",
    ),
    row(
        &[Char('a')],
        "a",
        Action::Advanced,
        "show or hide advanced settings",
    ),
    row(
        &[Char('e')],
        "e",
        Action::Edit,
        "the text in your editor ($VISUAL, $EDITOR)",
    ),
    row(&[Char('w')], "w", Action::Save, "write the form to a file"),
    row(
        &[Char('y')],
        "y",
        Action::Copy,
        "copy the command that does the same",
    ),
    row(
        &[Char('d')],
        "d",
        Action::Differences,
        "what was changed against the start",
    ),
    row(&[Char('u')], "u", Action::Undo, "take the last change back"),
    row(
        &[Char('x')],
        "x",
        Action::Remove,
        "put the setting back to the start; in the queue: take the run out (asks)",
    ),
    row(
        &[Char('Q')],
        "Q",
        Action::Queue,
        "the runs that wait for a device",
    ),
    row(
        &[Char('K')],
        "K",
        Action::Lift,
        "in the queue: one place earlier",
    ),
    row(
        &[Char('J')],
        "J",
        Action::Lower,
        "in the queue: one place later",
    ),
    row(
        &[Char('o')],
        "o",
        Action::Browse,
        "look for a file to start from",
    ),
];

/// The footer's word for an action in a view; none where it does nothing, or where the help is
/// place enough.
pub(super) fn word(action: Action, view: View) -> Option<&'static str> {
    Some(match (view, action) {
        (View::Picker, Action::Choose) => "open",
        (View::Picker, Action::Browse) => "file",
        (View::Picker | View::Form, Action::Queue) => "queue",
        (View::Form, Action::Choose) => "edit",
        (View::Form | View::Plan, Action::Start) => "start",
        (View::Form, Action::Plan) => "dry run",
        (View::Plan, Action::Plan) => "form",
        (View::Form, Action::NextProblem(true)) => "problem",
        (View::Form, Action::Advanced) => "advanced",
        (View::Form, Action::Edit) => "editor",
        (View::Form, Action::Save) => "save",
        (View::Form | View::Plan, Action::Copy) => "copy",
        (View::Form, Action::Differences) => "diff",
        (View::Form, Action::Undo) => "undo",
        (View::Form, Action::Remove) => "reset",
        (View::Queue, Action::Lift) => "earlier",
        (View::Queue, Action::Lower) => "later",
        (View::Queue, Action::Remove) => "take out",
        _ => return None,
    })
}
