//! Making the folder of a run from its configuration.

use std::collections::BTreeMap;
use std::path::Path;

use configs::search::ModelKind;
use configs::{Origins, RunConfig};
use tracking::{NewRun, RunFolder};

use crate::failure::Failure;

/// Makes a run folder under `root`; `extra` is kept in its `meta.json`.
pub(crate) fn create(
    root: &Path,
    name: String,
    config: &RunConfig,
    origins: &Origins,
    extra: BTreeMap<String, String>,
) -> Result<RunFolder, Failure> {
    create_from(root, name, config, origins.to_json(), extra)
}

/// As [`create`], with the text of `origin.json`; empty where origins are not known.
pub(crate) fn create_from(
    root: &Path,
    name: String,
    config: &RunConfig,
    origin_json: String,
    extra: BTreeMap<String, String>,
) -> Result<RunFolder, Failure> {
    let values = config.values();
    let word = |path: &str| {
        let value = values.get(path).and_then(|value| value.as_str());
        value.unwrap_or_default().to_owned()
    };
    let (task, total_steps) = match config {
        RunConfig::Train(train) => (train.environment.id.clone(), train.total_steps),
        RunConfig::Finetune(finetune) => (
            finetune
                .model
                .name
                .clone()
                .unwrap_or_else(|| word("model.create")),
            0,
        ),
        RunConfig::Search(search) => {
            let task = match (search.model.kind, &search.questions.path) {
                (ModelKind::Scripted, _) => word("model.kind"),
                (_, Some(path)) => path.clone(),
                (_, None) => word("questions.kind"),
            };
            (task, search.questions.count.unwrap_or(0))
        }
        _ => {
            return Err(Failure::arguments(
                "this job cannot be run yet - see `concord --help`",
            ));
        }
    };
    let family = match config {
        RunConfig::Train(_) if task.to_ascii_lowercase().contains("foraging") => "lbf",
        RunConfig::Train(_) => "concord",
        RunConfig::Search(_) => "search",
        _ => "language",
    };
    let new = NewRun {
        name,
        job: config.job().name().to_owned(),
        algorithm: match config {
            RunConfig::Search(_) => word("method.kind"),
            _ => word("algorithm.kind"),
        },
        environment: family.to_owned(),
        task,
        seed: config.seed(),
        config_toml: config.to_toml(),
        origin_json,
        device: word("runtime.device"),
        total_steps,
        command: std::env::args().collect(),
        versions: BTreeMap::from([("concord".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
        extra,
    };
    Ok(RunFolder::create(root, &new)?)
}
