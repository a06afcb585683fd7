//! What a form can start from: presets, files of the working folder, runs.

use std::path::PathBuf;

use configs::draft::Draft;
use configs::presets::{self, Preset};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::fuzzy::ranked;
use super::look::{self, Split};
use super::{Request, State, ask};
use crate::figures::printable;
use crate::model::Model;
use crate::theme::Role;
use crate::update::Cmd;
use crate::view::{first_row, fit};

/// The detail's part of the width, in hundredths.
const SHARE: u16 = 40;

/// Something to start from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    /// The form that was left.
    Left(String),
    /// A built-in preset.
    Preset(&'static Preset),
    /// A file, and what it says about itself.
    File(PathBuf, String),
    /// A run, and the file of its configuration.
    Run(String, PathBuf),
    /// Another file, to be looked for.
    Browse,
}

impl Entry {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Left(name) => format!("back to {name}"),
            Self::Preset(preset) => preset.name.to_owned(),
            Self::File(path, _) => path.display().to_string(),
            Self::Run(id, _) => id.clone(),
            Self::Browse => "another file ...".to_owned(),
        }
    }

    fn about(&self) -> String {
        match self {
            Self::Left(_) => "the form that you left, with its changes".to_owned(),
            Self::Preset(preset) => preset.description(),
            Self::File(_, about) => about.clone(),
            Self::Run(..) => "start from the settings of this run".to_owned(),
            Self::Browse => "a configuration in another folder".to_owned(),
        }
    }

    fn group(&self) -> &'static str {
        match self {
            Self::Left(_) => "left",
            Self::Preset(_) => "preset",
            Self::File(..) | Self::Browse => "file",
            Self::Run(..) => "run",
        }
    }
}

/// What is on show, the best first.
pub(super) fn entries(state: &State) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    if let Some(form) = state.form.as_ref().filter(|form| form.draft.is_changed()) {
        entries.push(Entry::Left(form.source()));
    }
    if let Some(starts) = &state.starts {
        let files = starts.files.iter();
        entries.extend(files.map(|file| Entry::File(file.path.clone(), file.about.clone())));
    }
    // Teams first, then language models, each by name.
    let is_language = |preset: &&Preset| preset.text.contains("job = \"finetune\"");
    let (language, teams): (Vec<&Preset>, Vec<&Preset>) =
        presets::all().iter().partition(is_language);
    entries.extend(teams.into_iter().chain(language).map(Entry::Preset));
    if let Some(starts) = &state.starts {
        let runs = starts.runs.iter();
        entries.extend(runs.map(|(id, path)| Entry::Run(id.clone(), path.clone())));
    }
    entries.push(Entry::Browse);
    // The name counts most; an entry found by what it is about comes after.
    let mut found = ranked(&state.filter, entries.clone(), Entry::name);
    let words: Vec<String> = state
        .filter
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    for entry in entries {
        let about = entry.about().to_lowercase();
        if !found.contains(&entry) && words.iter().all(|word| about.contains(word)) {
            found.push(entry);
        }
    }
    found
}

/// Index of the chosen entry; another filter begins at the best one.
pub(super) fn chosen(state: &State, count: usize) -> usize {
    let at = if state.filter == state.chosen_with {
        state.chosen
    } else {
        0
    };
    at.min(count.saturating_sub(1))
}

/// Chooses an entry.
pub(super) fn set_chosen(state: &mut State, index: usize) {
    state.chosen = index;
    state.chosen_with.clone_from(&state.filter);
}

/// Opens the form of what is chosen.
pub(super) fn choose(model: &mut Model) -> Vec<Cmd> {
    let entries = entries(&model.launcher);
    let Some(entry) = entries.get(chosen(&model.launcher, entries.len())) else {
        return Vec::new();
    };
    match entry.clone() {
        Entry::Left(_) => {
            super::show_form(model);
            Vec::new()
        }
        Entry::Preset(preset) => {
            let variables = super::variables(model);
            match Draft::preset(preset.name, &variables) {
                Ok(draft) => super::open_form(model, draft),
                Err(problems) => super::mend(model, preset.name, preset.text, problems),
            }
        }
        Entry::File(path, _) | Entry::Run(_, path) => ask(Request::Text(path)),
        Entry::Browse => super::browse(model),
    }
}

/// Chooses what was clicked; true when it was chosen already.
pub(super) fn clicked(model: &mut Model, at: Position, area: Rect) -> bool {
    let count = entries(&model.launcher).len();
    let chosen = chosen(&model.launcher, count);
    let Some(index) = look::entry_at(look::split(area, SHARE).list, at, chosen, count) else {
        return false;
    };
    set_chosen(&mut model.launcher, index);
    index == chosen
}

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let entries = entries(&model.launcher);
    let title = format!("start from ({})", entries.len());
    let Split { list, detail } = look::split(area, SHARE);
    let inner = look::boxed(model, frame, list, &title, true);
    let chosen = chosen(&model.launcher, entries.len());
    let visible = inner.height as usize;
    let first = first_row(chosen, entries.len(), visible);
    let name_width = entries
        .iter()
        .map(|entry| Span::raw(printable(&entry.name())).width())
        .max()
        .unwrap_or(0)
        .clamp(12, 34);
    let lines = entries
        .iter()
        .enumerate()
        .skip(first)
        .take(visible)
        .map(|(index, entry)| {
            let width = inner.width as usize;
            let room = width.saturating_sub(name_width + 10);
            let unicode = model.theme.unicode();
            let group = if width < 40 {
                " ".to_owned()
            } else {
                format!(" {:6} ", entry.group())
            };
            let line = Line::from(vec![
                Span::styled(group, model.theme.style(Role::Muted)),
                Span::styled(
                    fit(&entry.name(), name_width, unicode),
                    model.theme.style(Role::Strong),
                ),
                Span::raw("  "),
                Span::styled(
                    fit(&entry.about(), room, unicode),
                    model.theme.style(Role::Muted),
                ),
            ]);
            if index == chosen {
                look::selected(model, line, width)
            } else {
                line
            }
        });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), inner);
    if entries.is_empty() {
        let text = format!(
            "nothing fits `{}`; Esc clears it",
            printable(&model.launcher.filter)
        );
        frame.render_widget(
            Paragraph::new(text).style(model.theme.style(Role::Muted)),
            inner,
        );
    }
    if let (Some(detail), Some(entry)) = (detail, entries.get(chosen)) {
        draw_detail(model, frame, detail, entry);
    }
}

fn draw_detail(model: &Model, frame: &mut Frame, area: Rect, entry: &Entry) {
    let inner = look::boxed(model, frame, area, &entry.name(), false);
    let mut lines = vec![Line::from(printable(&entry.about()))];
    if let Entry::Preset(preset) = entry {
        let command = format!("$ {}", preset.command());
        lines.push(Line::styled(command, model.theme.style(Role::Key)));
        let rest = preset
            .text
            .lines()
            .skip_while(|line| line.starts_with('#') || line.is_empty());
        lines.push(Line::default());
        lines
            .extend(rest.map(|line| Line::styled(line.to_owned(), model.theme.style(Role::Muted))));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inner);
}
