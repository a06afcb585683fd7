//! Scores, curves over checkpoints, tournaments and sweeps: chosen in a form, played by a
//! process of its own, kept in folders that this screen lists and shows.

use ratatui::crossterm::event::KeyCode::Enter;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use tracking::evaluation::{EvaluationState, Results};

use crate::host;
use crate::keys::Move;
use crate::model::Model;
use crate::sheet::Sheet;
use crate::sheet::evaluation as tables;
use crate::theme::Role;
use crate::update::Cmd;
use crate::widgets::input::Input;

mod actions;
mod answers;
mod drawing;
pub mod form;
mod language;
pub mod requests;
mod results;

pub use actions::{Action, BINDINGS};
pub(crate) use answers::answered;
pub(crate) use drawing::{clicked, draw};
use form::{Field, Form};
pub(crate) use language::measured;
use requests::Request;

/// Seconds between two looks at the folders while something is played.
const LOOK_EVERY: f64 = 2.0;

/// A part of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// The form.
    #[default]
    Form,
    /// Evaluations of this folder of runs.
    Earlier,
    /// Results of one.
    Tables,
}

impl Part {
    const ALL: [Part; 3] = [Part::Form, Part::Earlier, Part::Tables];

    fn title(self) -> &'static str {
        match self {
            Part::Form => "New evaluation",
            Part::Earlier => "Evaluations",
            Part::Tables => "Results",
        }
    }

    fn step(self, by: usize) -> Part {
        let at = Part::ALL.iter().position(|part| *part == self);
        Part::ALL[(at.unwrap_or(0) + by) % Part::ALL.len()]
    }
}

/// An evaluation in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The folder's name.
    pub id: String,
    /// The word for what is compared.
    pub kind: String,
    /// Where it stands.
    pub state: EvaluationState,
    /// Games that are played.
    pub done: usize,
    /// Games in all.
    pub units: usize,
    /// Policies that take part.
    pub policies: usize,
    /// When it was made, in Unix seconds.
    pub created: f64,
}

/// Results on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The evaluation.
    pub id: String,
    /// What it came to.
    pub results: Results,
    /// The same as tables.
    pub sheets: Vec<Sheet>,
    /// The table that is shown.
    pub table: usize,
    /// Lines and cells that are scrolled past.
    pub scroll: (usize, usize),
}

/// What is typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Typing {
    /// The value of a field.
    Field(Field, Input),
    /// Where results are written.
    Export(Input),
}

/// What it remembers.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The part with the focus.
    pub part: Part,
    /// What is to be evaluated.
    pub form: Form,
    /// The chosen line of the form.
    pub line: usize,
    /// Every evaluation, newest first.
    pub listed: Vec<Listed>,
    /// Whether the list was read.
    pub loaded: bool,
    /// The chosen evaluation.
    pub chosen: Option<String>,
    /// Results that are shown.
    pub shown: Option<Shown>,
    /// What is typed.
    pub typing: Option<Typing>,
    /// When the folders were last looked at.
    pub looked: f64,
    /// Why there are no results, or no list.
    pub problem: Option<String>,
}

impl State {
    /// The chosen evaluation.
    #[must_use]
    pub fn chosen(&self) -> Option<&Listed> {
        let id = self.chosen.as_deref()?;
        self.listed.iter().find(|one| one.id == id)
    }

    fn field(&self) -> Field {
        let fields = self.form.fields();
        let line = self.line.min(fields.len().saturating_sub(1));
        fields.get(line).copied().unwrap_or(Field::What)
    }
}

fn ask(request: Request) -> Cmd {
    Cmd::Ask(host::Request::Evaluation(request))
}

