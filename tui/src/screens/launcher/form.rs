//! The form: a draft, what is focused in it, and what the program around says about it.

use configs::draft::{Draft, Setting, Target};
use configs::{Job, Problem};

use crate::host::Budgets;
use crate::keys::Move;
use crate::pattern::Pattern;
use crate::plan::JobPlan;

/// A form over a draft.
#[derive(Clone, Debug)]
pub struct Form {
    /// The configuration in the making.
    pub draft: Draft,
    /// Path of the focused setting, or `!N` for a problem that belongs to none.
    pub(super) focus: String,
    /// Whether advanced settings are shown.
    pub(super) advanced: bool,
    /// Number of the last plan that was asked for.
    pub(super) asked: u64,
    /// The last plan that came, or what the environment does not take, with its number.
    pub(super) planned: Option<(u64, Planned)>,
    /// Name of the run; empty for the target's.
    pub(super) name: String,
    /// Seeds to be run.
    pub(super) seeds: String,
    /// Whether it waits in the queue.
    pub(super) queued: bool,
    /// Budgets to be tried one after the other; empty for the one that is set.
    pub(super) budgets: String,
}

/// A plan, or what the environment does not take.
pub(super) type Planned = Result<Box<JobPlan>, Vec<Problem>>;

/// A row of the form.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Row {
    /// The name of a section.
    Heading(String),
    /// A problem that belongs to no setting on show.
    Problem(usize, Problem),
    /// A setting with its problems.
    Setting(Setting, Vec<Problem>),
}

impl Row {
    /// What [`Form::focus`] says when this row is focused; nothing for headings.
    pub(super) fn key(&self) -> Option<String> {
        match self {
            Self::Heading(_) => None,
            Self::Problem(index, _) => Some(format!("!{index}")),
            Self::Setting(setting, _) => Some(setting.field.path.to_owned()),
        }
    }

    pub(super) fn has_error(&self) -> bool {
        match self {
            Self::Heading(_) => false,
            Self::Problem(_, problem) => problem.is_error(),
            Self::Setting(_, problems) => problems.iter().any(Problem::is_error),
        }
    }

    fn has_problem(&self) -> bool {
        match self {
            Self::Heading(_) => false,
            Self::Problem(..) => true,
            Self::Setting(_, problems) => !problems.is_empty(),
        }
    }
}

impl Form {
    pub(super) fn new(draft: Draft) -> Self {
        let mut form = Self {
            draft,
            focus: String::new(),
            advanced: false,
            asked: 0,
            planned: None,
            name: String::new(),
            seeds: "1".to_owned(),
            queued: false,
            budgets: String::new(),
        };
        form.focus_first("");
        form
    }

    /// What it started from, in words.
    pub(super) fn source(&self) -> String {
        match self.draft.target() {
            Target::Preset(name) => format!("preset {name}"),
            Target::File(path) => path.display().to_string(),
            Target::Unsaved(name) => format!("{name}, not saved"),
        }
    }

    /// The plan of the draft as it is now, if it has come.
    pub(super) fn plan(&self) -> Option<&JobPlan> {
        match &self.planned {
            Some((number, Ok(plan))) if *number == self.asked => Some(plan),
            _ => None,
        }
    }

