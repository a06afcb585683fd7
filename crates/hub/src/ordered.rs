//! JSON whose objects keep the order of their keys.
//!
//! Templates write tools and their arguments out, so that another order is another prompt. serde_json
//! keeps it with a feature only, which would change every other crate's output too.

use std::fmt;
use std::ops::Index;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

/// A JSON value in the order in which it was written.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum OrderedJson {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    String(String),
    /// A list.
    Array(Vec<OrderedJson>),
    /// Names and values, in order; of a name that comes twice the last value counts.
    Object(Vec<(String, OrderedJson)>),
}

static NULL: OrderedJson = OrderedJson::Null;

impl OrderedJson {
    /// A message of a conversation.
    #[must_use]
    pub fn message(role: &str, content: &str) -> Self {
        let text = |text: &str| OrderedJson::String(text.to_owned());
        OrderedJson::Object(vec![
            ("role".to_owned(), text(role)),
            ("content".to_owned(), text(content)),
        ])
    }

    /// A field of an object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OrderedJson> {
        match self {
            OrderedJson::Object(fields) => fields
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// A text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            OrderedJson::String(text) => Some(text),
            _ => None,
        }
    }

    /// A list.
    #[must_use]
    pub fn as_array(&self) -> Option<&[OrderedJson]> {
        match self {
            OrderedJson::Array(values) => Some(values),
            _ => None,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, OrderedJson::Null)
    }
}

/// `null` where there is no such field.
impl Index<&str> for OrderedJson {
    type Output = OrderedJson;

    fn index(&self, name: &str) -> &OrderedJson {
        self.get(name).unwrap_or(&NULL)
    }
}

impl From<Value> for OrderedJson {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => OrderedJson::Null,
            Value::Bool(value) => OrderedJson::Bool(value),
            Value::Number(value) => OrderedJson::Number(value),
            Value::String(value) => OrderedJson::String(value),
            Value::Array(values) => {
                OrderedJson::Array(values.into_iter().map(OrderedJson::from).collect())
            }
            Value::Object(fields) => OrderedJson::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, OrderedJson::from(value)))
                    .collect(),
            ),
        }
    }
}

impl Serialize for OrderedJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            OrderedJson::Null => serializer.serialize_unit(),
            OrderedJson::Bool(value) => serializer.serialize_bool(*value),
            OrderedJson::Number(value) => value.serialize(serializer),
            OrderedJson::String(value) => serializer.serialize_str(value),
            OrderedJson::Array(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
            OrderedJson::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for OrderedJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = OrderedJson;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<OrderedJson, E> {
        Ok(OrderedJson::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<OrderedJson, E> {
        Ok(OrderedJson::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<OrderedJson, E> {
        Ok(OrderedJson::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<OrderedJson, E> {
        Ok(OrderedJson::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<OrderedJson, E> {
        // What is not finite is not written in JSON.
        Ok(Number::from_f64(value).map_or(OrderedJson::Null, OrderedJson::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<OrderedJson, E> {
        Ok(OrderedJson::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<OrderedJson, E> {
        Ok(OrderedJson::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OrderedJson, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(OrderedJson::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OrderedJson, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(OrderedJson::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_survives_reading_and_writing() {
        let text = r#"{"z":[1,-2,2.5,null,true],"a":{"y":"ü","b":{}},"m":""}"#;
        let value: OrderedJson = serde_json::from_str(text).expect("JSON");
        assert_eq!(serde_json::to_string(&value).ok().as_deref(), Some(text));
        assert_eq!(value["a"]["y"].as_str(), Some("ü"));
        assert!(value["none"]["at all"].is_null());
    }
}
