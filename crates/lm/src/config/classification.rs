//! Whether a config describes a reward model, and of how many scores.

use serde_json::Value;

use super::fields::Fields;
use crate::LmError;

/// How the class of a reward model is called in `architectures`.
const CLASSIFIER: &str = "ForSequenceClassification";

/// The scores of a text, when the model is one for sequence classification. `whole` is the
/// config, `text` the part of it that describes the decoder.
pub(super) fn labels(whole: &Fields, text: &Fields) -> Result<Option<usize>, LmError> {
    let architecture = architecture(whole);
    if architecture.ends_with(CLASSIFIER) {
        return count(whole, text).map(Some);
    }
    if architecture.contains("Reward") {
        return Err(whole.problem(format!(
            "`architectures`: {architecture} - allowed: ..ForCausalLM, ..{CLASSIFIER} - its head is code of its own repository, which is not run; choose a reward model of the standard class"
        )));
    }
    Ok(None)
}

/// The first of `architectures`, or an empty text.
pub(crate) fn architecture(fields: &Fields) -> &str {
    let names = fields.get("architectures").and_then(Value::as_array);
    let first = names.and_then(|names| names.first());
    first.and_then(Value::as_str).unwrap_or_default()
}

/// `id2label` counts, else `num_labels`; without both it is 2.
pub(crate) fn count(whole: &Fields, text: &Fields) -> Result<usize, LmError> {
    for fields in [whole, text] {
        let named = match fields.get("id2label").and_then(Value::as_object) {
            Some(names) => Some(names.len()),
            None => fields.count("num_labels")?,
        };
        match named {
            Some(0) => return Err(fields.problem("no labels - allowed: at least one")),
            Some(count) => return Ok(count),
            None => {}
        }
    }
    Ok(2)
}
