//! Tables with a header: values between separators, in double quotes where they hold one (RFC 4180).

use serde_json::{Map, Value};

use super::{Row, Wrong};

/// The line that it begins in, and its values.
type Record = (usize, Vec<String>);

/// The rows of a table as objects with the header's names.
pub(super) fn rows(text: &str, separator: char) -> Result<Vec<Row>, (usize, Wrong)> {
    let mut records = records(text, separator)?.into_iter();
    let Some((_, header)) = records.next() else {
        return Ok(Vec::new());
    };
    let row = |(line, values): Record| {
        if values.len() != header.len() {
            let what = format!("{} values under {} names", values.len(), header.len());
            let remedy = "put values that hold a separator in double quotes";
            return Err((line, Wrong::new(what, remedy)));
        }
        let named = header.iter().map(|name| name.trim().to_owned());
        let value: Map<String, Value> = named.zip(values.into_iter().map(Value::from)).collect();
        Ok(Row {
            line,
            value: Value::Object(value),
        })
    };
    records.map(row).collect()
}

/// Lists of values with the line that each begins in; empty lines are left out.
fn records(text: &str, separator: char) -> Result<Vec<Record>, (usize, Wrong)> {
    let mut records = Vec::new();
    let (mut values, mut value) = (Vec::new(), String::new());
    let (mut line, mut begun) = (1, 1);
    // Opened with the line of the quote.
    let mut quoted: Option<usize> = None;
    let mut signs = text.chars().chain(['\n']).peekable();
    while let Some(sign) = signs.next() {
        if sign == '\n' {
            line += 1;
        }
        match sign {
            '"' if quoted.is_some() && signs.peek() == Some(&'"') => {
                signs.next();
                value.push('"');
            }
            '"' if quoted.is_some() => quoted = None,
            _ if quoted.is_some() => value.push(sign),
            '"' if value.is_empty() => quoted = Some(line),
            '\r' if signs.peek() == Some(&'\n') => {}
            '\n' => {
                values.push(std::mem::take(&mut value));
                let record = std::mem::take(&mut values);
                if record.iter().any(|value| !value.trim().is_empty()) {
                    records.push((begun, record));
                }
                begun = line;
            }
            _ if sign == separator => values.push(std::mem::take(&mut value)),
            _ => value.push(sign),
        }
    }
    match quoted {
        Some(line) => Err((
            line,
            Wrong::new("a quote does not end", "close it, or write it twice"),
        )),
        None => Ok(records),
    }
}
