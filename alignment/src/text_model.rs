//! A language model that reads and writes text.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use configs::env::Environment;
use hub::{
    ChatTemplate, DEFAULT_REVISION, Hub, HubError, HubSettings, HuggingFace, ModelFolder,
    ModelReference, ModelTokenizer,
};
use lm::decoder::Decoder;

use crate::failure::FinetuneError;

/// A decoder with its tokenizer and, where it was made for conversations, its chat template.
pub struct TextModel {
    /// The model.
    pub decoder: Decoder,
    /// Where tokenizer and configs lie.
    pub folder: ModelFolder,
    /// Text to ids and back.
    pub tokenizer: ModelTokenizer,
    /// Conversations to text.
    pub template: Option<ChatTemplate>,
    /// Ids that end a text by `config.json`, `generation_config.json` or the tokenizer.
    pub stop_ids: Vec<i64>,
    /// The time that templates are told: one for a whole run, so that a prompt is the same text
    /// when the run is resumed on another day.
    pub now: SystemTime,
}

/// What of a model reads and writes text, without the weights: threads may share it.
#[derive(Clone, Copy)]
pub struct Speech<'a> {
    folder: &'a Path,
    /// Text to ids and back.
    pub tokenizer: &'a ModelTokenizer,
    /// Conversations to text.
    pub template: Option<&'a ChatTemplate>,
    /// As in [`TextModel`].
    pub stop_ids: &'a [i64],
    /// As in [`TextModel`].
    pub now: SystemTime,
}

/// What reads and writes text, without the weights: wrong small files are told before the large
/// ones are read.
pub struct TextParts {
    folder: ModelFolder,
    tokenizer: ModelTokenizer,
    template: Option<ChatTemplate>,
}

impl TextParts {
    /// Reads tokenizer and template of a model's folder.
    ///
    /// # Errors
    /// A folder without config or tokenizer, a template that does not compile.
    pub fn open(folder: &Path) -> Result<Self, FinetuneError> {
        let folder = ModelFolder::open(folder)?;
        Ok(Self {
            tokenizer: folder.tokenizer()?,
            template: folder.template()?,
            folder,
        })
    }

    /// With the weights.
    ///
    /// # Errors
    /// Stop ids that are no ids; a tokenizer with ids that the model has no row for.
    pub fn with(self, decoder: Decoder) -> Result<TextModel, FinetuneError> {
        let vocabulary = decoder.config().vocabulary;
        if self.tokenizer.highest_id() as usize >= vocabulary {
            return Err(FinetuneError::Settings(format!(
                "{}: its tokenizer has ids up to {} - allowed: below {vocabulary}, the rows of the model's embedding - name the model's own tokenizer in model.tokenizer",
                self.folder.path().display(),
                self.tokenizer.highest_id(),
            )));
        }
        let mut stop_ids = decoder.config().stop_ids(self.folder.path())?;
        stop_ids.extend(self.tokenizer.end_ids().iter().map(|id| i64::from(*id)));
        stop_ids.sort_unstable();
        stop_ids.dedup();
        Ok(TextModel {
            decoder,
            folder: self.folder,
            tokenizer: self.tokenizer,
            template: self.template,
            stop_ids,
            now: SystemTime::now(),
        })
    }
}

impl TextModel {
    /// The part that threads may share.
    pub fn speech(&self) -> Speech<'_> {
        Speech {
            folder: self.folder.path(),
            tokenizer: &self.tokenizer,
            template: self.template.as_ref(),
            stop_ids: &self.stop_ids,
            now: self.now,
        }
    }

    /// The template for a conversation.
    ///
    /// # Errors
    /// A model without one.
    pub fn chat_template(&self) -> Result<&ChatTemplate, HubError> {
        self.speech().chat_template()
    }
}

impl<'a> Speech<'a> {
    /// The template for a conversation.
    ///
    /// # Errors
    /// A model without one.
    pub fn chat_template(&self) -> Result<&'a ChatTemplate, HubError> {
        self.template.ok_or_else(|| HubError::Template {
            why: format!(
                "is missing: {} has none - name a model that was made for conversations, or in model.tokenizer a folder with a chat template; or give text instead of turns",
                self.folder.display()
            ),
        })
    }

    /// Ids of text that holds its special tokens already.
    ///
    /// # Errors
    /// The tokenizer's.
    pub fn ids_of(&self, rendered: &str) -> Result<Vec<i64>, HubError> {
        let tokens = self.tokenizer.encode_rendered(rendered)?;
        Ok(tokens.iter().map(|(id, _)| i64::from(*id)).collect())
    }
}

/// Ids as the decoder takes them.
pub fn wide(ids: &[u32]) -> Vec<i64> {
    ids.iter().map(|id| i64::from(*id)).collect()
}

/// The folder that a setting names: a folder of this machine, or a cached model of the hub.
///
/// # Errors
/// A name that is neither; a model that is not in the cache, with the command that fetches it.
pub fn locate(name: &str, revision: Option<&str>) -> Result<PathBuf, FinetuneError> {
    match ModelReference::read(name)? {
        ModelReference::Folder(path) => Ok(path),
        ModelReference::Name(name) => {
            let settings = HubSettings::from_environment(&Environment::process());
            let hub = HuggingFace::new(settings);
            Ok(hub.locate(&name, revision.unwrap_or(DEFAULT_REVISION))?)
        }
    }
}
