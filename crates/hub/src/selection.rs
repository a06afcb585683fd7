//! Which of a model's files are needed.

use crate::error::HubError;

/// The file that every model has.
pub(crate) const CONFIG: &str = "config.json";
/// Weights in one file.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// Where each tensor of weights in several files lies.
pub(crate) const INDEX: &str = "model.safetensors.index.json";
/// The tokenizer that the `tokenizers` crate reads.
pub(crate) const TOKENIZER: &str = "tokenizer.json";

/// Small files that are taken along where a model has them.
const COMPANIONS: [&str; 8] = [
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "preprocessor_config.json",
    "special_tokens_map.json",
    TOKENIZER,
    "tokenizer_config.json",
];

/// Tokenizers that only Python turns into a `tokenizer.json`.
const OTHER_TOKENIZERS: [&str; 5] = [
    "tokenizer.model",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
    "tekken.json",
];

const PICKLES: [&str; 5] = [".bin", ".pt", ".pth", ".ckpt", ".pkl"];

/// `model-00001-of-00002.safetensors`.
pub(crate) fn is_shard(name: &str) -> bool {
    name.strip_prefix("model-")
        .and_then(|rest| rest.strip_suffix(".safetensors"))
        .and_then(|rest| rest.split_once("-of-"))
        .is_some_and(|(number, count)| {
            [number, count]
                .iter()
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        })
}

/// The needed files in the order in which they are fetched.
///
/// # Errors
///
/// [`HubError::Unsupported`] where the files are in a form that is not read.
pub(crate) fn needed<'a>(what: &str, names: &[&'a str]) -> Result<Vec<&'a str>, HubError> {
    let has = |name: &str| names.contains(&name);
    if !has(CONFIG) {
        return Err(unsupported(
            what,
            "it has no config.json".to_owned(),
            "allowed: models in the form of transformers",
        ));
    }
    check_tokenizer(what, names)?;
    let weights: Vec<&str> = if has(WEIGHTS) {
        vec![WEIGHTS]
    } else if has(INDEX) {
        names
            .iter()
            .copied()
            .filter(|name| is_shard(name))
            .collect()
    } else {
        return Err(no_weights(what, names));
    };
    let mut chosen: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| COMPANIONS.contains(name) || (*name == INDEX && !has(WEIGHTS)))
        .collect();
    chosen.sort_unstable();
    chosen.extend(names.iter().copied().filter(|name| weights.contains(name)));
    chosen.extend(names.iter().copied().filter(|name| *name == CONFIG));
    Ok(chosen)
}

/// Refuses a tokenizer that only Python reads; none at all is fine for ids.
pub(crate) fn check_tokenizer(what: &str, names: &[&str]) -> Result<(), HubError> {
    let other = OTHER_TOKENIZERS
        .iter()
        .find(|name| names.contains(name))
        .filter(|_| !names.contains(&TOKENIZER));
    match other {
        None => Ok(()),
        Some(other) => Err(unsupported(
            what,
            format!("its tokenizer is {other} alone, without a tokenizer.json"),
            "convert it once with Python: AutoTokenizer.from_pretrained(NAME, use_fast=True)\
             .save_pretrained(FOLDER), and name the folder",
        )),
    }
}

/// Says which form the weights have instead.
pub(crate) fn no_weights(what: &str, names: &[&str]) -> HubError {
    let ends = |ending: &str| names.iter().find(|name| name.ends_with(ending));
    if let Some(pickle) = PICKLES.iter().find_map(|ending| ends(ending)) {
        return unsupported(
            what,
            format!("its weights are a pickle ({pickle}), which can run code when it is read"),
            "convert them once with Python: AutoModel.from_pretrained(NAME)\
             .save_pretrained(FOLDER), and name the folder",
        );
    }
    if let Some(gguf) = ends(".gguf") {
        return unsupported(
            what,
            format!("its weights are quantised ({gguf})"),
            "name the model from which it was made",
        );
    }
    unsupported(
        what,
        "it has no model.safetensors and no model.safetensors.index.json".to_owned(),
        "allowed: models with weights in safetensors",
    )
}

fn unsupported(what: &str, why: String, advice: &str) -> HubError {
    HubError::Unsupported {
        what: what.to_owned(),
        why,
        advice: advice.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(names: &[&str]) -> String {
        needed("m", names).expect_err("a refusal").to_string()
    }

    #[test]
    fn only_what_is_needed_is_taken_and_the_config_comes_last() {
        let names = [
            "README.md",
            "config.json",
            "flax_model.msgpack",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "tokenizer.json",
            "tokenizer.model",
            "chat_template.jinja",
        ];
        assert_eq!(
            needed("m", &names).expect("files"),
            [
                "chat_template.jinja",
                "model.safetensors.index.json",
                "tokenizer.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "config.json",
            ]
        );
        let both = [
            "config.json",
            INDEX,
            WEIGHTS,
            "model-00001-of-00001.safetensors",
        ];
        assert_eq!(needed("m", &both).expect("files"), [WEIGHTS, "config.json"]);
    }

    #[test]
    fn other_forms_are_refused_before_anything_is_fetched() {
        assert!(
            refusal(&["config.json", "pytorch_model.bin"]).contains("pickle (pytorch_model.bin)")
        );
        assert!(refusal(&["config.json", "a.gguf"]).contains("quantised"));
        assert!(
            refusal(&["config.json", WEIGHTS, "tokenizer.model"]).contains("tokenizer.model alone")
        );
        assert!(refusal(&["model.safetensors"]).contains("config.json"));
        assert!(refusal(&["config.json"]).contains("model.safetensors.index.json"));
    }
}
