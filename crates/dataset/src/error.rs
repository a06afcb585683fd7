//! What can go wrong with a file of rows.

use std::io;
use std::path::PathBuf;

use crate::form::Form;
use crate::source::Place;

/// A failure with what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The file cannot be read.
    #[error("cannot read {}: {source} - allowed: a file of JSON lines, a JSON list, or Parquet", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file without a row.
    #[error("{}: no rows - allowed: one row at least", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A Parquet file that is damaged or uses what is not supported.
    #[error("{}: no Parquet that can be read ({why}) - allowed: uncompressed, snappy or zstd", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        why: String,
    },
    /// A row that is not what its form says.
    #[error("{}, {place}: {why}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: Place,
        /// What is wrong, with what is allowed.
        why: String,
    },
    /// A column that the form needs.
    #[error(
        "{}, {place}: no column `{missing}` of the form {form} - the columns are {there}; name another form",
        path.display()
    )]
    Column {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: Place,
        /// The form.
        form: Form,
        /// The column.
        missing: &'static str,
        /// The columns that are there.
        there: String,
    },
    /// Columns of no form.
    #[error("{}: the columns {there} are of no known form - allowed: {}", path.display(), Form::table())]
    NoForm {
        /// The file.
        path: PathBuf,
        /// The columns that are there.
        there: String,
    },
    /// A name of no form.
    #[error("no form: `{name}` - allowed: auto, {}", Form::names())]
    FormName {
        /// What was written.
        name: String,
    },
    /// Rows of another kind than asked for.
    #[error("{}: rows of the form {form} - allowed here: {wanted}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it holds.
        form: Form,
        /// What was asked for.
        wanted: &'static str,
    },
    /// Rows that nothing can be learnt from, where none is allowed.
    #[error("{}: {count} rows cannot be used; {listed} - mend or remove them", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// How many.
        count: u64,
        /// The first of them.
        listed: String,
    },
    /// A row that cannot be written.
    #[error("cannot write row {row}: {why}")]
    Unwritable {
        /// Counted from one.
        row: usize,
        /// Why.
        why: String,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {why} - check the folder and the disk", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}
