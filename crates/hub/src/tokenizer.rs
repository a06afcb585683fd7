//! A model's tokenizer: ids from text, text from ids.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::Path;

use serde_json::Value;
use tokenizers::Tokenizer;

use crate::error::{HubError, io_error};
use crate::folder::read_object;
use crate::selection;

mod stream;

pub use stream::DecodeStream;

/// The roles of special tokens that templates name.
const ROLES: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// Special tokens by their roles, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    tokens: Vec<(&'static str, String)>,
}

impl SpecialTokens {
    /// Reads `tokenizer_config.json`, else `special_tokens_map.json`.
    ///
    /// # Errors
    ///
    /// [`HubError::Broken`] where one of them is no JSON object.
    pub fn load(folder: &Path) -> Result<Self, HubError> {
        let config = read_object(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let map = read_object(&folder.join("special_tokens_map.json"))?.unwrap_or_default();
        let tokens = ROLES
            .into_iter()
            .filter_map(|role| {
                let text = content(&config[role]).or_else(|| content(&map[role]))?;
                Some((role, text.to_owned()))
            })
            .collect();
        Ok(SpecialTokens { tokens })
    }

    /// The text of a role such as `eos_token`.
    #[must_use]
    pub fn get(&self, role: &str) -> Option<&str> {
        let found = self.tokens.iter().find(|(name, _)| *name == role);
        found.map(|(_, text)| text.as_str())
    }

    /// All roles that are filled.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.tokens
            .iter()
            .map(|(role, text)| (*role, text.as_str()))
    }
}

/// A token is a string, or an object with its properties.
fn content(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token["content"].as_str())
}

/// A tokenizer with what the model's configs say about it. Can be shared by threads.
#[derive(Debug, Clone)]
pub struct ModelTokenizer {
    inner: Tokenizer,
    special: SpecialTokens,
    ends: BTreeSet<u32>,
    highest: u32,
}

impl ModelTokenizer {
    /// Reads `tokenizer.json` and its companions. `ends` are the ids that end a text by the model's
    /// configs.
    ///
    /// # Errors
    ///
    /// [`HubError::Unsupported`] without a `tokenizer.json`, [`HubError::Broken`] where it cannot be
    /// read.
    pub fn load(folder: &Path, ends: &BTreeSet<u32>) -> Result<Self, HubError> {
        let path = folder.join(selection::TOKENIZER);
        if !path.exists() {
            return Err(HubError::Unsupported {
                what: folder.display().to_string(),
                why: "it has no tokenizer.json".to_owned(),
                advice: "copy the tokenizer's files of the model from which it was made".to_owned(),
            });
        }
        let bytes = fs::read(&path).map_err(io_error("cannot read", &path))?;
        let mut inner = Tokenizer::from_bytes(bytes)
            .map_err(|error| HubError::broken(&path, error.to_string()))?;
        // Left over from the training of the tokenizer; callers cut and pad themselves.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| HubError::broken(&path, error.to_string()))?;
        let special = SpecialTokens::load(folder)?;
        let highest = inner.get_vocab(true).into_values().max().unwrap_or(0);
        let mut ends = ends.clone();
        ends.extend(
            special
                .get("eos_token")
                .and_then(|token| inner.token_to_id(token)),
        );
        Ok(ModelTokenizer {
            inner,
            special,
            ends,
            highest,
        })
    }

    /// Special tokens as text.
    #[must_use]
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// The id of a role such as `bos_token`.
    #[must_use]
    pub fn special_id(&self, role: &str) -> Option<u32> {
        self.inner.token_to_id(self.special.get(role)?)
    }

    /// The id to pad with: the tokenizer's own, else the end of text, which then needs an explicit mask.
    #[must_use]
    pub fn pad_id(&self) -> Option<u32> {
        self.special_id("pad_token")
            .or_else(|| self.special_id("eos_token"))
            .or_else(|| self.ends.first().copied())
    }

    /// Ids that end a text: of `config.json`, `generation_config.json` and the tokenizer together.
    #[must_use]
    pub fn end_ids(&self) -> &BTreeSet<u32> {
        &self.ends
    }

    /// Tokens of the vocabulary, the added ones among them.
    #[must_use]
    pub fn size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The highest id in use.
    #[must_use]
    pub fn highest_id(&self) -> u32 {
        self.highest
    }

    /// The id of a token.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of an id; none for a row of the embedding that only pads it.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The ids of plain text. With `add_special` those that the tokenizer puts around it are added, its
    /// beginning of text not twice.
    ///
    /// # Errors
    ///
    /// [`HubError::Tokenizer`].
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, HubError> {
        let encoding = self
            .inner
            .encode_fast(text, add_special)
            .map_err(tokenizer_error)?;
        let ids = encoding.get_ids();
        let begin = self.special_id("bos_token");
        let twice = add_special && ids.len() > 1 && ids[0] == ids[1] && begin == Some(ids[0]);
        Ok(ids[usize::from(twice)..].to_vec())
    }

    /// The ids of text out of a chat template, which holds its special tokens already, with the bytes of
    /// the text behind each.
    ///
    /// # Errors
    ///
    /// [`HubError::Tokenizer`].
    pub fn encode_rendered(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>, HubError> {
        let encoding = self.inner.encode(text, false).map_err(tokenizer_error)?;
        let ids = encoding.get_ids().iter().copied();
        let ranges = encoding.get_offsets().iter().map(|(from, to)| *from..*to);
        Ok(ids.zip(ranges).collect())
    }

    /// The text of ids.
    ///
    /// # Errors
    ///
    /// [`HubError::Tokenizer`].
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, HubError> {
        self.inner
            .decode(ids, skip_special)
            .map_err(tokenizer_error)
    }

    /// Text as it grows, id by id, until one of `stops` appears.
    #[must_use]
    pub fn stream(&self, skip_special: bool, stops: &[String]) -> DecodeStream<'_> {
        DecodeStream::new(self, skip_special, stops)
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` wants"
)]
fn tokenizer_error(error: tokenizers::Error) -> HubError {
    HubError::Tokenizer {
        why: error.to_string(),
    }
}
