//! The lines between the dashboard and `concord-worker chat`: a JSON object each.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the worker is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Something the user says; the model answers.
    Say(String),
    /// What stands before the conversation; empty for nothing.
    System(String),
    /// How answers are sampled; what is left out stays as it is.
    Settings(Map<String, Value>),
    /// A conversation to go on with: messages with a role and a content.
    Messages(Vec<Value>),
    /// Answer the last turn again.
    Retry(bool),
    /// Begin a new conversation.
    Forget(bool),
    /// Interrupt the answer.
    Stop(bool),
    /// End.
    Quit(bool),
}

impl Order {
    /// The line for it, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        // A map of strings and finite numbers can always be written.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// What the worker tells.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The model is loaded.
    Ready(Ready),
    /// An answer begins.
    Begin(Begin),
    /// A token of the answer.
    Token(Token),
    /// The answer is complete.
    Done(Done),
    /// Something failed; the conversation goes on.
    Error {
        /// What.
        message: String,
    },
    /// Something to know.
    Note {
        /// What.
        message: String,
        /// The settings, where they are what it is about.
        #[serde(default)]
        settings: Option<Map<String, Value>>,
    },
    /// Of a later version.
    #[serde(other)]
    Unknown,
}

/// A model that is loaded.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Ready {
    /// Its name or folder.
    pub model: String,
    /// Its family.
    pub family: String,
    /// Its parameters.
    pub parameters: u64,
    /// Tokens that its positions are made for; zero where that is not known.
    pub context: u64,
    /// Whether it has a chat template; without one it continues plain text.
    pub template: bool,
    /// Where it runs.
    pub device: String,
    /// The type of its numbers.
    pub dtype: String,
    /// How answers are sampled unless something else is set.
    pub settings: Map<String, Value>,
}

/// What is known of an answer before its first token.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Begin {
    /// Tokens before it.
    pub prompt_tokens: u64,
    /// Those of them that were computed for an earlier answer.
    pub cached_tokens: u64,
    /// Whether the template opened the model's thinking.
    pub thinking: bool,
}

/// A token of an answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Token {
    /// Text that is certain now; empty while a character is not whole.
    pub text: String,
    /// Its id.
    pub id: u32,
    /// Its log-probability; none where it is not finite.
    pub log_probability: Option<f64>,
    /// The likeliest tokens of the step, the likeliest first.
    pub alternatives: Vec<Alternative>,
}

/// A token that could have been.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Alternative {
    /// Its id.
    pub id: u32,
    /// Its text.
    pub text: String,
    /// Its log-probability; none where it is not finite.
    pub log_probability: Option<f64>,
}

/// What is known of an answer at its end.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Done {
    /// Why it ended.
    pub finish: String,
    /// All of it.
    pub text: String,
    /// Its tokens.
    pub tokens: u64,
    /// Tokens before it.
    pub prompt_tokens: u64,
    /// Tokens before it that were computed for an earlier answer.
    pub cached_tokens: u64,
    /// How long it took.
    pub seconds: f64,
    /// Its speed.
    pub tokens_per_second: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_the_lines_of_the_protocol() {
        assert_eq!(
            Order::Say("a\n\"b\"".into()).line(),
            "{\"say\":\"a\\n\\\"b\\\"\"}\n"
        );
        assert_eq!(Order::Stop(true).line(), "{\"stop\":true}\n");
        let settings = [("top_k".to_owned(), Value::from(5))].into_iter().collect();
        assert_eq!(
            Order::Settings(settings).line(),
            "{\"settings\":{\"top_k\":5}}\n"
        );
    }

    #[test]
    fn events_are_read_and_those_of_later_versions_are_passed_over() {
        let read = |text: &str| serde_json::from_str::<Event>(text).expect("an event");
        let token = read(
            r#"{"event":"token","text":"a","id":5,"log_probability":-0.5,
                "alternatives":[{"id":5,"text":"a","log_probability":-0.5},{"id":6,"text":"b","log_probability":null}]}"#,
        );
        let Event::Token(token) = token else {
            panic!("{token:?}")
        };
        assert_eq!((token.id, token.log_probability), (5, Some(-0.5)));
        assert_eq!(token.alternatives[1].log_probability, None);
        assert!(
            matches!(read(r#"{"event":"done","finish":"stop_id","tokens":3}"#), Event::Done(done) if done.tokens == 3)
        );
        assert_eq!(read(r#"{"event":"mood","value":1}"#), Event::Unknown);
    }
}
