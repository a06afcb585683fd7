//! Which devices are in use by the runs of a folder.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::device_key;
use crate::error::TrackingError;
use crate::status::{RunState, Status};

/// A living run on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// The run's id.
    pub id: String,
    /// Its state.
    pub state: RunState,
}

/// Looks up who uses which device; remembers statuses that did not change, since a folder
/// may hold a thousand ended runs.
#[derive(Debug, Default)]
pub struct Occupancy {
    seen: HashMap<PathBuf, (SystemTime, Status)>,
}

impl Occupancy {
    /// The devices in use at `now` (seconds since 1970). `automatic` is the device that
    /// `auto` means on this machine.
    ///
    /// # Errors
    /// `root` exists and cannot be listed.
    pub fn devices(
        &mut self,
        root: &Path,
        automatic: &str,
        now: f64,
    ) -> Result<BTreeMap<String, Occupant>, TrackingError> {
        let failed = |source| TrackingError::io("list the runs", root, source);
        let mut before = std::mem::take(&mut self.seen);
        let mut devices = BTreeMap::new();
        for entry in fs::read_dir(root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path().join("status.json");
            let Ok(changed) = fs::metadata(&path).and_then(|found| found.modified()) else {
                continue; // no run, or one that was removed just now
            };
            let status = match before.remove(&path) {
                Some((then, status)) if then == changed && is_settled(changed) => status,
                _ => match Status::read(&path) {
                    Ok(status) => status,
                    Err(_) => continue,
                },
            };
            let state = status.observed_state(now);
            if !state.is_final() && state != RunState::Queued {
                let device = match status.device.as_str() {
                    "" | "auto" => automatic.to_owned(),
                    device => device_key(device),
                };
                let id = entry.file_name().to_string_lossy().into_owned();
                devices.entry(device).or_insert(Occupant { id, state });
            }
            self.seen.insert(path, (changed, status));
        }
        Ok(devices)
    }
}

/// File times are coarse: a file changed this recently may change again unseen.
fn is_settled(changed: SystemTime) -> bool {
    changed
        .elapsed()
        .is_ok_and(|age| age > Duration::from_secs(2))
}