/// The screen was opened: the form is about the marked runs, or the selected one.
pub(crate) fn opened(model: &mut Model) -> Vec<Cmd> {
    let marked = &model.panes.runs.marked;
    let mut names: Vec<String> = marked.iter().cloned().collect();
    if names.is_empty() {
        names.extend(model.selected.clone());
    }
    let all_of = |job: &str| {
        let is_of = |id: &String| {
            let run = model.runs.iter().find(|run| run.id == *id);
            run.is_some_and(|run| run.job == job)
        };
        !names.is_empty() && names.iter().all(is_of)
    };
    if all_of("finetune") {
        return language::opened(model, &names);
    }
    let searches = all_of("search");
    let state = &mut model.evaluate;
    if searches != state.form.is_recorded() {
        state.form = Form::default();
        if searches {
            state.form.set_recorded();
        }
    }
    if !names.is_empty() {
        let mut untouched = state.form.clone();
        untouched.set(Field::Policies, "");
        if names.len() > 1 && untouched == Form::default() {
            state.form.set(Field::What, "tournament");
        }
        state.form.set(Field::Policies, &names.join(" "));
    }
    state.part = Part::Form;
    state.typing = None;
    state.looked = model.now;
    vec![ask(Request::List)]
}

/// Time passed: looks again at what is being played.
pub(crate) fn tick(model: &mut Model) -> Vec<Cmd> {
    let (now, state) = (model.now, &mut model.evaluate);
    let running = |one: &Listed| one.state == EvaluationState::Running;
    let due = (now - state.looked).abs() >= LOOK_EVERY;
    if model.screen != crate::screens::ScreenKind::Evaluate
        || !due
        || !state.listed.iter().any(running)
    {
        return Vec::new();
    }
    state.looked = now;
    vec![ask(Request::List)]
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    let state = &mut model.evaluate;
    match action {
        Action::NextPart => state.part = state.part.step(1),
        Action::PreviousPart => state.part = state.part.step(Part::ALL.len() - 1),
        Action::Open => return open(model),
        Action::More => sideways(state, true),
        Action::Less => sideways(state, false),
        Action::Start => return start(model),
        Action::Cancel => return cancel(model),
        Action::Continue => return go_on(model),
        Action::Copy => {
            let command = state.form.command(&model.root);
            model.notify(format!("copied: {command}"), Role::Ok);
            return vec![Cmd::Copy(command)];
        }
        Action::Export => match &state.shown {
            Some(shown) => {
                let name = format!("{}.md", shown.id.replace(' ', "-"));
                state.typing = Some(Typing::Export(Input::new(&name)));
            }
            None => model.notify(
                "open an evaluation first: its results are exported".to_owned(),
                Role::Warn,
            ),
        },
        Action::NextTable => turn(state, 1),
        Action::PreviousTable => turn(state, usize::MAX),
    }
    Vec::new()
}

fn open(model: &mut Model) -> Vec<Cmd> {
    let state = &mut model.evaluate;
    match state.part {
        Part::Form => {
            let field = state.field();
            if Form::is_choice(field) {
                state.form.step(field, true);
            } else {
                let input = Input::new(state.form.text(field));
                state.typing = Some(Typing::Field(field, input));
            }
            Vec::new()
        }
        Part::Earlier => match state.chosen().map(|one| one.id.clone()) {
            Some(id) => {
                state.part = Part::Tables;
                vec![ask(Request::Read(id))]
            }
            None => Vec::new(),
        },
        Part::Tables => Vec::new(),
    }
}

fn sideways(state: &mut State, forward: bool) {
    match (state.part, &mut state.shown) {
        (Part::Form, _) => state.form.step(state.field(), forward),
        (Part::Tables, Some(shown)) if forward => shown.scroll.1 += 8,
        (Part::Tables, Some(shown)) => shown.scroll.1 = shown.scroll.1.saturating_sub(8),
        _ => {}
    }
}

/// Turns to another table; `usize::MAX` is one back.
fn turn(state: &mut State, by: usize) {
    if let Some(shown) = &mut state.shown {
        let count = shown.sheets.len().max(1);
        shown.table = (shown.table + if by == 1 { 1 } else { count - 1 }) % count;
        shown.scroll = (0, 0);
    }
}

