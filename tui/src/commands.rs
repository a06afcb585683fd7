//! The command line behind `:`, and the other lines that are typed at the bottom.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind};

use crate::keys::Action;
use crate::model::{Model, Overlay, Prompt, Purpose};
use crate::panes::{Pane, runs};
use crate::screens::{self, ScreenKind};
use crate::theme::{PALETTES, Role};
use crate::update::{Cmd, act, focus, quit, select};
use crate::widgets::input::Input;

/// Commands kept for the arrow keys.
const KEPT: usize = 50;

/// A command of the command line.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Its word.
    pub name: &'static str,
    /// What follows it, as shown in the help.
    pub arguments: &'static str,
    /// A sentence for the help.
    pub help: &'static str,
}

const fn command(name: &'static str, arguments: &'static str, help: &'static str) -> Command {
    Command {
        name,
        arguments,
        help,
    }
}

/// Every command, for completion and help.
pub const COMMANDS: &[Command] = &[
    command("new", "", "presets and forms of new runs"),
    command("attach", "RUN", "select a run by a part of its name"),
    command("stop", "[RUN]", "stop with a checkpoint (asks)"),
    command("kill", "[RUN]", "end the process (asks for the name)"),
    command("pause", "[RUN]", "park between steps, or go on"),
    command("resume", "[RUN]", "start again from the last checkpoint"),
    command("checkpoint", "[RUN]", "write a checkpoint now"),
    command("archive", "[RUN]", "hide from the list; nothing is deleted"),
    command("mark", "FILTER", "mark every run that fits"),
    command("compare", "", "marked runs over each other"),
    command("evaluate", "", "scores, tournaments, sweeps"),
    command("models", "", "models that are here, downloads"),
    command("fetch", "NAME", "fetch a model: OWNER/NAME[@REVISION]"),
    command(
        "chat",
        "[MODEL]",
        "talk to a model: a name, a folder, a run with a checkpoint",
    ),
    command("filter", "TEXT", "filter what has the focus"),
    command("sort", "COLUMN", "sort the runs"),
    command("pane", "NAME", "go to a pane"),
    command("theme", "NAME", "choose the colours"),
    command(
        "mouse",
        "on|off",
        "hear the mouse, or leave it to the terminal",
    ),
    command("help", "", "keys and commands"),
    command("q", "", "leave the dashboard"),
];

/// Opens a prompt at the bottom.
pub(crate) fn open(model: &mut Model, purpose: Purpose) {
    let input = match purpose {
        Purpose::Filter => match screens::filter(model) {
            Some(filter) => Input::new(filter),
            None => {
                model.notify("there is nothing to filter here".to_owned(), Role::Warn);
                return;
            }
        },
        Purpose::Command | Purpose::HelpSearch => Input::default(),
    };
    model.prompt = Some(Prompt { purpose, input });
}

/// A key while a prompt is open.
pub(crate) fn pressed(model: &mut Model, key: KeyEvent) -> Vec<Cmd> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let Some(prompt) = &mut model.prompt else {
        return Vec::new();
    };
    let purpose = prompt.purpose;
    match key.code {
        KeyCode::Esc => {
            prompt.input.set("");
            changed(model);
            model.prompt = None;
        }
        KeyCode::Backspace if prompt.input.text().is_empty() => model.prompt = None,
        KeyCode::Enter => {
            let text = prompt.input.text().trim().to_owned();
            model.prompt = None;
            if purpose == Purpose::Command && !text.is_empty() {
                return run(model, &text);
            }
        }
        KeyCode::Tab if purpose == Purpose::Command => complete(model),
        KeyCode::Up | KeyCode::Down if purpose == Purpose::Command => {
            recall(model, key.code == KeyCode::Up);
        }
        _ => {
            if prompt.input.press(key) {
                changed(model);
            }
        }
    }
    Vec::new()
}

