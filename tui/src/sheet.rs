//! A table as data: one form for the screen, for people on stdout, for Markdown and for
//! programs.

use ratatui::text::Span;
use serde_json::{Map, Value, json};
use tracking::statistics::Interval;

use crate::figures;

pub mod evaluation;

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing is known.
    Empty,
    /// Words.
    Text(String),
    /// A whole number.
    Whole(u64),
    /// A number.
    Number(f64),
    /// A number with its interval.
    Interval(Interval),
}

impl Cell {
    /// As people read it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Empty => "-".to_owned(),
            Self::Text(text) => figures::printable(text),
            Self::Whole(number) => number.to_string(),
            Self::Number(value) => figures::number(*value),
            Self::Interval(interval) => format!(
                "{} [{}, {}]",
                fixed(interval.estimate),
                fixed(interval.low),
                fixed(interval.high)
            ),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Number(_) | Self::Interval(_))
    }
}

/// Three digits behind the point for what lies near one, so that columns of scores line up.
#[must_use]
pub fn fixed(value: f64) -> String {
    if value.is_finite() && value.abs() < 100.0 {
        format!("{value:.3}")
    } else {
        figures::number(value)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Self::Whole(number as u64)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<Interval> for Cell {
    fn from(interval: Interval) -> Self {
        Self::Interval(interval)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// Rows under named columns, with a title and a note.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    /// Short name: the stem of its CSV file and its key in JSON.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// Heads of the columns, in the words of programs (`mean_length`).
    pub columns: Vec<String>,
    /// The rows, as long as the columns.
    pub rows: Vec<Vec<Cell>>,
    /// What a reader must know.
    pub note: String,
}

impl Sheet {
    /// An empty table.
    #[must_use]
    pub fn new(name: &'static str, title: impl Into<String>, columns: &[&str]) -> Self {
        Self {
            name,
            title: title.into(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            ..Self::default()
        }
    }

    /// Adds a row; short rows are filled up, long ones cut.
    pub fn row(&mut self, mut cells: Vec<Cell>) {
        cells.resize(self.columns.len(), Cell::Empty);
        self.rows.push(cells);
    }

    /// Adds a note.
    #[must_use]
    pub fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Heads and rows as people read them, each padded to its column's width.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let heads = self.columns.iter().map(|head| head.replace('_', " "));
        let mut cells: Vec<Vec<String>> = vec![heads.collect()];
        let shown = |row: &Vec<Cell>| row.iter().map(Cell::shown).collect();
        cells.extend(self.rows.iter().map(shown));
        let width = |text: &str| Span::raw(text.to_owned()).width();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let widths = cells.iter().map(|row| width(&row[column]));
                widths.max().unwrap_or(0)
            })
            .collect();
        let right: Vec<bool> = (0..self.columns.len())
            .map(|column| {
                let mut known = self
                    .rows
                    .iter()
                    .map(|row| &row[column])
                    .filter(|cell| **cell != Cell::Empty)
                    .peekable();
                known.peek().is_some() && known.all(Cell::is_number)
            })
            .collect();
        let line = |row: &Vec<String>| {
            let mut text = String::new();
            for (column, cell) in row.iter().enumerate() {
                let space = " ".repeat(widths[column].saturating_sub(width(cell)));
                text.push_str(if column > 0 { "  " } else { "" });
                if right[column] {
                    text.push_str(&space);
                    text.push_str(cell);
                } else {
                    text.push_str(cell);
                    text.push_str(&space);
                }
            }
            text.trim_end().to_owned()
        };
        cells.iter().map(line).collect()
    }

    /// Title, rows and note for a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for line in std::iter::once(&self.title)
            .chain(&self.lines())
            .chain([&self.note])
            .filter(|line| !line.is_empty())
        {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// A Markdown section.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let cell = |text: String| text.replace('|', "\\|").replace('\n', " ");
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = String::new();
        if !self.title.is_empty() {
            text.push_str(&format!("## {}\n\n", self.title));
        }
        let heads = self.columns.iter().map(|head| cell(head.replace('_', " ")));
        text.push_str(&line(heads.collect()));
        text.push_str(&line(vec!["---".to_owned(); self.columns.len()]));
        for row in &self.rows {
            text.push_str(&line(row.iter().map(|one| cell(one.shown())).collect()));
        }
        if !self.note.is_empty() {
            text.push_str(&format!("\n{}\n", self.note));
        }
        text
    }

    /// Comma-separated values; an interval takes three columns.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let wide: Vec<bool> = (0..self.columns.len())
            .map(|column| self.is_interval(column))
            .collect();
        let mut heads: Vec<String> = Vec::new();
        for (head, wide) in self.columns.iter().zip(&wide) {
            heads.push(quoted(head));
            if *wide {
                heads.extend([
                    quoted(&format!("{head}_low")),
                    quoted(&format!("{head}_high")),
                ]);
            }
        }
        let mut text = heads.join(",") + "\n";
        for row in &self.rows {
            let mut cells: Vec<String> = Vec::new();
            for (cell, wide) in row.iter().zip(&wide) {
                match (cell, wide) {
                    (Cell::Interval(one), _) => {
                        cells.extend(
                            [one.estimate, one.low, one.high].map(|one| plain(&json_number(one))),
                        );
                    }
                    (other, true) => {
                        cells.extend([plain(&json_of(other)), String::new(), String::new()]);
                    }
                    (other, false) => cells.push(plain(&json_of(other))),
                }
            }
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }

    /// The rows as a list of objects; an interval is an object of its own.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let object = |row: &Vec<Cell>| {
            let values = row.iter().map(json_of);
            let pairs: Map<String, Value> = self.columns.iter().cloned().zip(values).collect();
            Value::Object(pairs)
        };
        self.rows.iter().map(object).collect()
    }

    fn is_interval(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.any(|cell| matches!(cell, Cell::Interval(_)))
    }
}

