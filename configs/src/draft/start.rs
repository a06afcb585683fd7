//! What a draft started from, and what its document says.

use std::path::Path;

use toml_edit::DocumentMut;

use super::{NAME, Target};
use crate::document::{Document, Name};
use crate::env::Environment;
use crate::load::{LoadRequest, load, look_at, look_at_preset};
use crate::origin::{Origin, Origins};
use crate::problem::Problem;
use crate::run::{Job, RunConfig};

/// What the draft started from.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) document: DocumentMut,
    pub(super) config: RunConfig,
    pub(super) origins: Origins,
    /// Problems of variables of the process, which no change in the draft mends.
    pub(super) problems: Vec<Problem>,
    /// Without the variables, for commands that hold elsewhere too.
    pub(super) plain: Option<RunConfig>,
}

/// What the document says at the moment.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) config: RunConfig,
    pub(super) problems: Vec<Problem>,
}

impl Base {
    pub(super) fn new(target: &Target, text: &str, environment: &Environment) -> Self {
        let document = text.parse().unwrap_or_default();
        let request = LoadRequest {
            environment: environment.clone(),
            ..LoadRequest::default()
        };
        let (resolved, with) = match target {
            Target::Preset(name) => {
                let request = LoadRequest {
                    preset: Some(name.clone()),
                    ..request
                };
                look_at_preset(&request)
            }
            Target::File(path) => look_at(path, text, &request),
            Target::Unsaved(name) => look_at(Path::new(name), text, &request),
        };
        let from_variable = |problem: &Problem| {
            // A variable that nobody knows has no origin and no setting.
            let unknown = problem.message == "unknown environment variable";
            unknown || matches!(problem.origin, Some(Origin::Environment { .. }))
        };
        let problems = with.into_iter().filter(from_variable).collect();
        let (config, origins) = resolved.map_or_else(
            || (Job::Train.default_config(), Origins::default()),
            |resolved| (resolved.config, resolved.origins),
        );
        let plain = match target {
            Target::Preset(name) => load(&LoadRequest {
                preset: Some(name.clone()),
                ..LoadRequest::default()
            })
            .ok()
            .map(|loaded| loaded.config),
            _ => look_at(Path::new(NAME), text, &LoadRequest::default())
                .0
                .map(|resolved| resolved.config),
        };
        Self {
            document,
            config,
            origins,
            problems,
            plain,
        }
    }
}

impl State {
    pub(super) fn of(document: &DocumentMut) -> Self {
        let text = document.to_string();
        let (resolved, problems) = look_at(Path::new(NAME), &text, &LoadRequest::default());
        let config = resolved.map_or_else(|| Job::Train.default_config(), |found| found.config);
        Self { config, problems }
    }
}

/// The document of a text; `path` is its name in problems.
pub(super) fn parse(path: &Path, text: &str) -> Result<DocumentMut, Vec<Problem>> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        // The other parser goes on after the first fault and words them for people.
        let mut problems = Vec::new();
        let name = Name::File(path.to_owned());
        let _ = Document::parse(name, text, &mut problems);
        problems.retain(|problem| problem.path.is_empty());
        if problems.is_empty() {
            problems.push(Problem::error(
                "",
                format!("not valid TOML ({})", error.message()),
            ));
        }
        problems
    })
}
