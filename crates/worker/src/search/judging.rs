//! Whether answers are right. The search never comes here: it is told nothing of it.

use configs::search::Metric;
use search::log::{Event, LogEvent};
use search::metrics::{Variant, score};
use serde_json::{Value, json};

/// Which rules score the answers: those of the settings, else those of the questions' format.
pub fn variant(metric: Metric, format: Variant) -> Variant {
    match metric {
        Metric::Hotpotqa => Variant::Hotpot,
        Metric::Squad => Variant::Squad,
        Metric::Auto => format,
    }
}

/// The line of an event, with what only the judge knows: the expected answers at the question,
/// and whether an answer is right.
pub fn line(time: f64, event: Event, expected: &[String], variant: Variant) -> String {
    let more = match &event {
        Event::Question { .. } if !expected.is_empty() => json!({ "expected": expected }),
        Event::Answer { text, .. } if !expected.is_empty() => {
            let score = score(variant, text, expected);
            json!({ "correct": score.exact == 1.0, "f1": score.f1 })
        }
        _ => return LogEvent::at(time, event).to_line(),
    };
    let mut value = json!(LogEvent::at(time, event));
    if let (Some(line), Value::Object(more)) = (value.as_object_mut(), more) {
        line.extend(more);
    }
    value.to_string()
}
