//! How answers are sampled: fields, their bounds, their values as written.

use serde_json::{Map, Value};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A number within bounds, both included.
    Number(f64, f64),
    /// A whole number within bounds, both included.
    Integer(u64, u64),
    /// Text.
    Text,
    /// Texts, a comma between two.
    Texts,
    /// Names with values as JSON: `enable_thinking=false`, a comma between two.
    Pairs,
}

/// A field of the panel.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key in the protocol; the system prompt has a line of its own.
    pub key: &'static str,
    /// Its name on the screen.
    pub label: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// A sentence.
    pub help: &'static str,
}

const fn field(key: &'static str, label: &'static str, kind: Kind, help: &'static str) -> Field {
    Field {
        key,
        label,
        kind,
        help,
    }
}

/// The key of the system prompt.
pub const SYSTEM: &str = "system";
/// The key of the template's options.
const TEMPLATE: &str = "template";

/// Every field, in the order of the panel.
pub const FIELDS: &[Field] = &[
    field(
        SYSTEM,
        "system prompt",
        Kind::Text,
        "what stands before the conversation; some templates take none",
    ),
    field(
        "temperature",
        "temperature",
        Kind::Number(0.0, 100.0),
        "0 takes the likeliest token each time; above 1 is wilder than the model",
    ),
    field(
        "top_k",
        "top k",
        Kind::Integer(0, 1_000_000),
        "only the k likeliest tokens; 0 for all",
    ),
    field(
        "top_p",
        "top p",
        Kind::Number(0.0, 1.0),
        "only the likeliest tokens that hold this share of the probability",
    ),
    field(
        "min_p",
        "min p",
        Kind::Number(0.0, 1.0),
        "only tokens at least so likely as this share of the likeliest",
    ),
    field(
        "repetition_penalty",
        "repetition penalty",
        Kind::Number(0.01, 100.0),
        "above 1 what was said becomes less likely",
    ),
    field(
        "max_new",
        "most new tokens",
        Kind::Integer(1, 10_000_000),
        "an answer ends there at the latest",
    ),
    field(
        "seed",
        "seed",
        Kind::Integer(0, u64::MAX),
        "the same seed and words give the same answer",
    ),
    field(
        "stop",
        "stop strings",
        Kind::Texts,
        "an answer ends before any of these; a comma between two, \\n for a line feed",
    ),
    field(
        TEMPLATE,
        "template options",
        Kind::Pairs,
        "what the chat template is given, such as enable_thinking=false",
    ),
];

/// Values as written; an empty one is the model's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    values: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            values: vec![String::new(); FIELDS.len()],
        }
    }
}

impl Settings {
    /// A value as written.
    #[must_use]
    pub fn text(&self, at: usize) -> &str {
        self.values.get(at).map_or("", String::as_str)
    }

    /// The value of a key as written.
    #[must_use]
    pub fn of(&self, key: &str) -> &str {
        let at = FIELDS.iter().position(|field| field.key == key);
        at.map_or("", |at| self.text(at))
    }

    /// Sets a value, unless it is wrong: then why.
    ///
    /// # Errors
    /// What was written and what is allowed.
    pub fn set(&mut self, at: usize, text: &str) -> Result<(), String> {
        let Some(field) = FIELDS.get(at) else {
            return Ok(());
        };
        let text = text.trim();
        if !text.is_empty() {
            read(field, text)?;
        }
        text.clone_into(&mut self.values[at]);
        Ok(())
    }

    /// The settings for the worker: those that are written, and its own defaults for the others, since
    /// they may have been written before. The system prompt is not among them.
    #[must_use]
    pub fn for_worker(&self, defaults: &Map<String, Value>) -> Map<String, Value> {
        FIELDS
            .iter()
            .zip(&self.values)
            .filter(|(field, _)| field.key != SYSTEM)
            .filter_map(|(field, text)| {
                let value = if text.is_empty() {
                    defaults.get(field.key).cloned()?
                } else {
                    read(field, text).ok()?
                };
                Some((field.key.to_owned(), value))
            })
            .collect()
    }

