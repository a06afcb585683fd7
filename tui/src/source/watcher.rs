//! Following one run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracking::event::line::Line;
use tracking::event_log::Polled;
use tracking::history::Follower;
use tracking::{
    ConsoleReader, Event, EventKind, EventReader, History, LogLine, RunFolder, TrackingError,
};

use super::episodes::Episodes;
use super::{SceneRenderer, Scores};
use crate::detail::{CURVE_POINTS, LOG_LINES};
use crate::update::News;

/// While there is more to read, the screen hears of it this often.
const NEWS_EVERY: Duration = Duration::from_millis(200);

/// Follows one run: its events, its console, its recorded episodes.
pub struct Watcher {
    run: RunFolder,
    follower: Follower,
    scores: Scores,
    console: ConsoleReader,
    episodes: Episodes,
    /// Lines of events that a long log gave while it is read; in their order once it is.
    told: VecDeque<LogLine>,
    /// The log as the screen has it; while a long log is read, the console's part of it.
    log: VecDeque<LogLine>,
    /// Evaluations have changed since they were last sent.
    rescore: bool,
    changed: bool,
    sent: Option<Instant>,
    more: bool,
    again: bool,
}

impl Watcher {
    /// A watcher at the beginning of a run.
    #[must_use]
    pub fn new(run: RunFolder) -> Self {
        Watcher {
            follower: Follower::open(&run.events(), CURVE_POINTS),
            scores: Scores::default(),
            console: ConsoleReader::open(&run.console_log()),
            episodes: Episodes::of(run.media().join("episodes")),
            run,
            told: VecDeque::new(),
            log: VecDeque::new(),
            rescore: true,
            changed: false,
            sent: None,
            more: false,
            again: false,
        }
    }

    /// Whether there is more to read right away.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Makes the next news tell everything: whoever hears them is new.
    pub fn tell_again(&mut self) {
        (self.changed, self.rescore, self.again) = (true, true, true);
        self.sent = None;
        self.episodes.forget();
    }

    /// Reads on for about `time`: what is new since the last call, `None` when nothing is.
    pub fn poll(&mut self, render: &SceneRenderer, time: Duration) -> Option<News> {
        let mut news = News {
            id: self.run.id(),
            ..News::default()
        };
        let told = self.read_events(&mut news, time);
        self.extend_log(&mut news, told);
        news.episode = self.episodes.poll(render);
        let due = self.sent.is_none_or(|sent| sent.elapsed() >= NEWS_EVERY);
        if self.changed && (due || !self.more) {
            self.publish(&mut news);
        }
        let quiet =
            !news.anew && news.history.is_none() && news.log.is_empty() && news.episode.is_none();
        (!quiet).then_some(news)
    }

    /// Lets the follower read; what its events tell.
    fn read_events(&mut self, news: &mut News, time: Duration) -> Vec<LogLine> {
        let mut told = Vec::new();
        let (scores, rescore) = (&mut self.scores, &mut self.rescore);
        let mut note = |event: &Event| {
            *rescore |= is_of_score(event);
            told.extend(scores.tell(event));
        };
        // An unreadable log is not the dashboard's business: the run's status tells.
        let progressed = self.follower.poll(time, &mut note).unwrap_or_default();
        self.more = progressed.more;
        self.changed |= progressed.changed;
        if progressed.anew {
            (self.rescore, news.anew) = (true, true);
            self.told.clear();
            self.log.clear();
            told.clear();
        }
        if progressed.whole {
            // Now the events have their order, and the console comes behind them.
            (self.rescore, news.anew) = (true, true);
            self.sent = None;
            keep(&mut self.told, told);
            told = self.told.drain(..).chain(self.log.drain(..)).collect();
        }
        told
    }

    fn extend_log(&mut self, news: &mut News, told: Vec<LogLine>) {
        let said = self.console.poll();
        let again = std::mem::take(&mut self.again);
        if self.follower.share().is_some() {
            keep(&mut self.told, told);
            keep(&mut self.log, said.clone());
            if self.sent.is_none() || again {
                let glanced = self.follower.glanced().iter();
                news.anew = true;
                news.log
                    .extend(glanced.filter_map(|event| self.scores.tell(event)));
                news.log.extend(self.log.iter().cloned());
            } else {
                news.log = said;
            }
            return;
        }
        let mut new = told;
        new.extend(said);
        keep(&mut self.log, new.clone());
        if again {
            news.anew = true;
            new = self.log.iter().cloned().collect();
        }
        news.log = new;
    }

    fn publish(&mut self, news: &mut News) {
        let history = Arc::new(self.follower.history().clone());
        if std::mem::take(&mut self.rescore) {
            score(&mut self.scores, &history, news);
        }
        news.history = Some(history);
        news.reading = self.follower.share();
        self.changed = false;
        self.sent = Some(Instant::now());
    }
}

fn is_of_score(event: &Event) -> bool {
    matches!(
        event.kind,
        EventKind::Evaluation { .. } | EventKind::Resumed { .. }
    )
}

fn score(scores: &mut Scores, history: &History, news: &mut News) {
    let points = history.interval_evaluations().map(|one| scores.of(one));
    news.evaluations = Some(Arc::new(points.collect()));
    news.absolute = history.absolute_evaluation().map(|one| scores.of(one));
}

fn keep(lines: &mut VecDeque<LogLine>, new: Vec<LogLine>) {
    lines.extend(new);
    lines.drain(..lines.len().saturating_sub(LOG_LINES));
}

/// The news that these events give after what is known already; for replaying, and for
/// tests.
#[must_use]
pub fn news_after(known: &History, id: &str, events: Vec<Event>) -> News {
    let mut history = known.clone();
    let mut scores = Scores::default();
    let mut news = News {
        id: id.to_owned(),
        ..News::default()
    };
    for event in events {
        news.log.extend(scores.tell(&event));
        history.apply(event);
    }
    score(&mut scores, &history, &mut news);
    news.history = Some(Arc::new(history));
    news
}

/// The whole log of a run as the screen shows it: what its events tell, then its console.
///
/// # Errors
/// The run's events cannot be read.
pub fn log_of(run: &RunFolder) -> Result<Vec<LogLine>, TrackingError> {
    let mut scores = Scores::default();
    let mut lines = VecDeque::new();
    let mut reader = EventReader::open(&run.events());
    let mut polled = Polled::Replaced;
    while polled == Polled::Replaced {
        lines.clear();
        polled = reader.poll_lines(u64::MAX, &mut |line| {
            if let Line::Other(event) = line {
                keep(&mut lines, scores.tell(&event).into_iter().collect());
            }
        })?;
    }
    keep(&mut lines, ConsoleReader::open(&run.console_log()).poll());
    Ok(lines.into())
}

#[cfg(test)]
mod tests;
