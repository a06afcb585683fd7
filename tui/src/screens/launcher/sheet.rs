//! The last look before a start: name, seeds, now or queued.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::form::Form;
use super::look;
use super::popup::Popup;
use crate::figures::printable;
use crate::host::{Launch, Request};
use crate::model::Model;
use crate::theme::Role;
use crate::update::Cmd;
use crate::view::centred;
use crate::widgets::input::Input;

/// Width of the window.
const WIDTH: u16 = 78;

/// What has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field {
    /// The run's name.
    #[default]
    Name,
    /// How many seeds.
    Seeds,
    /// Of a search: the budgets that are tried.
    Budgets,
    /// Now, or when the device is free.
    When,
}

/// The window's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// What has the keys.
    field: Field,
    /// Whether a number was typed since the field has them; the first digit replaces it.
    typed: bool,
}

impl Sheet {
    fn at(field: Field) -> Popup {
        Popup::Sheet(Self {
            field,
            typed: false,
        })
    }
}

/// The fields: budgets are a search's.
fn fields(form: &Form) -> Vec<Field> {
    let all = [Field::Name, Field::Seeds, Field::Budgets, Field::When];
    let fits = |field: &Field| *field != Field::Budgets || form.searches();
    all.into_iter().filter(fits).collect()
}

/// A start is refused while something is wrong, with the reason.
pub(super) fn open(model: &mut Model) -> Vec<Cmd> {
    let Some(form) = &mut model.launcher.form else {
        return Vec::new();
    };
    let errors = form.errors();
    if errors > 0 {
        let filter = std::mem::take(&mut model.launcher.filter);
        let found = form.next_problem("", true);
        let what = if errors == 1 {
            "1 problem stands".to_owned()
        } else {
            format!("{errors} problems stand")
        };
        let first = form
            .problems()
            .into_iter()
            .find(|problem| problem.is_error());
        let first = first.map_or_else(String::new, |problem| problem.to_string());
        if !found {
            model.launcher.filter = filter;
        }
        model.notify(
            format!("not started: {what} against it - {first}"),
            Role::Bad,
        );
        return Vec::new();
    }
    model.launcher.popup = Sheet::at(Field::Name);
    Vec::new()
}

pub(super) fn typed(model: &mut Model, sheet: Sheet, key: KeyEvent) -> Vec<Cmd> {
    let field = sheet.field;
    let Some(form) = &model.launcher.form else {
        return Vec::new();
    };
    let fields = fields(form);
    let at = fields.iter().position(|one| *one == field).unwrap_or(0);
    let to = |by: usize| fields[(at + by) % fields.len()];
    match key.code {
        KeyCode::Enter => return start(model, field),
        KeyCode::Tab | KeyCode::Down => model.launcher.popup = Sheet::at(to(1)),
        KeyCode::BackTab | KeyCode::Up => model.launcher.popup = Sheet::at(to(fields.len() - 1)),
        _ => {
            edit(model, sheet, key);
            model.launcher.popup = Popup::Sheet(Sheet { field, typed: true });
        }
    }
    Vec::new()
}

fn edit(model: &mut Model, sheet: Sheet, key: KeyEvent) {
    let Some(form) = &mut model.launcher.form else {
        return;
    };
    let typed = |text: &mut String| {
        let mut input = Input::new(text);
        input.press(key);
        input.text().clone_into(text);
    };
    match (sheet.field, key.code) {
        (Field::When, KeyCode::Char(' ' | 'h' | 'l') | KeyCode::Left | KeyCode::Right) => {
            form.queued = !form.queued;
        }
        (Field::When, _) => {}
        (Field::Seeds, KeyCode::Left | KeyCode::Right | KeyCode::Char('+' | '-')) => {
            let up = matches!(key.code, KeyCode::Right | KeyCode::Char('+'));
            let count = form.seed_count().unwrap_or(1);
            let next = if up {
                count + 1
            } else {
                count.saturating_sub(1).max(1)
            };
            form.seeds = next.to_string();
        }
        (Field::Seeds, KeyCode::Char('0'..='9')) if !sheet.typed => {
            form.seeds.clear();
            typed(&mut form.seeds);
        }
        (Field::Seeds, _) => typed(&mut form.seeds),
        (Field::Budgets, _) => typed(&mut form.budgets),
        (Field::Name, _) => typed(&mut form.name),
    }
}