fn start(model: &mut Model) -> Vec<Cmd> {
    let state = &mut model.evaluate;
    if let Some((field, problem)) = state.form.first_problem() {
        let fields = state.form.fields();
        state.line = fields.iter().position(|one| *one == field).unwrap_or(0);
        state.part = Part::Form;
        model.notify(format!("{}: {problem}", field.label()), Role::Bad);
        return Vec::new();
    }
    let arguments = state.form.arguments();
    model.notify("starting the evaluation".to_owned(), Role::Ok);
    vec![ask(Request::Start(arguments))]
}

fn cancel(model: &mut Model) -> Vec<Cmd> {
    match model.evaluate.chosen() {
        Some(one) if one.state == EvaluationState::Running => {
            vec![ask(Request::Cancel(one.id.clone()))]
        }
        Some(one) => {
            let text = format!("{} is not running", one.id);
            model.notify(text, Role::Warn);
            Vec::new()
        }
        None => Vec::new(),
    }
}

fn go_on(model: &mut Model) -> Vec<Cmd> {
    let refused = match model.evaluate.chosen() {
        None => return Vec::new(),
        Some(one) => match one.state {
            EvaluationState::Running => "is being played",
            EvaluationState::Done => "is complete",
            EvaluationState::Interrupted | EvaluationState::Failed => {
                let jobs = model.evaluate.form.text(Field::Jobs).parse().unwrap_or(1);
                let id = one.id.clone();
                return vec![ask(Request::Resume { id, jobs })];
            }
        },
    };
    let id = model.evaluate.chosen.clone().unwrap_or_default();
    model.notify(format!("{id} {refused}"), Role::Warn);
    Vec::new()
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    let state = &mut model.evaluate;
    match state.part {
        Part::Form => state.line = by.apply(state.line, state.form.fields().len()),
        Part::Earlier => {
            let at = state.listed.iter();
            let mut at = at.map(|one| Some(one.id.as_str()));
            let at = at.position(|id| id == state.chosen.as_deref());
            let next = by.apply(at.unwrap_or(0), state.listed.len());
            state.chosen = state.listed.get(next).map(|one| one.id.clone());
        }
        Part::Tables => {
            if let Some(shown) = &mut state.shown {
                let lines = shown
                    .sheets
                    .get(shown.table)
                    .map_or(0, |one| one.rows.len());
                shown.scroll.0 = by.apply(shown.scroll.0, lines + 1);
            }
        }
    }
    Vec::new()
}

pub(crate) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    let state = &mut model.evaluate;
    let mut typing = state.typing.take()?;
    match key.code {
        KeyCode::Esc => return Some(Vec::new()),
        Enter => {
            return Some(match typing {
                Typing::Field(field, input) => {
                    state.form.set(field, input.text());
                    Vec::new()
                }
                Typing::Export(input) => export(model, input.text()),
            });
        }
        _ => {}
    }
    match &mut typing {
        Typing::Field(_, input) | Typing::Export(input) => {
            input.press(key);
        }
    }
    state.typing = Some(typing);
    Some(Vec::new())
}

/// The shown results in the form that the ending of the path names.
fn export(model: &mut Model, path: &str) -> Vec<Cmd> {
    let Some(shown) = &model.evaluate.shown else {
        return Vec::new();
    };
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    let text = match ending {
        "md" => Some(tables::to_markdown(&shown.results)),
        "csv" => shown.sheets.get(shown.table).map(Sheet::to_csv),
        "json" => serde_json::to_string_pretty(&tables::to_json(&shown.results, None))
            .ok()
            .map(|text| text + "\n"),
        _ => None,
    };
    match text {
        Some(text) => vec![Cmd::Ask(host::Request::Save {
            path: path.to_owned(),
            text,
            replace: false,
        })],
        None => {
            model.notify(
                format!("{path}: unknown ending - allowed: .md, .csv (the shown table), .json"),
                Role::Bad,
            );
            model.evaluate.typing = Some(Typing::Export(Input::new(path)));
            Vec::new()
        }
    }
}

/// One level back; `false` at the first level.
pub(crate) fn back(model: &mut Model) -> bool {
    let state = &mut model.evaluate;
    if state.typing.take().is_some() {
        return true;
    }
    if state.part == Part::Tables {
        state.part = Part::Earlier;
        return true;
    }
    false
}