/// What was typed changed: filters apply at once.
pub(crate) fn changed(model: &mut Model) {
    let Some(prompt) = &model.prompt else { return };
    let text = prompt.input.text().to_owned();
    match prompt.purpose {
        Purpose::Command => {}
        Purpose::Filter => {
            if let Some(filter) = screens::filter(model) {
                *filter = text;
            }
        }
        Purpose::HelpSearch => model.overlay = Overlay::Help(0, text),
    }
}

/// What the word under the cursor can become.
#[must_use]
pub fn completions(model: &Model, text: &str) -> Vec<String> {
    let fits = |word: &&str, begun: &str| word.starts_with(begun);
    match text.split_once(' ') {
        None => COMMANDS
            .iter()
            .map(|command| command.name)
            .filter(|name| fits(name, text))
            .map(str::to_owned)
            .collect(),
        Some((name, begun)) => {
            let words: Vec<&str> = match name {
                "theme" => PALETTES.iter().map(|palette| palette.name()).collect(),
                "mouse" => vec!["on", "off"],
                "pane" => Pane::ALL.iter().map(|pane| pane.title()).collect(),
                "sort" => runs::Sort::ALL.iter().map(|sort| sort.name()).collect(),
                "attach" | "stop" | "kill" | "pause" | "resume" | "checkpoint" | "archive"
                | "chat" => model.runs.iter().map(|run| run.id.as_str()).collect(),
                _ => Vec::new(),
            };
            words
                .into_iter()
                .filter(|word| fits(word, begun))
                .map(|word| format!("{name} {word}"))
                .collect()
        }
    }
}

fn complete(model: &mut Model) {
    let Some(prompt) = &model.prompt else { return };
    let text = prompt.input.text().to_owned();
    let found = completions(model, &text);
    let Some(first) = found.first() else { return };
    let shared = found.iter().fold(first.clone(), |shared, other| {
        let same = shared
            .chars()
            .zip(other.chars())
            .take_while(|(left, right)| left == right);
        same.map(|(character, _)| character).collect()
    });
    if let Some(prompt) = &mut model.prompt
        && shared.len() >= text.len()
    {
        prompt.input.set(&shared);
    }
}

fn recall(model: &mut Model, back: bool) {
    let Some(prompt) = &mut model.prompt else {
        return;
    };
    let count = model.typed_before.len();
    let at = model
        .typed_before
        .iter()
        .position(|text| text == prompt.input.text());
    let to = match (at, back) {
        (None, true) => count.checked_sub(1),
        (Some(at), true) => Some(at.saturating_sub(1)),
        (Some(at), false) => Some(at + 1),
        (None, false) => None,
    };
    if let Some(to) = to {
        let text = model.typed_before.get(to).cloned().unwrap_or_default();
        prompt.input.set(&text);
    }
}

fn run(model: &mut Model, text: &str) -> Vec<Cmd> {
    model.typed_before.retain(|before| before != text);
    model.typed_before.push(text.to_owned());
    if model.typed_before.len() > KEPT {
        model.typed_before.remove(0);
    }
    let (name, argument) = text.split_once(' ').unwrap_or((text, ""));
    let argument = argument.trim();
    match carry_out(model, name, argument) {
        Ok(commands) => commands,
        Err(message) => {
            model.notify(message, Role::Bad);
            Vec::new()
        }
    }
}

