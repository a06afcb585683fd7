//! What a run's events mean once resumes are taken into account.
//!
//! # The resume rule
//!
//! A run that was killed and continues from a checkpoint at position P has already
//! reported events beyond P. The log is append-only, so they stay; the event `resumed`
//! with position P marks them void:
//!
//! > An event that lies beyond the position of a later `resumed` is dropped.
//!
//! Scalars and texts are compared on their own axis, evaluations, checkpoints and
//! episodes by environment step; states, warnings, hyper-parameters and endings are kept.
//! Where the run then reports a point at exactly P again, it replaces the old one.

use std::path::Path;

use crate::error::TrackingError;
use crate::event::{Event, EventKind, Progress};
use crate::event_log::EventReader;

/// Whether an event lies beyond a position.
pub fn is_beyond(kind: &EventKind, position: &Progress) -> bool {
    match kind {
        EventKind::Scalar { axis, step, .. } | EventKind::Text { axis, step, .. } => {
            *step > position.on(*axis)
        }
        EventKind::Evaluation { progress, .. }
        | EventKind::Checkpoint { progress, .. }
        | EventKind::Episode { progress, .. } => progress.step > position.step,
        _ => false,
    }
}

/// The resumes of a run, for filtering its events in one pass.
#[derive(Debug, Clone, Default)]
pub struct Boundaries {
    resumes: Vec<(u64, Progress)>,
}

impl Boundaries {
    /// Collects the resumes of an event log.
    ///
    /// # Errors
    /// The log exists and cannot be read.
    pub fn read(events: &Path) -> Result<Self, TrackingError> {
        let mut boundaries = Self::default();
        EventReader::open(events).poll_into(&mut |event| boundaries.note(&event))?;
        Ok(boundaries)
    }

    /// Takes one event into account.
    pub fn note(&mut self, event: &Event) {
        if let EventKind::Resumed { progress, .. } = &event.kind {
            self.resumes.push((event.sequence, *progress));
        }
    }

    /// Whether the event is still valid.
    pub fn keep(&self, event: &Event) -> bool {
        self.resumes.iter().all(|(sequence, position)| {
            *sequence < event.sequence || !is_beyond(&event.kind, position)
        })
    }
}
