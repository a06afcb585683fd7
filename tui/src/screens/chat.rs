//! Talking to a model: what it says as it says it, and how likely each token of it was.
//!
//! A worker of its own holds the model; it ends with the screen.

use crate::host;
use crate::keys::Move;
use crate::model::{Confirmation, Model, Question};
use crate::screens::ScreenKind;
use crate::theme::Role;
use crate::update::Cmd;
use crate::widgets::editor::Editor;
use crate::widgets::input::Input;

mod answers;
mod drawing;
mod keys;
mod panels;
pub mod protocol;
pub mod requests;
pub mod settings;
mod tokens;
pub mod turn;
mod typing;

pub(crate) use answers::{answered, saved};
pub(crate) use drawing::{draw, footer};
pub use keys::{Action, BINDINGS};
use protocol::{Order, Ready};
use requests::Request;
use settings::{SYSTEM, Settings};
use turn::{Turn, Who};
pub(crate) use typing::{pasted, typed};

/// How the worker is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Stand {
    /// There is none.
    #[default]
    Closed,
    /// It loads the model since then.
    Loading(f64),
    /// It listens.
    Ready(Ready),
    /// It ended: why.
    Ended(String),
}

/// An answer that is being written.
#[derive(Clone, Debug, PartialEq)]
pub struct Writing {
    /// When it was asked for.
    pub asked: f64,
    /// When its first token came.
    pub first: Option<f64>,
    /// When the worker was last heard.
    pub heard: f64,
    /// Whether it was asked to stop.
    pub stopping: bool,
    /// What is put back should there be no answer, as the worker does it.
    undo: Undo,
}

/// What the conversation was before an answer was asked for.
#[derive(Clone, Debug, PartialEq)]
enum Undo {
    /// Without these words of the user.
    Said(String),
    /// With another answer.
    Answered(Box<Turn>),
}

/// What the keys do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They write.
    #[default]
    Write,
    /// They move in the conversation and do things.
    Read,
    /// They move over tokens.
    Tokens,
}

/// What lies over the conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Popup {
    /// Nothing.
    #[default]
    None,
    /// The settings: the chosen one, and what is typed for it.
    Settings(usize, Option<Input>),
    /// The file that the conversation is written to.
    Save(Input),
}

/// What it remembers.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The worker's number.
    pub id: u64,
    /// The model as the user knows it.
    pub name: String,
    /// The model as the worker is told it.
    pub target: String,
    /// How the worker is.
    pub stand: Stand,
    /// The conversation.
    pub turns: Vec<Turn>,
    /// What the worker said before the conversation.
    pub notes: Vec<String>,
    /// The answer being written.
    pub writing: Option<Writing>,
    /// What the keys do.
    pub mode: Mode,
    /// What is being written.
    pub editor: Editor,
    /// What was said before, for the arrows.
    said: Vec<String>,
    /// What lies over the conversation.
    pub popup: Popup,
    /// How answers are sampled.
    pub settings: Settings,
    /// Whether thinking is unfolded.
    pub unfolded: bool,
    /// Rows that are scrolled up from the end.
    pub up: usize,
    /// The token with the cursor: its turn and its number.
    pub cursor: (usize, usize),
    /// Whether something was said that is in no file.
    pub unsaved: bool,
    /// Where the screen goes when it is left.
    leave_to: ScreenKind,
    /// Whether it was opened from the screen of models.
    from_models: bool,
}

impl State {
    /// Whether the worker writes.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Rows of the conversation: a heading, the text and a gap for each turn. Tokens have a row of
    /// bars below each row of text.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.turns.iter().map(|turn| self.rows_of(turn)).sum()
    }

    fn rows_of(&self, turn: &Turn) -> usize {
        let text = turn.height(self.folded());
        let bars = if self.has_bars(turn) { text } else { 0 };
        2 + text + bars
    }

    fn has_bars(&self, turn: &Turn) -> bool {
        self.mode == Mode::Tokens && !turn.tokens.is_empty()
    }

    /// Whether thinking is folded; over tokens all of it is shown.
    fn folded(&self) -> bool {
        !self.unfolded && self.mode != Mode::Tokens
    }

    fn last_answer(&self) -> Option<usize> {
        self.turns.iter().rposition(|turn| turn.who == Who::Model)
    }
}

fn ask(request: Request) -> Cmd {
    Cmd::Ask(host::Request::Chat(request))
}

fn order(state: &State, order: Order) -> Cmd {
    ask(Request::Tell(state.id, order))
}

