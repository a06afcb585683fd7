//! The rows of the list: which, in what order.

use std::cmp::Ordering;

use super::State;
use super::requests::Listed;
use crate::figures::count;
use crate::pattern::Pattern;
use crate::plan::bytes;
use crate::theme::Role;
use crate::widgets::table::{Cell, Column};

/// What the list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By name.
    #[default]
    Name,
    /// By family.
    Family,
    /// The largest first.
    Parameters,
    /// The largest first.
    Size,
    /// The newest first.
    Age,
}

impl Sort {
    /// Every order.
    pub const ALL: [Sort; 5] = [
        Sort::Name,
        Sort::Family,
        Sort::Parameters,
        Sort::Size,
        Sort::Age,
    ];

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Sort::Name => "name",
            Sort::Family => "family",
            Sort::Parameters => "parameters",
            Sort::Size => "size",
            Sort::Age => "age",
        }
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Sort {
        let at = Sort::ALL.iter().position(|sort| *sort == self);
        Sort::ALL[(at.unwrap_or(0) + 1) % Sort::ALL.len()]
    }

    fn compare(self, left: &Listed, right: &Listed) -> Ordering {
        match self {
            Sort::Name => left.name.cmp(&right.name),
            Sort::Family => left.family.cmp(&right.family),
            Sort::Parameters => right.parameters.cmp(&left.parameters),
            Sort::Size => right.bytes.cmp(&left.bytes),
            Sort::Age => right.modified.total_cmp(&left.modified),
        }
        .then_with(|| left.name.cmp(&right.name))
    }
}

/// What the filter looks at.
fn text(one: &Listed) -> String {
    format!(
        "{} {} {} {}{}",
        one.name,
        one.family.as_deref().unwrap_or_default(),
        one.kind,
        one.revisions.join(" "),
        if one.problem.is_some() { " broken" } else { "" }
    )
}

/// The models on the list, as filtered and ordered.
#[must_use]
pub fn visible(state: &State) -> Vec<&Listed> {
    let models = state.list.iter().flat_map(|list| &list.models);
    let pattern = Pattern::new(&state.filter);
    let mut rows: Vec<&Listed> = models.filter(|one| pattern.matches(&text(one))).collect();
    rows.sort_by(|left, right| state.sort.compare(left, right));
    if state.reversed {
        rows.reverse();
    }
    rows
}

/// The columns of the list; the first ones matter most.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column {
            widest: 44,
            ..Column::text("model")
        },
        Column::number("params"),
        Column::number("size"),
        Column {
            widest: 16,
            ..Column::text("family")
        },
        Column::text("chat"),
        Column::text("kind"),
        Column {
            widest: 14,
            ..Column::text("revision")
        },
    ]
}

/// A model as entries of the columns.
pub(super) fn cells(one: &Listed, unicode: bool) -> Vec<Cell> {
    let role = match (&one.problem, one.kind.as_str()) {
        (Some(_), _) => Role::Bad,
        (None, "language") => Role::Text,
        (None, _) => Role::Muted,
    };
    // A sign, since colour alone tells nothing to some.
    let sign = match (&one.problem, unicode) {
        (Some(_), true) => "✗ ",
        (Some(_), false) => "x ",
        (None, _) => "",
    };
    let revision = match one.revisions.first() {
        Some(revision) => revision.clone(),
        None if one.is_folder() => "folder".to_owned(),
        None => one.commit.chars().take(8).collect(),
    };
    let plain = |text: String| (text, Role::Text);
    vec![
        (format!("{sign}{}", one.name), role),
        plain(
            one.parameters
                .map_or_else(|| "-".to_owned(), |all| count(all as f64)),
        ),
        plain(bytes(one.bytes)),
        plain(one.family.clone().unwrap_or_else(|| "-".to_owned())),
        plain(if one.template { "yes" } else { "no" }.to_owned()),
        plain(one.kind.clone()),
        plain(revision),
    ]
}