fn carry_out(model: &mut Model, name: &str, argument: &str) -> Result<Vec<Cmd>, String> {
    let of_run = |action| Action::Runs(action);
    Ok(match name {
        "q" | "quit" => quit(model),
        "new" => act(model, Action::Show(ScreenKind::Launcher)),
        "compare" => act(model, Action::Runs(runs::Action::Compare)),
        "evaluate" => act(model, Action::Show(ScreenKind::Evaluate)),
        "models" => act(model, Action::Show(ScreenKind::Models)),
        "fetch" if argument.is_empty() => {
            return Err("fetch what? - allowed: OWNER/NAME or OWNER/NAME@REVISION".to_owned());
        }
        "fetch" => screens::models::fetch(model, argument),
        "chat" if argument.is_empty() => act(model, Action::Show(ScreenKind::Chat)),
        "chat" => screens::chat::begin(model, argument, argument),
        "help" => act(model, Action::Help),
        "attach" => selected(model, argument)?,
        "stop" => on_run(model, argument, of_run(runs::Action::Stop))?,
        "kill" => on_run(model, argument, of_run(runs::Action::Kill))?,
        "pause" => on_run(model, argument, of_run(runs::Action::Pause))?,
        "resume" => on_run(model, argument, of_run(runs::Action::Resume))?,
        "checkpoint" => on_run(model, argument, of_run(runs::Action::Checkpoint))?,
        "archive" => on_run(model, argument, of_run(runs::Action::Archive))?,
        "mark" => runs::mark_matching(model, argument),
        "filter" => {
            let filter = screens::filter(model).ok_or("there is nothing to filter here")?;
            argument.clone_into(filter);
            Vec::new()
        }
        "sort" => {
            let sort = runs::Sort::from_name(argument).ok_or_else(|| {
                let names: Vec<&str> = runs::Sort::ALL.iter().map(|sort| sort.name()).collect();
                format!(
                    "cannot sort by `{argument}` - allowed: {}",
                    names.join(", ")
                )
            })?;
            model.panes.runs.sort = sort;
            Vec::new()
        }
        "pane" => {
            let pane = Pane::ALL
                .into_iter()
                .find(|pane| pane.title().eq_ignore_ascii_case(argument))
                .ok_or_else(|| {
                    let names = Pane::ALL.map(Pane::title).join(", ");
                    format!("no pane `{argument}` - allowed: {names}")
                })?;
            focus(model, pane);
            Vec::new()
        }
        "mouse" => match argument {
            "on" => vec![Cmd::Mouse(true)],
            "off" => vec![Cmd::Mouse(false)],
            other => return Err(format!("mouse `{other}` - allowed: on, off")),
        },
        "theme" => {
            let palette = PALETTES
                .iter()
                .copied()
                .find(|palette| palette.name() == argument)
                .ok_or_else(|| {
                    let names: Vec<&str> = PALETTES.iter().map(|one| one.name()).collect();
                    format!("no theme `{argument}` - allowed: {}", names.join(", "))
                })?;
            model.theme = model.theme.with_palette(palette);
            Vec::new()
        }
        other => {
            let near = configs::nearest(other, COMMANDS.iter().map(|command| command.name));
            return Err(match near {
                Some(near) => format!("no command `{other}` - did you mean `{near}`?"),
                None => format!("no command `{other}` - ? lists them"),
            });
        }
    })
}

fn selected(model: &mut Model, argument: &str) -> Result<Vec<Cmd>, String> {
    if argument.is_empty() {
        return Ok(Vec::new());
    }
    let fitting: Vec<&str> = model
        .runs
        .iter()
        .map(|run| run.id.as_str())
        .filter(|id| id.contains(argument))
        .collect();
    let exact = fitting.iter().find(|id| **id == argument);
    match (exact, fitting.as_slice()) {
        (Some(id), _) | (None, [id]) => {
            let id = (*id).to_owned();
            Ok(select(model, id))
        }
        (None, []) => Err(format!("no run's name contains `{argument}`")),
        (None, several) => Err(format!(
            "`{argument}` fits {} runs - write more of the name",
            several.len()
        )),
    }
}

fn on_run(model: &mut Model, argument: &str, action: Action) -> Result<Vec<Cmd>, String> {
    let mut commands = selected(model, argument)?;
    if !argument.is_empty() {
        model.panes.runs.marked.clear();
    }
    commands.extend(act(model, action));
    Ok(commands)
}
