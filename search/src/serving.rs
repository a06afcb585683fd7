//! Who serves the jobs of a search.

use crate::job::{Job, JobId, Outcome};

/// A policy, a critic and tools: whatever serves jobs.
pub trait Backend {
    /// Serves jobs, in any order. It may leave some out; they are asked again.
    fn serve(&mut self, jobs: &[Job]) -> Vec<(JobId, Outcome)>;
}
