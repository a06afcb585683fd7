//! Following a log of any length: something to look at soon, everything a little later.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::TrackingError;
use crate::event::line::{Line, each_line};
use crate::event::{Event, EventKind};
use crate::event_log::{EventReader, Polled};
use crate::series::Point;

use super::History;

/// A longer log is looked through by samples before it is read.
const LONG_LOG: u64 = 32 * 1024 * 1024;
/// Bytes read between two looks at the clock.
const SLICE: u64 = 4 * 1024 * 1024;
/// The samples: pieces of the log at even distances.
const SAMPLES: u64 = 512;
const SAMPLE: u64 = 16 * 1024;
/// The ends are looked at more closely: the run's first states, its last values.
const HEAD: u64 = 256 * 1024;
const TAIL: u64 = 1024 * 1024;

/// What a look at the log brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progressed {
    /// [`Follower::history`] has changed.
    pub changed: bool,
    /// There is more to read: look again soon.
    pub more: bool,
    /// The log was replaced: what was told of its events is void.
    pub anew: bool,
    /// A long log has now been read to its end.
    pub whole: bool,
}

/// Follows a run's log with bounded memory.
///
/// A long log is opened by samples at even distances: every curve over its whole range
/// and the run's latest values, within a fraction of a second. Then it is read from its
/// beginning in slices, and when its end is reached, the history is the one that a
/// straight reading gives.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    limit: usize,
    long: u64,
    reader: EventReader,
    history: History,
    begun: bool,
    glance: Option<Glance>,
}

impl Follower {
    /// A follower at the beginning of a log, which need not exist yet. Curves are
    /// thinned to about `limit` points.
    pub fn open(path: &Path, limit: usize) -> Self {
        Self {
            path: path.to_path_buf(),
            limit,
            long: LONG_LOG,
            reader: EventReader::open(path),
            history: History::with_point_limit(limit),
            begun: false,
            glance: None,
        }
    }

    /// Logs longer than this many bytes are opened by samples.
    #[must_use]
    pub fn with_long_log(self, bytes: u64) -> Self {
        Self {
            long: bytes,
            ..self
        }
    }

    /// Reads on for about `time`. `note` sees every event that is no point of a curve, in
    /// order, before it is applied. The first poll of a long log shows it none: see
    /// [`Follower::glanced`].
    ///
    /// # Errors
    /// The log exists and cannot be read.
    pub fn poll(
        &mut self,
        time: Duration,
        note: &mut dyn FnMut(&Event),
    ) -> Result<Progressed, TrackingError> {
        if !self.begun {
            self.begun = true;
            self.glance = Glance::at(&self.path, self.limit, self.long);
            if self.glance.is_some() {
                return Ok(Progressed {
                    changed: true,
                    more: true,
                    ..Progressed::default()
                });
            }
        }
        let (until, before) = (Instant::now() + time, self.history.events);
        let mut polled = self.read_slice(note)?;
        while polled == Polled::More && Instant::now() < until {
            polled = self.read_slice(note)?;
        }
        let mut progressed = Progressed {
            changed: self.history.events != before,
            more: polled != Polled::End,
            ..Progressed::default()
        };
        if polled == Polled::Replaced {
            self.history = History::with_point_limit(self.limit);
            (self.begun, self.glance) = (false, None);
            progressed.changed = true;
            progressed.anew = true;
        } else if let Some(glance) = &mut self.glance {
            progressed.changed = glance.follow()?;
            if polled == Polled::End {
                self.glance = None;
                (progressed.changed, progressed.whole) = (true, true);
            }
        }
        Ok(progressed)
    }

    fn read_slice(&mut self, note: &mut dyn FnMut(&Event)) -> Result<Polled, TrackingError> {
        let (history, glance) = (&mut self.history, &mut self.glance);
        self.reader.poll_lines(SLICE, &mut |line| {
            if let Line::Other(event) = &line {
                note(event);
                if let Some(glance) = glance {
                    glance.learn(event);
                }
            }
            history.apply_line(line);
        })
    }

    /// What is known of the run.
    pub fn history(&self) -> &History {
        self.glance
            .as_ref()
            .map_or(&self.history, |glance| &glance.history)
    }

