//! Columns of text: as wide as their entries, cut where the room ends.

use ratatui::text::{Line, Span};

use crate::theme::{Role, Theme};
use crate::view::fit;

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub title: String,
    /// Whether its entries stand at the right.
    pub right: bool,
    /// The widest it may become, in cells.
    pub widest: usize,
}

impl Column {
    /// A column of text.
    #[must_use]
    pub fn text(title: &str) -> Self {
        Column {
            title: title.to_owned(),
            right: false,
            widest: 60,
        }
    }

    /// A column of numbers.
    #[must_use]
    pub fn number(title: &str) -> Self {
        Column {
            right: true,
            ..Column::text(title)
        }
    }
}

/// An entry with its role.
pub type Cell = (String, Role);

/// Lines of a table: the heading, then a line per row. A column that does not fit is left
/// out together with those to its right.
#[must_use]
pub fn lines<'a>(
    columns: &[Column],
    rows: &[Vec<Cell>],
    selected: Option<usize>,
    width: usize,
    theme: &Theme,
) -> Vec<Line<'a>> {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let entries = rows.iter().filter_map(|row| row.get(index));
            entries
                .map(|(text, _)| cells(text))
                .chain([cells(&column.title)])
                .max()
                .unwrap_or(0)
                .min(column.widest)
        })
        .collect();
    let line = |entries: &mut dyn Iterator<Item = (String, Role)>| {
        let mut spans = Vec::new();
        let mut used = 0;
        for ((text, role), (column, column_width)) in entries.zip(columns.iter().zip(&widths)) {
            let gap = if used > 0 { 2 } else { 0 };
            let room = width.saturating_sub(used + gap);
            let cut = (*column_width).min(room);
            if cut == 0 || (cut < *column_width && (column.right || used > 0 && cut < 6)) {
                break;
            }
            let fitted = fit(text.trim(), cut, theme.unicode());
            let shown = if column.right {
                let entry = fitted.trim_end().to_owned();
                format!("{}{entry}", " ".repeat(cut.saturating_sub(cells(&entry))))
            } else {
                fitted
            };
            spans.push(Span::raw(" ".repeat(gap)));
            spans.push(Span::styled(shown, theme.style(role)));
            used += gap + cut;
        }
        Line::from(spans)
    };
    let mut headings = columns
        .iter()
        .map(|column| (column.title.clone(), Role::Muted));
    let mut drawn = vec![line(&mut headings)];
    for (index, row) in rows.iter().enumerate() {
        let entries = &mut row.iter().cloned();
        let row_line = line(entries);
        drawn.push(if selected == Some(index) {
            row_line.patch_style(theme.style(Role::Selected))
        } else {
            row_line
        });
    }
    drawn
}

fn cells(text: &str) -> usize {
    Span::raw(text).width()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Surroundings;

    #[test]
    fn columns_are_aligned_and_the_last_ones_give_way() {
        let theme = Theme::new(Surroundings::default());
        let columns = [
            Column::text("run"),
            Column::number("return"),
            Column::number("steps"),
        ];
        let row = |run: &str, value: &str, steps: &str| {
            vec![
                (run.to_owned(), Role::Text),
                (value.to_owned(), Role::Text),
                (steps.to_owned(), Role::Text),
            ]
        };
        let rows = [row("日本", "0.5", "10k"), row("b", "12.25", "1")];
        let drawn = |width| -> Vec<String> {
            lines(&columns, &rows, Some(1), width, &theme)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(
            drawn(40),
            [
                "run   return  steps",
                "日本     0.5    10k",
                "b      12.25      1"
            ]
        );
        assert_eq!(drawn(14)[2], "b      12.25");
        for width in 0..20 {
            for line in lines(&columns, &rows, None, width, &theme) {
                assert!(line.width() <= width);
            }
        }
    }
}
