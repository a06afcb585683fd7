//! Compared curves as data for other programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{ComparedCurve, Comparison, Request};

/// One row of the exports.
struct Row {
    x: f64,
    value: f64,
    low: f64,
    high: f64,
    seeds: usize,
}

fn rows(curve: &ComparedCurve, points: usize) -> Vec<Row> {
    if !curve.band.is_empty() {
        let row = |point: &super::BandPoint| Row {
            x: point.x,
            value: point.interval.estimate,
            low: point.interval.low,
            high: point.interval.high,
            seeds: point.seeds,
        };
        return curve.band.iter().map(row).collect();
    }
    let ends = |x: f64| {
        let dots = &curve.curve.dots;
        dots.iter()
            .find(|dot| dot.x == x)
            .map_or((f64::NAN, f64::NAN), |dot| (dot.low, dot.high))
    };
    thinned(&curve.curve.points, points)
        .into_iter()
        .map(|(x, value)| {
            let (low, high) = ends(x);
            Row {
                x,
                value,
                low,
                high,
                seeds: 1,
            }
        })
        .collect()
}

/// At most so many points, evenly chosen, the last one among them.
fn thinned(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most.max(2) {
        return points.to_vec();
    }
    let parts = most.max(2) - 1;
    (0..=parts)
        .map(|part| points[part * (points.len() - 1) / parts])
        .collect()
}

/// A row per point: curve, x axis, x, value, interval and seeds. What is missing is empty.
#[must_use]
pub fn curves_csv(found: &Comparison, request: &Request) -> String {
    let mut text = "curve,metric,axis,x,value,low,high,seeds\n".to_owned();
    for curve in &found.curves {
        for row in rows(curve, request.points) {
            let _ = writeln!(
                text,
                "{},{},{},{},{},{},{},{}",
                cell(&curve.curve.name),
                cell(&request.metric),
                found.axis.name(),
                row.x,
                shown(row.value),
                shown(row.low),
                shown(row.high),
                row.seeds
            );
        }
    }
    text
}

fn shown(value: f64) -> String {
    if value.is_finite() {
        value.to_string()
    } else {
        String::new()
    }
}

fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A curve per object with its points; what is missing is null.
#[must_use]
pub fn curves_json(found: &Comparison, request: &Request) -> Value {
    let value =
        |number: f64| serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number);
    found
        .curves
        .iter()
        .map(|curve| {
            let points: Vec<Value> = rows(curve, request.points)
                .iter()
                .map(|row| {
                    json!({
                        "x": value(row.x),
                        "value": value(row.value),
                        "low": value(row.low),
                        "high": value(row.high),
                        "seeds": row.seeds,
                    })
                })
                .collect();
            json!({
                "name": curve.curve.name,
                "metric": request.metric,
                "axis": found.axis.name(),
                "smooth": request.smooth,
                "runs": curve.runs,
                "points": points,
            })
        })
        .collect()
}
