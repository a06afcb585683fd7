//! What kinds of servers have beyond OpenAI's form.

use serde_json::{Map, Value, json};

use crate::Ask;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// OpenAI's form and nothing else.
    #[default]
    Plain,
    /// vLLM.
    Vllm,
    /// The server of llama.cpp.
    LlamaCpp,
    /// Ollama.
    Ollama,
    /// SGLang.
    Sglang,
}

impl Dialect {
    /// By the `owned_by` of the models that a server lists.
    pub(crate) fn of_models(models: &Value) -> Self {
        match models["data"][0]["owned_by"].as_str() {
            Some("vllm") => Self::Vllm,
            Some("llamacpp") => Self::LlamaCpp,
            Some("library") => Self::Ollama,
            Some("sglang") => Self::Sglang,
            _ => Self::Plain,
        }
    }

    /// Fields that serve a tree of prompts with common beginnings: a turn of the assistant that stands last
    /// is continued instead of answered, and computed beginnings are kept.
    #[must_use]
    pub fn fields(self, ask: &Ask) -> Map<String, Value> {
        let last = ask.messages.last();
        let continues = last.is_some_and(|message| message.role == "assistant");
        let fields = match self {
            Self::Vllm if continues => {
                json!({"continue_final_message": true, "add_generation_prompt": false})
            }
            Self::Sglang if continues => json!({"continue_final_message": true}),
            Self::LlamaCpp => json!({"cache_prompt": true}),
            _ => json!({}),
        };
        match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    /// Fields that hold the model to one of `choices`; none where the server has no such thing in its
    /// requests. What a server does not know it ignores.
    #[must_use]
    pub fn one_of(self, choices: &[String]) -> Map<String, Value> {
        let fields = match self {
            // The older name and the newer.
            Self::Vllm => {
                json!({"guided_choice": choices, "structured_outputs": {"choice": choices}})
            }
            Self::LlamaCpp => {
                let quoted = choices.iter().map(|choice| json!(choice).to_string());
                let alternatives = quoted.collect::<Vec<_>>().join(" | ");
                json!({"grammar": format!("root ::= {alternatives}")})
            }
            Self::Sglang => {
                let escaped = choices.iter().map(|choice| escaped(choice));
                json!({"regex": format!("({})", escaped.collect::<Vec<_>>().join("|"))})
            }
            Self::Plain | Self::Ollama => json!({}),
        };
        match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }
}

/// A text as a regular expression that matches it alone.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if !character.is_alphanumeric() && !character.is_whitespace() {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}
