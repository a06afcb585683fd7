//! The field table: what a form, a check or a help page needs to know about a
//! setting, kept beside the struct that holds it.

use serde::Serialize;
use toml::Value;

use crate::device::DeviceChoice;
use crate::nearest::nearest;
use crate::problem::Problem;
use crate::set::read_value;

/// One setting of a job.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Field {
    /// Dotted path in the configuration, such as `replay.batch_episodes`.
    pub path: &'static str,
    /// Short name for a form.
    pub label: &'static str,
    /// Type and allowed values.
    pub kind: FieldKind,
    /// Unit of the value, empty where there is none.
    pub unit: &'static str,
    /// One sentence; the same as the documentation of the struct's field.
    pub help: &'static str,
    /// True for settings a form hides until asked.
    pub advanced: bool,
    /// True where the setting may be absent (`none` clears it).
    pub optional: bool,
    /// What others call it; offered when such a name is used, never accepted.
    pub aliases: &'static [&'static str],
    /// The setting exists only while another one has this value.
    pub when: Option<Condition>,
}

/// `path` must exist and hold one of some words for a field to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Path of a [`FieldKind::Variant`] tag, such as `algorithm.target_update.kind`.
    pub path: &'static str,
    /// The tag's values.
    pub one_of: &'static [&'static str],
}

/// Type of a setting together with its range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FieldKind {
    /// `true` or `false`.
    Boolean,
    /// A whole number within bounds, both included.
    Integer {
        /// Smallest allowed value.
        min: i64,
        /// Largest allowed value.
        max: i64,
    },
    /// A finite number within bounds.
    Number {
        /// Lower bound.
        min: f64,
        /// Upper bound.
        max: f64,
        /// True where the lower bound itself is not allowed.
        min_excluded: bool,
    },
    /// Free text, not empty.
    Text,
    /// One of a few words.
    Choice {
        /// The allowed words.
        values: &'static [&'static str],
    },
    /// The tag of a tagged enum: one of a few words, and which other fields
    /// exist depends on it. Its path ends in `.kind`; writing the word in place
    /// of the whole table means that kind with its defaults.
    Variant {
        /// The allowed words.
        values: &'static [&'static str],
    },
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    Device,
    /// A language model: `OWNER/NAME` of the hub, or a folder.
    Model,
    /// A file of rows to learn from, or the word for made-up problems.
    Data,
}

impl Field {
    /// A plain field without unit; the other parts are added by the `const`
    /// methods below.
    #[must_use]
    pub const fn new(
        path: &'static str,
        label: &'static str,
        kind: FieldKind,
        help: &'static str,
    ) -> Self {
        Self {
            path,
            label,
            kind,
            unit: "",
            help,
            advanced: false,
            optional: false,
            aliases: &[],
            when: None,
        }
    }

    /// Names the unit.
    #[must_use]
    pub const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Hides the field until asked for.
    #[must_use]
    pub const fn advanced(mut self) -> Self {
        self.advanced = true;
        self
    }

