//! An imitation of the hub in plain `std`, with faults on demand. It serves one model, `owner/tiny`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The commit of every revision.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// The model's largest file.
pub const WEIGHTS: &str = "model.safetensors";

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// The body has other bytes of the same length.
    Corrupt,
    /// The body goes on beyond its end.
    Overlong,
    /// Nothing more comes after so many bytes of the body.
    Stall(usize),
    /// A status, with headers.
    Refuse(u16, Vec<(&'static str, &'static str)>),
    /// The range is ignored and everything sent.
    WholeFile,
    /// The body is another one.
    Text(&'static str),
    /// The file lies on another server, which is this address.
    Redirect(String),
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    /// GET or HEAD.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The `Range` header.
    pub range: Option<String>,
    /// Whether the token `hf_key` came with it.
    pub authorised: bool,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    faults: HashMap<String, VecDeque<Fault>>,
    seen: Vec<Seen>,
    /// Sizes and hashes are left out of the list of files.
    terse: bool,
    address: String,
}

/// A server of this process; it ends with it.
pub struct Server {
    state: Arc<Mutex<State>>,
}

impl Server {
    /// A server with the model `owner/tiny` of some small files and weights of 300 kB.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State {
            files: files(),
            address,
            ..State::default()
        }));
        let server = Server {
            state: Arc::clone(&state),
        };
        // Ends with the tests' process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                thread::spawn(move || serve(stream, &state));
            }
        });
        server
    }

    /// Where it listens, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        self.lock().address.clone()
    }

    /// The next requests for a path that ends so go wrong, one fault each.
    pub fn fault(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        self.lock()
            .faults
            .entry(path.to_owned())
            .or_default()
            .extend(faults);
    }

    /// Adds a file, or another content.
    pub fn set(&self, file: &str, content: &[u8]) {
        self.lock().files.insert(file.to_owned(), content.to_vec());
    }

    /// Takes a file away.
    pub fn remove(&self, file: &str) {
        self.lock().files.remove(file);
    }

    /// Sizes and hashes are left out of the list of files from now on.
    pub fn be_terse(&self) {
        self.lock().terse = true;
    }

    /// A file's bytes.
    #[must_use]
    pub fn content(&self, file: &str) -> Vec<u8> {
        self.lock().files[file].clone()
    }

    /// Requests whose path ends so, in order.
    #[must_use]
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        let state = self.lock();
        let of = |seen: &&Seen| seen.path.ends_with(path);
        state.seen.iter().filter(of).cloned().collect()
    }

    /// Requests so far.
    #[must_use]
    pub fn all_seen(&self) -> usize {
        self.lock().seen.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics")
    }
}