fn start(model: &mut Model, field: Field) -> Vec<Cmd> {
    let Some(form) = &model.launcher.form else {
        return Vec::new();
    };
    let Some(seeds) = form.seed_count() else {
        let text = format!(
            "seeds: {} - allowed: a whole number from 1 to 1000",
            form.seeds
        );
        model.notify(text, Role::Bad);
        model.launcher.popup = Sheet::at(Field::Seeds);
        return Vec::new();
    };
    let budgets = match form.sweep() {
        Ok(budgets) => budgets,
        Err(text) => {
            model.notify(text, Role::Bad);
            model.launcher.popup = Sheet::at(Field::Budgets);
            return Vec::new();
        }
    };
    if form.errors() > 0 {
        return open(model);
    }
    let Some(config) = form.draft.ready() else {
        model.launcher.popup = Sheet::at(field);
        return Vec::new();
    };
    let name = form.name.trim().to_owned();
    let launch = Launch {
        target: form.draft.target().name(),
        name,
        config_toml: config.to_toml(),
        origin_json: form.draft.origins().to_json(),
        further_seeds: seeds - 1,
        queued: form.queued,
        budgets,
    };
    let what = if form.queued { "queueing" } else { "starting" };
    model.notify(format!("{what} {}", launch.target), Role::Ok);
    vec![Cmd::Ask(Request::Launch(launch))]
}

/// What the budgets come to, or how they are written.
fn budgets_hint(form: &Form) -> String {
    match form.sweep() {
        Ok(None) => "the one that is set; a sweep: 500,1000,2000 or tool_calls=2,5".to_owned(),
        Ok(Some(budgets)) => format!(
            "{} runs by {}; one runs, the others wait in the queue",
            budgets.values.len(),
            budgets.resource.replace('_', " ")
        ),
        Err(_) => "whole numbers with commas between".to_owned(),
    }
}

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect, sheet: Sheet) {
    let field = sheet.field;
    let Some(form) = &model.launcher.form else {
        return;
    };
    let style = |role| model.theme.style(role);
    let width = 64;
    let row = |of: Field, label: &str, text: &str, hint: &str| {
        let marker = if of == field { "> " } else { "  " };
        let mut line = Line::from(vec![
            Span::styled(marker, style(Role::Key)),
            Span::styled(format!("{label:<9}"), style(Role::Muted)),
        ]);
        if of == field && of != Field::When {
            line.extend(Input::new(text).line(width, &model.theme).spans);
        } else {
            line.push_span(Span::styled(printable(text), style(Role::Strong)));
        }
        line.push_span(Span::styled(format!("  {hint}"), style(Role::Muted)));
        line
    };
    let seed = form.draft.config().seed();
    let name_hint = if form.name.is_empty() {
        format!("{} unless you write another", form.draft.target().name())
    } else {
        String::new()
    };
    let seeds_hint = match form.seed_count() {
        Some(1) => format!("seed {seed}"),
        Some(count) => format!(
            "seeds {seed} to {}; one runs, the others wait in the queue",
            seed.saturating_add(u64::from(count) - 1)
        ),
        None => "a whole number from 1 to 1000".to_owned(),
    };
    let (when, when_hint) = if form.queued {
        (
            "in the queue",
            "as soon as its device is free (Space changes it)",
        )
    } else {
        ("now", "whatever else runs (Space changes it)")
    };
    let mut lines = vec![
        row(Field::Name, "name", &form.name, &name_hint),
        row(Field::Seeds, "seeds", &form.seeds, &seeds_hint),
        row(Field::When, "when", when, when_hint),
        Line::default(),
    ];
    if form.searches() {
        let hint = budgets_hint(form);
        lines.insert(2, row(Field::Budgets, "budgets", &form.budgets, &hint));
    }
    if let Some(command) = form.command(&model.root) {
        lines.push(Line::from(vec![
            Span::styled("$ ", style(Role::Key)),
            Span::raw(printable(&command)),
        ]));
        lines.push(Line::default());
    }
    lines.push(Line::from(vec![
        Span::styled("Enter", style(Role::Key)),
        Span::styled(" starts it  ", style(Role::Muted)),
        Span::styled("Tab", style(Role::Key)),
        Span::styled(" next field  ", style(Role::Muted)),
        Span::styled("Esc", style(Role::Key)),
        Span::styled(" back to the form", style(Role::Muted)),
    ]));
    let room = area.width.min(WIDTH).saturating_sub(2).max(1);
    let height: usize = lines
        .iter()
        .map(|line| (line.width() + 4).div_ceil(room as usize))
        .sum();
    let height = u16::try_from(height).unwrap_or(u16::MAX).saturating_add(2);
    let inner = look::window(model, frame, centred(area, WIDTH, height), "start");
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inner);
}
