//! Rows of prompts, preferences and scored answers: JSON lines and Parquet, in and out.
//!
//! [`read`] finds the form of a file by its columns, or takes the one it is told, and gives rows of one of
//! three kinds: [`Prompt`], [`PreferenceRow`], [`RatedRow`]. What keeps a row from being used is counted and
//! listed in [`Dataset::problems`]; what makes a file unreadable is a [`DatasetError`] with file and line.

pub mod arithmetic;
mod columns;
mod error;
mod form;
mod interpret;
mod pair;
mod read;
mod row;
mod source;
mod write;

pub use error::DatasetError;
pub use form::{Form, Kind};
pub use pair::{PairParts, Part};
pub use read::{Counts, Dataset, LISTED, Problem, ProblemKind, Rows, read};
pub use row::{Content, Message, PreferenceRow, Prompt, RatedRow, Record, Response};
pub use source::{FileKind, Place, Records, records};
pub use write::{WriteRow, sppo_record, write_records, write_rows};