    /// The events that are no points of curves, of those parts of a long log that were
    /// looked at when it was opened; none once it was read.
    pub fn glanced(&self) -> &[Event] {
        self.glance
            .as_ref()
            .map_or(&[], |glance| glance.notes.as_slice())
    }

    /// The share of a long log that was read; `None` once all of it was.
    pub fn share(&self) -> Option<f64> {
        let glance = self.glance.as_ref()?;
        Some((self.reader.offset() as f64 / glance.tail.offset().max(1) as f64).clamp(0.0, 1.0))
    }
}

/// A long log by samples.
#[derive(Debug)]
struct Glance {
    history: History,
    notes: Vec<Event>,
    /// Follows what is appended meanwhile.
    tail: EventReader,
}

impl Glance {
    /// `None` for a log that is short or cannot be read.
    fn at(path: &Path, limit: usize, long: u64) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        if length <= long {
            return None;
        }
        let mut glance = Self {
            history: History::with_point_limit(limit),
            notes: Vec::new(),
            tail: EventReader::open_at(path, length),
        };
        let mut last = None;
        let mut end = 0;
        for (from, to) in pieces(length) {
            let (sequence, whole) = glance.sample(&mut file, from, to).ok()?;
            last = sequence.or(last);
            end = whole;
        }
        glance.tail = EventReader::open_at(path, end);
        glance.history.events = last.map_or(0, |last| last.saturating_add(1));
        Some(glance)
    }

    /// Looks at the whole lines between two offsets: the number of the last event, and
    /// where it ends.
    fn sample(&mut self, file: &mut File, from: u64, to: u64) -> io::Result<(Option<u64>, u64)> {
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(to - from).read_to_end(&mut bytes)?;
        let start = if from == 0 {
            0
        } else {
            // Where a line is longer than the sample there is nothing to see in it.
            let line_feed = bytes.iter().position(|byte| *byte == b'\n');
            line_feed.map_or(bytes.len(), |at| at + 1)
        };
        let mut last = None;
        let used = each_line(&bytes[start..], &mut |line| {
            let Some(line) = line else { return };
            last = Some(line.sequence());
            self.see(line);
        });
        Ok((last, from + (start + used) as u64))
    }

    fn see(&mut self, line: Line<'_>) {
        match line {
            Line::Scalar(scalar) => {
                let point = Point {
                    step: scalar.step,
                    value: scalar.value,
                    time: scalar.time,
                };
                self.history
                    .curves
                    .push_sample(scalar.name, scalar.axis, point);
            }
            Line::Other(event) => {
                self.notes.push((*event).clone());
                self.history.apply(*event);
            }
        }
    }

    /// Takes over an evaluation that the reading came by.
    fn learn(&mut self, event: &Event) {
        let EventKind::Evaluation {
            purpose, progress, ..
        } = &event.kind
        else {
            return;
        };
        let known = &mut self.history.evaluations;
        if known
            .iter()
            .any(|one| one.purpose == *purpose && one.progress.step == progress.step)
        {
            return;
        }
        self.history.apply(event.clone());
        self.history.events -= 1;
        self.history
            .evaluations
            .sort_by_key(|one| one.progress.step);
    }

    /// Takes what was appended; tells whether there was something.
    fn follow(&mut self) -> Result<bool, TrackingError> {
        let history = &mut self.history;
        let before = history.events;
        self.tail
            .poll_lines(u64::MAX, &mut |line| history.apply_line(line))?;
        Ok(history.events != before)
    }
}

/// From where to where the samples go, in order and without overlap.
fn pieces(length: u64) -> Vec<(u64, u64)> {
    let (first, last) = (HEAD.min(length), length.saturating_sub(TAIL));
    let mut pieces = vec![(0, first)];
    let between = last.saturating_sub(first);
    let distance = (between / SAMPLES).max(SAMPLE);
    let inner = (0..SAMPLES)
        .map(|index| first + index * distance)
        .take_while(|from| from + SAMPLE <= last)
        .map(|from| (from, from + SAMPLE));
    pieces.extend(inner);
    if last.max(first) < length {
        pieces.push((last.max(first), length));
    }
    pieces
}

#[cfg(test)]
mod tests;
