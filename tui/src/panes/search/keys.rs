//! What its keys ask for.

use ratatui::crossterm::event::KeyCode::{self, Char, End, Left, Right};

use crate::keys::Binding;

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Close the node, or go to its parent.
    Collapse,
    /// Open the node, or go to its first child.
    Expand,
    /// The next order of children.
    Order,
    /// Stay on the end of the best path.
    FollowBest,
    /// One event back.
    Back,
    /// One event forward.
    Forward,
    /// Play, or stop.
    Play,
    /// To the start of the replay.
    Start,
    /// To its end.
    Finish,
    /// The previous question.
    PreviousQuestion,
    /// The next question.
    NextQuestion,
    /// The list of questions, or the tree.
    Questions,
    /// Follow the question that is searched now.
    FollowQuestion,
    /// Write a report of the question.
    Report,
    /// Go on from the node in another way.
    Branch,
    /// Scroll the text of the node down.
    TextDown,
    /// Scroll it up.
    TextUp,
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    bind(
        &[Char('h'), Left],
        "h Left",
        Action::Collapse,
        "close the node, or go to its parent",
    )
    .footer("close"),
    bind(
        &[Char('l'), Right],
        "l Right",
        Action::Expand,
        "open the node, or go to its first child",
    )
    .footer("open"),
    bind(
        &[Char('o')],
        "o",
        Action::Order,
        "order children by age, value, visits, cost",
    )
    .footer("order"),
    bind(
        &[Char('b')],
        "b",
        Action::FollowBest,
        "follow the best path",
    )
    .footer("best"),
    bind(
        &[Char(' ')],
        "Space",
        Action::Play,
        "play the search, or stop",
    )
    .footer("play"),
    bind(&[Char(',')], ",", Action::Back, "one event back"),
    bind(&[Char('.')], ".", Action::Forward, "one event forward"),
    bind(
        &[Char('0')],
        "0",
        Action::Start,
        "to the start of the search",
    ),
    bind(
        &[Char('$'), End],
        "$ End",
        Action::Finish,
        "to the end of the search",
    ),
    bind(
        &[Char('[')],
        "[",
        Action::PreviousQuestion,
        "previous question",
    ),
    bind(&[Char(']')], "]", Action::NextQuestion, "next question"),
    bind(
        &[Char('a')],
        "a",
        Action::Questions,
        "all questions: answers, right or wrong, spent; again for the tree",
    )
    .footer("questions"),
    bind(
        &[Char('f')],
        "f",
        Action::FollowQuestion,
        "follow the question that is searched now",
    ),
    bind(
        &[Char('w')],
        "w",
        Action::Report,
        "write a report of the question: .html .dot .mmd .json",
    )
    .footer("report"),
    bind(
        &[Char('B')],
        "B",
        Action::Branch,
        "go on from the node in another way: a run of its own (asks)",
    ),
    bind(
        &[Char('J')],
        "J",
        Action::TextDown,
        "scroll the node's text down",
    ),
    bind(
        &[Char('K')],
        "K",
        Action::TextUp,
        "scroll the node's text up",
    ),
];

const fn bind(
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding::new(keys, shown, crate::keys::Action::Search(action), help)
}
