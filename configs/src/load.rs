//! From what the user asked for to a resolved configuration.

use std::path::{Path, PathBuf};

use crate::document::{Document, Name};
use crate::env::Environment;
use crate::nearest::nearest;
use crate::origin::Origins;
use crate::presets;
use crate::problem::Problem;
use crate::resolve::{Resolved, resolve};
use crate::run::{Job, RunConfig};
use crate::schema::{Entry, Schema};
use crate::set::read_argument;
use crate::validate::{depends_on, paths, validate_with};

/// The layers above the defaults, lowest first.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    /// The job the command runs; what preset and file say when absent.
    pub job: Option<Job>,
    /// Name of a built-in preset.
    pub preset: Option<String>,
    /// A file of the user.
    pub file: Option<PathBuf>,
    /// The variables to look at; none by default, [`Environment::process`] for
    /// those of this process.
    pub environment: Environment,
    /// Arguments of `--set`, each `path=value`, later ones winning.
    pub sets: Vec<String>,
}

/// A configuration ready to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Every setting.
    pub config: RunConfig,
    /// Where each came from.
    pub origins: Origins,
    /// What works, though hardly as meant.
    pub warnings: Vec<Problem>,
}

impl LoadRequest {
    /// The request of `concord train <preset|file>`: the name of a preset, else a
    /// file if it has a folder or ends in `.toml`, or exists.
    #[must_use]
    pub fn named(argument: &str) -> Self {
        let path = Path::new(argument);
        let toml = path
            .extension()
            .is_some_and(|extension| extension == "toml");
        let is_file = toml || path.components().count() > 1 || path.is_file();
        if presets::find(argument).is_none() && is_file {
            Self {
                file: Some(path.to_owned()),
                ..Self::default()
            }
        } else {
            Self {
                preset: Some(argument.to_owned()),
                ..Self::default()
            }
        }
    }
}

/// Merges the layers and checks the result.
///
/// # Errors
/// All problems that can be found at once, warnings included; at least one is an
/// error.
pub fn load(request: &LoadRequest) -> Result<Loaded, Vec<Problem>> {
    load_with(request, &|_| None)
}

/// As [`load()`], and asks the caller about the environment's id (see
/// [`crate::validate_with`]).
///
/// # Errors
/// As [`load()`].
pub fn load_with(
    request: &LoadRequest,
    environment_id: &dyn Fn(&str) -> Option<Problem>,
) -> Result<Loaded, Vec<Problem>> {
    let mut problems = Vec::new();
    let text = request
        .file
        .as_deref()
        .and_then(|path| read_file(path, &mut problems));
    let file = request.file.as_deref().zip(text.as_deref());
    load_layers(request, file, problems, environment_id)
}

/// Loads a text in place of the request's file; `name` stands for its path.
pub(crate) fn load_text(
    name: &str,
    text: &str,
    request: &LoadRequest,
) -> Result<Loaded, Vec<Problem>> {
    load_layers(request, Some((Path::new(name), text)), Vec::new(), &|_| {
        None
    })
}

fn load_layers(
    request: &LoadRequest,
    file: Option<(&Path, &str)>,
    problems: Vec<Problem>,
    environment_id: &dyn Fn(&str) -> Option<Problem>,
) -> Result<Loaded, Vec<Problem>> {
    let (resolved, problems) = look_at_layers(request, file, problems, environment_id);
    match resolved {
        Some(resolved) if !problems.iter().any(Problem::is_error) => Ok(Loaded {
            config: resolved.config,
            origins: resolved.origins,
            warnings: problems,
        }),
        _ => Err(problems),
    }
}

/// What a text says, as far as it can be read: settings that are wrong are left at their
/// defaults. `name` stands for the text's path.
pub(crate) fn look_at(
    name: &Path,
    text: &str,
    request: &LoadRequest,
) -> (Option<Resolved>, Vec<Problem>) {
    look_at_layers(request, Some((name, text)), Vec::new(), &|_| None)
}

