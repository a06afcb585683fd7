//! The same search again, from its log alone.

use std::collections::VecDeque;

use super::{Event, Lines, read};
use crate::job::Question;
use crate::{Search, SearchError};

/// What is wrong with a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A line in the middle that is no event.
    #[error("line {number} is no event ({problem}) - restore the file, or search again")]
    Line {
        /// The line, from 1.
        number: usize,
        /// What is wrong.
        problem: String,
    },
    /// The first lines are missing or cut.
    #[error("the log does not begin with settings and question - search again")]
    NoStart,
    /// The log says something else than the search does.
    #[error(
        "event {number} is {logged}, and the replay says {computed} - \
         the log was edited, or written by another version"
    )]
    Differs {
        /// The event, from 1.
        number: usize,
        /// The event in the log.
        logged: String,
        /// The event that follows from the earlier ones.
        computed: String,
    },
    /// No such node.
    #[error("there is no node {node} in the log - allowed are 0 to {last}")]
    NoNode {
        /// The node asked for.
        node: u32,
        /// The last node there is.
        last: u32,
    },
    /// The settings of the log cannot be searched with.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] std::io::Error),
}

/// A search in the state that its log ends in.
#[derive(Debug)]
pub struct Replayed {
    /// The search. Jobs that were under way are in [`Search::outstanding`].
    pub search: Search,
    /// Events that follow from the log but are not in it, since it was cut.
    pub missing: Vec<Event>,
    /// Seconds at the last event.
    pub time: f64,
    /// Bytes of the log that are whole lines.
    pub bytes: usize,
}

/// Comes to the state that a log ends in, and checks every line of it on the way.
///
/// # Errors
/// [`LogError`], with what differs.
pub fn replay(text: &[u8]) -> Result<Replayed, LogError> {
    let lines = read(text)?;
    replay_lines(&lines)
}

pub(super) fn replay_lines(lines: &Lines) -> Result<Replayed, LogError> {
    let mut search = begin(lines)?;
    let mut computed: VecDeque<Event> = search.events().into();
    for (index, line) in lines.events.iter().enumerate() {
        let logged = &line.event;
        if matches!(logged, Event::Unknown) {
            continue;
        }
        let branches = matches!(logged, Event::Branch { .. });
        if computed.is_empty() && search.verdict().is_some() && !branches {
            // Who judged the answer may add lines after the end.
            continue;
        }
        if computed.is_empty() {
            act(&mut search, logged);
            computed.extend(search.events());
        }
        let expected = computed.pop_front();
        if expected.as_ref() != Some(logged) {
            return Err(LogError::Differs {
                number: index + 1,
                logged: words(Some(logged)),
                computed: words(expected.as_ref()),
            });
        }
    }
    Ok(Replayed {
        search,
        missing: computed.into(),
        time: lines.events.last().map_or(0.0, |line| line.time),
        bytes: lines.bytes,
    })
}

fn begin(lines: &Lines) -> Result<Search, LogError> {
    let mut events = lines.events.iter().map(|line| &line.event);
    match (events.next(), events.next()) {
        (
            Some(Event::Settings {
                settings,
                limits,
                seed,
            }),
            Some(Event::Question { id, text, .. }),
        ) => {
            let question = Question::new(id, text);
            Ok(Search::new(settings, question, *limits, *seed)?)
        }
        _ => Err(LogError::NoStart),
    }
}

/// Does what a deciding line says.
fn act(search: &mut Search, event: &Event) {
    match event {
        Event::Job { .. } => {
            search.ask(1);
        }
        Event::Result { id, outcome } => {
            search.tell(*id, outcome.clone());
        }
        Event::Branch { seed, limits } => search.branch(*seed, *limits),
        _ => {}
    }
}

fn words(event: Option<&Event>) -> String {
    event
        .and_then(|event| serde_json::to_string(event).ok())
        .unwrap_or_else(|| "nothing".to_owned())
}