    /// What is written, in a line.
    #[must_use]
    pub fn words(&self) -> String {
        let written: Vec<String> = FIELDS
            .iter()
            .zip(&self.values)
            .filter(|(field, text)| field.key != SYSTEM && !text.is_empty())
            .map(|(field, text)| format!("{} {text}", field.label))
            .collect();
        written.join(", ")
    }
}

/// A value in the protocol's form.
fn read(field: &Field, text: &str) -> Result<Value, String> {
    let refused = |allowed: String| format!("{}: `{text}` - allowed: {allowed}", field.label);
    match field.kind {
        Kind::Number(low, high) => text
            .parse::<f64>()
            .ok()
            .filter(|value| (low..=high).contains(value))
            .map(Value::from)
            .ok_or_else(|| refused(format!("a number from {low} to {high}"))),
        Kind::Integer(low, high) => text
            .parse::<u64>()
            .ok()
            .filter(|value| (low..=high).contains(value))
            .map(Value::from)
            .ok_or_else(|| refused(format!("a whole number from {low} to {high}"))),
        Kind::Text => Ok(Value::from(text)),
        Kind::Texts => {
            let texts = text.split(',').filter(|text| !text.is_empty());
            Ok(texts
                .map(|text| Value::from(text.replace("\\n", "\n")))
                .collect())
        }
        Kind::Pairs => {
            let mut pairs = Map::new();
            for pair in text.split(',') {
                let Some((name, value)) = pair.split_once('=') else {
                    return Err(refused(
                        "NAME=VALUE such as enable_thinking=false".to_owned(),
                    ));
                };
                let value = value.trim();
                // What is no JSON is a text.
                let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
                pairs.insert(name.trim().to_owned(), value);
            }
            Ok(Value::Object(pairs))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(key: &str) -> usize {
        FIELDS
            .iter()
            .position(|field| field.key == key)
            .expect("a field")
    }

    #[test]
    fn what_is_written_goes_to_the_worker_and_the_rest_does_not() {
        let mut settings = Settings::default();
        let none = Map::new();
        assert_eq!(Value::Object(settings.for_worker(&none)), json!({}));
        for (key, text) in [
            ("system", "be brief"),
            ("temperature", " 0.7 "),
            ("top_k", "40"),
            ("stop", "###,\\n\\n"),
            ("template", "enable_thinking=false, mood=calm"),
        ] {
            settings.set(at(key), text).expect("a good value");
        }
        assert_eq!(
            Value::Object(settings.for_worker(&none)),
            json!({"temperature": 0.7, "top_k": 40, "stop": ["###", "\n\n"],
                   "template": {"enable_thinking": false, "mood": "calm"}})
        );
        assert_eq!(settings.of(SYSTEM), "be brief");
        settings.set(at("top_k"), "").expect("nothing is allowed");
        assert!(!settings.for_worker(&none).contains_key("top_k"));
        // What was written before goes back to the worker's own value.
        let defaults = [("top_k".to_owned(), json!(50))].into_iter().collect();
        assert_eq!(settings.for_worker(&defaults)["top_k"], json!(50));
    }

    #[test]
    fn wrong_values_are_refused_with_what_is_allowed_and_change_nothing() {
        let mut settings = Settings::default();
        for (key, text, allowed) in [
            ("temperature", "-1", "from 0 to 100"),
            ("temperature", "NaN", "from 0 to 100"),
            ("top_p", "1.5", "from 0 to 1"),
            ("top_k", "2.5", "a whole number"),
            ("max_new", "0", "from 1"),
            ("template", "thinking", "NAME=VALUE"),
        ] {
            let refused = settings.set(at(key), text).expect_err(text);
            assert!(
                refused.contains(allowed) && refused.contains(text),
                "{refused}"
            );
        }
        assert_eq!(settings, Settings::default());
    }
}
