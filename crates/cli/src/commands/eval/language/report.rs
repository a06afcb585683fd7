//! What an evaluation found, for people and programs.

use serde_json::{Value, json};

use crate::arguments::Format;
use crate::failure::Failure;
use crate::output::{Table, print, print_json};

/// Prints what the worker found.
pub(super) fn report(found: &Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let mut found = found.clone();
        if let Value::Object(fields) = &mut found {
            fields.remove("event");
        }
        return print_json(&found);
    }
    let (table, notes) = match found["task"].as_str() {
        Some("problems") => problems(found),
        Some("comparison") => comparison(found),
        _ => export(found),
    };
    if format == Format::Csv {
        return print(&table.to_csv());
    }
    let mut text = table.to_text();
    for note in notes {
        text.push_str(&format!("{note}\n"));
    }
    if let Some(path) = found["output"].as_str() {
        text.push_str(&format!("kept in {path}\n"));
    }
    print(&text)
}

fn problems(found: &Value) -> (Table, Vec<String>) {
    let mut table = Table::new(&[
        "thinking",
        "problems",
        "samples",
        "accuracy",
        "low",
        "high",
        "without_answer",
        "cut",
        "unclosed",
        "answer_tokens",
        "answer_characters",
        "trace_tokens",
    ]);
    let mut notes = Vec::new();
    let summaries = found["summaries"].as_array().into_iter().flatten();
    for one in summaries {
        let accuracy = &one["accuracy"];
        table.row(vec![
            json!(way(one)),
            one["problems"].clone(),
            one["samples"].clone(),
            accuracy["estimate"].clone(),
            accuracy["low"].clone(),
            accuracy["high"].clone(),
            one["without_answer"].clone(),
            one["cut"].clone(),
            one["unclosed"].clone(),
            one["answer_tokens"].clone(),
            one["answer_characters"].clone(),
            one["trace_tokens"].clone(),
        ]);
        let rates = one["pass_at"].as_array().into_iter().flatten();
        let rates: Vec<String> = rates
            .map(|one| format!("pass@{} {}", one["k"], with_interval(&one["rate"])))
            .collect();
        if rates.len() > 1 {
            notes.push(format!("thinking {}: {}", way(one), rates.join(", ")));
        }
    }
    let several = found["samples"].as_u64().unwrap_or(1) > 1;
    notes.push(format!(
        "accuracy: {}, with an interval of 95% ({}); answered {}",
        if several {
            "pass@1, the average over the samples of a problem"
        } else {
            "share of right answers"
        },
        if several {
            "bootstrap over problems"
        } else {
            "Wilson's"
        },
        sampling(&found["sampling"])
    ));
    (table, notes)
}

/// Whether traces were asked for.
fn way(summary: &Value) -> &'static str {
    match summary["thinking"].as_bool() {
        None => "auto",
        Some(true) => "on",
        Some(false) => "off",
    }
}

fn comparison(found: &Value) -> (Table, Vec<String>) {
    let summary = &found["summary"];
    let mut table = Table::new(&[
        "prompts",
        "win_rate",
        "low",
        "high",
        "wins",
        "ties",
        "losses",
        "characters",
        "other_characters",
        "tokens",
        "other_tokens",
    ]);
    let rate = &summary["win_rate"];
    let (ours, theirs) = (&summary["ours"], &summary["theirs"]);
    table.row(vec![
        summary["prompts"].clone(),
        rate["estimate"].clone(),
        rate["low"].clone(),
        rate["high"].clone(),
        summary["wins"].clone(),
        summary["ties"].clone(),
        summary["losses"].clone(),
        ours["characters"].clone(),
        theirs["characters"].clone(),
        ours["tokens"].clone(),
        theirs["tokens"].clone(),
    ]);
    let matched = &summary["matched"];
    let mut notes = vec![
        format!(
            "win rate: of the first model by {}, ties as half, with a bootstrap interval of 95% over prompts",
            found["oracle"].as_str().unwrap_or_default()
        ),
        format!(
            "at similar length (within {:.0}%): {} over {} prompts",
            matched["within"].as_f64().unwrap_or(0.0) * 100.0,
            with_interval(&matched["win_rate"]),
            matched["prompts"]
        ),
        format!(
            "at equal length, by a logistic fit: {}; correlation of winning with being longer: {}",
            number(&summary["length_controlled"]),
            number(&summary["length_correlation"])
        ),
    ];
    for (what, name) in [
        ("ties because both said the same", "identical"),
        (
            "answers or comparisons could not be judged and count as ties",
            "failures",
        ),
    ] {
        let count = summary[name].as_u64().unwrap_or(0);
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    }
    for (whose, side) in [("the first model", ours), ("the other model", theirs)] {
        for (what, name) in [
            ("cut for their length", "cut"),
            ("inside a trace that never closed", "unclosed"),
        ] {
            let share = side[name].as_f64().unwrap_or(0.0);
            if share > 0.0 {
                notes.push(format!(
                    "{:.1}% of the answers of {whose} ended {what}",
                    share * 100.0
                ));
            }
        }
    }
    notes.push(format!("answered {}", sampling(&found["sampling"])));
    (table, notes)
}