/// As [`look_at`], of the request's preset.
pub(crate) fn look_at_preset(request: &LoadRequest) -> (Option<Resolved>, Vec<Problem>) {
    look_at_layers(request, None, Vec::new(), &|_| None)
}

fn look_at_layers(
    request: &LoadRequest,
    file: Option<(&Path, &str)>,
    mut problems: Vec<Problem>,
    environment_id: &dyn Fn(&str) -> Option<Problem>,
) -> (Option<Resolved>, Vec<Problem>) {
    let mut documents = Vec::new();
    if let Some(name) = &request.preset {
        match presets::find(name) {
            Some(preset) => documents.push(Document::parse(
                Name::Preset(preset.name.to_owned()),
                preset.text,
                &mut problems,
            )),
            None => problems.push(unknown_preset(name)),
        }
    }
    if let Some((path, text)) = file {
        let name = Name::File(path.to_owned());
        documents.push(Document::parse(name, text, &mut problems));
    }
    // With a layer that could not be read, what it would have said is unknown.
    let mut complete = documents.len() == layers_wanted(request, file);
    let job = agree_on_job(request.job, &documents, &mut problems);

    let schema = Schema::of(job);
    let mut entries: Vec<Entry> = Vec::new();
    for document in documents {
        complete &= !document.is_broken();
        if document.job.is_none_or(|said| said == job) {
            entries.extend(document.entries(&schema, &mut problems));
        }
    }
    entries.extend(request.environment.entries(&schema, &mut problems));
    for argument in &request.sets {
        read_argument(argument, &schema, &mut entries, &mut problems);
    }
    let Some(resolved) = resolve(job, &schema, entries, &mut problems) else {
        return (None, problems);
    };
    let faulty = paths(&problems);
    let checked = validate_with(&resolved.config, environment_id);
    problems.extend(
        checked
            .into_iter()
            .filter(|problem| complete && !depends_on(problem, &faulty))
            .map(|problem| match problem.origin {
                Some(_) => problem,
                None => {
                    let origin = resolved.origins.get(&problem.path).clone();
                    problem.origin(origin)
                }
            }),
    );
    (Some(resolved), problems)
}

fn layers_wanted(request: &LoadRequest, file: Option<(&Path, &str)>) -> usize {
    let file_wanted = request.file.is_some() || file.is_some();
    usize::from(request.preset.is_some()) + usize::from(file_wanted)
}

/// The job that command, preset and file agree on; with none of them saying, the
/// first of all.
fn agree_on_job(
    wanted: Option<Job>,
    documents: &[Document<'_>],
    problems: &mut Vec<Problem>,
) -> Job {
    let mut agreed = wanted;
    for said in documents.iter().filter_map(|document| document.job) {
        match agreed {
            Some(job) if job != said => problems.push(
                Problem::error("job", "another job was asked for")
                    .value(said)
                    .allowed(job.name())
                    .hint(format!("run it with `concord {said}`")),
            ),
            _ => agreed = Some(said),
        }
    }
    agreed.unwrap_or(Job::Train)
}

pub(crate) fn read_file(path: &Path, problems: &mut Vec<Problem>) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) => {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let close = stem.and_then(|stem| nearest(stem, presets::names()));
            let hint = close.map_or(
                "check the path, or name a preset (`concord config presets` lists them)".to_owned(),
                |name| format!("check the path, or use the preset `{name}`"),
            );
            problems.push(
                Problem::error("", format!("file cannot be read ({error})"))
                    .value(path.display())
                    .allowed("a TOML file in UTF-8")
                    .hint(hint),
            );
            None
        }
    }
}

pub(crate) fn unknown_preset(name: &str) -> Problem {
    let allowed = presets::names().collect::<Vec<_>>().join(", ");
    let hint = nearest(name, presets::names()).map_or_else(
        || "use one of these, or the path of a file".to_owned(),
        |close| format!("did you mean `{close}`?"),
    );
    Problem::error("", "unknown preset")
        .value(name)
        .allowed(allowed)
        .hint(hint)
}
