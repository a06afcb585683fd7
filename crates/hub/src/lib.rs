//! Downloaded models without their arithmetic: the hub, the local cache, tokenizers, chat templates.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use hub::{Hub, HubSettings, HuggingFace, ModelFolder, ModelName};
//!
//! # fn main() -> Result<(), hub::HubError> {
//! let settings = HubSettings::from_environment(&configs::env::Environment::process());
//! let name = ModelName::new("HuggingFaceTB/SmolLM2-135M-Instruct")?;
//! let fetched = HuggingFace::new(settings).fetch(&name, "main", &mut |_| ControlFlow::Continue(()))?;
//! let model = ModelFolder::open(&fetched.folder)?;
//! let tokenizer = model.tokenizer()?;
//! let ids = tokenizer.encode("Hello", true)?;
//! # let _ = ids;
//! # Ok(())
//! # }
//! ```
//!
//! No type of hf-hub, ureq, tokenizers or minijinja is in this crate's interface.

mod adapter;
mod cache;
mod conversation;
mod error;
mod folder;
mod integrity;
pub mod memory;
mod name;
mod ordered;
mod pair;
mod refusal;
mod remote;
mod removal;
mod selection;
mod settings;
mod source;
mod summary;
mod template;
mod thinking;
mod tokenizer;
mod transfer;

pub use adapter::AdapterFolder;
pub use cache::{CachedEntry, cached_models};
pub use conversation::{Conversation, RenderedConversation, Segment};
pub use error::HubError;
pub use folder::{ModelFolder, WeightFile, Weights};
pub use name::{DEFAULT_REVISION, ModelName, ModelReference};
pub use ordered::OrderedJson;
pub use pair::{PreferencePair, RenderedPair};
pub use remote::{HuggingFace, Stop};
pub use removal::remove_cached;
pub use settings::{HubSettings, PUBLIC_ENDPOINT, Token};
pub use source::{DownloadEvent, Fetched, Hub, Listing, RemoteFile, Watch};
pub use summary::{ModelKind, Summary};
pub use template::{ChatTemplate, RenderOptions};
pub use thinking::{ENABLE_THINKING, Split, ThinkMarks};
pub use tokenizer::{DecodeStream, ModelTokenizer, SpecialTokens};
