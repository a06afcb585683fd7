//! The words of the compact grammar and of every world, and the tokenizer that is made of them.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::graph::{FIRST_YEAR, PRESENT, YEAR_STEP};
use super::names::Kind;
use super::relations::RELATIONS;
use crate::dialogue::compact::{DELTAS, END, TAGS};

/// Padding, at id 0.
pub const PAD: &str = "<pad>";
/// Any word that is not known.
pub const UNKNOWN_WORD: &str = "<unk>";

/// Words of questions, plans, thoughts and documents that are no names, relations or numbers.
const OTHER_WORDS: &str = "what is name tell me the of in do and have same was born before ? . , ! : ; \
     then both begin nothing found yes no unknown many from to since also known as elder younger who where when which \
     did does are were by for a an";

/// Every token, by its id: padding, the unknown word, tags, deltas, numbers, words.
pub fn vocabulary() -> Vec<String> {
    let mut seen = HashSet::new();
    let mut words: Vec<String> = Vec::new();
    let mut add = |word: &str| {
        if seen.insert(word.to_owned()) {
            words.push(word.to_owned());
        }
    };
    add(PAD);
    add(UNKNOWN_WORD);
    TAGS.iter().chain(&DELTAS).for_each(|word| add(word));
    (0..10).for_each(|digit| add(&digit.to_string()));
    (FIRST_YEAR..=PRESENT)
        .step_by(usize::from(YEAR_STEP))
        .for_each(|year| add(&year.to_string()));
    OTHER_WORDS.split_whitespace().for_each(&mut add);
    for row in &RELATIONS {
        row.words.iter().for_each(|word| add(word));
        let sentences = row.sentences.iter().flat_map(|text| text.split(' '));
        sentences
            .filter(|word| !word.contains('{'))
            .for_each(&mut add);
    }
    for kind in Kind::ALL {
        kind.words()
            .into_iter()
            .flatten()
            .for_each(|word| add(word));
    }
    words
}

/// `tokenizer.json` in the form of the `tokenizers` library: a word a token, separated by spaces.
pub fn tokenizer() -> Value {
    let words = vocabulary();
    let added = words.iter().enumerate().filter(|(_, word)| {
        TAGS.contains(&word.as_str()) || [PAD, UNKNOWN_WORD].contains(&word.as_str())
    });
    let added: Vec<Value> = added
        .map(|(id, word)| {
            let special = [PAD, UNKNOWN_WORD, END].contains(&word.as_str());
            json!({
                "id": id, "content": word, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": special,
            })
        })
        .collect();
    let ids: serde_json::Map<String, Value> = words
        .iter()
        .enumerate()
        .map(|(id, word)| (word.clone(), json!(id)))
        .collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": ids, "unk_token": UNKNOWN_WORD},
    })
}

/// The chat template: prompts and replies as they stand, a reply with its end.
pub const TEMPLATE: &str = "{%- for message in messages %}\
     {%- if message.role == 'assistant' %}{{- ' ' + message.content + ' <end>' }}\
     {%- else %}{{- message.content }}{%- endif %}\
     {%- endfor %}";
