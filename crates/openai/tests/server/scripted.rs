//! A server whose answers are a function of the request, and clients of it.

use std::ops::ControlFlow;
use std::time::Duration;

use configs::env::Environment;
use configs::finetune::ServerConfig;
use dataset::Message;
use openai::{Answer, Ask, Client, Event, ServerError};

pub use testkit::scripted_server::{Reply, Server, good, refuse, say};

pub const KEY: &str = "sk-never-shown-0123456789";

/// What a run would say of the server.
pub fn config(server: &Server) -> ServerConfig {
    ServerConfig {
        url: Some(server.url.clone()),
        model: Some("judge-1".to_owned()),
        retries: 2,
        timeout_seconds: 10.0,
        ..ServerConfig::default()
    }
}

/// A client that knows the key and does not pause for long.
pub fn client(config: &ServerConfig) -> Client {
    let environment = Environment::from_pairs([("OPENAI_API_KEY", KEY)]);
    Client::new("oracle.server", config, &environment)
        .unwrap()
        .with_first_pause(Duration::from_millis(1))
}

/// A client of the server by its usual settings.
pub fn client_of(server: &Server) -> Client {
    client(&config(server))
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
