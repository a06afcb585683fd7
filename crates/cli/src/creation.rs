//! Making the folder of a run from its configuration.

use std::collections::BTreeMap;
use std::path::Path;

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
    let RunConfig::Train(train) = config else {
        return Err(Failure::arguments(
            "this is no training: its job is another - see `concord --help`",
        ));
    };
    let task = train.environment.id.clone();
    let algorithm = config
        .values()
        .get("algorithm.kind")
        .and_then(|kind| kind.as_str().map(str::to_owned))
        .unwrap_or_default();
    let family = if task.to_ascii_lowercase().contains("foraging") {
        "lbf"
    } else {
        "concord"
    };
    let new = NewRun {
        name,
        job: config.job().name().to_owned(),
        algorithm,
        environment: family.to_owned(),
        task,
        seed: train.seed,
        config_toml: config.to_toml(),
        origin_json,
        device: train.runtime.device.to_string(),
        total_steps: train.total_steps,
        command: std::env::args().collect(),
        versions: BTreeMap::from([("concord".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
        extra,
    };
    Ok(RunFolder::create(root, &new)?)
}
