//! A configuration while someone works on it: a TOML document whose comments and order
//! survive, what it started from, its problems, and the command that gives the same.

use std::path::{Path, PathBuf};

use toml::Value;
use toml_edit::DocumentMut;

use crate::diff::{Difference, diff};
use crate::env::Environment;
use crate::field::{Field, FieldKind};
use crate::origin::{Origin, Origins};
use crate::presets;
use crate::problem::Problem;
use crate::run::{Job, RunConfig};
use crate::schema::Schema;
use crate::set::read_value;

mod command;
mod edit;
mod start;
mod step;

pub use command::quoted;
use edit::Shelf;
use start::{Base, State, parse};

/// What the draft's own text is called in problems.
const NAME: &str = "form";
/// Changes that can be taken back.
const LONGEST_HISTORY: usize = 200;

/// What a draft starts from, and what its command names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A built-in preset.
    Preset(String),
    /// A file, which says what the draft started with.
    File(PathBuf),
    /// Nothing that a command could name yet.
    Unsaved(String),
}

impl Target {
    /// A short name: of the preset, or of the file without folder and ending. The
    /// `config.toml` of a run is called after its folder.
    #[must_use]
    pub fn name(&self) -> String {
        let stem = |path: &Path| {
            path.file_stem()
                .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
        };
        match self {
            Self::Preset(name) | Self::Unsaved(name) => name.clone(),
            Self::File(path) if path.file_name().is_some_and(|name| name == "config.toml") => path
                .parent()
                .map(stem)
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| stem(path)),
            Self::File(path) => stem(path),
        }
    }
}

/// One setting as a form shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its row in the field table.
    pub field: &'static Field,
    /// The value as it is written in TOML, without quotes for text; `none` where an optional
    /// setting is absent.
    pub value: String,
    /// The value that the draft started with, in the same form; `none` where it had none.
    pub before: String,
    /// Whether the two differ.
    pub changed: bool,
    /// Where the value came from; none when it was set in the draft.
    pub origin: Option<Origin>,
}

/// A configuration in the making.
#[derive(Debug, Clone)]
pub struct Draft {
    target: Target,
    document: DocumentMut,
    shelf: Shelf,
    base: Base,
    state: State,
    /// Worked out once for each change, since forms ask for them with every picture.
    settings: Vec<Setting>,
    arguments: Option<Vec<String>>,
    history: Vec<(DocumentMut, Shelf)>,
}

