//! A page for a browser that needs nothing else: no network, no file beside it.
//!
//! The log stands in it as JSON, the viewer's script replays it. A content security policy
//! forbids every request, so that a text of the log could not make one even if it were read as
//! markup; it is not: texts reach the page as text nodes only.

use serde_json::{Value, json};

use super::cost::Cost;
use super::recorded::{Recorded, Step};
use super::state::Ending;

const TEMPLATE: &str = include_str!("viewer/page.html");
const STYLE: &str = include_str!("viewer/style.css");
const REPLAY: &str = include_str!("viewer/replay.js");
const VIEW: &str = include_str!("viewer/view.js");

pub(super) fn page(recorded: &Recorded, ending: &Ending, cost: Option<&Cost>) -> String {
    let title = match recorded.question.text.as_str() {
        "" => "search",
        text => text,
    };
    let log = data(recorded, ending, cost).to_string();
    let script = format!("{REPLAY}{VIEW}");
    let parts = [
        ("{{title}}", markup(title)),
        ("{{style}}", STYLE.to_owned()),
        ("{{log}}", in_script(&log)),
        ("{{script}}", script),
    ];
    // From left to right, so that what is filled in is never looked through for marks.
    let mut page = String::with_capacity(TEMPLATE.len() + log.len() + 40_000);
    let mut rest = TEMPLATE;
    for (mark, text) in parts {
        let (before, after) = rest
            .split_once(mark)
            .expect("the template has every mark once");
        page.push_str(before);
        page.push_str(&text);
        rest = after;
    }
    page.push_str(rest);
    page
}

/// What the script reads. Steps are lists, `[seconds, kind, ...]`, since there are many.
fn data(recorded: &Recorded, ending: &Ending, cost: Option<&Cost>) -> Value {
    let question = &recorded.question;
    let nodes: Vec<Value> = recorded
        .nodes
        .iter()
        .map(|node| json!([node.id.to_string(), node.parent, node.role, node.text]))
        .collect();
    let answers: Vec<Value> = recorded
        .answers
        .iter()
        .map(|answer| {
            json!({
                "text": answer.text,
                "node": answer.node,
                "chosen": answer.chosen,
                "backstop": answer.backstop,
                "correct": answer.correct,
            })
        })
        .collect();
    let steps: Vec<Value> = recorded.steps.iter().map(step).collect();
    json!({
        "question": {
            "id": question.id,
            "text": question.text,
            "policy": question.policy,
            "expected": question.expected,
        },
        "resources": recorded.resources,
        "nodes": nodes,
        "answers": answers,
        "steps": steps,
        "limits": ending.spent.iter().map(|spent| spent.limit).collect::<Vec<_>>(),
        "settings": recorded.settings,
        "plan": recorded.plan,
        "violations": recorded.violations,
        "cost": cost,
        "total": cost.map(Cost::total_text),
        "refused": recorded.refused,
    })
}

fn step((time, step): &(f64, Step)) -> Value {
    match step {
        Step::Budget(resource, limit) => json!([time, "budget", resource, limit]),
        Step::Node(node) => json!([time, "node", node]),
        Step::Value(node, value, delta, why) => json!([time, "value", node, value, delta, why]),
        Step::Visit(node, probability, ratio) => json!([time, "visit", node, probability, ratio]),
        Step::Spend(resource, amount, node) => json!([time, "spend", resource, amount, node]),
        Step::Prune(node, why) => json!([time, "prune", node, why]),
        Step::Answer(answer) => json!([time, "answer", answer]),
        Step::End(why) => json!([time, "end", why]),
    }
}

/// JSON inside a script element: nothing in it can end the element or open a comment.
fn in_script(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}

/// Text inside markup.
fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other if other.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}