    /// Lets the field be absent.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Lists names of other packages and papers.
    #[must_use]
    pub const fn known_as(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Ties the field to a tag.
    #[must_use]
    pub const fn when(mut self, path: &'static str, one_of: &'static [&'static str]) -> Self {
        self.when = Some(Condition { path, one_of });
        self
    }

    /// Whether the field exists, given the word of each tag that does.
    pub(crate) fn exists<'a>(&self, word: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.when.is_none_or(|condition| {
            word(condition.path).is_some_and(|word| condition.one_of.contains(&word))
        })
    }

    /// Checks type and range of a value and brings it into the form that the
    /// struct holds (`1` becomes `1.0` where a number is wanted, `1e6` becomes
    /// `1000000` where a whole one is).
    ///
    /// # Errors
    /// The problem, without a place; [`crate::load()`] adds where the value came
    /// from.
    pub fn check(&self, value: &Value) -> Result<Value, Box<Problem>> {
        let accepted = match (self.kind, value) {
            (FieldKind::Boolean, Value::Boolean(_)) => Some(value.clone()),
            (FieldKind::Integer { min, max }, _) => whole(value)
                .filter(|number| (min..=max).contains(number))
                .map(Value::Integer),
            (
                FieldKind::Number {
                    min,
                    max,
                    min_excluded,
                },
                _,
            ) => number(value)
                .filter(|number| *number <= max)
                .filter(|number| *number > min || (!min_excluded && *number == min))
                .map(Value::Float),
            (FieldKind::Text | FieldKind::Model | FieldKind::Data, Value::String(text))
                if !text.trim().is_empty() =>
            {
                Some(value.clone())
            }
            (FieldKind::Choice { values } | FieldKind::Variant { values }, Value::String(text))
                if values.contains(&text.as_str()) =>
            {
                Some(value.clone())
            }
            (FieldKind::Device, Value::String(text)) => {
                let device: Option<DeviceChoice> = text.parse().ok();
                device.map(|device| Value::String(device.to_string()))
            }
            _ => None,
        };
        accepted.ok_or_else(|| Box::new(self.refuse(value)))
    }

    /// Reads what someone typed into a form or behind `--set`; none when an
    /// optional field is cleared with `none`.
    ///
    /// # Errors
    /// As [`Field::check`].
    pub fn read(&self, text: &str) -> Result<Option<Value>, Box<Problem>> {
        if self.optional && text.trim() == "none" {
            return Ok(None);
        }
        match read_value(text, Some(self)) {
            Ok(value) => self.check(&value).map(Some),
            Err(_) => self.check(&Value::String(text.to_owned())).map(Some),
        }
    }

    fn refuse(&self, value: &Value) -> Problem {
        let words = match self.kind {
            FieldKind::Choice { values } | FieldKind::Variant { values } => values,
            FieldKind::Device => &["auto", "cpu", "cuda"],
            _ => &[],
        };
        let message = match value {
            Value::String(_) if !words.is_empty() => "unknown value",
            Value::String(text) if text.is_empty() => "empty",
            Value::String(text) if is_huge(text) => "value out of range",
            _ if self.kind.fits(value) => "value out of range",
            _ => "wrong type",
        };
        let unquoted = |text: &str| {
            let value = read_value(text, None).ok().filter(|value| !value.is_str());
            value.is_some_and(|value| self.check(&value).is_ok())
        };
        let hint = match value {
            Value::String(text) if unquoted(text) => "remove the quotes".to_owned(),
            Value::String(text) if nearest(text, words.iter().copied()).is_some() => {
                let word = nearest(text, words.iter().copied()).unwrap_or_default();
                format!("did you mean `{word}`?")
            }
            _ if self.optional => format!("change it, or write `none` to clear {}", self.path),
            _ => format!("change {}", self.path),
        };
        Problem::error(self.path, message)
            .value(value)
            .allowed(self.kind.allowed())
            .hint(hint)
    }
}

impl FieldKind {
    /// What the kind accepts, in words.
    #[must_use]
    pub fn allowed(&self) -> String {
        match *self {
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { min, max } if max == i64::MAX => {
                format!("a whole number, at least {min}")
            }
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number {
                min,
                max,
                min_excluded,
            } => {
                let above = if min_excluded { "above" } else { "of at least" };
                match (min == f64::MIN, max == f64::MAX) {
                    (true, true) => "a finite number".to_owned(),
                    (true, false) => format!("a number, at most {max}"),
                    (false, true) => format!("a number {above} {min}"),
                    (false, false) if min_excluded => {
                        format!("a number above {min} and at most {max}")
                    }
                    (false, false) => format!("a number from {min} to {max}"),
                }
            }
            Self::Text => "text that is not empty".to_owned(),
            Self::Model => "OWNER/NAME of the hub, or a folder".to_owned(),
            Self::Data => "a file of JSON lines, JSON or Parquet, or arithmetic".to_owned(),
            Self::Choice { values } | Self::Variant { values } => values.join(", "),
            Self::Device => "auto, cpu, cuda or cuda:N".to_owned(),
        }
    }

    /// True for kinds written as text, where `--set` needs no quotes even if the
    /// text looks like a number.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Choice { .. }
                | Self::Variant { .. }
                | Self::Device
                | Self::Model
                | Self::Data
        )
    }

    fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Boolean => value.is_bool(),
            Self::Integer { .. } => whole(value).is_some(),
            Self::Number { .. } => value.is_integer() || value.is_float(),
            _ => value.is_str(),
        }
    }
}

/// A whole number that 64 bits cannot hold arrives as text.
fn is_huge(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']).replace('_', "");
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits && text.replace('_', "").parse::<i64>().is_err()
}

/// Whole numbers up to 2^53 may also be written as `1e6`.
fn whole(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Integer(number) => Some(*number),
        Value::Float(number) if number.fract() == 0.0 && number.abs() <= EXACT => {
            Some(*number as i64)
        }
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) if number.is_finite() => Some(*number),
        _ => None,
    }
}
