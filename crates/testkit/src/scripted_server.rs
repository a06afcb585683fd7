//! An OpenAI-compatible server in plain `std` whose answers are a function of the request.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};

/// What a server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status, more headers, body.
    Say(u16, &'static str, String),
    /// These events of a stream, each after `data: `, and the end of the connection.
    Stream(Vec<String>),
    /// So many bytes of the body, and the end of the connection.
    Cut(String, usize),
    /// So many bytes of the body, and not a word more until the other side is gone.
    Stall(String, usize),
    /// Not a word until the other side is gone.
    Hang,
    /// Closes the connection.
    Leave,
}

/// What was asked of a server.
#[derive(Clone, Debug)]
pub struct Request {
    /// Such as `POST /v1/chat/completions HTTP/1.1`.
    pub line: String,
    /// As they came.
    pub headers: Vec<String>,
    /// Null where there was none.
    pub body: Value,
}

/// A server on this machine; it runs until the process ends.
pub struct Server {
    /// Up to `/v1`.
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `script` gets the number of the request, in the order of arrival, and its body. Requests without a
    /// body, such as those for the list of models, have a body of null and the number 0, and are not among
    /// [`Server::requests`].
    ///
    /// # Panics
    /// When no port of this machine can be listened at.
    pub fn new(script: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound port has an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (script, seen) = (Arc::new(script), Arc::clone(&requests));
        let read = Arc::clone(&lines);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                let read = Arc::clone(&read);
                thread::spawn(move || serve(stream, script.as_ref(), &seen, &read));
            }
        });
        Self {
            url: format!("http://{address}/v1"),
            requests,
            lines,
        }
    }

    /// The first lines of all requests so far, those without a body too.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let lines = self.lines.lock();
        lines.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One request of a connection; what the other side does to it is its own affair.
fn serve(
    mut stream: TcpStream,
    script: &(impl Fn(usize, &Value) -> Reply + ?Sized),
    seen: &Mutex<Vec<Request>>,
    lines: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let request = read(&mut reader)?;
    let mut known = lines.lock().unwrap_or_else(PoisonError::into_inner);
    known.push(request.line.clone());
    drop(known);
    let number = if request.body.is_null() {
        0
    } else {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(request.clone());
        seen.len() - 1
    };
    let mut head = |status: u16, kind: &str, headers: &str| {
        write!(
            stream,
            "HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nConnection: close\r\n{headers}\r\n"
        )
    };
    const JSON: &str = "application/json";
    let length = |body: &str| format!("Content-Length: {}\r\n", body.len());
    match script(number, &request.body) {
        Reply::Leave => Ok(()),
        Reply::Hang => reader.read(&mut [0]).map(drop),
        Reply::Say(status, headers, body) => {
            head(status, JSON, &format!("{headers}{}", length(&body)))?;
            stream.write_all(body.as_bytes())
        }
        Reply::Stream(events) => {
            head(200, "text/event-stream", "")?;
            for event in events {
                write!(stream, "data: {event}\n\n")?;
                stream.flush()?;
            }
            Ok(())
        }
        Reply::Cut(body, bytes) => {
            head(200, JSON, &length(&body))?;
            stream.write_all(&body.as_bytes()[..bytes.min(body.len())])
        }
        Reply::Stall(body, bytes) => {
            head(200, JSON, &length(&body))?;
            stream.write_all(&body.as_bytes()[..bytes.min(body.len())])?;
            stream.flush()?;
            reader.read(&mut [0]).map(drop)
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim().to_owned();
        if header.is_empty() {
            break;
        }
        if let Some(count) = header.to_lowercase().strip_prefix("content-length:") {
            length = count.trim().parse().map_err(io::Error::other)?;
        }
        headers.push(header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Request {
        line: line.trim().to_owned(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}

/// A completion with these answers.
#[must_use]
pub fn good(answers: &[&str]) -> Reply {
    let choices: Vec<Value> = answers
        .iter()
        .enumerate()
        .map(|(index, text)| {
            json!({
                "index": index,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
                "logprobs": null
            })
        })
        .collect();
    let usage =
        json!({"prompt_tokens": 7, "completion_tokens": 3 * answers.len(), "total_tokens": 0});
    say(&json!({"object": "chat.completion", "choices": choices, "usage": usage}))
}

/// Status 200 with this body.
#[must_use]
pub fn say(body: &Value) -> Reply {
    Reply::Say(200, "", body.to_string())
}

/// A refusal.
#[must_use]
pub fn refuse(status: u16, body: &Value) -> Reply {
    Reply::Say(status, "", body.to_string())
}
