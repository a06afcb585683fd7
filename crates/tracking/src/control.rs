//! Commands to a running worker over `control.sock`.
//!
//! One JSON line each way per connection:
//!
//! ```json
//! {"v":1,"command":"stop"}
//! {"v":1,"ok":true,"message":"accepted","pid":4242}
//! ```
//!
//! The command `watch` keeps its connection: see [`LiveStage`].

use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{self, Receiver, Sender, TrySendError};
use serde::{Deserialize, Serialize};

use crate::error::TrackingError;
use crate::run_folder::RunFolder;

mod frames;
mod live;

pub use frames::LiveFrames;
pub use live::{LiveFrame, LiveStage, LiveWatcher};

/// Version of the protocol.
pub const CONTROL_VERSION: u32 = 1;
/// `sockaddr_un.sun_path` holds 108 bytes with the closing zero.
const LONGEST_SOCKET_PATH: usize = 107;
/// A request or reply longer than this is not ours.
const LONGEST_MESSAGE: u64 = 64 * 1024;
/// A client that connects and says nothing is let go after this.
const CLIENT_LIMIT: Duration = Duration::from_secs(2);
/// Commands the worker has not taken yet.
const QUEUE: usize = 64;

/// What a worker can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlCommand {
    /// Finish the step, write a checkpoint, exit.
    Stop,
    /// Write a checkpoint now and go on.
    CheckpointNow,
    /// Park between steps.
    Pause,
    /// Leave the parking.
    Resume,
    /// Answer, nothing else; the server does it itself.
    Ping,
}

/// `command` is text here: `watch` is no [`ControlCommand`], since it does not end with
/// its reply.
#[derive(Serialize, Deserialize)]
struct Request {
    v: u32,
    command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<usize>,
}

/// What a client asked for.
enum Asked {
    Command(ControlCommand),
    Watch(usize),
}

impl Request {
    fn asked(&self) -> Result<Asked, String> {
        if self.v > CONTROL_VERSION {
            return Err(format!(
                "protocol version {} - this worker speaks {CONTROL_VERSION} - use the program that started the run",
                self.v
            ));
        }
        if self.command == "watch" {
            return Ok(Asked::Watch(self.environment.unwrap_or(0)));
        }
        ControlCommand::deserialize(serde_json::Value::from(self.command.as_str()))
            .map(Asked::Command)
            .map_err(|error| format!("not a command: {error}"))
    }
}

/// The worker's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlReply {
    /// [`CONTROL_VERSION`] of the worker.
    pub v: u32,
    /// Accepted. The effect shows in `status.json`.
    pub ok: bool,
    /// `accepted`, `pong`, or why not.
    pub message: String,
    /// The worker's process number.
    pub pid: u32,
}

/// Listens on `control.sock` in its own thread (`tracking-control`).
pub struct ControlServer {
    socket: PathBuf,
    listener: UnixListener,
    closing: Arc<AtomicBool>,
    stage: Arc<LiveStage>,
    thread: Option<JoinHandle<()>>,
}

impl ControlServer {
    /// Removes a stale socket, binds and listens; accepted commands arrive on the
    /// receiver. Hold the run's lock: it is what makes an existing socket stale.
    ///
    /// # Errors
    /// The file system refuses sockets or is read-only. The run can go on without:
    /// report a warning.
    pub fn start(run: &RunFolder) -> Result<(Receiver<ControlCommand>, Self), TrackingError> {
        Self::start_on_stage(run, LiveStage::new(0))
    }

