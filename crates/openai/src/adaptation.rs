//! What servers refuse, and what is done about it.

use serde_json::Value;

/// What a server was found not to take; kept for later requests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Adaptation {
    /// `max_completion_tokens` instead of `max_tokens`.
    pub(crate) newer_limit: bool,
    pub(crate) no_temperature: bool,
    pub(crate) no_top_p: bool,
    pub(crate) no_top_k: bool,
    pub(crate) no_seed: bool,
    pub(crate) no_log_probabilities: bool,
    pub(crate) no_response_format: bool,
    pub(crate) no_stream_options: bool,
    /// One answer at a time.
    pub(crate) single: bool,
}

impl Adaptation {
    /// What a refusal teaches beyond this; none where another try would end alike.
    pub(crate) fn learned(mut self, refusal: &Refusal, lenient: bool) -> Option<Self> {
        let unsupported = matches!(
            refusal.code.as_deref(),
            Some("unsupported_parameter" | "unsupported_value")
        );
        // What the model is held to may be left out, not how it is sampled.
        let flag = if refusal.is_about("max_tokens")
            && !refusal.said.contains("too large")
            && (unsupported || refusal.said.contains("max_completion_tokens"))
        {
            &mut self.newer_limit
        } else if refusal.is_about("stream_options") {
            &mut self.no_stream_options
        } else if refusal.is_about("response_format") {
            &mut self.no_response_format
        } else if refusal.is_about("logprobs") && lenient {
            &mut self.no_log_probabilities
        } else if refusal.is_about("top_k") && lenient {
            // Not of OpenAI's form: servers that are strict about it refuse it without a code.
            &mut self.no_top_k
        } else {
            match refusal.parameter.as_deref() {
                Some("temperature") if unsupported && lenient => &mut self.no_temperature,
                Some("top_p") if unsupported && lenient => &mut self.no_top_p,
                Some("seed") if unsupported && lenient => &mut self.no_seed,
                _ => return None,
            }
        };
        let known = std::mem::replace(flag, true);
        (!known).then_some(self)
    }

    /// The same, and one answer at a time.
    pub(crate) fn singly(self) -> Self {
        Self {
            single: true,
            ..self
        }
    }

    /// The settings of sampling that are left out, by the names they have in requests.
    pub(crate) fn left_out(self) -> impl Iterator<Item = &'static str> {
        [
            ("temperature", self.no_temperature),
            ("top_p", self.no_top_p),
            ("top_k", self.no_top_k),
            ("seed", self.no_seed),
        ]
        .into_iter()
        .filter_map(|(name, is_left_out)| is_left_out.then_some(name))
    }

    /// Adds what another request learned.
    pub(crate) fn merge(&mut self, other: Self) {
        self.newer_limit |= other.newer_limit;
        self.no_temperature |= other.no_temperature;
        self.no_top_p |= other.no_top_p;
        self.no_top_k |= other.no_top_k;
        self.no_seed |= other.no_seed;
        self.no_log_probabilities |= other.no_log_probabilities;
        self.no_response_format |= other.no_response_format;
        self.no_stream_options |= other.no_stream_options;
        self.single |= other.single;
    }
}

/// The longest part of a server's words that is repeated, in characters.
const LONGEST_WORDS: usize = 300;

/// What a refusal says.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) said: String,
    pub(crate) code: Option<String>,
    parameter: Option<String>,
}

impl Refusal {
    /// Reads the body of a refusal in any of the forms that servers have; `key` is struck out of it.
    pub(crate) fn read(body: &str, key: Option<&str>) -> Self {
        let value: Value = serde_json::from_str(body).unwrap_or_default();
        let error = if value["error"].is_null() {
            &value
        } else {
            &value["error"]
        };
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        let said = text("message")
            .or_else(|| error.as_str().map(str::to_owned))
            .or_else(|| match &value["detail"] {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            })
            .unwrap_or_else(|| body.to_owned());
        Self {
            said: excerpt(&said, key),
            code: text("code"),
            parameter: text("param"),
        }
    }

    /// Whether it names this field of the body, be it in words.
    fn is_about(&self, field: &str) -> bool {
        match &self.parameter {
            Some(parameter) => parameter.contains(field),
            None => self.said.contains(field),
        }
    }

    /// Whether it is the tools that the server will not have. vLLM wants a flag and a parser for them,
    /// llama.cpp a template engine, Ollama a model that was trained on them; all say so in words.
    pub(crate) fn is_of_tools(&self) -> bool {
        let said = self.said.to_lowercase();
        self.parameter
            .as_deref()
            .is_some_and(|parameter| parameter.starts_with("tool"))
            || said.contains("tool")
            || said.contains("function call")
    }
}

/// The beginning of a server's words, on one line and without the key.
pub(crate) fn excerpt(text: &str, key: Option<&str>) -> String {
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(key) = key {
        words = words.replace(key, "[key]");
    }
    if words.is_empty() {
        return "without a word".to_owned();
    }
    match words.char_indices().nth(LONGEST_WORDS) {
        Some((end, _)) => format!("{:?}..", &words[..end]),
        None => format!("{words:?}"),
    }
}
