//! Which folder a name means: a model's, or what a fine-tuning has left so far.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use configs::finetune::FinetuneConfig;
use configs::{Job, LoadRequest, RunConfig, load};
use hub::ModelReference;
use tracking::RunFolder;

use crate::arguments::{LanguageEvaluation, ModelArgument};
use crate::commands::model_files::folder_of;
use crate::failure::Failure;

/// The file by which a model's folder is known.
const MODEL_FILE: &str = "config.json";
/// The file by which an adapter's folder is known.
const ADAPTER_FILE: &str = "adapter_config.json";

/// A model to be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    folder: PathBuf,
    adapter: Option<PathBuf>,
    run: Option<(String, PathBuf)>,
}

impl Target {
    /// The model of that name, folder or run.
    pub(super) fn find(
        root: &Path,
        name: &str,
        wanted: &LanguageEvaluation,
    ) -> Result<Self, Failure> {
        let model = |name: &str| {
            folder_of(&ModelArgument {
                model: name.to_owned(),
                revision: wanted.revision.clone(),
            })
        };
        if let Some(run) = finetune_run(root, name) {
            if let Some(adapter) = &wanted.adapter {
                return Err(Failure::arguments(format!(
                    "--adapter {}: {} is a run - allowed: beside a model; a run has its own",
                    adapter.display(),
                    run.id()
                )));
            }
            let config = run.config();
            let newest = newest_model(&run).ok_or_else(|| {
                Failure::arguments(format!(
                    "{}: no model yet - it is there after the first iteration; look with `concord show {}`",
                    run.id(),
                    run.id()
                ))
            })?;
            let (folder, adapter) = if newest.join(ADAPTER_FILE).is_file() {
                (folder_of(&base_of(&config, wanted)?)?, Some(newest))
            } else {
                (newest, None)
            };
            return Ok(Self {
                folder,
                adapter,
                run: Some((run.id(), config)),
            });
        }
        let folder = model(name)?;
        if folder.join(ADAPTER_FILE).is_file() && !folder.join(MODEL_FILE).is_file() {
            return Err(Failure::arguments(format!(
                "{}: an adapter - allowed: the model it was made for, with --adapter {}",
                folder.display(),
                folder.display()
            )));
        }
        Ok(Self {
            folder,
            adapter: wanted.adapter.clone(),
            run: None,
        })
    }

    /// What is told of it.
    pub(super) fn described(&self) -> String {
        let adapter = self.adapter.iter();
        let adapter: String = adapter
            .map(|adapter| format!(" with the adapter {}", adapter.display()))
            .collect();
        format!("{}{adapter}", self.folder.display())
    }

    /// Flags of the worker.
    pub(super) fn words(&self, model: &str, adapter: &str) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![format!("--{model}").into(), (&self.folder).into()];
        let folders = self.adapter.iter();
        words.extend(folders.flat_map(|folder| [format!("--{adapter}").into(), folder.into()]));
        words
    }

    /// What its run was told, where it is a run's and reads.
    pub(super) fn own_settings(&self) -> Option<FinetuneConfig> {
        settings_of(&self.config()?)
    }

    /// The settings of its run.
    pub(super) fn config(&self) -> Option<PathBuf> {
        self.run.as_ref().map(|(_, config)| config.clone())
    }
}

/// A sentence about a name that means a language model; none when it means something else.
pub(super) fn is_language(root: &Path, name: &str) -> Option<String> {
    if let Some(run) = finetune_run(root, name) {
        return Some(format!("{} is a fine-tuning", run.id()));
    }
    let folder = Path::new(name);
    (folder.join(MODEL_FILE).is_file() && !folder.join("policy.json").is_file())
        .then(|| format!("{name} is a language model"))
}

/// The fine-tuning of that name; what is no run's name may be a model's.
fn finetune_run(root: &Path, name: &str) -> Option<RunFolder> {
    let path = Path::new(name);
    // A name of the hub has a slash too, and a part of a run's id could be in it.
    let is_model = path.join(MODEL_FILE).is_file()
        || (!path.exists()
            && matches!(ModelReference::read(name), Ok(ModelReference::Name(_)))
            && name.contains('/'));
    if is_model {
        return None;
    }
    let run = RunFolder::find(root, name).ok()?;
    let is_finetune = run
        .meta()
        .is_ok_and(|meta| meta.job == Job::Finetune.name());
    is_finetune.then_some(run)
}