/// Begins a chat with a model.
pub(crate) fn begin(model: &mut Model, name: &str, target: &str) -> Vec<Cmd> {
    let from_models = model.screen == ScreenKind::Models;
    let mut commands = closed(model);
    model.screen = ScreenKind::Chat;
    let state = &mut model.chat;
    *state = State {
        id: state.id,
        name: name.to_owned(),
        target: target.to_owned(),
        settings: state.settings.clone(),
        from_models,
        ..State::default()
    };
    commands.extend(start(model));
    commands
}

fn start(model: &mut Model) -> Vec<Cmd> {
    let now = model.now;
    let state = &mut model.chat;
    state.id += 1;
    state.notes.clear();
    state.stand = Stand::Loading(now);
    state.writing = None;
    vec![ask(Request::Open {
        id: state.id,
        model: state.target.clone(),
    })]
}

/// The screen was opened without a model: the last one's again, or the list of models.
pub(crate) fn opened(model: &mut Model) -> Vec<Cmd> {
    if model.chat.target.is_empty() {
        return crate::screens::open(model, ScreenKind::Models);
    }
    let (name, target) = (model.chat.name.clone(), model.chat.target.clone());
    begin(model, &name, &target)
}

/// The screen was left: the worker ends.
pub(crate) fn closed(model: &mut Model) -> Vec<Cmd> {
    let state = &mut model.chat;
    state.writing = None;
    match std::mem::take(&mut state.stand) {
        Stand::Closed | Stand::Ended(_) => Vec::new(),
        Stand::Loading(_) | Stand::Ready(_) => vec![ask(Request::Close(state.id))],
    }
}

/// Asks before the screen is left while a conversation is not saved; whether it asked.
pub(crate) fn holds(model: &mut Model, to: ScreenKind) -> bool {
    model.chat.leave_to = to;
    if !model.chat.unsaved {
        return false;
    }
    model.ask(Question::Confirm(Confirmation {
        title: "Leave the chat?".to_owned(),
        lines: vec![
            "The conversation is in no file, and the model's worker ends.".to_owned(),
            "w writes it to one.".to_owned(),
        ],
        yes: "leave".to_owned(),
        commands: Vec::new(),
        action: Some(crate::keys::Action::Chat(Action::Leave)),
    }));
    true
}

/// Says what was written.
fn send(model: &mut Model) -> Vec<Cmd> {
    let now = model.now;
    let text = model.chat.editor.text().trim().to_owned();
    if text.is_empty() {
        return Vec::new();
    }
    if let Some(refused) = refusal(&model.chat) {
        model.notify(refused, Role::Warn);
        return Vec::new();
    }
    let width = drawing::text_width(model);
    let state = &mut model.chat;
    state.editor.set("");
    state.said.retain(|before| *before != text);
    state.said.push(text.clone());
    state.turns.push(Turn::new(Who::User, &text, width));
    answer_begins(state, width, now, Undo::Said(text.clone()));
    vec![order(state, Order::Say(text))]
}

/// Why nothing can be said now.
fn refusal(state: &State) -> Option<String> {
    match (&state.stand, state.is_writing()) {
        (Stand::Closed | Stand::Ended(_), _) => {
            Some("the worker ended; Esc, then r starts it again".to_owned())
        }
        (_, true) => Some("the answer is being written; Esc interrupts it".to_owned()),
        _ => None,
    }
}

fn answer_begins(state: &mut State, width: usize, now: f64, undo: Undo) {
    state.turns.push(Turn::new(Who::Model, "", width));
    state.unsaved = true;
    state.up = 0;
    state.writing = Some(Writing {
        asked: now,
        first: None,
        heard: now,
        stopping: false,
        undo,
    });
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    let state = &mut model.chat;
    match action {
        Action::Write => {
            state.mode = Mode::Write;
            state.up = 0;
        }
        Action::Stop => return interrupted(model).unwrap_or_default(),
        Action::Retry => return retry(model),
        Action::Clear => return clear(model),
        Action::Settings => state.popup = Popup::Settings(0, None),
        Action::Fold => state.unfolded = !state.unfolded,
        Action::Tokens => tokens::toggle(model),
        Action::NextToken => tokens::step(state, true),
        Action::PreviousToken => tokens::step(state, false),
        Action::Unlikely(forward) => {
            if !tokens::unlikely(state, forward) {
                model.notify("no further token below 10 percent".to_owned(), Role::Muted);
            }
        }
        Action::Save if state.turns.is_empty() => {
            model.notify("nothing was said yet".to_owned(), Role::Warn);
        }
        Action::Save => state.popup = Popup::Save(Input::new("conversation.json")),
        Action::Copy => {
            if let Some(at) = state.last_answer() {
                let text = state.turns[at].raw.clone();
                model.notify("copied the last answer".to_owned(), Role::Ok);
                return vec![Cmd::Copy(text)];
            }
        }
        Action::Forget => return forget(state),
        Action::Leave => {
            state.unsaved = false;
            let to = state.leave_to;
            return crate::screens::open(model, to);
        }
    }
    Vec::new()
}

