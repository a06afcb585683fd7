//! Another way on from a node of a recorded search.

use super::replay::replay_lines;
use super::{Event, Lines, LogError, LogEvent, Replayed, read};
use crate::Search;
use crate::resource::Limits;
use crate::tree::NodeId;

/// Where a log is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the step that made the node was asked for.
    Before(NodeId),
    /// Once the node has its first value.
    After(NodeId),
}

impl Cut {
    fn node(self) -> NodeId {
        match self {
            Self::Before(node) | Self::After(node) => node,
        }
    }
}

/// The search as it was at the cut, to go on with another seed and budget (the recorded one
/// where none is given), with the lines of its new log so far.
///
/// Jobs that were under way at the cut are asked again, with the new seed. Budgets below what
/// was spent by then are raised to that.
///
/// # Errors
/// As [`super::replay`]; [`LogError::NoNode`].
pub fn branch(
    text: &[u8],
    cut: Cut,
    seed: u64,
    limits: Option<Limits>,
) -> Result<(Search, Vec<LogEvent>), LogError> {
    let lines = read(text)?;
    let whole = replay_lines(&lines)?.search;
    let node = cut.node();
    let Some(at) = whole.tree().get(node) else {
        return Err(LogError::NoNode {
            node: node.0,
            last: (whole.tree().len() - 1) as u32,
        });
    };
    let is_cut = |event: &Event| match (cut, event, at.made_by) {
        (Cut::Before(_), Event::Job { id, .. }, Some(maker)) => *id == maker,
        (_, Event::Value { id, .. }, _) => *id == node,
        _ => false,
    };
    let found = lines.events.iter().position(|line| is_cut(&line.event));
    let mut end = found.unwrap_or(lines.events.len());
    if matches!(cut, Cut::After(_)) || at.made_by.is_none() {
        // All that follows from the line that decided the node.
        let rest = &lines.events[end.min(lines.events.len())..];
        let next = rest.iter().position(|line| line.event.decides());
        end = next.map_or(lines.events.len(), |offset| end + offset);
    }
    let mut events = lines.events;
    events.truncate(end);
    let time = events.last().map_or(0.0, |line| line.time);
    let kept = Lines { events, bytes: 0 };
    let Replayed {
        mut search,
        missing,
        ..
    } = replay_lines(&kept)?;
    let limits = limits.unwrap_or_else(|| search.ledger().limits());
    search.branch(seed, limits);
    let mut events = kept.events;
    let more = missing.into_iter().chain(search.events());
    events.extend(more.map(|event| LogEvent::at(time, event)));
    Ok((search, events))
}
