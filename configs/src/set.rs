//! `--set path=value`, and the reading of values that come without quotes.

use toml::{Table, Value};

use crate::field::Field;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::schema::{Entry, Schema};

/// Reads one argument, such as `replay.batch_episodes=16`,
/// `algorithm.target_update=soft` or
/// `algorithm.target_update={kind = "soft", rate = 0.05}`.
pub(crate) fn read_argument(
    argument: &str,
    schema: &Schema,
    entries: &mut Vec<Entry>,
    problems: &mut Vec<Problem>,
) {
    let origin = Origin::Set {
        argument: argument.to_owned(),
    };
    let split = argument.split_once('=');
    let Some((path, text)) = split.filter(|(path, _)| !path.trim().is_empty()) else {
        problems.push(
            Problem::error("", "not a setting")
                .value(argument)
                .allowed("path=value, such as seed=3 or replay.batch_episodes=16")
                .hint("write --set path=value"),
        );
        return;
    };
    let path = path.trim();
    match read_value(text, schema.field(path)) {
        Ok(value) => schema.open(path, value, &origin, entries, problems),
        Err(message) => problems.push(
            Problem::error(path, "value cannot be read")
                .value(text.trim())
                .origin(origin)
                .allowed(message)
                .hint("write a TOML value and quote the argument for the shell"),
        ),
    }
}

/// A TOML value, or a bare word as text. Fields that hold text take everything
/// that is not quoted as it is.
///
/// # Errors
/// The parser's message where the text begins like a list, a table or a quoted
/// text but is none.
pub(crate) fn read_value(text: &str, field: Option<&Field>) -> Result<Value, String> {
    let text = text.trim();
    let structured = text.starts_with(['[', '{', '"', '\'']);
    if !structured && field.is_some_and(|field| field.kind.is_text()) {
        return Ok(Value::String(text.to_owned()));
    }
    match format!("value = {text}").parse::<Table>() {
        Ok(mut table) if table.len() == 1 => Ok(table
            .remove("value")
            .unwrap_or_else(|| Value::String(text.to_owned()))),
        Err(error) if structured => Err(error.message().trim().replace('\n', ", ")),
        _ => Ok(Value::String(text.to_owned())),
    }
}
