//! Where models lie and how the hub is asked: the variables of the Hugging Face tools.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use configs::env::Environment;

/// The hub that is asked when nothing else is said.
pub const PUBLIC_ENDPOINT: &str = "https://huggingface.co";

/// An access token; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token as it was handed out, without the spaces around it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        // A header cannot carry anything else, and a token with a line break is two mistakes.
        let sound = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then(|| Token(text.to_owned()))
    }

    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// How the hub is reached and where its files are kept.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// Folder with `models--OWNER--NAME` folders, shared with the Python tools.
    pub cache: PathBuf,
    /// Address of the hub, without a slash at its end.
    pub endpoint: String,
    /// Sent to the endpoint's host only.
    pub token: Option<Token>,
    /// No request is sent; what is cached is used.
    pub offline: bool,
    /// Longest silence of the server before it counts as stalled.
    pub stall: Duration,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Attempts in a row that bring nothing before a transfer is given up.
    pub attempts: u32,
    /// Pause before the second attempt; it doubles each time.
    pub pause: Duration,
}

impl HubSettings {
    /// Settings for a cache folder and an endpoint, everything else as usual.
    #[must_use]
    pub fn new(cache: PathBuf, endpoint: &str) -> Self {
        HubSettings {
            cache,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: None,
            offline: false,
            stall: Duration::from_secs(30),
            connect: Duration::from_secs(10),
            attempts: 5,
            pause: Duration::from_secs(1),
        }
    }

    /// Reads `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HOME`, `HF_ENDPOINT`, `HF_TOKEN`,
    /// `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE` and the older spellings
    /// `HUGGINGFACE_HUB_CACHE` and `HUGGING_FACE_HUB_TOKEN`, in the order of `huggingface_hub`.
    #[must_use]
    pub fn from_environment(environment: &Environment) -> Self {
        let user = environment.get("HOME").map(PathBuf::from);
        let path = |name: &str| {
            environment
                .get(name)
                .map(|text| expand(text, user.as_deref()))
        };
        let home = path("HF_HOME").unwrap_or_else(|| {
            path("XDG_CACHE_HOME")
                .unwrap_or_else(|| user.clone().unwrap_or_default().join(".cache"))
                .join("huggingface")
        });
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .unwrap_or_else(|| home.join("hub"));
        let endpoint = environment.get("HF_ENDPOINT").unwrap_or(PUBLIC_ENDPOINT);
        let token = environment
            .get("HF_TOKEN")
            .or_else(|| environment.get("HUGGING_FACE_HUB_TOKEN"))
            .and_then(Token::new)
            .or_else(|| {
                let file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
                Token::new(&fs::read_to_string(file).ok()?)
            });
        let offline = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
            .iter()
            .any(|name| environment.get(name).is_some_and(is_true));
        HubSettings {
            token,
            offline,
            ..HubSettings::new(cache, endpoint)
        }
    }
}

/// What `huggingface_hub` takes for true.
fn is_true(text: &str) -> bool {
    ["1", "on", "yes", "true"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

fn expand(text: &str, user: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), user) {
        (Some(rest), Some(user)) => user.join(rest),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> HubSettings {
        HubSettings::from_environment(&Environment::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn the_cache_is_where_python_looks_for_it() {
        let cache = |pairs: &[(&str, &str)]| read(pairs).cache;
        let home = ("HOME", "/u");
        assert_eq!(cache(&[home]), Path::new("/u/.cache/huggingface/hub"));
        assert_eq!(
            cache(&[home, ("XDG_CACHE_HOME", "/x")]),
            Path::new("/x/huggingface/hub")
        );
        assert_eq!(
            cache(&[home, ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/hf")]),
            Path::new("/u/hf/hub")
        );
        assert_eq!(
            cache(&[home, ("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/models")]),
            Path::new("/models")
        );
    }

    #[test]
    fn the_token_comes_from_the_variable_or_a_file_and_is_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("token"), "hf_file\n").expect("a file");
        let home = folder.path().to_string_lossy().into_owned();
        let from_file = read(&[("HF_HOME", &home)]);
        assert_eq!(from_file.token.as_ref().map(Token::secret), Some("hf_file"));
        let from_variable = read(&[("HF_HOME", &home), ("HF_TOKEN", " hf_variable ")]);
        assert_eq!(
            from_variable.token.as_ref().map(Token::secret),
            Some("hf_variable")
        );
        let elsewhere = folder.path().join("other");
        fs::write(&elsewhere, "hf_other").expect("a file");
        let named = read(&[
            ("HF_HOME", &home),
            ("HF_TOKEN_PATH", &elsewhere.to_string_lossy()),
        ]);
        assert_eq!(named.token.as_ref().map(Token::secret), Some("hf_other"));
        assert!(!format!("{from_file:?}").contains("hf_file"));
        assert_eq!(Token::new("two\nlines"), None);
    }

    #[test]
    fn the_endpoint_and_offline_are_read() {
        let settings = read(&[
            ("HF_ENDPOINT", "http://mirror:8080/"),
            ("HF_HUB_OFFLINE", "ON"),
        ]);
        assert_eq!(settings.endpoint, "http://mirror:8080");
        assert!(settings.offline);
        let settings = read(&[("HF_HUB_OFFLINE", "0")]);
        assert_eq!(settings.endpoint, PUBLIC_ENDPOINT);
        assert!(!settings.offline);
    }
}
