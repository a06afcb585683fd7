//! The Hugging Face hub over HTTP.
//!
//! hf-hub 0.5 gives the cache's layout, the addresses and the request for a model's list of files. Its
//! own transfer is not used: it checks neither size nor hash, has no time limit, panics on a redirect
//! without a target and loses the server's reason (`docs/models.md`).

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hf_hub::Cache;
use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use serde::Deserialize;
use ureq::Agent;

use crate::cache::{CachedModel, repo};
use crate::error::HubError;
use crate::name::{ModelName, check_revision, is_commit};
use crate::refusal::{Request, text};
use crate::selection;
use crate::settings::HubSettings;
use crate::source::{DownloadEvent, Fetched, Hub, Listing, RemoteFile, Watch};
use crate::transfer::Transfer;

/// More would be no list of files.
const LONGEST_LISTING: u64 = 64 << 20;

/// Stops a download from another thread, also while the server is silent.
#[derive(Debug, Clone)]
pub struct Stop {
    agent: Agent,
    stopped: Arc<AtomicBool>,
}

impl Stop {
    /// Breaks all transfers of the hub that handed this out; they end with
    /// [`HubError::Cancelled`].
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.agent.clone().shutdown();
    }
}

/// The hub of [`HubSettings::endpoint`] with its cache.
#[derive(Debug)]
pub struct HuggingFace {
    settings: HubSettings,
    agent: Agent,
    stopped: Arc<AtomicBool>,
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    #[serde(alias = "oid")]
    sha256: String,
    size: u64,
}

impl HuggingFace {
    /// A hub; nothing is sent yet.
    #[must_use]
    pub fn new(settings: HubSettings) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(settings.connect))
            .timeout_resolve(Some(settings.connect))
            .timeout_per_read(Some(settings.stall))
            .timeout_per_write(Some(settings.stall))
            .user_agent(concat!("concord/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        HuggingFace {
            settings,
            agent,
            stopped: Arc::default(),
        }
    }

    /// How it was set up.
    #[must_use]
    pub fn settings(&self) -> &HubSettings {
        &self.settings
    }

    /// A handle that stops this hub's transfers.
    #[must_use]
    pub fn stop(&self) -> Stop {
        Stop {
            agent: self.agent.clone(),
            stopped: Arc::clone(&self.stopped),
        }
    }

    /// Reads every cached file of a model again and removes those that are damaged; their names.
    ///
    /// # Errors
    ///
    /// As [`Hub::list`], and files that cannot be read.
    pub fn verify(&self, name: &ModelName, revision: &str) -> Result<Vec<String>, HubError> {
        let listing = self.list(name, revision)?;
        let cached = CachedModel::new(&self.settings.cache, name, revision)?;
        let mut damaged = Vec::new();
        for file in &listing.files {
            let blob = cached.blob(&file.etag);
            if !blob.exists() {
                continue;
            }
            let verdict = file
                .expected()
                .check(&blob)
                .map_err(crate::error::io_error("cannot read", &blob))?;
            if verdict.is_err() {
                cached.forget(&listing.commit, &file.name, &blob);
                damaged.push(file.name.clone());
            }
        }
        Ok(damaged)
    }

    fn api(&self, name: &ModelName, revision: &str) -> Result<ApiRepo, HubError> {
        let token = self.settings.token.as_ref();
        ApiBuilder::from_cache(Cache::new(self.settings.cache.clone()))
            .with_endpoint(self.settings.endpoint.clone())
            .with_token(token.map(|token| token.secret().to_owned()))
            .with_progress(false)
            .build()
            .map(|api| api.repo(repo(name, revision)))
            .map_err(|error| HubError::Unreachable {
                endpoint: self.settings.endpoint.clone(),
                why: error.to_string(),
            })
    }

    fn ask(&self, request: &Request<'_>) -> Result<Answer, HubError> {
        let api = self.api(request.name, request.revision)?;
        let mut response = api
            .info_request()
            .query("blobs", "true")
            .config()
            .http_status_as_error(false)
            .timeout_connect(Some(self.settings.connect))
            .timeout_resolve(Some(self.settings.connect))
            .timeout_per_read(Some(self.settings.stall))
            .timeout_per_write(Some(self.settings.stall))
            .build()
            .call()
            .map_err(|error| request.failure(&error))
            .and_then(|response| request.accept(response))?;
        let text = response
            .body_mut()
            .with_config()
            .limit(LONGEST_LISTING)
            .read_to_string()
            .map_err(|error| match error {
                ureq::Error::Timeout(_) => request.stalled(),
                other => request.bad_answer(other.to_string()),
            })?;
        serde_json::from_str(&text).map_err(|error| request.bad_answer(error.to_string()))
    }

    /// Size and content name of a file from its own headers, for servers that do not list them.
    fn head(&self, request: &Request<'_>, file: &str) -> Result<RemoteFile, HubError> {
        let address = self.api(request.name, request.revision)?.url(file);
        let request = Request {
            file: Some(file),
            ..*request
        };
        let response = self
            .authorised(self.agent.head(&address))
            .config()
            // Behind the redirect the headers are those of a store that knows other names.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .call()
            .map_err(|error| request.failure(&error))?;
        if !response.status().is_redirection() && !response.status().is_success() {
            return Err(request
                .accept(response)
                .err()
                .unwrap_or_else(|| request.stalled()));
        }
        let headers = response.headers();
        let linked = |name: &str, plain: &str| {
            text(headers, name)
                .or_else(|| text(headers, plain))
                .map(|value| value.trim_start_matches("W/").replace('"', ""))
        };
        let etag = linked("x-linked-etag", "etag")
            .filter(|etag| is_blob_name(etag))
            .ok_or_else(|| request.bad_answer(format!("{file} has no ETag")))?;
        let bytes = linked("x-linked-size", "content-length")
            .and_then(|size| size.parse().ok())
            .ok_or_else(|| request.bad_answer(format!("{file} has no size")))?;
        Ok(RemoteFile {
            name: file.to_owned(),
            bytes,
            etag,
        })
    }

    fn authorised<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.settings.token {
            Some(token) => request.header("Authorization", format!("Bearer {}", token.secret())),
            None => request,
        }
    }

    /// One request for a part of a file. The token goes to the endpoint's host only: ureq drops it on a
    /// redirect to another.
    pub(crate) fn get(
        &self,
        request: &Request<'_>,
        address: &str,
        from: u64,
    ) -> Result<ureq::http::Response<ureq::Body>, HubError> {
        let mut builder = self
            .authorised(self.agent.get(address))
            // A compressed body would have another size and hash.
            .header("Accept-Encoding", "identity");
        if from > 0 {
            builder = builder.header("Range", format!("bytes={from}-"));
        }
        builder.call().map_err(|error| request.failure(&error))
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn download(
        &self,
        name: &ModelName,
        revision: &str,
        watch: Watch<'_>,
    ) -> Result<Fetched, HubError> {
        let listing = self.list(name, revision)?;
        let cached = CachedModel::new(&self.settings.cache, name, revision)?;
        let api = self.api(name, &listing.commit)?;
        let mut transfer = Transfer {
            hub: self,
            name,
            revision,
            cached: &cached,
            watch,
            transferred: 0,
        };
        transfer.plan(&listing)?;
        for file in &listing.files {
            let blob = transfer.bring(file, &api.url(&file.name))?;
            cached.link(&listing.commit, &file.name, &blob)?;
        }
        let transferred = transfer.transferred;
        cached.remember(&listing.commit)?;
        Ok(Fetched {
            folder: cached.snapshot(&listing.commit),
            commit: listing.commit,
            transferred,
            stale: None,
        })
    }

    fn cached(&self, name: &ModelName, revision: &str) -> Result<(PathBuf, String), HubError> {
        let cached = CachedModel::new(&self.settings.cache, name, revision)?;
        let commit = cached.commit();
        let missing = match &commit {
            Some(commit) => cached.missing(commit),
            None => Some("this revision was never fetched".to_owned()),
        };
        match (commit, missing) {
            (Some(commit), None) => Ok((cached.snapshot(&commit), commit)),
            (_, missing) => Err(HubError::NotCached {
                name: name.clone(),
                revision: revision.to_owned(),
                missing: missing.unwrap_or_default(),
                cache: self.settings.cache.clone(),
                offline: self.settings.offline,
            }),
        }
    }
}

