//! A search service of the user's own, over HTTP.
//!
//! The address has `{query}` where the query goes: `http://localhost:8888/search?format=json&q={query}`. What
//! stands behind a `#` is a JSON pointer (RFC 6901) to the part of the reply that is read, and `*` in it every
//! element of a list: `…&q={query}#/results/*/content`. Without one a JSON reply is read as the texts in it,
//! and any other as it stands.

use std::time::Duration;

use configs::search::ToolsConfig;
use search::tools::{Tool, ToolError, ToolReply};
use serde_json::Value;
use ureq::Agent;

use crate::exit::{BAD_CONFIG, Failure};

const QUERY: &str = "{query}";
/// More of a reply is not read.
const LONGEST_REPLY: u64 = 4 << 20;

/// A search service.
pub struct WebSearch {
    agent: Agent,
    /// Before and behind the query.
    address: (String, String),
    /// Steps to the part that is read; none for all of it.
    pointer: Option<Vec<String>>,
    cost: u64,
    most_characters: usize,
}

impl WebSearch {
    /// The service of the settings; none where they name none. Nothing is sent yet.
    pub fn new(config: &ToolsConfig) -> Result<Option<Self>, Failure> {
        let Some(url) = &config.web_url else {
            return Ok(None);
        };
        let refuse = |problem: &str| {
            Failure::new(
                BAD_CONFIG,
                format!(
                    "tools.web_url: {url:?} {problem} - allowed: an address such as http://localhost:8888/search?q={QUERY}, and behind a # a JSON pointer such as #/results/*/content"
                ),
            )
        };
        let (address, pointer) = match url.split_once('#') {
            Some((address, pointer)) => (address, Some(pointer)),
            None => (url.as_str(), None),
        };
        let (before, behind) = address
            .split_once(QUERY)
            .ok_or_else(|| refuse("has no {query}"))?;
        let sound = before.starts_with("http://") || before.starts_with("https://");
        let example = format!("{before}x{behind}");
        if !sound || example.parse::<ureq::http::Uri>().is_err() {
            return Err(refuse("is no address"));
        }
        let pointer = match pointer.map(|pointer| pointer.split('/').collect::<Vec<_>>()) {
            None => None,
            Some(parts) if parts[0].is_empty() => {
                let names = parts[1..].iter();
                Some(
                    names
                        .map(|name| name.replace("~1", "/").replace("~0", "~"))
                        .collect(),
                )
            }
            Some(_) => return Err(refuse("has a pointer that does not begin with /")),
        };
        let timeout = Duration::try_from_secs_f64(config.timeout_seconds).map_err(|_| {
            Failure::new(
                BAD_CONFIG,
                format!(
                    "tools.timeout_seconds: {} - allowed: above 0",
                    config.timeout_seconds
                ),
            )
        })?;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .user_agent(concat!("concord/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Some(Self {
            agent,
            address: (before.to_owned(), behind.to_owned()),
            pointer,
            cost: config.web_cost,
            most_characters: config.max_characters,
        }))
    }

    /// The part of a reply that is read.
    fn read(&self, body: &str) -> Result<String, ToolError> {
        let value = match (serde_json::from_str::<Value>(body), &self.pointer) {
            (Ok(value), _) => value,
            (Err(_), None) => return Ok(body.to_owned()),
            (Err(error), Some(_)) => return Err(failed(format!("no JSON came back, {error}"))),
        };
        let mut texts = Vec::new();
        match &self.pointer {
            Some(pointer) => {
                let mut parts = Vec::new();
                follow(&value, pointer, &mut parts);
                parts.into_iter().for_each(|part| collect(part, &mut texts));
            }
            None => collect(&value, &mut texts),
        }
        Ok(texts.join("\n"))
    }
}

impl Tool for WebSearch {
    fn name(&self) -> &str {
        "web"
    }

    fn purpose(&self) -> &str {
        "Searches the web."
    }

    fn input(&self) -> &str {
        "a few words"
    }

    fn cost(&self) -> u64 {
        self.cost
    }

    fn call(&self, input: &str) -> Result<ToolReply, ToolError> {
        let (before, behind) = &self.address;
        let address = format!("{before}{}{behind}", encoded(input));
        let response = self.agent.get(&address).call();
        // The address may hold a key: only what went wrong is told.
        let mut response = response.map_err(|error| failed(error.to_string()))?;
        if !response.status().is_success() {
            return Err(failed(format!("status {}", response.status().as_u16())));
        }
        let body = response.body_mut().with_config();
        let body = body.limit(LONGEST_REPLY).lossy_utf8(true).read_to_string();
        let text = self.read(&body.map_err(|error| failed(error.to_string()))?)?;
        let text: String = text.trim().chars().take(self.most_characters).collect();
        if text.is_empty() {
            return Ok(ToolReply::new("nothing found"));
        }
        Ok(ToolReply::new(text))
    }
}