/// A model with one tensor.
fn files() -> BTreeMap<String, Vec<u8>> {
    let data: Vec<u8> = (0..300_000_u32).map(|at| (at * 31 % 251) as u8).collect();
    let header = r#"{"w":{"dtype":"F32","shape":[75000],"data_offsets":[0,300000]}}"#;
    let mut weights = (header.len() as u64).to_le_bytes().to_vec();
    weights.extend(header.bytes());
    weights.extend(data);
    let text = |text: &str| text.as_bytes().to_vec();
    BTreeMap::from([
        ("README.md".to_owned(), text("not needed")),
        ("config.json".to_owned(), text(r#"{"model_type":"llama"}"#)),
        (
            "generation_config.json".to_owned(),
            text(r#"{"eos_token_id":[1,2]}"#),
        ),
        ("pytorch_model.bin".to_owned(), text("not needed either")),
        (WEIGHTS.to_owned(), weights),
    ])
}

/// Weights have a SHA-256, small files the name of their git blob.
fn etag(name: &str, content: &[u8]) -> String {
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if name.ends_with(".safetensors") {
        return hexadecimal(&Sha256::digest(content));
    }
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", content.len()));
    hasher.update(content);
    hexadecimal(&hasher.finalize())
}

fn listing(state: &State) -> String {
    let sibling = |(name, content): (&String, &Vec<u8>)| {
        let (tag, size) = (etag(name, content), content.len());
        if state.terse {
            serde_json::json!({"rfilename": name})
        } else if name.ends_with(".safetensors") {
            serde_json::json!({"rfilename": name, "size": size, "blobId": "f".repeat(40),
                               "lfs": {"sha256": tag, "size": size, "pointerSize": 134}})
        } else {
            serde_json::json!({"rfilename": name, "size": size, "blobId": tag})
        }
    };
    let siblings: Vec<_> = state.files.iter().map(sibling).collect();
    serde_json::json!({"id": "owner/tiny", "sha": COMMIT, "siblings": siblings}).to_string()
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let path = target.split('?').next()?.to_owned();
    let (content, tag, fault) = {
        let mut state = state.lock().ok()?;
        let range = headers.get("range").cloned();
        let authorised = headers
            .get("authorization")
            .is_some_and(|value| value == "Bearer hf_key");
        state.seen.push(Seen {
            method: method.clone(),
            path: path.clone(),
            range,
            authorised,
        });
        let fault = state
            .faults
            .iter_mut()
            .find(|(suffix, _)| path.ends_with(suffix.as_str()))
            .and_then(|(_, faults)| faults.pop_front());
        let file = path
            .split_once("/resolve/")
            .and_then(|(_, rest)| rest.split_once('/'));
        let (content, tag) = match file {
            Some((_, file)) => {
                let content = state.files.get(file).cloned();
                let tag = content.as_ref().map(|content| etag(file, content));
                (content, tag.unwrap_or_default())
            }
            None => (Some(listing(&state).into_bytes()), String::new()),
        };
        (content, tag, fault)
    };
    let from = headers.get("range").and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    });
    answer(&mut stream, &method, content, &tag, from, fault.as_ref());
    // What is not read yet would reset the connection before the answer is.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    let _ = reader.read(&mut [0]);
    Some(())
}

fn answer(
    stream: &mut TcpStream,
    method: &str,
    content: Option<Vec<u8>>,
    tag: &str,
    from: Option<usize>,
    fault: Option<&Fault>,
) -> Option<()> {
    let mut content = match content {
        Some(content) => content,
        None => return refuse(stream, 404, &[("X-Error-Code", "EntryNotFound")]),
    };
    let mut from = from;
    let mut sent = usize::MAX;
    match fault {
        Some(Fault::Refuse(status, headers)) => return refuse(stream, *status, headers),
        Some(Fault::Redirect(to)) => return refuse_to(stream, to),
        Some(Fault::Cut(bytes) | Fault::Stall(bytes)) => sent = *bytes,
        Some(Fault::Corrupt) => content.iter_mut().skip(100).for_each(|byte| *byte ^= 0x55),
        Some(Fault::Overlong) => content.extend([0; 1000]),
        Some(Fault::WholeFile) => from = None,
        Some(Fault::Text(text)) => content = text.as_bytes().to_vec(),
        None => {}
    }
    let size = content.len();
    let status = match from {
        Some(from) if from >= size => return refuse(stream, 416, &[]),
        Some(_) => "206 Partial Content",
        None => "200 OK",
    };
    let body = &content[from.unwrap_or(0)..];
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    if let Some(from) = from {
        head += &format!("Content-Range: bytes {from}-{}/{size}\r\n", size - 1);
    }
    if !tag.is_empty() {
        head += &format!("ETag: \"{tag}\"\r\nX-Repo-Commit: {COMMIT}\r\n");
    }
    head += "Connection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).ok()?;
    if method != "HEAD" {
        stream.write_all(&body[..body.len().min(sent)]).ok()?;
    }
    if matches!(fault, Some(Fault::Stall(_))) {
        thread::sleep(Duration::from_secs(20));
    }
    Some(())
}

fn refuse(stream: &mut TcpStream, status: u16, headers: &[(&str, &str)]) -> Option<()> {
    let mut head = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes()).ok()
}

fn refuse_to(stream: &mut TcpStream, to: &str) -> Option<()> {
    let head = format!(
        "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()
}
