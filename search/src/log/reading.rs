//! From text to events.

use super::{LogError, LogEvent};

/// The whole lines of a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// The events, in order.
    pub events: Vec<LogEvent>,
    /// Bytes that they take; what comes after is a half-written line.
    pub bytes: usize,
}

/// Reads a log. A last line without a line feed, or that is no event, was cut and is left out.
///
/// # Errors
/// [`LogError::Line`] for an earlier line that is no event.
pub fn read(text: &[u8]) -> Result<Lines, LogError> {
    let mut lines = Lines::default();
    let mut start = 0;
    let mut number = 0;
    while let Some(length) = text[start..].iter().position(|byte| *byte == b'\n') {
        let line = &text[start..start + length];
        let end = start + length + 1;
        number += 1;
        if !line.iter().all(u8::is_ascii_whitespace) {
            match serde_json::from_slice(line) {
                Ok(event) => lines.events.push(event),
                Err(_) if end == text.len() => return Ok(lines),
                Err(error) => {
                    return Err(LogError::Line {
                        number,
                        problem: error.to_string(),
                    });
                }
            }
        }
        start = end;
        lines.bytes = end;
    }
    Ok(lines)
}
