//! The screen's rows of the key table.

use ratatui::crossterm::event::KeyCode::{self, Char, Left, Right, Tab as TabKey};

use super::Action;
use crate::keys::{self, Binding};

const fn bind(
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding::new(keys, shown, keys::Action::Compare(action), help)
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    bind(
        &[Char('f')],
        "f",
        Action::Fold,
        "fold the seeds of a configuration into a band, or show each run",
    )
    .footer("fold"),
    bind(
        &[Char('i')],
        "i",
        Action::Centre,
        "over seeds: interquartile mean, or mean",
    ),
    bind(
        &[Char('d')],
        "d",
        Action::Differences,
        "settings that differ, again for the results",
    )
    .footer("settings"),
    bind(
        &[TabKey],
        "Tab",
        Action::NextTable,
        "next table: searches, questions, results, settings, improvement",
    )
    .footer("table"),
    bind(
        &[Char('E')],
        "E",
        Action::Export,
        "write what is shown to a file: .csv .json .svg .txt .md",
    )
    .footer("export"),
    bind(
        &[Char('e')],
        "e",
        Action::Smooth,
        "smooth: 0.6, 0.9, 0.99 of the past, none",
    )
    .footer("smooth"),
    bind(
        &[Char('t')],
        "t",
        Action::Axis,
        "x axis: environment steps, learner updates, time, tokens",
    )
    .footer("x axis"),
    bind(&[Char('L')], "L", Action::Log, "logarithmic y axis, or not"),
    bind(
        &[Char('o')],
        "o",
        Action::Clip,
        "y axis without outliers (1 to 99 percent), or with them",
    ),
    bind(
        &[Char('w')],
        "w",
        Action::Window,
        "window: whole, last 50, 20, 5 percent",
    ),
    bind(
        &[Char('.')],
        ".",
        Action::Readout,
        "read values out at a cursor, which h and l move",
    )
    .footer("read"),
    bind(&[Char('+'), Char('=')], "+", Action::ZoomIn, "zoom in"),
    bind(&[Char('-')], "-", Action::ZoomOut, "zoom out"),
    bind(
        &[Char('h'), Left],
        "h Left",
        Action::Left,
        "readout or window to the left",
    ),
    bind(
        &[Char('l'), Right],
        "l Right",
        Action::Right,
        "readout or window to the right",
    ),
    bind(&[Char('0')], "0", Action::Fit, "the whole curves again"),
    bind(
        &[Char('z')],
        "z",
        Action::Enlarge,
        "curves and table, curves alone, table alone",
    )
    .footer("zoom"),
    bind(&[Char('<')], "<", Action::TableLeft, "table to the left"),
    bind(&[Char('>')], ">", Action::TableRight, "table to the right"),
];
