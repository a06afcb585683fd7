//! The columns that JSON rows need.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::errors::Result;
use parquet::schema::types::{Type, TypePtr};
use serde_json::Value;

/// What a column holds; everything may be missing.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    /// Nothing but nulls so far.
    Unknown,
    Boolean,
    Integer,
    Float,
    Text,
    List(Box<Column>),
    Group(Vec<(String, Column)>),
}

impl Column {
    /// What one value needs.
    pub(super) fn of(value: &Value) -> std::result::Result<Column, String> {
        Ok(match value {
            Value::Null => Column::Unknown,
            Value::Bool(_) => Column::Boolean,
            Value::Number(number) if number.is_i64() => Column::Integer,
            Value::Number(_) => Column::Float,
            Value::String(_) => Column::Text,
            Value::Array(values) => {
                let mut element = Column::Unknown;
                for value in values {
                    element = element.and(Column::of(value)?)?;
                }
                Column::List(Box::new(element))
            }
            Value::Object(fields) => Column::Group(
                fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), Column::of(value)?)))
                    .collect::<std::result::Result<_, String>>()?,
            ),
        })
    }

    /// What holds both.
    pub(super) fn and(self, other: Column) -> std::result::Result<Column, String> {
        Ok(match (self, other) {
            (Column::Unknown, column) | (column, Column::Unknown) => column,
            (Column::Integer, Column::Float) | (Column::Float, Column::Integer) => Column::Float,
            (Column::List(a), Column::List(b)) => Column::List(Box::new(a.and(*b)?)),
            (Column::Group(mut fields), Column::Group(others)) => {
                for (name, column) in others {
                    match fields.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, known)) => {
                            let both = known.clone().and(column);
                            *known = both.map_err(|why| format!("`{name}`: {why}"))?;
                        }
                        None => fields.push((name, column)),
                    }
                }
                Column::Group(fields)
            }
            (a, b) if a == b => a,
            (a, b) => {
                return Err(format!(
                    "is {} in one row and {} in another - allowed in Parquet: one kind in a column; \
                     write JSON lines instead",
                    a.name(),
                    b.name()
                ));
            }
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Column::Unknown => "null",
            Column::Boolean => "a truth value",
            Column::Integer | Column::Float => "a number",
            Column::Text => "a text",
            Column::List(_) => "a list",
            Column::Group(_) => "an object",
        }
    }

    /// Parquet has no group without fields, and an object that never had one holds nothing.
    pub(super) fn without_empty_groups(self) -> Column {
        match self {
            Column::List(element) => Column::List(Box::new(element.without_empty_groups())),
            Column::Group(fields) if fields.is_empty() => Column::Unknown,
            Column::Group(fields) => Column::Group(
                fields
                    .into_iter()
                    .map(|(name, column)| (name, column.without_empty_groups()))
                    .collect(),
            ),
            other => other,
        }
    }

    /// How many columns of the file it takes.
    pub(super) fn leaves(&self) -> usize {
        match self {
            Column::List(element) => element.leaves(),
            Column::Group(fields) => fields.iter().map(|(_, column)| column.leaves()).sum(),
            _ => 1,
        }
    }

    /// As the file names it; lists in the three levels of the format.
    pub(super) fn parquet(&self, name: &str) -> Result<TypePtr> {
        let primitive = |physical, logical| {
            Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()
        };
        Ok(Arc::new(match self {
            Column::Boolean => primitive(Physical::BOOLEAN, None)?,
            Column::Integer => primitive(Physical::INT64, None)?,
            Column::Float => primitive(Physical::DOUBLE, None)?,
            Column::Unknown | Column::Text => {
                primitive(Physical::BYTE_ARRAY, Some(LogicalType::String))?
            }
            Column::List(element) => {
                let list = Type::group_type_builder("list")
                    .with_repetition(Repetition::REPEATED)
                    .with_fields(vec![element.parquet("element")?])
                    .build()?;
                Type::group_type_builder(name)
                    .with_repetition(Repetition::OPTIONAL)
                    .with_logical_type(Some(LogicalType::List))
                    .with_fields(vec![Arc::new(list)])
                    .build()?
            }
            Column::Group(fields) => Type::group_type_builder(name)
                .with_repetition(Repetition::OPTIONAL)
                .with_fields(fields_of(fields)?)
                .build()?,
        }))
    }
}

/// The fields of a group or of the whole file.
pub(super) fn fields_of(fields: &[(String, Column)]) -> Result<Vec<TypePtr>> {
    fields
        .iter()
        .map(|(name, column)| column.parquet(name))
        .collect()
}