/// Interrupts the answer; a worker that was asked before and does not react is ended. `None` where
/// nothing is being written.
pub(crate) fn interrupted(model: &mut Model) -> Option<Vec<Cmd>> {
    let state = &mut model.chat;
    let writing = state.writing.as_mut()?;
    if !writing.stopping {
        writing.stopping = true;
        return Some(vec![order(state, Order::Stop(true))]);
    }
    let commands = closed(model);
    model.chat.stand = Stand::Ended("it did not react and was ended".to_owned());
    Some(commands)
}

fn retry(model: &mut Model) -> Vec<Cmd> {
    if matches!(model.chat.stand, Stand::Closed | Stand::Ended(_)) {
        return start(model);
    }
    if let Some(refused) = refusal(&model.chat) {
        model.notify(refused, Role::Warn);
        return Vec::new();
    }
    let Some(last) = model.chat.last_answer() else {
        model.notify("there is no answer yet".to_owned(), Role::Warn);
        return Vec::new();
    };
    let (now, width) = (model.now, drawing::text_width(model));
    let state = &mut model.chat;
    let before = state.turns.remove(last);
    state.turns.truncate(last);
    answer_begins(state, width, now, Undo::Answered(Box::new(before)));
    tokens::settle(state);
    vec![order(state, Order::Retry(true))]
}

fn clear(model: &mut Model) -> Vec<Cmd> {
    let state = &mut model.chat;
    if state.is_writing() {
        model.notify(
            "the answer is being written; Esc interrupts it".to_owned(),
            Role::Warn,
        );
        return Vec::new();
    }
    if state.unsaved {
        model.ask(Question::Confirm(Confirmation {
            title: "Forget this conversation?".to_owned(),
            lines: vec!["It is in no file; w writes it to one.".to_owned()],
            yes: "forget it".to_owned(),
            commands: Vec::new(),
            action: Some(crate::keys::Action::Chat(Action::Forget)),
        }));
        return Vec::new();
    }
    forget(state)
}

fn forget(state: &mut State) -> Vec<Cmd> {
    state.unsaved = false;
    state.turns.clear();
    state.up = 0;
    state.mode = Mode::Write;
    match state.stand {
        Stand::Ready(_) | Stand::Loading(_) => vec![order(state, Order::Forget(true))],
        Stand::Closed | Stand::Ended(_) => Vec::new(),
    }
}

/// The orders that bring the worker the settings.
fn settings_orders(state: &State) -> Vec<Cmd> {
    // Before it is ready its own values are not known, and it is told once it is.
    let Stand::Ready(ready) = &state.stand else {
        return Vec::new();
    };
    vec![
        order(state, Order::System(state.settings.of(SYSTEM).to_owned())),
        order(
            state,
            Order::Settings(state.settings.for_worker(&ready.settings)),
        ),
    ]
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    if model.chat.mode == Mode::Tokens {
        tokens::moved(&mut model.chat, by);
        return Vec::new();
    }
    let page = drawing::page(model);
    let state = &mut model.chat;
    let most = state.rows().saturating_sub(page);
    state.up = match by {
        Move::Lines(by) => state.up.saturating_add_signed(by.saturating_neg()),
        Move::Pages(by) => state
            .up
            .saturating_add_signed(by.saturating_mul(page.max(1) as isize).saturating_neg()),
        Move::Top => most,
        Move::Bottom => 0,
    }
    .min(most);
    Vec::new()
}

/// One level back; `false` at the first level.
pub(crate) fn back(model: &mut Model) -> bool {
    if model.chat.mode == Mode::Tokens {
        model.chat.mode = Mode::Read;
        return true;
    }
    false
}

/// Where Esc leads from here.
pub(crate) fn parent(model: &Model) -> ScreenKind {
    if model.chat.from_models {
        ScreenKind::Models
    } else {
        ScreenKind::Dashboard
    }
}

/// The rows of the conversation fit the terminal again.
pub(crate) fn settle(model: &mut Model) {
    if model.screen != ScreenKind::Chat {
        return;
    }
    let width = drawing::text_width(model);
    if model.chat.turns.iter().any(|turn| turn.width() != width) {
        for turn in &mut model.chat.turns {
            turn.resize(width);
        }
    }
}
