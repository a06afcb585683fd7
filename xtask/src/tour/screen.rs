//! A captured screen as SVG.

use std::fmt::Write;

/// Size of a cell, in pixels.
const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 12.0;
const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d8dee9";
const NAMED: [&str; 16] = [
    "#2e3440", "#d55e00", "#009e73", "#e69f00", "#0072b2", "#cc79a7", "#56b4e9", "#d8dee9",
    "#6b7280", "#ff8c5a", "#33c29a", "#f0e442", "#5aa9e6", "#e6a6cc", "#8fd3ff", "#ffffff",
];

#[derive(Clone, Debug, Default, PartialEq)]
struct Style {
    foreground: Option<String>,
    background: Option<String>,
    bold: bool,
    dim: bool,
    underlined: bool,
    reversed: bool,
}

impl Style {
    /// Applies the numbers of one SGR sequence.
    fn apply(&mut self, numbers: &[u16]) {
        let mut rest = numbers;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                0 => *self = Style::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                4 => self.underlined = true,
                7 => self.reversed = true,
                22 => (self.bold, self.dim) = (false, false),
                24 => self.underlined = false,
                27 => self.reversed = false,
                30..=37 => self.foreground = Some(NAMED[usize::from(first - 30)].to_owned()),
                90..=97 => self.foreground = Some(NAMED[usize::from(first - 82)].to_owned()),
                40..=47 => self.background = Some(NAMED[usize::from(first - 40)].to_owned()),
                39 => self.foreground = None,
                49 => self.background = None,
                38 | 48 => {
                    let (colour, taken) = extended(rest);
                    rest = &rest[taken.min(rest.len())..];
                    match first {
                        38 => self.foreground = colour,
                        _ => self.background = colour,
                    }
                }
                _ => {}
            }
        }
    }

    fn colours(&self) -> (String, Option<String>) {
        let front = self.foreground.clone().unwrap_or(FOREGROUND.to_owned());
        if self.reversed {
            let back = self.background.clone().unwrap_or(BACKGROUND.to_owned());
            return (back, Some(front));
        }
        (front, self.background.clone())
    }
}

/// A colour behind 38 or 48, and how many numbers it took.
fn extended(numbers: &[u16]) -> (Option<String>, usize) {
    match numbers {
        [2, red, green, blue, ..] => (Some(format!("#{red:02x}{green:02x}{blue:02x}")), 4),
        [5, index, ..] => (Some(indexed(*index)), 2),
        _ => (None, numbers.len()),
    }
}

