//! One file from the server into the cache: resumed, proved, put in place whole.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::StatusCode;

use crate::cache::CachedModel;
use crate::error::{HubError, io_error};
use crate::integrity::Proof;
use crate::name::ModelName;
use crate::refusal::{Request, text};
use crate::remote::{HuggingFace, free_bytes, tell};
use crate::source::{DownloadEvent, Listing, RemoteFile, Watch};

const BUFFER_BYTES: usize = 1 << 18;
/// Progress is told this often at most.
const TELL_EVERY: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A download under way.
pub(crate) struct Transfer<'a> {
    pub(crate) hub: &'a HuggingFace,
    pub(crate) name: &'a ModelName,
    pub(crate) revision: &'a str,
    pub(crate) cached: &'a CachedModel,
    pub(crate) watch: Watch<'a>,
    pub(crate) transferred: u64,
}

/// How one attempt ended short of success.
enum Setback {
    /// Not worth another attempt.
    Final(HubError),
    /// The connection broke; another attempt may go on.
    Broken(HubError),
    /// The bytes are wrong, the first ones among them left by an earlier attempt.
    Inherited(String),
}

impl Transfer<'_> {
    /// Tells what is to come and whether the disk can hold it.
    pub(crate) fn plan(&mut self, listing: &Listing) -> Result<(), HubError> {
        let bytes = listing.files.iter().map(|file| file.bytes).sum();
        let present = listing.files.iter().map(|file| self.present(file)).sum();
        let cache = &self.hub.settings().cache;
        if let Some(free) = free_bytes(cache)
            && bytes - present > free
        {
            return Err(HubError::DiskFull {
                name: self.name.clone(),
                needed: bytes - present,
                free,
                cache: cache.clone(),
            });
        }
        tell(
            self.watch,
            &DownloadEvent::Planned {
                files: listing.files.len(),
                bytes,
                present,
            },
        )
    }

    fn present(&self, file: &RemoteFile) -> u64 {
        let blob = self.cached.blob(&file.etag);
        let length = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
        match length(&blob) {
            0 => length(&part_of(&blob)).min(file.bytes),
            bytes => bytes.min(file.bytes),
        }
    }

    /// The file's blob, fetched if it is not here.
    pub(crate) fn bring(&mut self, file: &RemoteFile, address: &str) -> Result<PathBuf, HubError> {
        let blob = self.cached.blob(&file.etag);
        let finished = |cached| DownloadEvent::Finished {
            file: file.name.clone(),
            bytes: file.bytes,
            cached,
        };
        if fs::metadata(&blob).is_ok_and(|data| data.len() == file.bytes) {
            tell(self.watch, &finished(true))?;
            return Ok(blob);
        }
        let folder = blob.parent().unwrap_or(&blob);
        fs::create_dir_all(folder).map_err(io_error("cannot make", folder))?;
        let _lock = self.cached.lock(&file.name, &file.etag)?;
        let part = part_of(&blob);
        self.complete(file, address, &part)?;
        fs::rename(&part, &blob).map_err(io_error("cannot rename", &part))?;
        tell(self.watch, &finished(false))?;
        Ok(blob)
    }

    /// Attempts until the part is whole.
    fn complete(&mut self, file: &RemoteFile, address: &str, part: &Path) -> Result<(), HubError> {
        let settings = self.hub.settings();
        let mut fruitless = 0;
        let mut begun_again = false;
        let mut pause = settings.pause;
        loop {
            let before = self.transferred;
            let error = match self.attempt(file, address, part) {
                Ok(()) => return Ok(()),
                Err(Setback::Final(error)) => return Err(error),
                // Once: a server that goes on to send something else would never end.
                Err(Setback::Inherited(why)) if begun_again => {
                    // What cannot be removed is found damaged again.
                    let _ = fs::remove_file(part);
                    return Err(HubError::Damaged {
                        what: format!("{}/{}", self.name, file.name),
                        why,
                    });
                }
                Err(Setback::Inherited(reason)) => {
                    begun_again = true;
                    fs::remove_file(part).map_err(io_error("cannot remove", part))?;
                    self.retry(file, reason, Duration::ZERO)?;
                    continue;
                }
                Err(Setback::Broken(error)) => error,
            };
            if self.transferred > before {
                (fruitless, pause) = (0, settings.pause);
            }
            fruitless += 1;
            if fruitless >= settings.attempts {
                return Err(error);
            }
            self.retry(file, error.to_string(), pause)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn retry(
        &mut self,
        file: &RemoteFile,
        reason: String,
        pause: Duration,
    ) -> Result<(), HubError> {
        tell(
            self.watch,
            &DownloadEvent::Retrying {
                file: file.name.clone(),
                reason,
                pause_secs: pause.as_secs_f64(),
            },
        )?;
        // In slices, so that stopping does not wait for a long pause.
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.hub.is_stopped() {
            thread::sleep(Duration::from_millis(50).min(until - Instant::now()));
        }
        if self.hub.is_stopped() {
            return Err(HubError::Cancelled);
        }
        Ok(())
    }

    fn attempt(&mut self, file: &RemoteFile, address: &str, part: &Path) -> Result<(), Setback> {
        let expected = file.expected();
        let have = fs::metadata(part).map_or(0, |data| data.len());
        // A part that is too long can only be wrong.
        let mut from = if have > file.bytes { 0 } else { have };
        let mut proof = expected.proof();
        let reading = io_error("cannot read", part);
        if from > 0 {
            File::open(part)
                .and_then(|file| proof.take_in(file, from))
                .map_err(|error| Setback::Final(reading(error)))?;
        }
        let inherited = from > 0;
        if from < file.bytes || file.bytes == 0 {
            let request = Request {
                settings: self.hub.settings(),
                name: self.name,
                revision: self.revision,
                file: Some(&file.name),
            };
            let response = self
                .hub
                .get(&request, address, from)
                .map_err(Setback::Broken)?;
            if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
                return Err(Setback::Inherited("the server has another file".to_owned()));
            }
            let response = request.accept(response).map_err(setback)?;
            let range = format!("bytes {from}-");
            let continues = response.status() == StatusCode::PARTIAL_CONTENT
                && text(response.headers(), "content-range")
                    .is_some_and(|value| value.starts_with(&range));
            if !continues {
                // The server sends all of it: begin again.
                (from, proof) = (0, expected.proof());
            }
            self.receive(
                file,
                &request,
                response.into_body().into_reader(),
                part,
                from,
                &mut proof,
            )?;
        }
        match proof.finish(&expected) {
            Ok(()) => Ok(()),
            Err(why) if inherited => Err(Setback::Inherited(why)),
            Err(why) => {
                // What cannot be removed is found damaged again.
                let _ = fs::remove_file(part);
                Err(Setback::Final(HubError::Damaged {
                    what: format!("{}/{}", self.name, file.name),
                    why,
                }))
            }
        }
    }

    /// Appends the body to the part, from a byte on.
    fn receive(
        &mut self,
        file: &RemoteFile,
        request: &Request<'_>,
        mut body: impl Read,
        part: &Path,
        from: u64,
        proof: &mut Proof,
    ) -> Result<(), Setback> {
        let disk = |error| Setback::Final(io_error("cannot write", part)(error));
        let mut target = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(part)
            .map_err(disk)?;
        target.set_len(from).map_err(disk)?;
        io::Seek::seek(&mut target, io::SeekFrom::Start(from)).map_err(disk)?;
        let (name, bytes) = (&file.name, file.bytes);
        let started = DownloadEvent::Started {
            file: name.clone(),
            bytes,
            from,
        };
        tell(self.watch, &started).map_err(Setback::Final)?;
        let mut done = from;
        let mut told = Instant::now();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(_) if self.hub.is_stopped() => return Err(Setback::Final(HubError::Cancelled)),
                Err(error) => return Err(self.broken(file, request, done, &error)),
            };
            done += count as u64;
            self.transferred += count as u64;
            proof.update(&buffer[..count]);
            target.write_all(&buffer[..count]).map_err(disk)?;
            if done > bytes {
                // Longer than promised; the proof says so.
                break;
            }
            if told.elapsed() >= TELL_EVERY || done == bytes {
                told = Instant::now();
                let advanced = DownloadEvent::Advanced {
                    file: name.clone(),
                    done,
                    bytes,
                };
                tell(self.watch, &advanced).map_err(Setback::Final)?;
            }
        }
        if done < bytes {
            let end = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(self.broken(file, request, done, &end));
        }
        target.sync_all().map_err(disk)
    }

    fn broken(
        &self,
        file: &RemoteFile,
        request: &Request<'_>,
        have: u64,
        error: &io::Error,
    ) -> Setback {
        let timeout = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<ureq::Error>())
            .is_some_and(|inner| matches!(inner, ureq::Error::Timeout(_)));
        Setback::Broken(if timeout || error.kind() == io::ErrorKind::TimedOut {
            request.stalled()
        } else {
            HubError::Cut {
                what: request.what(),
                attempts: request.settings.attempts,
                why: error.to_string(),
                have,
                size: file.bytes,
            }
        })
    }
}

/// A failing server may recover; a refusal stays one.
fn setback(error: HubError) -> Setback {
    match error {
        HubError::Server { status, .. } if status >= 500 => Setback::Broken(error),
        other => Setback::Final(other),
    }
}

/// Where a file grows until it is whole; the Python tools spell it the same.
fn part_of(blob: &Path) -> PathBuf {
    let mut name = blob.file_name().unwrap_or_default().to_owned();
    name.push(".incomplete");
    blob.with_file_name(name)
}