impl Hub for HuggingFace {
    fn list(&self, name: &ModelName, revision: &str) -> Result<Listing, HubError> {
        check_revision(revision)?;
        let request = Request {
            settings: &self.settings,
            name,
            revision,
            file: None,
        };
        let answer = self.ask(&request)?;
        if !is_commit(&answer.sha) {
            return Err(request.bad_answer(format!("`{}` is no commit", answer.sha)));
        }
        let names: Vec<&str> = answer
            .siblings
            .iter()
            .map(|s| s.rfilename.as_str())
            .collect();
        let mut files = Vec::new();
        for chosen in selection::needed(name.as_str(), &names)? {
            let sibling = answer.siblings.iter().find(|s| s.rfilename == chosen);
            let named = sibling.and_then(|sibling| match (&sibling.lfs, &sibling.blob_id) {
                (Some(large), _) => Some((large.size, large.sha256.clone())),
                (None, Some(blob)) => Some((sibling.size?, blob.clone())),
                (None, None) => None,
            });
            files.push(match named {
                Some((bytes, etag)) if is_blob_name(&etag) => RemoteFile {
                    name: chosen.to_owned(),
                    bytes,
                    etag,
                },
                _ => self.head(&request, chosen)?,
            });
        }
        Ok(Listing {
            commit: answer.sha,
            files,
        })
    }

    fn fetch(
        &self,
        name: &ModelName,
        revision: &str,
        watch: Watch<'_>,
    ) -> Result<Fetched, HubError> {
        let here = self.cached(name, revision);
        let answer = |(folder, commit), stale| Fetched {
            folder,
            commit,
            transferred: 0,
            stale,
        };
        // A commit never changes, so that there is nothing to ask.
        if self.settings.offline || (is_commit(revision) && here.is_ok()) {
            return here.map(|here| answer(here, None));
        }
        match self.download(name, revision, watch) {
            Err(_) if self.is_stopped() => Err(HubError::Cancelled),
            Err(error) if error.is_unreachable() => match here {
                Ok(here) => Ok(answer(here, Some(error.to_string()))),
                Err(_) => Err(error),
            },
            other => other,
        }
    }

    fn locate(&self, name: &ModelName, revision: &str) -> Result<PathBuf, HubError> {
        self.cached(name, revision).map(|(folder, _)| folder)
    }
}

/// Letters and digits, so that it stays inside its folder.
fn is_blob_name(etag: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !etag.is_empty() && etag.len() <= 128 && etag.bytes().all(plain)
}

/// The free bytes of the disk that holds a folder, or its nearest parent that exists.
pub(crate) fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let existing = folder.ancestors().find(|path| fs::metadata(path).is_ok())?;
    let disk = rustix::fs::statvfs(existing).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Tells a step and stops where the user wants to.
pub(crate) fn tell(watch: Watch<'_>, event: &DownloadEvent) -> Result<(), HubError> {
    if watch(event).is_break() {
        return Err(HubError::Cancelled);
    }
    Ok(())
}
