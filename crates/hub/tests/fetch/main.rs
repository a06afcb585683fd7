//! Downloads against a server of this machine that cuts, corrupts, stalls and refuses.

mod cache;
mod refusals;
mod transfers;

use std::ops::ControlFlow;
use std::time::Duration;

use hub::{DownloadEvent, Fetched, Hub, HubError, HubSettings, HuggingFace, ModelName};
use testkit::loopback_hub::Server;

/// A server with a small model, and a cache.
struct Place {
    server: Server,
    cache: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Place {
            server: Server::start(),
            cache: tempfile::tempdir().expect("a folder"),
        }
    }

    fn settings(&self) -> HubSettings {
        let mut settings =
            HubSettings::new(self.cache.path().to_path_buf(), &self.server.address());
        settings.stall = Duration::from_millis(400);
        settings.connect = Duration::from_secs(2);
        settings.attempts = 3;
        settings.pause = Duration::from_millis(1);
        settings
    }

    fn hub(&self) -> HuggingFace {
        HuggingFace::new(self.settings())
    }

    fn fetch(&self) -> Result<Fetched, HubError> {
        self.hub()
            .fetch(&name(), "main", &mut |_| ControlFlow::Continue(()))
    }

    /// Fetches and keeps all steps.
    fn watched(&self) -> (Result<Fetched, HubError>, Vec<DownloadEvent>) {
        let mut events = Vec::new();
        let result = self.hub().fetch(&name(), "main", &mut |event| {
            events.push(event.clone());
            ControlFlow::Continue(())
        });
        (result, events)
    }

    /// Everything in the cache, with slashes.
    fn cached(&self, under: &str) -> Vec<String> {
        let root = self.cache.path().join("models--owner--tiny").join(under);
        let mut names: Vec<String> = std::fs::read_dir(root)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn name() -> ModelName {
    ModelName::new("owner/tiny").expect("a name")
}
