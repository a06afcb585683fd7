//! Curves of one or several runs on stdout: a chart for people, points for programs.

use serde_json::json;
use tracking::write_atomic;
use tui::comparison::{
    Centre, Comparison, Member, Request, compare, curves_csv, curves_json, metrics, title,
};
use tui::text_chart::text_plot;
use tui::widgets::plot::{Plot, View, svg};

use crate::arguments::{CurveLooks, Format};
use crate::failure::Failure;
use crate::output::{print, print_json, tell};
use crate::surroundings;

/// Columns and rows of a chart where stdout is no terminal.
const SIZE: (u16, u16) = (100, 24);
/// Beyond this a chart is only harder to read.
const LARGEST: (u16, u16) = (160, 40);

/// Which curves, and how.
pub(super) struct Shown<'a> {
    /// The metric's name.
    pub(super) metric: &'a str,
    /// Whether seeds are folded into bands.
    pub(super) fold: bool,
    /// The statistic over seeds.
    pub(super) centre: Centre,
    /// Axis, smoothing and so on.
    pub(super) looks: &'a CurveLooks,
}

/// Prints the curves of runs.
pub(super) fn show(
    members: &[Member<'_>],
    shown: &Shown<'_>,
    format: Format,
) -> Result<(), Failure> {
    let looks = shown.looks;
    let request = Request {
        metric: known_metric(members, shown.metric)?,
        axis: looks.axis.map(Into::into),
        smooth: smoothing(looks.smooth)?,
        fold: shown.fold,
        centre: shown.centre,
        points: looks.points,
        ..Request::default()
    };
    let found = compare(members, &request);
    if found.curves.is_empty() {
        let first: Vec<&str> = found.notes.iter().take(3).map(String::as_str).collect();
        let why = first.join("; ");
        return Err(Failure::arguments(format!(
            "nothing to show of {} over {}: {why} - try another --axis",
            request.metric,
            found.axis.title()
        )));
    }
    let plot = plot(&found, looks);
    let title = title(&request.metric, found.axis, members);
    if let Some(path) = &looks.svg {
        write_atomic(path, svg(&plot, &title).as_bytes())?;
        tell(&format!("picture: {}", path.display()));
    }
    match format {
        Format::Csv => print(&curves_csv(&found, &request)),
        Format::Json => print_json(&json!({
            "curves": curves_json(&found, &request),
            "notes": found.notes,
        })),
        Format::Table => print(&chart(&found, &plot, &request, &title)),
    }
}

fn plot(found: &Comparison, looks: &CurveLooks) -> Plot {
    Plot {
        curves: found.curves.iter().map(|one| one.curve.clone()).collect(),
        view: View {
            log: looks.log_y,
            axis: found.axis,
            ..View::default()
        },
    }
}

fn chart(found: &Comparison, plot: &Plot, request: &Request, title: &str) -> String {
    let (width, height) = tui::terminal_size().unwrap_or(SIZE);
    let size = (
        width.clamp(40, LARGEST.0),
        height.saturating_sub(6).clamp(12, LARGEST.1),
    );
    let mut title = title.to_owned();
    if request.fold {
        title.push_str(&format!(
            ", {} with 95% interval over seeds",
            request.centre.title()
        ));
    }
    if request.smooth > 0.0 {
        title.push_str(&format!(", smoothed {}", request.smooth));
    }
    let surroundings = surroundings::of_stdout();
    let mut text = text_plot(&title, plot, size.0, size.1, surroundings);
    let hidden = plot.frame(1, 1).map(|frame| frame.hidden.label());
    let hidden = hidden.filter(|label| !label.is_empty());
    for note in hidden.iter().chain(&found.notes) {
        text.push_str(&format!("  {}\n", tui::figures::printable(note)));
    }
    text
}

/// The metric of that name, or the only one whose name contains it.
fn known_metric(members: &[Member<'_>], wanted: &str) -> Result<String, Failure> {
    let names = metrics(members);
    if let Some(name) = names.iter().find(|name| *name == wanted) {
        return Ok(name.clone());
    }
    let fitting: Vec<&String> = names.iter().filter(|name| name.contains(wanted)).collect();
    match fitting.as_slice() {
        [only] => Ok((*only).clone()),
        [] => {
            let near = configs::nearest(wanted, names.iter().map(String::as_str));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "these runs reported no numbers yet".to_owned(),
                None => format!("there are: {}", names.join(", ")),
            };
            Err(Failure::arguments(format!(
                "no such curve: {wanted} - {hint}"
            )))
        }
        several => {
            let several: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            Err(Failure::arguments(format!(
                "{wanted} fits several curves - write one of: {}",
                several.join(", ")
            )))
        }
    }
}

fn smoothing(weight: f64) -> Result<f64, Failure> {
    if (0.0..1.0).contains(&weight) {
        return Ok(weight);
    }
    Err(Failure::arguments(format!(
        "--smooth {weight} - allowed: 0 up to, but not including, 1 - try 0.9"
    )))
}
