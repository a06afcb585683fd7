//! A server whose answers are a function of the request, and clients of it.

use std::time::Duration;

use configs::env::Environment;
use configs::finetune::ServerConfig;
use openai::Client;

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
