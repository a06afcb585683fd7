//! JSON rows as Parquet.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use serde_json::Value;

use super::schema::{Column, fields_of};
use crate::row::Record;

/// Rows that a reader takes at once.
const GROUP: usize = 10_000;

/// Values of one column of the file with their levels: how much of the way to a value is there, and which
/// list it goes on.
#[derive(Default)]
struct Leaf {
    values: Vec<Value>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

/// Writes rows; their columns are all that any row has.
///
/// # Errors
///
/// The row, counted from zero, that does not fit and why; or why nothing can be written.
pub(crate) fn write(
    records: &[Record],
    out: impl Write + Send,
) -> std::result::Result<(), (Option<usize>, String)> {
    let mut whole = Column::Group(Vec::new());
    for (index, record) in records.iter().enumerate() {
        whole = Column::of(&Value::Object(record.clone()))
            .and_then(|column| whole.and(column))
            .map_err(|why| (Some(index), why))?;
    }
    let Column::Group(columns) = whole.without_empty_groups() else {
        return Err((None, "no row has a column".to_owned()));
    };
    write_columns(records, &columns, out).map_err(|error| (None, error.to_string()))
}

fn write_columns(
    records: &[Record],
    columns: &[(String, Column)],
    out: impl Write + Send,
) -> Result<()> {
    let schema = Type::group_type_builder("schema")
        .with_fields(fields_of(columns)?)
        .build()?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
    let count = columns.iter().map(|(_, column)| column.leaves()).sum();
    for group in records.chunks(GROUP) {
        let mut leaves: Vec<Leaf> = Vec::new();
        leaves.resize_with(count, Leaf::default);
        for record in group {
            put_fields(columns, record, (0, 0, 0), &mut leaves);
        }
        let mut rows = file.next_row_group()?;
        for leaf in &leaves {
            let Some(mut column) = rows.next_column()? else {
                break;
            };
            leaf.write(column.untyped())?;
            column.close()?;
        }
        rows.close()?;
    }
    file.close()?;
    Ok(())
}

/// Levels at a place: definition, repetition, and how many lists are around it.
type Levels = (i16, i16, i16);

fn put_fields(columns: &[(String, Column)], record: &Record, levels: Levels, leaves: &mut [Leaf]) {
    let mut begin = 0;
    for (name, column) in columns {
        let end = begin + column.leaves();
        let value = record.get(name).unwrap_or(&Value::Null);
        put(column, value, levels, &mut leaves[begin..end]);
        begin = end;
    }
}

fn put(column: &Column, value: &Value, levels: Levels, leaves: &mut [Leaf]) {
    let (definition, repetition, lists) = levels;
    match (column, value) {
        (Column::List(element), Value::Array(values)) if !values.is_empty() => {
            for (index, value) in values.iter().enumerate() {
                let repetition = if index == 0 { repetition } else { lists + 1 };
                put(
                    element,
                    value,
                    (definition + 2, repetition, lists + 1),
                    leaves,
                );
            }
        }
        (Column::List(_), Value::Array(_)) => missing(definition + 1, repetition, leaves),
        (Column::Group(fields), Value::Object(record)) => {
            put_fields(fields, record, (definition + 1, repetition, lists), leaves);
        }
        // An object without fields in a column of them only.
        (Column::Unknown, _) | (_, Value::Null) => missing(definition, repetition, leaves),
        (_, value) => {
            for leaf in leaves {
                leaf.values.push(value.clone());
                leaf.definition.push(definition + 1);
                leaf.repetition.push(repetition);
            }
        }
    }
}

fn missing(definition: i16, repetition: i16, leaves: &mut [Leaf]) {
    for leaf in leaves {
        leaf.definition.push(definition);
        leaf.repetition.push(repetition);
    }
}

impl Leaf {
    fn write(&self, column: &mut ColumnWriter<'_>) -> Result<()> {
        let levels = (Some(&self.definition[..]), Some(&self.repetition[..]));
        macro_rules! batch {
            ($writer:expr, $read:expr) => {{
                let values: Vec<_> = self.values.iter().filter_map($read).collect();
                $writer.write_batch(&values, levels.0, levels.1)?;
            }};
        }
        match column {
            ColumnWriter::BoolColumnWriter(writer) => batch!(writer, Value::as_bool),
            ColumnWriter::Int64ColumnWriter(writer) => batch!(writer, Value::as_i64),
            ColumnWriter::DoubleColumnWriter(writer) => batch!(writer, Value::as_f64),
            ColumnWriter::ByteArrayColumnWriter(writer) => {
                batch!(writer, |value: &Value| value.as_str().map(ByteArray::from));
            }
            // The schema names no other kind.
            _ => {}
        }
        Ok(())
    }
}
