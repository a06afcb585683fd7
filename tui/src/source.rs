//! Reads run folders and turns what is new into messages. The only reader in
//! this crate; it writes nothing.

use std::path::Path;

use tracking::unix_seconds;

use crate::detail::WorldFrame;
use crate::run::RunSummary;

mod episodes;
mod list;
mod reading;
mod watcher;
mod words;

pub use episodes::frames;
pub use list::RunList;
pub(crate) use reading::{Watched, Workers, read_runs, watch_machine};
pub use watcher::{Watcher, log_of, news_after};
pub use words::{Scores, describe, score};

/// Makes a frame of a recorded scene; the binary knows the environments.
pub type SceneRenderer = dyn Fn(&serde_json::Value) -> Option<WorldFrame> + Send + Sync;

/// The summaries of all runs under a folder, newest first.
#[must_use]
pub fn runs(root: &Path) -> Vec<RunSummary> {
    let mut list = RunList::new(root);
    list.scan(unix_seconds());
    list.runs()
}
