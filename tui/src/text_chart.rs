//! Curves as lines of text, for commands that print and leave.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::symbols::Marker;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget};

use crate::curve::{bounds, drawable, levels, marks};
use crate::figures::{count, number};
use crate::theme::{ColourDepth, Role, Surroundings, Theme};

/// A curve with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedCurve {
    /// What it is.
    pub name: String,
    /// (x, y), x ascending.
    pub points: Vec<(f64, f64)>,
}

/// Draws curves over each other in `width` x `height` cells, with a legend below that has
/// a small curve and the last value of each. Where the terminal has no colours to tell
/// curves apart, several curves give the legend alone.
#[must_use]
pub fn text_chart(
    title: &str,
    curves: &[NamedCurve],
    width: u16,
    height: u16,
    surroundings: Surroundings,
) -> String {
    let theme = Theme::new(surroundings);
    let colours = surroundings.colour != ColourDepth::None;
    let mut text = format!("{title}\n");
    let finite: Vec<Vec<(f64, f64)>> = curves
        .iter()
        .map(|curve| {
            let points = curve.points.iter().copied();
            points
                .filter(|(x, y)| drawable(*x) && drawable(*y))
                .collect()
        })
        .collect();
    if (colours || curves.len() == 1) && finite.iter().any(|points| points.len() > 1) {
        let area = Rect::new(0, 0, width.max(24), height.max(5));
        let mut buffer = Buffer::empty(area);
        chart(&finite, theme).render(area, &mut buffer);
        text.push_str(&lines(&buffer, colours));
    }
    let longest = curves
        .iter()
        .map(|curve| curve.name.chars().count())
        .max()
        .unwrap_or(0);
    for (index, (curve, points)) in curves.iter().zip(&finite).enumerate() {
        let last = curve.points.last().map_or(f64::NAN, |point| point.1);
        let (start, end) = escapes(
            colours
                .then(|| theme.style(Role::Series(index)).fg)
                .flatten(),
        );
        let _ = writeln!(
            text,
            "  {start}{} {:<longest$}{end}  {} {:>8}",
            if surroundings.unicode { "━━" } else { "--" },
            curve.name,
            spark(points, surroundings.unicode),
            number(last)
        );
    }
    text
}

fn spark(points: &[(f64, f64)], unicode: bool) -> String {
    const WIDTH: usize = 16;
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 8] = ['_', '.', ',', '-', '~', '+', '*', '#'];
    let set = if unicode { BLOCKS } else { ASCII };
    let drawn: String = levels(points, WIDTH)
        .into_iter()
        .map(|level| set[level.min(7)])
        .collect();
    format!("{drawn:<WIDTH$}")
}

fn chart(curves: &[Vec<(f64, f64)>], theme: Theme) -> Chart<'_> {
    let all = || curves.iter().flatten();
    let x_bounds = bounds(all().map(|point| point.0));
    let [low, high] = bounds(all().map(|point| point.1));
    let low = if low >= 0.0 && low < high * 0.6 {
        0.0
    } else {
        low
    };
    let y_marks = marks([low, high], 4);
    let marker = if theme.unicode() {
        Marker::Braille
    } else {
        Marker::Dot
    };
    let datasets = curves
        .iter()
        .enumerate()
        .map(|(index, points)| {
            Dataset::default()
                .marker(marker)
                .graph_type(GraphType::Line)
                .style(theme.style(Role::Series(index)))
                .data(points)
        })
        .collect();
    let middle = f64::midpoint(x_bounds[0], x_bounds[1]);
    let x_labels = [x_bounds[0], middle, x_bounds[1]].map(count);
    let y_labels: Vec<String> = y_marks
        .iter()
        .map(|mark| format!("{:>7}", number(*mark)))
        .collect();
    Chart::new(datasets)
        .legend_position(None)
        .x_axis(Axis::default().bounds(x_bounds).labels(x_labels))
        .y_axis(
            Axis::default()
                .bounds([y_marks[0], y_marks[y_marks.len() - 1]])
                .labels(y_labels),
        )
}

