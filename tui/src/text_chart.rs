//! Curves as lines of text, for commands that print and leave.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::Span;

use crate::curve::{drawable, levels};
use crate::figures::number;
use crate::theme::{ColourDepth, Role, Surroundings, Theme};
use crate::widgets::plot::{self, Curve, Plot};

/// Cells of the small curve in a legend.
const SPARK: usize = 16;

/// A curve with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedCurve {
    /// What it is.
    pub name: String,
    /// (x, y), x ascending.
    pub points: Vec<(f64, f64)>,
}

/// Draws curves over each other in `width` x `height` cells, with a legend below that has
/// the sign, a small curve and the last value of each.
#[must_use]
pub fn text_chart(
    title: &str,
    curves: &[NamedCurve],
    width: u16,
    height: u16,
    surroundings: Surroundings,
) -> String {
    let curves = curves.iter().enumerate().map(|(series, curve)| Curve {
        name: curve.name.clone(),
        series,
        points: curve.points.clone(),
        ..Curve::default()
    });
    let plot = Plot {
        curves: curves.collect(),
        ..Plot::default()
    };
    text_plot(title, &plot, width, height, surroundings)
}

/// A plot as text, with a title above and a legend below.
#[must_use]
pub fn text_plot(
    title: &str,
    plot: &Plot,
    width: u16,
    height: u16,
    surroundings: Surroundings,
) -> String {
    let theme = Theme::new(surroundings);
    let colours = surroundings.colour != ColourDepth::None;
    let mut text = format!("{title}\n");
    let area = Rect::new(0, 0, width.max(24), height.max(5));
    if plot::layout(plot, area).is_some() {
        let mut buffer = Buffer::empty(area);
        plot::draw(plot, theme, &mut buffer, area);
        text.push_str(&lines(&buffer, colours));
    }
    let longest = plot
        .curves
        .iter()
        .map(|curve| Span::raw(curve.name.as_str()).width())
        .max()
        .unwrap_or(0);
    for curve in &plot.curves {
        text.push_str(&legend_line(curve, longest, theme, colours));
    }
    text
}

fn legend_line(curve: &Curve, longest: usize, theme: Theme, colours: bool) -> String {
    let own: Vec<(f64, f64)> = if curve.points.is_empty() {
        curve.dots.iter().map(|dot| (dot.x, dot.y)).collect()
    } else {
        curve.points.clone()
    };
    let last = own.last().map_or(f64::NAN, |point| point.1);
    let finite: Vec<(f64, f64)> = own
        .into_iter()
        .filter(|(x, y)| drawable(*x) && drawable(*y))
        .collect();
    let colour = theme.style(Role::Series(curve.series)).fg;
    let (start, end) = escapes(colour.filter(|_| colours));
    format!(
        "  {start}{} {}{}{end}  {} {:>8}\n",
        plot::glyph(curve.series, theme.unicode()),
        crate::figures::printable(&curve.name),
        " ".repeat(longest.saturating_sub(Span::raw(curve.name.as_str()).width())),
        spark(&finite, SPARK, theme.unicode()),
        number(last)
    )
}

/// A small curve in `width` cells.
pub(crate) fn spark(points: &[(f64, f64)], width: usize, unicode: bool) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 8] = ['_', '.', ',', '-', '~', '+', '*', '#'];
    let set = if unicode { BLOCKS } else { ASCII };
    let drawn: String = levels(points, width)
        .into_iter()
        .map(|level| set[level.min(7)])
        .collect();
    format!("{drawn:<width$}")
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
        let falls = first.windows(2).all(|pair| pair[0] > pair[1]);
        assert!(first.len() > 5 && falls, "{text}");
        assert!(
            lines[11].contains("method 0") && lines[11].ends_with("0.475"),
            "{text}"
        );
    }

    #[test]
    fn several_curves_differ_by_colour_and_by_sign() {
        let coloured = text_chart("return", &curves(2), 60, 10, plain(ColourDepth::True));
        assert!(coloured.contains("\x1b[38;2;86;180;233m"), "{coloured}");
        assert_eq!(
            coloured.matches("\x1b[38").count(),
            coloured.matches("\x1b[0m").count()
        );
        let bare = text_chart("return", &curves(2), 60, 10, plain(ColourDepth::None));
        assert_eq!(bare.lines().count(), 13, "{bare}");
        assert!(
            bare.contains("● method 0") && bare.contains("▲ method 1"),
            "{bare}"
        );
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
