//! Parquet: nested columns to and from JSON values.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::file::reader::SerializedFileReader;
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use serde_json::{Number, Value};

use crate::error::DatasetError;
use crate::row::Record;

mod schema;
mod writing;

pub(crate) use writing::write;

/// The rows of a Parquet file, one row group in memory at a time.
pub(crate) struct ParquetRecords {
    /// `None` after damage.
    rows: Option<RowIter<'static>>,
}

impl ParquetRecords {
    pub(crate) fn open(file: File, path: &Path) -> Result<Self, DatasetError> {
        let reader = caught(|| SerializedFileReader::new(file).map_err(|error| error.to_string()));
        match reader {
            Ok(reader) => Ok(ParquetRecords {
                rows: Some(reader.into_iter()),
            }),
            Err(why) => Err(DatasetError::Parquet {
                path: path.to_owned(),
                why,
            }),
        }
    }
}

impl Iterator for ParquetRecords {
    type Item = Result<Record, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        let row = caught(|| match rows.next() {
            None => Ok(None),
            Some(Ok(row)) => Ok(Some(record(&row))),
            Some(Err(error)) => Err(error.to_string()),
        });
        if row.is_err() {
            self.rows = None;
        }
        row.transpose()
    }
}

/// `parquet` panics on some damaged files, where a user is owed a sentence. What it worked on is dropped.
fn caught<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("the file is damaged".to_owned()))
}

fn record(row: &Row) -> Record {
    row.get_column_iter()
        .map(|(name, field)| (name.clone(), value(field)))
        .collect()
}

fn value(field: &Field) -> Value {
    match field {
        Field::Group(row) => Value::Object(record(row)),
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect()),
        Field::Float(number) => float(f64::from(*number)),
        Field::Double(number) => float(*number),
        Field::Float16(number) => float(f64::from(*number)),
        Field::Null => Value::Null,
        Field::Bool(value) => Value::from(*value),
        Field::Byte(number) => Value::from(*number),
        Field::Short(number) => Value::from(*number),
        Field::Int(number) => Value::from(*number),
        Field::Long(number) => Value::from(*number),
        Field::UByte(number) => Value::from(*number),
        Field::UShort(number) => Value::from(*number),
        Field::UInt(number) => Value::from(*number),
        Field::ULong(number) => Value::from(*number),
        Field::Str(text) => Value::String(text.clone()),
        // Older writers leave out that bytes are text.
        Field::Bytes(bytes) => Value::String(String::from_utf8_lossy(bytes.data()).into_owned()),
        // Dates, decimals and maps have no meaning in any form and are kept as they are shown.
        other => Value::String(other.to_string()),
    }
}

/// JSON has no name for what is not finite; the text keeps it apart from a value that is missing.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}
