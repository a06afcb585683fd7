//! An HTTP server whose answers are a function of the request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use alignment::openai::{Answer, Ask, Client, Event, ServerError};
use configs::env::Environment;
use configs::finetune::ServerConfig;
use dataset::Message;
use serde_json::{Value, json};

pub const KEY: &str = "sk-never-shown-0123456789";

/// What a server does with a request.
pub enum Reply {
    /// Status, more headers, body.
    Say(u16, &'static str, String),
    /// Not a word until the other side is gone.
    Hang,
    /// Closes the connection.
    Leave,
}

/// What was asked of a server.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: Vec<String>,
    pub body: Value,
}

pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `script` gets the number of the request, in the order of arrival, and its body.
    pub fn new(script: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (script, seen) = (Arc::new(script), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                thread::spawn(move || serve(stream, script.as_ref(), &seen));
            }
        });
        Self { url, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn config(&self) -> ServerConfig {
        ServerConfig {
            url: Some(self.url.clone()),
            model: Some("judge-1".to_owned()),
            retries: 2,
            timeout_seconds: 10.0,
            ..ServerConfig::default()
        }
    }

    pub fn client(&self) -> Client {
        client(&self.config())
    }
}

/// A client that knows the key and does not pause for long.
pub fn client(config: &ServerConfig) -> Client {
    let environment = Environment::from_pairs([("OPENAI_API_KEY", KEY)]);
    Client::new("oracle.server", config, &environment)
        .unwrap()
        .with_first_pause(Duration::from_millis(1))
}

fn serve(
    stream: TcpStream,
    script: &(impl Fn(usize, &Value) -> Reply + ?Sized),
    seen: &Mutex<Vec<Request>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim().to_owned();
        if header.is_empty() {
            break;
        }
        if let Some(count) = header.to_lowercase().strip_prefix("content-length:") {
            length = count.trim().parse().unwrap();
        }
        headers.push(header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request = Request {
        line: line.trim().to_owned(),
        headers,
        body: serde_json::from_slice(&body).unwrap(),
    };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let mut stream = stream;
    match script(number, &request.body) {
        Reply::Leave => {}
        Reply::Hang => {
            let _ = reader.read(&mut [0]);
        }
        Reply::Say(status, headers, body) => {
            let _ = write!(
                stream,
                "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    }
}

/// A completion with these answers.
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

pub fn say(body: &Value) -> Reply {
    Reply::Say(200, "", body.to_string())
}

pub fn refuse(status: u16, body: &Value) -> Reply {
    Reply::Say(status, "", body.to_string())
}

pub fn ask(text: &str) -> Ask {
    Ask {
        messages: vec![Message::new("user", text)],
        choices: 1,
        ..Ask::default()
    }
}

/// The answer to one request.
pub fn one(client: &Client, ask: &Ask) -> Result<Answer, ServerError> {
    let mut found = None;
    client.chat_all(std::slice::from_ref(ask), &mut |event| {
        if let Event::Answered(place, answer) = event {
            assert_eq!(place, 0);
            assert!(found.replace(answer).is_none());
        }
        ControlFlow::Continue(())
    })?;
    found.unwrap()
}
