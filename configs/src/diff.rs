//! What differs between two configurations.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use toml::Value;

use crate::run::RunConfig;

/// One setting with two values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Dotted path; `job` when the jobs themselves differ.
    pub path: String,
    /// The value on the left; none where it is absent.
    pub left: Option<Value>,
    /// The value on the right; none where it is absent.
    pub right: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or_else(|| "none".to_owned(), Value::to_string)
        };
        write!(
            formatter,
            "{}: {} -> {}",
            self.path,
            side(&self.left),
            side(&self.right)
        )
    }
}

/// Every setting whose value differs, by path in alphabetical order. Against
/// [`crate::Job::default_config`] it tells what a configuration changes.
#[must_use]
pub fn diff(left: &RunConfig, right: &RunConfig) -> Vec<Difference> {
    let mut left_values = left.values();
    let mut right_values = right.values();
    if left.job() != right.job() {
        left_values.insert("job".to_owned(), left.job().name().into());
        right_values.insert("job".to_owned(), right.job().name().into());
    }
    let paths: BTreeSet<&String> = left_values.keys().chain(right_values.keys()).collect();
    paths
        .into_iter()
        .map(|path| Difference {
            path: path.clone(),
            left: left_values.get(path).cloned(),
            right: right_values.get(path).cloned(),
        })
        .filter(|difference| difference.left != difference.right)
        .collect()
}