fn failed(why: String) -> ToolError {
    ToolError::Failed { why }
}

/// Everything that a pointer leads to.
fn follow<'a>(value: &'a Value, pointer: &[String], found: &mut Vec<&'a Value>) {
    let Some((first, rest)) = pointer.split_first() else {
        found.push(value);
        return;
    };
    match value {
        Value::Array(list) if first == "*" => {
            list.iter().for_each(|one| follow(one, rest, found));
        }
        Value::Array(list) => {
            let one = first.parse().ok().and_then(|at: usize| list.get(at));
            one.into_iter().for_each(|one| follow(one, rest, found));
        }
        Value::Object(fields) => {
            let one = fields.get(first);
            one.into_iter().for_each(|one| follow(one, rest, found));
        }
        _ => {}
    }
}

/// The texts in a value, in their order.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::String(text) => texts.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|one| collect(one, texts)),
        Value::Object(fields) => fields.values().for_each(|one| collect(one, texts)),
        other => texts.push(other.to_string()),
    }
}

/// A text as part of an address (RFC 3986): everything but letters, digits and four signs by its bytes.
fn encoded(text: &str) -> String {
    let mut address = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            address.push(char::from(byte));
        } else {
            address.push_str(&format!("%{byte:02X}"));
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::scripted_server::{Reply, Server};

    fn search(url: String) -> WebSearch {
        let config = ToolsConfig {
            web_url: Some(url),
            max_characters: 20,
            timeout_seconds: 0.5,
            ..ToolsConfig::default()
        };
        let search = WebSearch::new(&config).expect("a sound address");
        search.expect("an address")
    }

    fn service(reply: Reply) -> Server {
        Server::new(move |_, _| reply.clone())
    }

    #[test]
    fn the_query_goes_out_encoded_and_the_part_that_is_pointed_to_comes_back() {
        let body =
            r#"{"results": [{"content": "one", "rank": 1}, {"content": "two"}], "a/b": ["x"]}"#;
        let server = service(Reply::Say(200, "", body.to_owned()));
        let cases = [
            ("#/results/*/content", Ok("one\ntwo")),
            ("#/results/1", Ok("two")),
            ("#/a~1b/0", Ok("x")),
            ("#/nowhere", Ok("nothing found")),
            // All texts, cut at twenty characters.
            ("", Ok("x\none\n1\ntwo")),
        ];
        for (pointer, expected) in cases {
            let search = search(format!("{}/find?q={{query}}&n=3{pointer}", server.url));
            let reply = search.call("Silent Härvest?");
            let text = reply.map(|reply| reply.text);
            assert_eq!(
                text.as_deref(),
                expected.as_ref().map(|text: &&str| *text),
                "{pointer}"
            );
        }
        let last = server.lines().pop().expect("a request");
        assert_eq!(last, "GET /v1/find?q=Silent%20H%C3%A4rvest%3F&n=3 HTTP/1.1");
    }

    #[test]
    fn long_replies_are_cut_and_failures_are_told() {
        let plain = service(Reply::Say(200, "", "a".repeat(100)));
        let reply = search(format!("{}/?q={{query}}", plain.url)).call("x");
        assert_eq!(reply.map(|reply| reply.text.len()), Ok(20));
        let cases = [
            (Reply::Say(500, "", String::new()), "status 500"),
            (Reply::Say(200, "", "<html>".to_owned()), "no JSON"),
            (Reply::Hang, "timeout"),
            (Reply::Stall("{\"a\": 1}".to_owned(), 3), "timeout"),
            (Reply::Cut("{\"a\": 1}".to_owned(), 3), "call failed"),
            (Reply::Leave, "call failed"),
        ];
        for (reply, part) in cases {
            let said = format!("{reply:?}");
            let server = service(reply);
            let error = search(format!("{}/?q={{query}}#/a", server.url)).call("x");
            let error = error.expect_err(&said).to_string();
            assert!(error.contains(part), "{said}: {error}");
        }
    }

    #[test]
    fn addresses_that_cannot_work_are_refused() {
        for (url, part) in [
            ("http://localhost/search", "has no {query}"),
            ("ftp://localhost/{query}", "is no address"),
            ("http://local host/{query}", "is no address"),
            ("http://localhost/{query}#results", "does not begin with /"),
        ] {
            let config = ToolsConfig {
                web_url: Some(url.to_owned()),
                ..ToolsConfig::default()
            };
            let failure = WebSearch::new(&config).err().expect(url).to_string();
            assert!(failure.contains(part) && failure.contains(url), "{failure}");
        }
        assert!(WebSearch::new(&ToolsConfig::default()).is_ok_and(|none| none.is_none()));
    }
}
