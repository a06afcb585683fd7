//! The keys that do not belong to one pane or screen.

use ratatui::crossterm::event::KeyCode::{
    BackTab, Char, Down, End, Enter, Esc, F, Home, PageDown, PageUp, Tab, Up,
};

use super::{Action, Binding, Move};
use crate::panes::{Pane, runs};
use crate::screens::ScreenKind;

pub(super) const GLOBAL: &[Binding] = &[
    Binding::new(
        &[Char('q')],
        "q",
        Action::Quit,
        "leave; runs keep going (on another screen: back to the dashboard)",
    )
    .footer("quit"),
    Binding::new(
        &[Char('?'), F(1)],
        "? F1",
        Action::Help,
        "this help, again to close it",
    )
    .footer("help"),
    Binding::new(
        &[Char(':')],
        ":",
        Action::Command,
        "command line, Tab completes",
    ),
    Binding::new(
        &[Char('/')],
        "/",
        Action::Filter,
        "filter what has the focus; ! inverts, Esc clears",
    ),
    Binding::new(
        &[Char('j'), Down],
        "j Down",
        Action::Move(Move::Lines(1)),
        "move down",
    ),
    Binding::new(
        &[Char('k'), Up],
        "k Up",
        Action::Move(Move::Lines(-1)),
        "move up",
    ),
    Binding::new(
        &[PageDown],
        "PgDn",
        Action::Move(Move::Pages(1)),
        "move down by a page",
    ),
    Binding::new(
        &[PageUp],
        "PgUp",
        Action::Move(Move::Pages(-1)),
        "move up by a page",
    ),
    Binding::new(
        &[Char('g'), Home],
        "g Home",
        Action::Move(Move::Top),
        "first entry",
    ),
    Binding::new(
        &[Char('G'), End],
        "G End",
        Action::Move(Move::Bottom),
        "last entry",
    ),
    Binding::new(&[Esc], "Esc", Action::Back, "one level back"),
    Binding::new(
        &[Char('d')],
        "C-d",
        Action::Move(Move::Pages(1)),
        "move down by a page",
    )
    .control(),
    Binding::new(
        &[Char('u')],
        "C-u",
        Action::Move(Move::Pages(-1)),
        "move up by a page",
    )
    .control(),
    Binding::new(
        &[Char('c')],
        "C-c",
        Action::Interrupt,
        "as q; twice within two seconds leaves at once",
    )
    .control(),
    Binding::new(
        &[Char('z')],
        "C-z",
        Action::Suspend,
        "suspend; `fg` in the shell comes back",
    )
    .control(),
    Binding::new(&[Char('l')], "C-l", Action::Redraw, "redraw everything").control(),
];

pub(super) const DASHBOARD: &[Binding] = &[
    Binding::new(&[Tab], "Tab", Action::NextPane, "next pane").footer("pane"),
    Binding::new(&[BackTab], "S-Tab", Action::PreviousPane, "previous pane"),
    Binding::new(&[Char('1')], "1", Action::Focus(Pane::Runs), "the runs"),
    Binding::new(
        &[Char('2')],
        "2",
        Action::Focus(Pane::Metrics),
        "the metrics",
    ),
    Binding::new(
        &[Char('3')],
        "3",
        Action::Focus(Pane::World),
        "the grid world",
    ),
    Binding::new(
        &[Char('4')],
        "4",
        Action::Focus(Pane::Text),
        "the texts of a fine-tuning",
    ),
    Binding::new(
        &[Char('5')],
        "5",
        Action::Focus(Pane::Search),
        "the search tree",
    ),
    Binding::new(&[Char('6')], "6", Action::Focus(Pane::Logs), "the logs"),
    Binding::new(
        &[Char('7')],
        "7",
        Action::Focus(Pane::Machine),
        "the machine",
    ),
    Binding::new(
        &[Enter],
        "Enter",
        Action::Open,
        "fill the screen with the pane",
    ),
    Binding::new(
        &[Char('z')],
        "z",
        Action::Maximise,
        "fill the screen with the pane, again to restore",
    )
    .footer("zoom"),
    Binding::new(
        &[Char('x')],
        "x",
        Action::Runs(runs::Action::Stop),
        "stop the selected or marked runs with a checkpoint (asks)",
    )
    .footer("stop"),
    Binding::new(
        &[Char('r')],
        "r",
        Action::Runs(runs::Action::Resume),
        "resume the selected run from its checkpoint",
    )
    .footer("resume"),
    Binding::new(
        &[Char('E')],
        "E",
        Action::Show(ScreenKind::Evaluate),
        "evaluate the selected or marked runs",
    ),
    Binding::new(
        &[Char('M')],
        "M",
        Action::Show(ScreenKind::Models),
        "models: those that are here, downloads, a chat",
    ),
];
