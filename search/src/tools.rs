//! Tools that a search may call.
//!
//! | module | what it holds |
//! |---|---|
//! | [`collection`] | documents, found by [`bm25`] or by title |
//! | [`document_search`], [`lookup`], [`calculator`] | the tools of every search |
//! | [`cache`] | answers calls that were made before |
//! | [`failing`] | makes a tool fail, for tests of what uses it |
//!
//! A tool of your own is a type with five short functions:
//!
//! ```
//! use search::language::Toolbox;
//! use search::tools::{Tool, ToolError, ToolReply, Tools};
//!
//! struct Population;
//!
//! impl Tool for Population {
//!     fn name(&self) -> &str {
//!         "population"
//!     }
//!     fn purpose(&self) -> &str {
//!         "How many people live in a city."
//!     }
//!     fn input(&self) -> &str {
//!         "the name of a city"
//!     }
//!     fn cost(&self) -> u64 {
//!         2
//!     }
//!     fn call(&self, input: &str) -> Result<ToolReply, ToolError> {
//!         match input {
//!             "Port Velda" => Ok(ToolReply::new("12,000")),
//!             _ => Err(ToolError::input(input, "names of cities that are known", "search for another city")),
//!         }
//!     }
//! }
//!
//! let tools = Tools::new(vec![Box::new(Population)], 200)?;
//! let seen = tools.call("population", "Port Velda");
//! assert_eq!((seen.text.as_str(), seen.failed, seen.units), ("12,000", false, 2));
//! assert!(tools.call("population", "Atlantis").failed);
//! # Ok::<(), ToolError>(())
//! ```

pub mod bm25;
pub mod cache;
pub mod calculator;
pub mod collection;
pub mod document_search;
pub mod failing;
pub mod lookup;

use crate::dialogue::ToolDescription;
use crate::language::{Observation, Toolbox};

/// Something that a search may call. Calls may come from several threads at a time.
pub trait Tool: Send + Sync {
    /// The name in calls: letters, digits and underscores.
    fn name(&self) -> &str;

    /// What it does, a sentence for the model.
    fn purpose(&self) -> &str;

    /// What its input is, a few words for the model.
    fn input(&self) -> &str;

    /// What a call costs, in units of the tool budget; a failed call costs the same.
    fn cost(&self) -> u64 {
        1
    }

    /// Does it. Always returns, and within a time that the tool itself limits.
    ///
    /// # Errors
    /// [`ToolError`]; its text is shown to the model.
    fn call(&self, input: &str) -> Result<ToolReply, ToolError>;
}

impl<T: Tool + ?Sized> Tool for Box<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn purpose(&self) -> &str {
        (**self).purpose()
    }

    fn input(&self) -> &str {
        (**self).input()
    }

    fn cost(&self) -> u64 {
        (**self).cost()
    }

    fn call(&self, input: &str) -> Result<ToolReply, ToolError> {
        (**self).call(input)
    }
}

/// What a tool found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolReply {
    /// The text that the model reads.
    pub text: String,
}

impl ToolReply {
    /// A reply of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

/// Why a tool gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// The input is none that the tool can work with.
    #[error("cannot use the input `{input}` - allowed: {allowed} - {remedy}")]
    Input {
        /// What was given.
        input: String,
        /// What is allowed.
        allowed: String,
        /// What to do.
        remedy: String,
    },
    /// It did not work this time.
    #[error("the call failed: {why} - try again or go on without it")]
    Failed {
        /// Why.
        why: String,
    },
    /// Two tools have one name, or a name that no call can have.
    #[error(
        "the tool name `{name}` is used twice or is not of letters, digits and underscores - rename it"
    )]
    Name {
        /// The name.
        name: String,
    },
}

impl ToolError {
    /// An input that is none: what is allowed, and what to do.
    pub fn input(
        input: impl Into<String>,
        allowed: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Input {
            input: input.into(),
            allowed: allowed.into(),
            remedy: remedy.into(),
        }
    }
}

/// The tools of a search, with one bound on the length of what they say.
pub struct Tools {
    tools: Vec<Box<dyn Tool>>,
    most_characters: usize,
}

impl Tools {
    /// These tools; replies are cut behind `most_characters`.
    ///
    /// # Errors
    /// [`ToolError::Name`].
    pub fn new(tools: Vec<Box<dyn Tool>>, most_characters: usize) -> Result<Self, ToolError> {
        for (index, tool) in tools.iter().enumerate() {
            let name = tool.name();
            let plain = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
            let taken = tools[..index].iter().any(|other| other.name() == name);
            if taken || name.is_empty() || !name.chars().all(plain) {
                let name = name.to_owned();
                return Err(ToolError::Name { name });
            }
        }
        Ok(Self {
            tools,
            most_characters,
        })
    }

    /// Names and costs, in the order given.
    pub fn costs(&self) -> Vec<(&str, u64)> {
        self.tools
            .iter()
            .map(|tool| (tool.name(), tool.cost()))
            .collect()
    }
}

impl Toolbox for Tools {
    fn descriptions(&self) -> Vec<ToolDescription> {
        let described = self.tools.iter().map(|tool| ToolDescription {
            name: tool.name().to_owned(),
            purpose: tool.purpose().to_owned(),
            input: tool.input().to_owned(),
        });
        described.collect()
    }

    fn call(&self, tool: &str, input: &str) -> Observation {
        let Some(found) = self.tools.iter().find(|known| known.name() == tool) else {
            let names: Vec<&str> = self.tools.iter().map(|known| known.name()).collect();
            return Observation {
                text: format!("there is no tool {tool}, only {}", names.join(", ")),
                failed: true,
                units: 0,
            };
        };
        let (text, failed) = match found.call(input) {
            Ok(reply) => (reply.text, false),
            Err(error) => (error.to_string(), true),
        };
        Observation {
            text: cut(text, self.most_characters),
            failed,
            units: found.cost(),
        }
    }
}

/// At most so many characters.
fn cut(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
    }
    text
}
