//! The tree as it ended, for programs.

use serde_json::{Value, json};

use super::cost::Cost;
use super::recorded::Recorded;
use super::state::Ending;

/// Version of the document; it grows with keys that mean something else than before.
const VERSION: u32 = 1;

pub(super) fn document(recorded: &Recorded, ending: &Ending, cost: Option<&Cost>) -> String {
    let question = &recorded.question;
    let id = |place: usize| recorded.nodes[place].id;
    let answers: Vec<Value> = recorded
        .answers
        .iter()
        .map(|answer| {
            json!({
                "text": answer.text,
                "node": answer.node.map(id),
                "chosen": answer.chosen,
                "backstop": answer.backstop,
                "correct": answer.correct,
            })
        })
        .collect();
    let budgets: Vec<Value> = recorded
        .resources
        .iter()
        .zip(&ending.spent)
        .map(|(resource, spent)| {
            json!({
                "resource": resource,
                "spent": spent.spent,
                "limit": spent.limit,
                "violated": spent.violated(),
            })
        })
        .collect();
    let totals = &recorded.totals;
    let usage = (totals.results > 0).then(|| {
        json!({
            "results": totals.results,
            "prompt_tokens": totals.prompt_tokens,
            "cached_tokens": totals.cached_tokens,
            "output_tokens": totals.output_tokens,
            "reasoning_tokens": totals.reasoning_tokens,
            "calls": totals.calls,
            "estimated": totals.estimated,
        })
    });
    let nodes: Vec<Value> = (0..recorded.nodes.len())
        .map(|place| node(recorded, ending, place))
        .collect();
    let document = json!({
        "version": VERSION,
        "question": {
            "id": question.id,
            "text": question.text,
            "policy": question.policy,
            "expected": question.expected,
        },
        "settings": recorded.settings,
        "plan": recorded.plan,
        "violations": recorded.violations,
        "seconds": recorded.steps.last().map_or(0.0, |(time, _)| *time),
        "ended": recorded.ended.as_ref().map(|ended| &ended.why),
        "budgets": budgets,
        "usage": usage,
        "cost": cost,
        "answers": answers,
        "best_path": ending.best_path.iter().map(|place| id(*place)).collect::<Vec<_>>(),
        "nodes": nodes,
        "refused_lines": recorded.refused,
    });
    format!("{document:#}\n")
}

fn node(recorded: &Recorded, ending: &Ending, place: usize) -> Value {
    let (node, end) = (&recorded.nodes[place], &ending.nodes[place]);
    let costs: serde_json::Map<String, Value> = recorded
        .resources
        .iter()
        .zip(&end.costs)
        .filter(|(_, cost)| **cost > 0.0)
        .map(|(resource, cost)| (resource.clone(), json!(cost)))
        .collect();
    json!({
        "id": node.id,
        "parent": node.parent.map(|parent| recorded.nodes[parent].id),
        "role": node.role,
        "text": node.text,
        "value": end.value,
        "delta": end.delta,
        "why": end.why,
        "visits": end.visits,
        "probability": end.probability,
        "pruned": end.pruned,
        "costs": costs,
    })
}
