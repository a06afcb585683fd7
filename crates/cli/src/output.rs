//! Answers on stdout: tables for people, JSON and CSV for programs.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use tui::figures;

use crate::arguments::Format;
use crate::failure::Failure;

/// Rows under named columns. The values are JSON, so that programs get numbers
/// and people get short ones.
#[derive(Debug, Default)]
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
    /// Columns that only programs read.
    hidden: Vec<&'static str>,
}

impl Table {
    pub(crate) fn new(columns: &[&'static str]) -> Self {
        Table {
            columns: columns.to_vec(),
            ..Table::default()
        }
    }

    pub(crate) fn hide(mut self, columns: &[&'static str]) -> Self {
        self.hidden.extend(columns);
        self
    }

    pub(crate) fn row(&mut self, values: Vec<Value>) {
        debug_assert_eq!(values.len(), self.columns.len());
        self.rows.push(values);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows as a list of objects.
    pub(crate) fn to_json(&self) -> Value {
        let object = |row: &Vec<Value>| {
            Value::Object(
                self.columns
                    .iter()
                    .map(|name| (*name).to_owned())
                    .zip(row.iter().cloned())
                    .collect(),
            )
        };
        self.rows.iter().map(object).collect()
    }

    pub(crate) fn to_csv(&self) -> String {
        let mut text = self.columns.join(",");
        text.push('\n');
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(csv_cell).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }

    /// Columns as wide as their widest cell; numbers to the right.
    pub(crate) fn to_text(&self) -> String {
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|index| !self.hidden.contains(&self.columns[*index]))
            .collect();
        let heads = shown
            .iter()
            .map(|index| self.columns[*index].replace('_', " "));
        let mut lines: Vec<Vec<String>> = vec![heads.collect()];
        for row in &self.rows {
            lines.push(shown.iter().map(|index| cell(&row[*index])).collect());
        }
        let width_of = |text: &str| text.chars().count();
        let right: Vec<bool> = shown
            .iter()
            .map(|index| {
                let mut values = self
                    .rows
                    .iter()
                    .map(|row| &row[*index])
                    .filter(|value| !value.is_null());
                let first = values.next();
                first.is_some_and(Value::is_number) && values.all(Value::is_number)
            })
            .collect();
        let widths: Vec<usize> = (0..shown.len())
            .map(|column| {
                lines
                    .iter()
                    .map(|line| width_of(&line[column]))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for line in lines {
            let mut out = String::new();
            for (column, cell) in line.iter().enumerate() {
                let space = " ".repeat(widths[column] - width_of(cell));
                let gap = if column > 0 { "  " } else { "" };
                if right[column] {
                    out.push_str(&format!("{gap}{space}{cell}"));
                } else {
                    out.push_str(&format!("{gap}{cell}{space}"));
                }
            }
            text.push_str(out.trim_end());
            text.push('\n');
        }
        text
    }

    pub(crate) fn print(&self, format: Format) -> Result<(), Failure> {
        match format {
            Format::Table => print(&self.to_text()),
            Format::Csv => print(&self.to_csv()),
            Format::Json => print_json(&self.to_json()),
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => figures::printable(text),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => whole.to_string(),
            (None, Some(value)) => figures::number(value),
            (None, None) => number.to_string(),
        },
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Object(_) => value.to_string(),
    }
}

fn csv_cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(csv_cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// A number for JSON; what is not finite is the string that events use.
pub(crate) fn json_number(value: f64) -> Value {
    serde_json::Number::from_f64(value)
        .map_or_else(|| Value::String(figures::number(value)), Value::Number)
}

/// Seconds for JSON, to a millisecond.
pub(crate) fn json_seconds(seconds: f64) -> Value {
    json_number((seconds * 1e3).round() / 1e3)
}

/// A number that may be missing.
pub(crate) fn json_option(value: Option<f64>) -> Value {
    value.map_or(Value::Null, json_number)
}

/// Writes text to stdout.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    Ok(stdout.flush()?)
}

/// Writes one JSON value to stdout.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    print(&text)
}

/// Text of a model: a terminal gets no escape sequences out of it, anything else all of it.
pub(crate) fn visible(text: &str, terminal: bool) -> String {
    if !terminal {
        return text.to_owned();
    }
    let parts = text.split_inclusive(['\n', '\t']);
    let kept = parts.map(|part| {
        let (body, end) = match part.chars().next_back() {
            Some(last @ ('\n' | '\t')) => (&part[..part.len() - 1], Some(last)),
            _ => (part, None),
        };
        let mut body = figures::printable(body);
        body.extend(end);
        body
    });
    kept.collect()
}

/// Writes a line to stderr; there is nobody to tell when that fails.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table() -> Table {
        let mut table = Table::new(&["id", "steps", "last_return", "path"]).hide(&["path"]);
        table.row(vec![
            json!("a,\"b\""),
            json!(12_000),
            json!(0.987_654),
            json!("x"),
        ]);
        table.row(vec![json!("c"), json!(5), Value::Null, json!("y")]);
        table
    }

    #[test]
    fn people_get_aligned_columns() {
        let expected =
            "id     steps  last return\na,\"b\"  12000        0.988\nc          5            -\n";
        assert_eq!(table().to_text(), expected);
    }

    #[test]
    fn a_model_cannot_move_the_cursor() {
        let text = "a\u{1b}[2Jb\n\tc\u{7}\n";
        assert_eq!(visible(text, true), "a[2Jb\n\tc\n");
        assert_eq!(visible(text, false), text);
    }

    #[test]
    fn programs_get_everything_in_full() {
        assert_eq!(
            table().to_csv(),
            "id,steps,last_return,path\n\"a,\"\"b\"\"\",12000,0.987654,x\nc,5,,y\n"
        );
        assert_eq!(
            table().to_json()[1],
            json!({"id": "c", "steps": 5, "last_return": null, "path": "y"})
        );
        assert_eq!(json_number(f64::NAN), json!("NaN"));
        assert_eq!(json_seconds(0.304_332_55), json!(0.304));
    }
}