fn export(found: &Value) -> (Table, Vec<String>) {
    let mut table = Table::new(&[
        "export",
        "name",
        "answers",
        "of",
        "characters",
        "tokens",
        "trace_tokens",
    ]);
    let lengths = &found["lengths"];
    table.row(vec![
        found["export"].clone(),
        found["name"].clone(),
        found["finished"].clone(),
        found["of"].clone(),
        lengths["characters"].clone(),
        lengths["tokens"].clone(),
        lengths["trace_tokens"].clone(),
    ]);
    let mut notes = Vec::new();
    for (what, name) in [
        ("answers were cut for their length", "cut"),
        (
            "answers have a trace that never closed and are empty",
            "unclosed",
        ),
        ("answers are empty", "empty"),
    ] {
        let count = found[name].as_u64().unwrap_or(0);
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    }
    if found["temperatures"].is_null() {
        notes.push(format!("answered {}", sampling(&found["sampling"])));
    } else {
        notes.push("answered at the temperature of each question's category".to_owned());
    }
    (table, notes)
}

fn sampling(sampling: &Value) -> String {
    let longest = &sampling["max_new_tokens"];
    if sampling["greedy"] == json!(true) {
        return format!("greedily, at most {longest} tokens");
    }
    let mut text = format!("at temperature {}", sampling["temperature"]);
    if sampling["top_p"].as_f64().is_some_and(|top_p| top_p < 1.0) {
        text.push_str(&format!(", top-p {}", sampling["top_p"]));
    }
    if sampling["top_k"].as_u64().is_some_and(|top_k| top_k > 0) {
        text.push_str(&format!(", top-k {}", sampling["top_k"]));
    }
    format!("{text}, at most {longest} tokens")
}

fn with_interval(rate: &Value) -> String {
    match rate["estimate"].as_f64() {
        None => "unknown".to_owned(),
        Some(_) => format!(
            "{} [{}, {}]",
            number(&rate["estimate"]),
            number(&rate["low"]),
            number(&rate["high"])
        ),
    }
}

fn number(value: &Value) -> String {
    value
        .as_f64()
        .map_or("unknown".to_owned(), |value| format!("{value:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(estimate: f64) -> Value {
        json!({"estimate": estimate, "low": estimate - 0.1, "high": estimate + 0.1})
    }

    #[test]
    fn a_win_rate_stands_beside_both_lengths() {
        let found = json!({
            "task": "comparison", "oracle": "numeric",
            "sampling": {"greedy": false, "temperature": 0.7, "top_p": 0.9, "top_k": 0, "max_new_tokens": 64},
            "summary": {
                "prompts": 4, "win_rate": interval(0.625), "wins": 2, "ties": 1, "losses": 1,
                "identical": 1, "failures": 0,
                "ours": {"characters": 12.0, "tokens": 5.0, "cut": 0.25, "unclosed": 0.0},
                "theirs": {"characters": 9.0, "tokens": 4.0, "cut": 0.0, "unclosed": 0.0},
                "matched": {"within": 0.2, "prompts": 0, "win_rate": {"estimate": "NaN", "low": "NaN", "high": "NaN"}},
                "length_controlled": 0.6, "length_correlation": null
            }
        });
        let (table, notes) = comparison(&found);
        let csv = table.to_csv();
        assert!(
            csv.contains("0.625") && csv.contains("12.0") && csv.contains("9.0"),
            "{csv}"
        );
        let notes = notes.join("\n");
        assert!(
            notes.contains("within 20%): unknown over 0 prompts"),
            "{notes}"
        );
        assert!(
            notes.contains("1 ties because both said the same"),
            "{notes}"
        );
        assert!(
            notes.contains("25.0% of the answers of the first model ended cut"),
            "{notes}"
        );
        assert!(
            notes.contains("at temperature 0.7, top-p 0.9, at most 64 tokens"),
            "{notes}"
        );
    }

    #[test]
    fn pass_at_k_is_told_where_there_are_several_samples() {
        let found = json!({
            "task": "problems", "samples": 2, "sampling": {"greedy": true, "max_new_tokens": 9},
            "summaries": [{
                "thinking": true, "problems": 3, "samples": 2, "accuracy": interval(0.5),
                "pass_at": [{"k": 1, "rate": interval(0.5)}, {"k": 2, "rate": interval(0.75)}],
            }]
        });
        let (table, notes) = problems(&found);
        assert!(table.to_csv().contains("on,3,2,0.5"), "{}", table.to_csv());
        assert!(
            notes[0].contains("pass@2 0.750 [0.650, 0.850]"),
            "{}",
            notes[0]
        );
        assert!(notes[1].contains("bootstrap over problems"), "{}", notes[1]);
    }
}