    /// All problems: of the draft, and of its environment.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.draft.problems().into_iter().cloned().collect();
        if let Some((number, Err(found))) = &self.planned
            && *number == self.asked
        {
            problems.extend(found.iter().cloned());
        }
        problems
    }

    /// How many of them stand against a start.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.problems()
            .iter()
            .filter(|problem| problem.is_error())
            .count()
    }

    /// Settings that differ from the start.
    pub(super) fn changed(&self) -> usize {
        self.draft
            .settings()
            .iter()
            .filter(|setting| setting.changed)
            .count()
    }

    /// The rows on show: what is advanced only when asked for, changed or wrong.
    pub(super) fn rows(&self, filter: &str) -> Vec<Row> {
        let problems = self.problems();
        let settings = self.draft.settings().to_vec();
        let pattern = Pattern::new(filter);
        let mut rows = Vec::new();
        let is_of = |problem: &Problem, path: &str| problem.path == path;
        for (index, problem) in problems.iter().enumerate() {
            if !settings
                .iter()
                .any(|setting| is_of(problem, setting.field.path))
            {
                rows.push(Row::Problem(index, problem.clone()));
            }
        }
        let mut section = String::new();
        for setting in settings {
            let path = setting.field.path;
            let own: Vec<Problem> = problems
                .iter()
                .filter(|problem| is_of(problem, path))
                .cloned()
                .collect();
            let hidden = setting.field.advanced && !self.advanced;
            if hidden && !setting.changed && own.is_empty() && pattern.is_empty() {
                continue;
            }
            let field = setting.field;
            let text = format!(
                "{path} {} {} {}",
                field.label,
                field.help,
                field.aliases.join(" ")
            );
            if !pattern.matches(&text) {
                continue;
            }
            let name = heading(path);
            if name != section {
                rows.push(Row::Heading(name.clone()));
                section = name;
            }
            rows.push(Row::Setting(setting, own));
        }
        rows
    }

    /// Index of the focused row; the first one while the focused one is not on show.
    pub(super) fn focused(&self, rows: &[Row]) -> Option<usize> {
        let is_focused = |row: &Row| row.key().as_deref() == Some(self.focus.as_str());
        let first = || rows.iter().position(|row| row.key().is_some());
        rows.iter().position(is_focused).or_else(first)
    }

    /// The focused setting, when it is one.
    pub(super) fn setting(&self) -> Option<Setting> {
        self.draft.setting(&self.focus)
    }

    /// Focuses the first row when the focused one is not on show.
    pub(super) fn focus_first(&mut self, filter: &str) {
        let rows = self.rows(filter);
        if let Some(key) = self.focused(&rows).and_then(|index| rows[index].key()) {
            self.focus = key;
        }
    }

    pub(super) fn moved(&mut self, by: Move, filter: &str) {
        self.focus_first(filter);
        let keys: Vec<String> = self.rows(filter).iter().filter_map(Row::key).collect();
        let at = keys.iter().position(|key| *key == self.focus).unwrap_or(0);
        if let Some(key) = keys.get(by.apply(at, keys.len())) {
            self.focus.clone_from(key);
        }
    }

    /// Focuses the next row with a problem, errors before warnings; false when there is none.
    pub(super) fn next_problem(&mut self, filter: &str, forward: bool) -> bool {
        let rows = self.rows(filter);
        let any_error = rows.iter().any(Row::has_error);
        let wanted = |row: &&Row| {
            if any_error {
                row.has_error()
            } else {
                row.has_problem()
            }
        };
        let at = self.focused(&rows).unwrap_or(0);
        let after = rows.iter().skip(at + 1).chain(rows.iter().take(at + 1));
        let before = rows.iter().take(at).rev().chain(rows.iter().skip(at).rev());
        let found = if forward {
            after.filter(wanted).find_map(Row::key)
        } else {
            before.filter(wanted).find_map(Row::key)
        };
        let Some(key) = found else { return false };
        self.focus = key;
        true
    }

    /// The command that does the same as a start from here, quoted for a shell.
    #[must_use]
    pub fn command(&self, root: &str) -> Option<String> {
        if self.errors() > 0 {
            return None;
        }
        let mut words = vec!["concord".to_owned()];
        words.extend_from_slice(self.draft.arguments()?);
        if !self.name.is_empty() {
            words.extend(["--name".to_owned(), self.name.clone()]);
        }
        match self.seed_count() {
            Some(count) if count > 1 => words.extend(["--seeds".to_owned(), count.to_string()]),
            _ => {}
        }
        if let Ok(Some(budgets)) = self.sweep() {
            words.extend(["--sweep".to_owned(), budgets.written()]);
        }
        if root != "runs" {
            words.extend(["--run-dir".to_owned(), root.to_owned()]);
        }
        let quoted: Vec<String> = words
            .iter()
            .map(|word| configs::draft::quoted(word))
            .collect();
        Some(quoted.join(" "))
    }

    /// Whether it is of a search, whose budget can be swept.
    pub(super) fn searches(&self) -> bool {
        self.draft.config().job() == Job::Search
    }

    /// The budgets to be tried; none for the one that is set.
    pub(super) fn sweep(&self) -> Result<Option<Budgets>, String> {
        match self.budgets.trim() {
            "" => Ok(None),
            _ if !self.searches() => Ok(None),
            text => Budgets::read(text).map(Some),
        }
    }

    /// How many seeds, when the number makes sense.
    pub(super) fn seed_count(&self) -> Option<u32> {
        self.seeds
            .trim()
            .parse()
            .ok()
            .filter(|count| (1..=1_000).contains(count))
    }
}

fn heading(path: &str) -> String {
    match path.split_once('.') {
        None => "run".to_owned(),
        Some((section, rest)) => match rest.rsplit_once('.') {
            // `target_update.kind` stands beside what it belongs to; a large part has a heading.
            Some((inner @ ("switch" | "mixer" | "ppo"), _)) => format!("{section} {inner}"),
            Some((inner, _)) if inner.starts_with("switch.") => format!("{section} switch"),
            Some((inner, _)) if inner.starts_with("ppo.") => format!("{section} ppo"),
            _ => section.to_owned(),
        },
    }
}

/// A problem without its place, which the form shows.
pub(super) fn words(problem: &Problem) -> String {
    let mut plain = problem.clone();
    plain.path = String::new();
    // The place in the text counts only where no setting is named.
    if !problem.path.is_empty() {
        plain.origin = None;
    }
    plain.to_string()
}