fn json_of(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) => json!(text),
        Cell::Whole(number) => json!(number),
        Cell::Number(value) => json_number(*value),
        Cell::Interval(one) => json!({
            "estimate": json_number(one.estimate),
            "low": json_number(one.low),
            "high": json_number(one.high),
        }),
    }
}

/// What is not finite is the string that events use.
fn json_number(value: f64) -> Value {
    serde_json::Number::from_f64(value)
        .map_or_else(|| Value::String(figures::number(value)), Value::Number)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let mut sheet = Sheet::new("scores", "scores", &["name", "mean", "mean_length"]);
        let interval = Interval {
            estimate: 0.5,
            low: 0.25,
            high: 0.75,
        };
        sheet.row(vec!["a|b, c".into(), interval.into(), 12.0.into()]);
        sheet.row(vec!["後".into(), Cell::Empty, f64::NAN.into()]);
        sheet.noted("2 rows")
    }

    #[test]
    fn people_get_columns_by_the_width_on_screen() {
        assert_eq!(
            sheet().to_text(),
            "scores\n\
             name                    mean  mean length\n\
             a|b, c  0.500 [0.250, 0.750]        12.00\n\
             後                         -          NaN\n\
             2 rows\n"
        );
    }

    #[test]
    fn programs_get_every_end_of_an_interval() {
        assert_eq!(
            sheet().to_csv(),
            "name,mean,mean_low,mean_high,mean_length\n\"a|b, c\",0.5,0.25,0.75,12.0\n後,,,,NaN\n"
        );
        assert_eq!(sheet().to_json()[0]["mean"]["high"], json!(0.75));
        assert_eq!(sheet().to_json()[1]["mean"], Value::Null);
    }

    #[test]
    fn markdown_keeps_its_columns() {
        let text = sheet().to_markdown();
        assert!(
            text.contains("| a\\|b, c | 0.500 [0.250, 0.750] | 12.00 |"),
            "{text}"
        );
        assert!(text.ends_with("\n2 rows\n"));
    }
}
