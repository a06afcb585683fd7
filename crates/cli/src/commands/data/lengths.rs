//! How long the parts of rows are.

use dataset::{Content, Rows};
use hub::{ChatTemplate, Conversation, HubError, ModelTokenizer, OrderedJson, RenderOptions};
use serde_json::{Value, json};

use super::each_part;
use crate::failure::Failure;

/// What reads texts as a model does.
pub(super) struct Reader {
    pub(super) tokenizer: ModelTokenizer,
    pub(super) template: Option<ChatTemplate>,
}

impl Reader {
    /// Tokens of a prompt with all that the template puts around it, or of an answer as it stands.
    fn tokens(&self, part: &str, content: &Content) -> Result<usize, HubError> {
        let text = match (content, &self.template) {
            (Content::Messages(messages), Some(template)) if part == "prompt" => {
                let messages = messages
                    .iter()
                    .map(|message| OrderedJson::from(json!(message)))
                    .collect();
                let options = RenderOptions::default();
                Conversation::new(messages).prompt(template, &options)?.text
            }
            (Content::Messages(messages), _) => {
                let said: Vec<&str> = messages.iter().map(|one| one.content.as_str()).collect();
                said.join("\n")
            }
            (Content::Text(text), _) => text.clone(),
        };
        Ok(self.tokenizer.encode_rendered(&text)?.len())
    }
}

/// The lengths of one part of all rows, in order of size.
pub(super) struct Lengths {
    pub(super) part: &'static str,
    pub(super) unit: &'static str,
    sorted: Vec<usize>,
}

impl Lengths {
    /// The smallest length that `share` of all do not exceed.
    fn quantile(&self, share: f64) -> usize {
        let rank = (share * self.sorted.len() as f64).ceil() as usize;
        self.sorted[rank.clamp(1, self.sorted.len()) - 1]
    }

    /// Count, smallest, quantiles, largest and mean.
    pub(super) fn values(&self) -> [Value; 7] {
        let sum: usize = self.sorted.iter().sum();
        let mean = sum as f64 / self.sorted.len() as f64;
        [
            json!(self.sorted.len()),
            json!(self.sorted[0]),
            json!(self.quantile(0.5)),
            json!(self.quantile(0.9)),
            json!(self.quantile(0.99)),
            json!(self.quantile(1.0)),
            json!((mean * 10.0).round() / 10.0),
        ]
    }
}

/// Lengths of every part that is there, in characters and, where a tokenizer is given, in tokens.
pub(super) fn lengths(rows: &Rows, reader: Option<&Reader>) -> Result<Vec<Lengths>, Failure> {
    let mut found: Vec<Lengths> = Vec::new();
    let mut add = |part, unit, length| {
        let at = found
            .iter()
            .position(|one| one.part == part && one.unit == unit);
        let at = at.unwrap_or_else(|| {
            found.push(Lengths {
                part,
                unit,
                sorted: Vec::new(),
            });
            found.len() - 1
        });
        found[at].sorted.push(length);
    };
    let mut failed = None;
    each_part(rows, |_, (part, content)| {
        add(part, "characters", content.characters());
        if let Some(reader) = reader
            && failed.is_none()
        {
            match reader.tokens(part, content) {
                Ok(tokens) => add(part, "tokens", tokens),
                Err(error) => failed = Some(error),
            }
        }
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    for lengths in &mut found {
        lengths.sorted.sort_unstable();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_lengths_that_are_there() {
        let lengths = Lengths {
            part: "prompt",
            unit: "characters",
            sorted: (1..=10).collect(),
        };
        assert_eq!(
            lengths.values().map(|value| value.as_f64().unwrap_or(-1.0)),
            [10.0, 1.0, 5.0, 9.0, 10.0, 10.0, 5.5]
        );
    }
}
