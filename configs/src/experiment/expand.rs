//! From the parts of an experiment's file to the configuration of every run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::Value;

use crate::document::{Document, Name};
use crate::load::{LoadRequest, read_file, unknown_preset};
use crate::origin::{ExperimentPart, Origin};
use crate::presets;
use crate::problem::Problem;
use crate::resolve::resolve;
use crate::run::{Job, RunConfig};
use crate::schema::{Entry, Schema};
use crate::set::read_argument;
use crate::validate::{depends_on, paths, validate_with};

use super::file::{Draft, MethodDraft, TaskDraft};
use super::section::{Located, reserved};
use super::sweep::{MOST_POINTS, Point};
use super::{ExperimentRequest, ExperimentRun, SweepPoint};

/// What expanding needs.
pub(super) struct Expansion<'a> {
    pub(super) request: &'a ExperimentRequest,
    pub(super) schema: &'a Schema,
    pub(super) draft: &'a Draft,
    pub(super) environment_id: &'a dyn Fn(&str) -> Option<Problem>,
    pub(super) environment: &'a dyn Fn(&RunConfig) -> Option<Problem>,
}

/// The lowest layers of a method: its preset's or file's settings.
type Bases = BTreeMap<String, Option<Vec<Entry>>>;

/// Problems of many runs, equal ones once.
#[derive(Default)]
struct Complaints {
    found: Vec<(Problem, Vec<String>)>,
}

impl Complaints {
    fn add(&mut self, problem: Problem, run: &str) {
        match self.found.iter_mut().find(|(known, _)| *known == problem) {
            Some((_, runs)) => runs.push(run.to_owned()),
            None => self.found.push((problem, vec![run.to_owned()])),
        }
    }

    /// Says which runs have a problem, unless all have it.
    fn tell(self, all: usize, problems: &mut Vec<Problem>) {
        for (mut problem, runs) in self.found {
            if runs.len() < all
                && let Some(first) = runs.first()
            {
                let others = match runs.len() {
                    1 => String::new(),
                    2 => " and another".to_owned(),
                    many => format!(" and {} others", many - 1),
                };
                problem.message.push_str(&format!(" (in {first}{others})"));
            }
            problems.push(problem);
        }
    }
}

/// Shared settings: in how many configurations they took part, and were left out.
#[derive(Default)]
struct Sharing {
    entries: BTreeMap<(String, Origin), (usize, usize, Option<Problem>)>,
}

impl Sharing {
    fn note(&mut self, entries: &[Entry], left_out: &[Problem]) {
        // The values of a swept section, and a setting's values at several points, share
        // path and origin.
        let keys: BTreeSet<(String, Origin)> = entries
            .iter()
            .filter(|entry| entry.origin.is_shared())
            .map(|entry| (entry.path.clone(), entry.origin.clone()))
            .collect();
        for key in keys {
            let gone = left_out
                .iter()
                .find(|problem| problem.path == key.0 && problem.origin.as_ref() == Some(&key.1));
            let counted = self.entries.entry(key).or_default();
            counted.0 += 1;
            if let Some(problem) = gone {
                counted.1 += 1;
                counted.2 = Some(problem.clone());
            }
        }
    }

    fn tell(self, problems: &mut Vec<Problem>) {
        for (_, (took_part, left_out, problem)) in self.entries {
            if took_part == left_out {
                problems.extend(problem);
            }
        }
    }
}

