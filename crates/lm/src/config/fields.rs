//! Reading a JSON object with errors that name the file and the key.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::LmError;

/// The object of a `config.json`, with the file it came from.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    path: PathBuf,
    map: Map<String, Value>,
}

impl Fields {
    pub(crate) fn new(path: &Path, map: Map<String, Value>) -> Self {
        let path = path.to_path_buf();
        Self { path, map }
    }

    pub(crate) fn problem(&self, problem: impl Into<String>) -> LmError {
        LmError::Config {
            path: self.path.clone(),
            problem: problem.into(),
        }
    }

    /// The value, unless it is absent or null.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Whether the key is written at all, even as null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    fn wrong(&self, key: &str, value: &Value, allowed: &str) -> LmError {
        self.problem(format!("`{key}`: {value} - allowed: {allowed}"))
    }

    pub(crate) fn count(&self, key: &str) -> Result<Option<usize>, LmError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let count = value.as_u64().filter(|count| *count < 1 << 31);
        match count {
            Some(count) => Ok(Some(count as usize)),
            None => Err(self.wrong(key, value, "a whole number of at least 0")),
        }
    }

    /// A count of at least 1.
    pub(crate) fn required(&self, key: &str) -> Result<usize, LmError> {
        match self.count(key)? {
            Some(0) => Err(self.problem(format!("`{key}`: 0 - allowed: at least 1"))),
            Some(count) => Ok(count),
            None => Err(self.problem(format!(
                "`{key}` is missing - the file does not describe a decoder; download it again"
            ))),
        }
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>, LmError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_f64() {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, value, "a number")),
        }
    }

    /// A number above 0.
    pub(crate) fn positive(&self, key: &str) -> Result<Option<f64>, LmError> {
        match self.number(key)? {
            Some(number) if number <= 0.0 => {
                Err(self.problem(format!("`{key}`: {number} - allowed: a number above 0")))
            }
            number => Ok(number),
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, LmError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_bool() {
            Some(flag) => Ok(Some(flag)),
            None => Err(self.wrong(key, value, "true or false")),
        }
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, LmError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_str() {
            Some(text) => Ok(Some(text)),
            None => Err(self.wrong(key, value, "a text")),
        }
    }

    pub(crate) fn object(&self, key: &str) -> Result<Option<Fields>, LmError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_object() {
            Some(map) => Ok(Some(Fields::new(&self.path, map.clone()))),
            None => Err(self.wrong(key, value, "an object")),
        }
    }

    pub(crate) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, LmError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let items = value.as_array().map(|items| items.iter());
        let numbers = items.and_then(|items| items.map(Value::as_f64).collect());
        match numbers {
            Some(numbers) => Ok(Some(numbers)),
            None => Err(self.wrong(key, value, "a list of numbers")),
        }
    }

    /// One id or a list of ids; absent means none.
    pub(crate) fn ids(&self, key: &str) -> Result<Vec<i64>, LmError> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let ids = match value {
            Value::Array(items) => items.iter().map(Value::as_i64).collect(),
            single => single.as_i64().map(|id| vec![id]),
        };
        ids.ok_or_else(|| self.wrong(key, value, "a token id or a list of token ids"))
    }
}