    /// As [`ControlServer::start`], for a run whose environments can be watched.
    ///
    /// # Errors
    /// As there.
    pub fn start_on_stage(
        run: &RunFolder,
        stage: Arc<LiveStage>,
    ) -> Result<(Receiver<ControlCommand>, Self), TrackingError> {
        let socket = run.control_socket();
        let failed = |source| TrackingError::io("listen on", &socket, source);
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = with_short_path(&socket, |path| UnixListener::bind(path)).map_err(failed)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600)).map_err(failed)?;
        let accepting = listener.try_clone().map_err(failed)?;
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        let (sender, receiver) = channel::bounded(QUEUE);
        let reception = Reception {
            commands: sender,
            stage: Arc::clone(&stage),
            watchers: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("tracking-control".to_owned())
            .spawn(move || reception.serve(&accepting, &closed))
            .map_err(failed)?;
        Ok((
            receiver,
            Self {
                socket,
                listener,
                closing,
                stage,
                thread: Some(thread),
            },
        ))
    }

    /// Removes the socket and joins the thread; also done on drop.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.closing.store(true, Ordering::SeqCst);
        let _ = fs::remove_file(&self.socket);
        self.stage.close();
        // Shutting a listening socket down wakes the thread that waits in accept.
        let woken = self.listener.try_clone().and_then(|listener| {
            UnixStream::from(OwnedFd::from(listener)).shutdown(Shutdown::Both)
        });
        if woken.is_ok() {
            let _ = thread.join();
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Answers clients, one after the other; watchers get a thread each.
struct Reception {
    commands: Sender<ControlCommand>,
    stage: Arc<LiveStage>,
    watchers: Vec<JoinHandle<()>>,
}

impl Reception {
    fn serve(mut self, listener: &UnixListener, closing: &AtomicBool) {
        for connection in listener.incoming() {
            if closing.load(Ordering::SeqCst) {
                break;
            }
            match connection {
                // A client that fails or dawdles is its own problem.
                Ok(stream) => drop(self.answer(stream)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Out of descriptors, say: wait rather than spin.
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
        // One may have taken its seat after the stage was closed.
        self.stage.close();
        for watcher in self.watchers {
            let _ = watcher.join();
        }
    }

    fn answer(&mut self, stream: UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(CLIENT_LIMIT))?;
        stream.set_write_timeout(Some(CLIENT_LIMIT))?;
        let line = read_line(&stream)?;
        let asked = serde_json::from_str::<Request>(&line)
            .map_err(|error| format!("not a command: {error}"))
            .and_then(|request| request.asked());
        match asked {
            Err(message) => reply(&stream, Err(message)),
            Ok(Asked::Command(ControlCommand::Ping)) => reply(&stream, Ok("pong")),
            Ok(Asked::Command(command)) => reply(&stream, self.pass_on(command)),
            Ok(Asked::Watch(environment)) => self.watch(environment, stream),
        }
    }

    fn pass_on(&self, command: ControlCommand) -> Result<&'static str, String> {
        match self.commands.try_send(command) {
            Ok(()) => Ok("accepted"),
            Err(TrySendError::Full(_)) => {
                Err("busy: too many commands wait - try again".to_owned())
            }
            Err(TrySendError::Disconnected(_)) => Err("the run is ending".to_owned()),
        }
    }

    fn watch(&mut self, environment: usize, stream: UnixStream) -> io::Result<()> {
        if let Some(refusal) = self.stage.refusal(environment) {
            return reply(&stream, Err(refusal));
        }
        reply(&stream, Ok("watching"))?;
        let stage = Arc::clone(&self.stage);
        self.watchers.retain(|watcher| !watcher.is_finished());
        self.watchers.push(
            std::thread::Builder::new()
                .name("tracking-watch".to_owned())
                .spawn(move || drop(stage.serve(environment, &stream)))?,
        );
        Ok(())
    }
}

fn reply(stream: &UnixStream, answer: Result<&str, String>) -> io::Result<()> {
    let (ok, message) = match answer {
        Ok(message) => (true, message.to_owned()),
        Err(message) => (false, message),
    };
    let reply = ControlReply {
        v: CONTROL_VERSION,
        ok,
        message,
        pid: std::process::id(),
    };
    write_line(stream, &reply)
}

fn read_line(stream: &UnixStream) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_MESSAGE)).read_line(&mut line)?;
    Ok(line)
}

fn write_line<T: Serialize>(mut stream: &UnixStream, message: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(message).expect("a struct of plain fields serialises");
    line.push(b'\n');
    stream.write_all(&line)
}

/// Sends commands to a worker.
pub struct ControlClient;

impl ControlClient {
    /// Sends one command and waits for the answer, at most `limit` for each direction.
    ///
    /// # Errors
    /// [`TrackingError::Unreachable`] when nobody answers, [`TrackingError::Refused`]
    /// when the worker says no.
    pub fn send(
        run: &RunFolder,
        command: ControlCommand,
        limit: Duration,
    ) -> Result<ControlReply, TrackingError> {
        let socket = run.control_socket();
        let failed = |error: io::Error| unreachable(&socket, limit, &error);
        let stream = connect(&socket, limit)?;
        let command = match serde_json::to_value(command) {
            Ok(serde_json::Value::String(name)) => name,
            other => unreachable!("a command without fields is a word: {other:?}"),
        };
        let request = Request {
            v: CONTROL_VERSION,
            command,
            environment: None,
        };
        write_line(&stream, &request).map_err(failed)?;
        let line = read_line(&stream).map_err(failed)?;
        accepted(&socket, line.as_bytes())
    }
}

/// Connects with a limit on every read and write.
fn connect(socket: &Path, limit: Duration) -> Result<UnixStream, TrackingError> {
    let failed = |error: io::Error| unreachable(socket, limit, &error);
    let stream = with_short_path(socket, |path| UnixStream::connect(path)).map_err(failed)?;
    stream.set_read_timeout(Some(limit)).map_err(failed)?;
    stream.set_write_timeout(Some(limit)).map_err(failed)?;
    Ok(stream)
}

fn unreachable(socket: &Path, limit: Duration, error: &io::Error) -> TrackingError {
    let message = match error.kind() {
        io::ErrorKind::NotFound => "no socket".to_owned(),
        io::ErrorKind::ConnectionRefused => "nobody listens".to_owned(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer in {} s", limit.as_secs_f64())
        }
        _ => error.to_string(),
    };
    TrackingError::Unreachable {
        path: socket.to_path_buf(),
        message,
    }
}

/// The reply in a line, when it says yes.
fn accepted(socket: &Path, line: &[u8]) -> Result<ControlReply, TrackingError> {
    let reply: ControlReply =
        serde_json::from_slice(line).map_err(|error| TrackingError::Unreachable {
            path: socket.to_path_buf(),
            message: format!("no reply: {error}"),
        })?;
    if reply.ok {
        Ok(reply)
    } else {
        Err(TrackingError::Refused {
            message: reply.message,
        })
    }
}

/// Calls `action` with a name of the socket that fits `sockaddr_un`: its path, or for a
/// longer one the folder's open descriptor under `/proc/self/fd`. The socket itself
/// lies in the run folder either way.
fn with_short_path<T>(socket: &Path, action: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if socket.as_os_str().len() <= LONGEST_SOCKET_PATH {
        return action(socket);
    }
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let folder = File::open(folder)?;
    let short = Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name);
    action(&short)
}