impl Expansion<'_> {
    /// Every run; problems of the layers and of every configuration are added.
    pub(super) fn runs(&self, problems: &mut Vec<Problem>) -> Vec<ExperimentRun> {
        let draft = self.draft;
        let bases = self.bases(problems);
        let variables = self.request.environment.entries(self.schema, problems);
        let sets = self.sets(problems);
        let points: Vec<Point> = match &draft.sweep {
            Some(sweep) if sweep.axes.is_empty() => Vec::new(),
            Some(sweep) => sweep.points(),
            None => vec![Vec::new()],
        };
        if self.too_many(problems) || draft.broken {
            return Vec::new();
        }
        let own_task = self.own_task(&bases, &variables, problems);
        let tasks = draft.tasks.as_deref().unwrap_or(own_task.as_slice());

        let mut complaints = Complaints::default();
        let mut sharing = Sharing::default();
        let (mut tried, mut groups) = (0, Vec::new());
        for task in tasks {
            for method in &draft.methods {
                let key = self.base_key(method);
                let Some(Some(base)) = bases.get(&key) else {
                    continue;
                };
                let mut seen: Vec<SweepPoint> = Vec::new();
                for point in &points {
                    let mut entries = [base.as_slice(), &variables, &draft.set].concat();
                    entries.extend(task_entries(task));
                    entries.extend(method.set.iter().cloned());
                    if let Some(sweep) = &draft.sweep {
                        entries.extend(sweep.entries(self.schema, point));
                    }
                    entries.extend(sets.iter().cloned());
                    let made = self.configuration(entries, &mut sharing, |problem, left_out| {
                        let point = self.effective(point, left_out);
                        let label = format!("{} on {} {}", method.name, task.name, point.label());
                        complaints.add(problem, label.trim_end());
                    });
                    tried += 1;
                    let Some((config, origins, left_out)) = made else {
                        continue;
                    };
                    let point = self.effective(point, &left_out);
                    if !seen.contains(&point) {
                        seen.push(point.clone());
                        groups.push(ExperimentRun {
                            task: task.name.clone(),
                            method: method.name.clone(),
                            point,
                            seed: 0,
                            config,
                            origins,
                        });
                    }
                }
            }
        }
        complaints.tell(tried, problems);
        // A method whose preset is unknown might have had what the others lack.
        if bases.values().all(Option::is_some) {
            sharing.tell(problems);
        }
        self.seeded(&groups)
    }

    /// Every group once per seed, the first seed first.
    fn seeded(&self, groups: &[ExperimentRun]) -> Vec<ExperimentRun> {
        let mut runs = Vec::new();
        for seed in &self.draft.seeds {
            for group in groups {
                let mut run = group.clone();
                run.seed = *seed;
                run.config = run.config.with_seed(*seed);
                if let Some(origin) = &self.draft.seeds_origin {
                    run.origins.0.insert("seed".to_owned(), origin.clone());
                }
                runs.push(run);
            }
        }
        runs
    }

    /// Resolves and checks one configuration; `complain` gets its problems and what was
    /// left out.
    fn configuration(
        &self,
        entries: Vec<Entry>,
        sharing: &mut Sharing,
        mut complain: impl FnMut(Problem, &[Problem]),
    ) -> Option<(RunConfig, crate::Origins, Vec<Problem>)> {
        let mut problems = Vec::new();
        let noted = entries.clone();
        let resolved = resolve(Job::Train, self.schema, entries, &mut problems)?;
        sharing.note(&noted, &resolved.left_out);
        let faulty = paths(&problems);
        for problem in validate_with(&resolved.config, self.environment_id) {
            if depends_on(&problem, &faulty) {
                continue;
            }
            let origin = problem.origin.clone();
            let origin = origin.unwrap_or_else(|| resolved.origins.get(&problem.path).clone());
            problems.push(problem.origin(origin));
        }
        if !problems.iter().any(Problem::is_error) {
            problems.extend((self.environment)(&resolved.config).map(|problem| {
                let origin = resolved.origins.get(&problem.path).clone();
                problem.origin(origin)
            }));
        }
        for problem in &problems {
            complain(problem.clone(), &resolved.left_out);
        }
        Some((resolved.config, resolved.origins, resolved.left_out))
    }

    /// The values of a point whose settings exist.
    fn effective(&self, point: &Point, left_out: &[Problem]) -> SweepPoint {
        let Some(sweep) = &self.draft.sweep else {
            return SweepPoint::default();
        };
        let gone = |path: &str| {
            left_out.iter().any(|problem| {
                let inside = problem
                    .path
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                let swept = matches!(
                    problem.origin,
                    Some(Origin::Experiment {
                        part: ExperimentPart::Sweep,
                        ..
                    })
                );
                inside && swept
            })
        };
        let values = sweep.axes.iter().zip(point);
        SweepPoint(
            values
                .filter(|(axis, _)| !gone(&axis.path))
                .map(|(axis, value)| (axis.path.clone(), value.clone()))
                .collect(),
        )
    }

    fn too_many(&self, problems: &mut Vec<Problem>) -> bool {
        let draft = self.draft;
        let points = draft
            .sweep
            .as_ref()
            .map_or(1, super::sweep::SweepDraft::count);
        let parts = [
            draft.tasks.as_ref().map_or(1, Vec::len) as u64,
            draft.methods.len() as u64,
            draft.seeds.len() as u64,
            points,
        ];
        let runs = parts.into_iter().fold(1, u64::saturating_mul);
        if runs > MOST_POINTS {
            let origin = draft.sweep.as_ref().map(|sweep| sweep.origin.clone());
            let mut problem = Problem::error("", "too many runs for one experiment")
                .value(runs)
                .allowed(format!("at most {MOST_POINTS}"))
                .hint("take fewer values, tasks, methods or seeds");
            problem.origin = origin;
            problems.push(problem);
        }
        runs > MOST_POINTS
    }

    /// `--set` arguments; those that the experiment itself decides are problems.
    fn sets(&self, problems: &mut Vec<Problem>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for argument in &self.request.sets {
            read_argument(argument, self.schema, &mut entries, problems);
        }
        let swept = |path: &str| {
            let mut axes = self.draft.sweep.iter().flat_map(|sweep| &sweep.axes);
            axes.any(|axis| axis.path == path)
        };
        entries.retain(|entry| {
            let hint = if swept(&entry.path) {
                Some("the sweep decides it; change its axis in the file")
            } else {
                reserved(&entry.path)
            };
            if let Some(hint) = hint {
                problems.push(
                    Problem::error(&entry.path, "not a setting of every run")
                        .value(&entry.value)
                        .origin(entry.origin.clone())
                        .hint(hint),
                );
            }
            hint.is_none()
        });
        entries
    }

    fn base_key(&self, method: &MethodDraft) -> String {
        let named = method.preset.as_ref().or(self.draft.preset.as_ref());
        named.map(|preset| preset.value.clone()).unwrap_or_default()
    }

    /// The settings of every preset and file that is named; none for a faulty one.
    fn bases(&self, problems: &mut Vec<Problem>) -> Bases {
        let mut bases = Bases::from([(String::new(), Some(Vec::new()))]);
        let methods = self.draft.methods.iter();
        let named = methods.filter_map(|method| method.preset.as_ref());
        for preset in named.chain(&self.draft.preset) {
            if !bases.contains_key(&preset.value) {
                let entries = self.base(preset, problems);
                bases.insert(preset.value.clone(), entries);
            }
        }
        bases
    }

    fn base(&self, named: &Located<String>, problems: &mut Vec<Problem>) -> Option<Vec<Entry>> {
        let mut found = Vec::new();
        let request = LoadRequest::named(&named.value);
        let beside = self.request.file.parent().map(|at| at.join(&named.value));
        let (name, text) = if let Some(preset) = presets::find(&named.value) {
            (Name::Preset(preset.name.to_owned()), preset.text.to_owned())
        } else if let Some(path) = beside.filter(|path| path.is_file()).or(request.file) {
            let text = self.read(&path, &mut found);
            (Name::File(path), text.unwrap_or_default())
        } else {
            found.push(unknown_preset(&named.value));
            (Name::Preset(String::new()), String::new())
        };
        let mut entries = None;
        if found.is_empty() {
            let document = Document::parse(name, &text, &mut found);
            entries = Some(document.entries(self.schema, &mut found));
        }
        let faulty = found.iter().any(Problem::is_error);
        problems.extend(found.into_iter().map(|mut problem| {
            if problem.path.is_empty() {
                problem.path = "preset".to_owned();
            }
            match problem.origin {
                Some(_) => problem,
                None => problem.origin(named.origin.clone()),
            }
        }));
        entries.filter(|_| !faulty)
    }

    fn read(&self, path: &Path, problems: &mut Vec<Problem>) -> Option<String> {
        read_file(&PathBuf::from(path), problems)
    }

    /// The one task of an experiment that lists none: the base's environment, or the one
    /// that all methods' presets agree on.
    fn own_task(
        &self,
        bases: &Bases,
        variables: &[Entry],
        problems: &mut Vec<Problem>,
    ) -> Vec<TaskDraft> {
        if self.draft.tasks.is_some() {
            return Vec::new();
        }
        let keys: BTreeSet<String> = match &self.draft.preset {
            Some(preset) => BTreeSet::from([preset.value.clone()]),
            None => self
                .draft
                .methods
                .iter()
                .map(|one| self.base_key(one))
                .collect(),
        };
        let mut ids: BTreeMap<String, Origin> = BTreeMap::new();
        for key in &keys {
            let Some(Some(base)) = bases.get(key) else {
                return Vec::new();
            };
            let chosen = base
                .iter()
                .chain(variables)
                .rfind(|entry| entry.path == "environment.id");
            let default = || {
                let values = Job::Train.default_config().values();
                let id = values.get("environment.id").and_then(Value::as_str);
                (id.unwrap_or_default().to_owned(), Origin::Default)
            };
            let (id, origin) = chosen
                .and_then(|entry| Some((entry.value.as_str()?.to_owned(), entry.origin.clone())))
                .unwrap_or_else(default);
            ids.insert(id, origin);
        }
        if ids.len() > 1 {
            let names: Vec<&str> = ids.keys().map(String::as_str).collect();
            problems.push(
                Problem::error("tasks", "the methods' presets are for different tasks")
                    .value(names.join(", "))
                    .hint("write tasks = [\"...\"] for all methods"),
            );
            return Vec::new();
        }
        let task = |(id, origin): (String, Origin)| TaskDraft {
            name: id.clone(),
            id: Located { value: id, origin },
            set: Vec::new(),
        };
        ids.into_iter().map(task).collect()
    }
}

fn task_entries(task: &TaskDraft) -> impl Iterator<Item = Entry> {
    let id = Entry {
        path: "environment.id".to_owned(),
        value: Value::String(task.id.value.clone()),
        origin: task.id.origin.clone(),
    };
    std::iter::once(id).chain(task.set.iter().cloned())
}