impl Draft {
    /// A draft from a preset under the process's variables.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn preset(name: &str, environment: &Environment) -> Result<Self, Vec<Problem>> {
        let Some(preset) = presets::find(name) else {
            return Err(vec![crate::load::unknown_preset(name)]);
        };
        Self::start(Target::Preset(name.to_owned()), preset.text, environment)
    }

    /// A draft from the text of a file.
    ///
    /// # Errors
    /// The text is not TOML: every line that is wrong. Other problems stay in the draft.
    pub fn file(path: &Path, text: &str, environment: &Environment) -> Result<Self, Vec<Problem>> {
        Self::start(Target::File(path.to_owned()), text, environment)
    }

    /// A draft from a text that stands in no file, such as one that was mended in an editor.
    ///
    /// # Errors
    /// As [`Draft::file`].
    pub fn unsaved(
        name: &str,
        text: &str,
        environment: &Environment,
    ) -> Result<Self, Vec<Problem>> {
        Self::start(Target::Unsaved(name.to_owned()), text, environment)
    }

    fn start(target: Target, text: &str, environment: &Environment) -> Result<Self, Vec<Problem>> {
        let name = match &target {
            Target::File(path) => path.clone(),
            Target::Preset(name) | Target::Unsaved(name) => PathBuf::from(name),
        };
        let mut document = parse(&name, text)?;
        let base = Base::new(&target, text, environment);
        // From here on the variables' values are values of the draft.
        for (path, origin) in &base.origins.0 {
            if matches!(origin, Origin::Environment { .. }) {
                let value = base.config.values().remove(path);
                edit::write(&mut document, path, value.as_ref());
            }
        }
        let state = State::of(&document);
        let mut draft = Self {
            target,
            document,
            shelf: Shelf::default(),
            base,
            state,
            settings: Vec::new(),
            arguments: None,
            history: Vec::new(),
        };
        draft.base.document = draft.document.clone();
        draft.look();
        Ok(draft)
    }

    /// What it started from.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The job that the text names.
    #[must_use]
    pub fn job(&self) -> Job {
        self.state.config.job()
    }

    /// The text as it would be saved.
    #[must_use]
    pub fn text(&self) -> String {
        self.document.to_string()
    }

    /// Everything that is wrong or odd, in the order of the fields; what belongs to none of
    /// them comes first.
    #[must_use]
    pub fn problems(&self) -> Vec<&Problem> {
        let fields = self.job().fields();
        let place = |problem: &&Problem| {
            let inside = |field: &&Field| {
                field.path == problem.path
                    || field
                        .path
                        .strip_prefix(problem.path.as_str())
                        .is_some_and(|rest| rest.starts_with('.') && !problem.path.is_empty())
            };
            fields.iter().position(inside).map_or(0, |index| index + 1)
        };
        let mut problems: Vec<&Problem> = self
            .base
            .problems
            .iter()
            .chain(&self.state.problems)
            .collect();
        problems.sort_by_key(place);
        problems
    }

    /// The configuration, when nothing is wrong with it.
    #[must_use]
    pub fn ready(&self) -> Option<&RunConfig> {
        let wrong = self.problems().iter().any(|problem| problem.is_error());
        (!wrong).then_some(&self.state.config)
    }

    /// The configuration as far as it can be read: settings that are wrong have their default.
    #[must_use]
    pub fn config(&self) -> &RunConfig {
        &self.state.config
    }

    /// Where each value came from; `origin.json` of a run that is started from the draft. What
    /// was changed here counts as an argument of `--set`, as in the command.
    #[must_use]
    pub fn origins(&self) -> Origins {
        let values = self.state.config.values();
        let before = self.base.config.values();
        let origin = |path: &String, value: &Value| {
            if before.get(path) == Some(value) {
                return self.base.origins.get(path).clone();
            }
            let argument = format!("{path}={}", plain(value));
            Origin::Set { argument }
        };
        Origins(
            values
                .iter()
                .map(|(path, value)| (path.clone(), origin(path, value)))
                .collect(),
        )
    }

    /// The settings that exist for the chosen kinds, in the order of the field table.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The value of one setting as a form shows it, if it exists.
    #[must_use]
    pub fn setting(&self, path: &str) -> Option<Setting> {
        let found = self.settings.iter();
        let mut found = found.filter(|setting| setting.field.path == path);
        found.next().cloned()
    }

    /// What differs from the start.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        diff(&self.base.config, &self.state.config)
    }

    /// Whether anything was changed: the values, or only the text.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.document.to_string() != self.base.document.to_string()
    }

    /// Takes what was typed for a setting. A value that is not allowed is kept and becomes a
    /// problem, so that it can be corrected; `none` clears an optional setting. False when
    /// there is no such setting.
    pub fn set(&mut self, path: &str, text: &str) -> bool {
        let schema = Schema::of(self.job());
        let Some(field) = schema.field(path) else {
            return false;
        };
        let value = match field.read(text) {
            Ok(value) => value,
            Err(_) => {
                let read = read_value(text, Some(field));
                Some(read.unwrap_or_else(|_| Value::String(text.to_owned())))
            }
        };
        self.remember();
        self.write(field, value.as_ref());
        true
    }

    /// The next value up or down: the other truth, the next word, the next number that makes
    /// sense; nothing where there is none.
    #[must_use]
    pub fn stepped(&self, path: &str, up: bool) -> Option<String> {
        let setting = self.setting(path)?;
        step::step(setting.field, &setting.value, up)
    }

    /// Twice or half of a number, within its range.
    #[must_use]
    pub fn scaled(&self, path: &str, up: bool) -> Option<String> {
        let setting = self.setting(path)?;
        step::scale(setting.field, &setting.value, up)
    }

    /// Puts a setting back to what the draft started with.
    pub fn reset(&mut self, path: &str) {
        let schema = Schema::of(self.job());
        let Some(field) = schema.field(path) else {
            return;
        };
        let before = edit::read(&self.base.document, path);
        let written = self.base.config.values().remove(path);
        self.remember();
        // What the start did not write is left out again.
        let value = before.is_some().then_some(written).flatten();
        self.write(field, value.as_ref());
    }

    /// Takes back the last change; false when there is none.
    pub fn undo(&mut self) -> bool {
        let Some((document, shelf)) = self.history.pop() else {
            return false;
        };
        self.document = document;
        self.shelf = shelf;
        self.look();
        true
    }

    /// Takes a whole text, such as one that comes back from an editor.
    ///
    /// # Errors
    /// The text is not TOML; the draft stays as it was.
    pub fn replace(&mut self, text: &str) -> Result<(), Vec<Problem>> {
        let document = parse(Path::new(NAME), text)?;
        if text != self.text() {
            self.remember();
            self.document = document;
            self.shelf = Shelf::default();
            self.look();
        }
        Ok(())
    }

    /// The draft was saved to a file: from now on that is what it started from.
    pub fn saved(&mut self, path: &Path) {
        let target = Target::File(path.to_owned());
        self.base = Base::new(&target, &self.text(), &Environment::default());
        self.target = target;
        self.look();
    }

    /// The arguments after `concord` that run the same configuration: the job, the target, and
    /// what was changed. None while something is wrong, or without a target.
    #[must_use]
    pub fn arguments(&self) -> Option<&[String]> {
        self.arguments.as_deref()
    }

    fn all_settings(&self) -> Vec<Setting> {
        let values = self.state.config.values();
        let before = self.base.config.values();
        let word = |path: &str| values.get(path).and_then(Value::as_str);
        self.job()
            .fields()
            .into_iter()
            .filter(|field| field.exists(word))
            .map(|field| {
                let shown = |value: Option<&Value>| value.map_or("none".to_owned(), plain);
                let written = edit::read(&self.document, field.path);
                let value =
                    written.map_or_else(|| shown(values.get(field.path)), |item| edit::bare(&item));
                let before = shown(before.get(field.path));
                let changed = value != before;
                let origin = (!changed).then(|| self.base.origins.get(field.path).clone());
                Setting {
                    field,
                    value,
                    before,
                    changed,
                    origin,
                }
            })
            .collect()
    }

    fn all_arguments(&self) -> Option<Vec<String>> {
        let config = self.ready()?;
        let target = match &self.target {
            Target::Preset(name) => name.clone(),
            Target::File(path) => path.display().to_string(),
            Target::Unsaved(_) => return None,
        };
        let mut arguments = vec![config.job().name().to_owned(), target];
        arguments.extend(command::changes(
            config,
            &self.base.config,
            self.base.plain.as_ref(),
        ));
        Some(arguments)
    }

    fn write(&mut self, field: &Field, value: Option<&Value>) {
        let is_tag = matches!(field.kind, FieldKind::Variant { .. });
        if is_tag {
            self.shelf.put_back(&mut self.document);
        }
        edit::write(&mut self.document, field.path, value);
        if is_tag {
            self.shelve();
        }
        self.look();
    }

    /// Takes settings that the chosen kinds do not have out of the document, and keeps them
    /// for when the kinds change back.
    fn shelve(&mut self) {
        let config = State::of(&self.document).config;
        let values = config.values();
        let word = |path: &str| values.get(path).and_then(Value::as_str);
        let fields = config.job().fields();
        let gone = fields.iter().filter(|field| !field.exists(word));
        let gone: Vec<&str> = gone.map(|field| field.path).collect();
        self.shelf.take(&mut self.document, &gone);
    }

    fn remember(&mut self) {
        if self.history.len() == LONGEST_HISTORY {
            self.history.remove(0);
        }
        self.history
            .push((self.document.clone(), self.shelf.clone()));
    }

    fn look(&mut self) {
        self.state = State::of(&self.document);
        self.settings = self.all_settings();
        self.arguments = self.all_arguments();
    }
}

/// A value without the quotes of text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => edit::grouped(*number),
        Value::Float(number) => format!("{number:?}"),
        other => other.to_string(),
    }
}