/// The cells of a buffer, line by line, without spaces at the ends.
fn lines(buffer: &Buffer, colours: bool) -> String {
    let mut text = String::new();
    let area = buffer.area;
    for y in 0..area.height {
        let mut line = String::new();
        let mut current = None;
        for x in 0..area.width {
            let Some(cell) = buffer.cell((x, y)) else {
                continue;
            };
            let blank = cell.symbol().trim().is_empty();
            let wanted = match cell.fg {
                Color::Reset => None,
                colour => Some(colour),
            }
            .filter(|_| colours && !blank);
            if wanted != current {
                let (_, end) = escapes(current);
                let (start, _) = escapes(wanted);
                line.push_str(end);
                line.push_str(&start);
                current = wanted;
            }
            line.push_str(cell.symbol());
        }
        line.push_str(escapes(current).1);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What switches a colour on and off again.
fn escapes(colour: Option<Color>) -> (String, &'static str) {
    let code = match colour {
        None | Some(Color::Reset) => return (String::new(), ""),
        Some(Color::Rgb(red, green, blue)) => format!("38;2;{red};{green};{blue}"),
        Some(Color::Indexed(index)) => format!("38;5;{index}"),
        Some(Color::Red) => "31".to_owned(),
        Some(Color::Green) => "32".to_owned(),
        Some(Color::Yellow) => "33".to_owned(),
        Some(Color::Blue) => "34".to_owned(),
        Some(Color::Magenta) => "35".to_owned(),
        Some(Color::Cyan) => "36".to_owned(),
        Some(Color::DarkGray) => "90".to_owned(),
        Some(Color::LightRed) => "91".to_owned(),
        Some(Color::LightBlue) => "94".to_owned(),
        Some(Color::LightCyan) => "96".to_owned(),
        Some(_) => "37".to_owned(),
    };
    (format!("\x1b[{code}m"), "\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(count: usize) -> Vec<NamedCurve> {
        (0..count)
            .map(|index| NamedCurve {
                name: format!("method {index}"),
                points: (0..20)
                    .map(|x| {
                        (
                            f64::from(x) * 1000.0,
                            f64::from(x * (index as i32 + 1)) / 40.0,
                        )
                    })
                    .collect(),
            })
            .collect()
    }

    fn plain(colour: ColourDepth) -> Surroundings {
        Surroundings {
            colour,
            unicode: true,
        }
    }

    #[test]
    fn one_curve_is_drawn_without_colour_and_rises() {
        let text = text_chart("return", &curves(1), 60, 10, plain(ColourDepth::None));
        assert!(!text.contains('\x1b'), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines.len()), ("return", 12));
        let braille = |line: &&str| {
            line.chars()
                .position(|c| ('\u{2801}'..='\u{28ff}').contains(&c))
        };
        let first: Vec<usize> = lines.iter().filter_map(braille).collect();
        // From top to bottom the curve lies further and further left.
        assert!(
            first.len() > 5 && first.windows(2).all(|pair| pair[0] > pair[1]),
            "{text}"
        );
        assert!(
            lines[11].contains("method 0") && lines[11].ends_with("0.475"),
            "{text}"
        );
    }

    #[test]
    fn several_curves_need_colours_and_otherwise_are_listed() {
        let coloured = text_chart("return", &curves(2), 60, 10, plain(ColourDepth::True));
        assert!(coloured.contains("\x1b[38;2;86;180;233m"), "{coloured}");
        assert_eq!(
            coloured.matches("\x1b[38").count(),
            coloured.matches("\x1b[0m").count()
        );
        let bare = text_chart("return", &curves(2), 60, 10, plain(ColourDepth::None));
        assert_eq!(bare.lines().count(), 3, "{bare}");
    }

    #[test]
    fn nothing_to_draw_is_no_panic() {
        let empty = NamedCurve {
            name: "none".to_owned(),
            points: vec![(0.0, f64::NAN), (1.0, 1e300)],
        };
        let text = text_chart("t", &[empty], 0, 0, Surroundings::default());
        assert!(text.contains("none"), "{text}");
    }
}