/// The run's result, else that of its newest iteration.
fn newest_model(run: &RunFolder) -> Option<PathBuf> {
    let whole =
        |folder: &PathBuf| folder.join(MODEL_FILE).is_file() || folder.join(ADAPTER_FILE).is_file();
    let result = run.path().join("model");
    if whole(&result) {
        return Some(result);
    }
    let iterations = std::fs::read_dir(run.path().join("iterations")).ok()?;
    let numbered = iterations.filter_map(|entry| {
        let path = entry.ok()?.path();
        let number: u64 = path.file_name()?.to_str()?.parse().ok()?;
        let model = path.join("model");
        whole(&model).then_some((number, model))
    });
    numbered
        .max_by_key(|(number, _)| *number)
        .map(|(_, model)| model)
}

/// The settings in a run's file.
fn settings_of(file: &Path) -> Option<FinetuneConfig> {
    let request = LoadRequest {
        job: Some(Job::Finetune),
        file: Some(file.to_owned()),
        ..LoadRequest::default()
    };
    match load(&request).ok()?.config {
        RunConfig::Finetune(config) => Some(config),
        _ => None,
    }
}

/// The model that a run began with.
fn base_of(config: &Path, wanted: &LanguageEvaluation) -> Result<ModelArgument, Failure> {
    let name = settings_of(config).and_then(|config| {
        Some(ModelArgument {
            model: config.model.name?,
            revision: config
                .model
                .revision
                .unwrap_or_else(|| wanted.revision.clone()),
        })
    });
    name.ok_or_else(|| {
        Failure::arguments(format!(
            "{}: names no model - the adapter's model is needed - evaluate it by its folder, with --adapter",
            config.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracking::NewRun;

    fn wanted() -> LanguageEvaluation {
        LanguageEvaluation {
            revision: "main".to_owned(),
            ..LanguageEvaluation::default()
        }
    }

    fn touch(folder: &Path, file: &str) {
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join(file), "{}").expect("a file");
    }

    #[test]
    fn a_runs_model_is_its_result_else_its_newest_iterations() {
        let root = tempfile::tempdir().expect("a folder");
        let new = NewRun {
            name: "tuned".to_owned(),
            job: "finetune".to_owned(),
            ..NewRun::default()
        };
        let run = RunFolder::create(root.path(), &new).expect("a run");
        let find = |name: &str| Target::find(root.path(), name, &wanted());
        let failure = find("tuned").expect_err("nothing yet");
        assert!(
            failure.message.contains("no model yet"),
            "{}",
            failure.message
        );
        for number in ["1", "2", "10"] {
            touch(
                &run.path().join("iterations").join(number).join("model"),
                MODEL_FILE,
            );
        }
        let found = find("tuned").expect("an iteration's");
        assert_eq!(found.folder, run.path().join("iterations/10/model"));
        touch(&run.path().join("model"), MODEL_FILE);
        let found = find("last").expect("the result");
        assert_eq!(found.folder, run.path().join("model"));
        assert_eq!(found.config(), Some(run.config()));
        assert!(
            is_language(root.path(), "tuned")
                .expect("one")
                .contains("fine-tuning")
        );
    }

    #[test]
    fn folders_are_models_and_adapters_are_told() {
        let root = tempfile::tempdir().expect("a folder");
        let model = root.path().join("model");
        touch(&model, MODEL_FILE);
        let name = model.display().to_string();
        let found = Target::find(root.path(), &name, &wanted()).expect("a model");
        assert_eq!((found.folder, found.run), (model, None));
        assert!(is_language(root.path(), &name).is_some());
        assert_eq!(is_language(root.path(), "nothing"), None);
        let adapter = root.path().join("adapter");
        touch(&adapter, ADAPTER_FILE);
        let name = adapter.display().to_string();
        let failure = Target::find(root.path(), &name, &wanted()).expect_err("an adapter");
        assert!(failure.message.contains("--adapter"), "{}", failure.message);
    }
}
