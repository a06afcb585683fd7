//! A plot as an SVG picture.

use std::fmt::Write as _;

use super::{Curve, Frame, Plot};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 540.0;
/// Left, top, right, bottom of the curves.
const INSIDE: [f64; 4] = [80.0, 48.0, 944.0, 480.0];

/// Okabe-Ito for white paper: its yellow last, where it is rarely needed.
const PALETTE: [&str; 8] = [
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#6e5014", "#787878",
];
/// Beyond the colours, lines differ by their dashes too.
const DASHES: [&str; 4] = ["none", "8 4", "2 3", "10 3 2 3"];

/// The plot with a title and a legend; an empty picture says so.
#[must_use]
pub fn svg(plot: &Plot, title: &str) -> String {
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{}\" y=\"24\" font-size=\"16\">{}</text>\n",
        INSIDE[0],
        escaped(title)
    );
    match plot.frame(8, 6) {
        Some(frame) => {
            write_axes(&mut text, &frame, plot.view.axis.title());
            for curve in &plot.curves {
                write_curve(&mut text, curve, &frame);
            }
            write_legend(&mut text, plot);
        }
        None => text.push_str("<text x=\"80\" y=\"80\">nothing to draw</text>\n"),
    }
    text.push_str("</svg>\n");
    text
}

fn at(frame: &Frame, x: f64, y: f64) -> Option<(f64, f64)> {
    let [left, top, right, bottom] = INSIDE;
    let (across, up) = frame.place(x, y)?;
    // Far outside the border a line is cut anyway, and its numbers stay short.
    let up = up.clamp(-10.0, 11.0);
    let across = across.clamp(-10.0, 11.0);
    Some((left + (right - left) * across, bottom - (bottom - top) * up))
}

fn write_axes(text: &mut String, frame: &Frame, x_title: &str) {
    let [left, top, right, bottom] = INSIDE;
    let _ = write!(
        text,
        "<clipPath id=\"inside\"><rect x=\"{left}\" y=\"{top}\" width=\"{}\" \
         height=\"{}\"/></clipPath>\n<g stroke=\"#ddd\">\n",
        right - left,
        bottom - top
    );
    let y_edge = if frame.log {
        10_f64.powf(frame.y[0])
    } else {
        frame.y[0]
    };
    let xs: Vec<(f64, &str)> = frame
        .x_marks
        .iter()
        .filter_map(|(value, label)| Some((at(frame, *value, y_edge)?.0, label.as_str())))
        .collect();
    let ys: Vec<(f64, &str)> = frame
        .y_marks
        .iter()
        .filter_map(|(value, label)| Some((at(frame, frame.x[0], *value)?.1, label.as_str())))
        .collect();
    for (x, _) in &xs {
        let _ = writeln!(text, "<path d=\"M{x:.1} {top}V{bottom}\"/>");
    }
    for (y, _) in &ys {
        let _ = writeln!(text, "<path d=\"M{left} {y:.1}H{right}\"/>");
    }
    text.push_str("</g>\n<g fill=\"#444\">\n");
    for (x, label) in xs {
        let _ = writeln!(
            text,
            "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 18.0,
            escaped(label)
        );
    }
    for (y, label) in ys {
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            y + 4.0,
            escaped(label)
        );
    }
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n</g>",
        f64::midpoint(left, right),
        bottom + 40.0,
        escaped(x_title)
    );
}

fn look(series: usize) -> (&'static str, &'static str) {
    (
        PALETTE[series % PALETTE.len()],
        DASHES[series % DASHES.len()],
    )
}

fn write_curve(text: &mut String, curve: &Curve, frame: &Frame) {
    let (colour, dash) = look(curve.series);
    let _ = writeln!(text, "<g clip-path=\"url(#inside)\" fill=\"none\">");
    let high = curve
        .band
        .iter()
        .filter_map(|part| at(frame, part.0, part.2));
    let low = curve
        .band
        .iter()
        .rev()
        .filter_map(|part| at(frame, part.0, part.1));
    let around: Vec<String> = high
        .chain(low)
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    if around.len() > 3 {
        let _ = writeln!(
            text,
            "<polygon points=\"{}\" fill=\"{colour}\" fill-opacity=\"0.2\"/>",
            around.join(" ")
        );
    }
    for (points, more) in [
        (&curve.raw, "stroke-opacity=\"0.25\""),
        (&curve.points, "stroke-width=\"1.8\""),
    ] {
        let path = path(points, frame);
        if !path.is_empty() {
            let _ = writeln!(
                text,
                "<path d=\"{path}\" stroke=\"{colour}\" stroke-dasharray=\"{dash}\" {more}/>"
            );
        }
    }
    for dot in &curve.dots {
        let Some((x, y)) = at(frame, dot.x, dot.y) else {
            continue;
        };
        if let (Some(low), Some(high)) = (at(frame, dot.x, dot.low), at(frame, dot.x, dot.high)) {
            let _ = writeln!(
                text,
                "<path d=\"M{x:.1} {:.1}V{:.1}\" stroke=\"{colour}\"/>",
                low.1, high.1
            );
        }
        let _ = writeln!(
            text,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
        );
    }
    text.push_str("</g>\n");
}

/// A line that breaks where there is nothing to draw.
fn path(points: &[(f64, f64)], frame: &Frame) -> String {
    let mut path = String::new();
    let mut begun = false;
    for &(x, y) in points {
        let Some((x, y)) = at(frame, x, y) else {
            begun = false;
            continue;
        };
        let _ = write!(path, "{}{x:.1} {y:.1}", if begun { 'L' } else { 'M' });
        begun = true;
    }
    path
}

fn write_legend(text: &mut String, plot: &Plot) {
    for (index, curve) in plot.curves.iter().enumerate() {
        let (colour, dash) = look(curve.series);
        let y = INSIDE[1] + 16.0 + 18.0 * index as f64;
        let x = INSIDE[0] + 12.0;
        let _ = writeln!(
            text,
            "<path d=\"M{x} {:.1}H{:.1}\" stroke=\"{colour}\" stroke-width=\"2\" \
             stroke-dasharray=\"{dash}\"/><text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            y - 4.0,
            x + 26.0,
            x + 34.0,
            escaped(&curve.name)
        );
    }
}

fn escaped(text: &str) -> String {
    crate::figures::printable(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
