//! JSON lines, and lists of JSON objects, with the line in which each begins.

use super::{Row, Wrong};

/// The rows of a text, or the line that is wrong.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, (usize, Wrong)> {
    if text.trim_start().starts_with('[') {
        return list(text);
    }
    let lines = (1..).zip(text.lines());
    let filled = lines.filter(|(_, line)| !line.trim().is_empty());
    filled.map(|(line, text)| object(text, line)).collect()
}

/// The objects of a list.
fn list(text: &str) -> Result<Vec<Row>, (usize, Wrong)> {
    let mut rows = Vec::new();
    let (mut line, mut begun, mut depth) = (1, None, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for (place, sign) in text.char_indices() {
        match sign {
            '\n' => line += 1,
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => {
                depth += 1;
                if depth == 2 {
                    begun = Some((place, line));
                }
            }
            ']' | '}' if !quoted => {
                depth = depth.saturating_sub(1);
                if let Some((start, line)) = begun.filter(|_| depth == 1) {
                    rows.push(object(&text[start..place + sign.len_utf8()], line)?);
                    begun = None;
                }
                if depth == 0 {
                    return Ok(rows);
                }
            }
            _ => {}
        }
    }
    let line = begun.map_or(line, |(_, line)| line);
    Err((
        line,
        Wrong::new("the list does not end", "copy or download the file again"),
    ))
}

fn object(text: &str, line: usize) -> Result<Row, (usize, Wrong)> {
    let wrong = |what: String| (line, Wrong::new(what, "mend the line, or take it out"));
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| wrong(format!("no JSON: {error}")))?;
    if !value.is_object() {
        return Err(wrong("no JSON object".to_owned()));
    }
    Ok(Row { line, value })
}