fn indexed(index: u16) -> String {
    let level = |part: u16| if part == 0 { 0 } else { 55 + 40 * part };
    match index {
        0..=15 => NAMED[usize::from(index)].to_owned(),
        16..=231 => {
            let rest = index - 16;
            format!(
                "#{:02x}{:02x}{:02x}",
                level(rest / 36),
                level(rest / 6 % 6),
                level(rest % 6)
            )
        }
        _ => {
            let grey = 8 + 10 * (index.min(255) - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
    }
}

/// Draws what `tmux capture-pane -e` gave. Characters are taken to be one cell wide; the
/// screens of the tour hold no others.
pub fn svg(captured: &str, columns: u16, rows: u16) -> String {
    let width = f64::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = f64::from(rows) * CELL.1 + 2.0 * MARGIN;
    let mut drawn = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    let mut style = Style::default();
    for (row, line) in captured.lines().enumerate() {
        let mut column = 0;
        for (applied, text) in pieces(line, &mut style) {
            let cells = text.chars().count();
            piece(&mut drawn, &applied, &text, column, row);
            column += cells;
        }
    }
    drawn.push_str("</svg>\n");
    drawn
}

/// The texts of a line with their styles.
fn pieces(line: &str, style: &mut Style) -> Vec<(Style, String)> {
    let mut found = Vec::new();
    let mut parts = line.split('\u{1b}');
    if let Some(first) = parts.next() {
        found.push((style.clone(), first.to_owned()));
    }
    for part in parts {
        let Some(rest) = part.strip_prefix('[') else {
            continue;
        };
        let end = rest
            .find(|character: char| character.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (sequence, after) = rest.split_at(end);
        if after.starts_with('m') {
            let numbers: Vec<u16> = sequence
                .split([';', ':'])
                .map(|number| number.parse().unwrap_or(0))
                .collect();
            style.apply(&numbers);
        }
        let text = after.get(1..).unwrap_or("");
        found.push((style.clone(), text.to_owned()));
    }
    found.retain(|(_, text)| !text.is_empty());
    found
}

fn piece(drawn: &mut String, style: &Style, text: &str, column: usize, row: usize) {
    let (front, back) = style.colours();
    let cells = text.chars().count() as f64;
    let (left, top) = (
        MARGIN + column as f64 * CELL.0,
        MARGIN + row as f64 * CELL.1,
    );
    let wide = cells * CELL.0;
    if let Some(back) = back {
        let _ = writeln!(
            drawn,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{}\" fill=\"{back}\"/>",
            CELL.1
        );
    }
    let mut more = String::new();
    if style.bold {
        more.push_str(" font-weight=\"bold\"");
    }
    if style.dim {
        more.push_str(" opacity=\"0.7\"");
    }
    if style.underlined {
        more.push_str(" text-decoration=\"underline\"");
    }
    let mut word = String::new();
    let mut shapes = String::new();
    for (at, character) in text.chars().chain([' ']).enumerate() {
        let corner = (left + at as f64 * CELL.0, top);
        let shape = shape(character, corner);
        if shape.is_none() && character != ' ' {
            word.push(character);
            continue;
        }
        shapes.push_str(&shape.unwrap_or_default());
        let length = word.chars().count() as f64 * CELL.0;
        if length > 0.0 {
            let shown = word
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            let _ = writeln!(
                drawn,
                "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" \
                 lengthAdjust=\"spacingAndGlyphs\" fill=\"{front}\"{more}>{shown}</text>",
                corner.0 - length,
                top + 13.5
            );
            word.clear();
        }
    }
    if !shapes.is_empty() {
        let _ = writeln!(
            drawn,
            "<path d=\"{shapes}\" stroke=\"{front}\" stroke-width=\"1.4\" fill=\"none\"/>"
        );
    }
}

/// Braille, lines and blocks as paths: few fonts have them, and none joins them without
/// gaps. `None` for any other character.
fn shape(character: char, (left, top): (f64, f64)) -> Option<String> {
    let (right, bottom) = (left + CELL.0, top + CELL.1);
    let (middle, centre) = (left + CELL.0 / 2.0, top + CELL.1 / 2.0);
    let mut path = String::new();
    let mut line = |from: (f64, f64), to: (f64, f64)| {
        let _ = write!(path, "M{:.1} {:.1}L{:.1} {:.1}", from.0, from.1, to.0, to.1);
    };
    let arms = match character {
        '│' => "ud",
        '─' | '━' => "lr",
        '╭' | '┌' => "dr",
        '╮' | '┐' => "dl",
        '╰' | '└' => "ur",
        '╯' | '┘' => "ul",
        '┤' => "udl",
        '├' => "udr",
        '┬' => "dlr",
        '┴' => "ulr",
        '┼' => "udlr",
        '\u{2800}'..='\u{28ff}' => {
            // Bits 0 to 2 and 6 are the left column from the top, 3 to 5 and 7 the right one.
            let bits = character as u32 - 0x2800;
            for (bit, (column, row)) in [
                (0, 0),
                (0, 1),
                (0, 2),
                (1, 0),
                (1, 1),
                (1, 2),
                (0, 3),
                (1, 3),
            ]
            .into_iter()
            .enumerate()
            {
                if bits >> bit & 1 == 1 {
                    let x = left + CELL.0 * (0.25 + 0.5 * f64::from(column));
                    let y = top + CELL.1 * (0.125 + 0.25 * f64::from(row));
                    line((x - 1.0, y), (x + 1.0, y));
                }
            }
            return Some(path);
        }
        '█' | '▁'..='▇' => {
            let eighths = f64::from(character as u32 - 0x2580);
            let height = CELL.1 * eighths / 8.0;
            let mut y = bottom - height + 0.6;
            while y < bottom {
                line((left, y), (right, y));
                y += 1.2;
            }
            return Some(path);
        }
        _ => return None,
    };
    for arm in arms.chars() {
        let end = match arm {
            'u' => (middle, top),
            'd' => (middle, bottom),
            'l' => (left, centre),
            _ => (right, centre),
        };
        line((middle, centre), end);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_weights_of_a_captured_line_are_kept() {
        let drawn = svg(
            "\u{1b}[1;38;2;86;180;233ma<b\u{1b}[0m c\n\u{1b}[7m d ",
            6,
            2,
        );
        assert!(drawn.contains("fill=\"#56b4e9\" font-weight=\"bold\">a&lt;b</text>"));
        assert!(drawn.contains("fill=\"#d8dee9\">c</text>"));
        let reversed = format!("fill=\"{BACKGROUND}\">d</text>");
        assert!(drawn.contains(&reversed), "{drawn}");
        assert_eq!(drawn.matches("<text").count(), 3);
    }

    #[test]
    fn braille_and_lines_are_drawn_where_their_dots_are() {
        assert_eq!(
            shape('⠁', (0.0, 0.0)).as_deref(),
            Some("M1.1 2.2L3.1 2.2"),
            "the dot at the top left"
        );
        assert_eq!(
            shape('╭', (0.0, 0.0)).as_deref(),
            Some("M4.2 9.0L4.2 18.0M4.2 9.0L8.4 9.0")
        );
        assert_eq!(shape('a', (0.0, 0.0)), None);
        assert_eq!(shape('\u{2800}', (0.0, 0.0)).as_deref(), Some(""));
    }

    #[test]
    fn indexed_colours_are_those_of_xterm() {
        assert_eq!(indexed(74), "#5fafd7");
        assert_eq!(indexed(245), "#8a8a8a");
    }
}
