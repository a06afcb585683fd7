//! What a run was begun with, so that a resume with another model or other data is refused.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime};

use configs::finetune::{ARITHMETIC, FinetuneConfig};
use tracking::evaluation::contender::Fnv;

use crate::failure::FinetuneError;
use crate::text_model::locate;

/// Bytes at either end of a file of weights that are looked at, beside its size.
const LOOKED_AT: u64 = 1 << 16;

/// Marks of what was begun with, by what it is.
pub type Inputs = BTreeMap<String, String>;

/// The marks of a run's model and files now.
///
/// # Errors
/// A file that is not there.
pub fn of(config: &FinetuneConfig) -> Result<Inputs, FinetuneError> {
    let mut inputs = Inputs::new();
    if let Some(name) = &config.model.name {
        let folder = locate(name, config.model.revision.as_deref())?;
        inputs.insert("model.name".to_owned(), of_folder(&folder)?);
    }
    if let Some(name) = &config.model.tokenizer {
        let marks = of_text_files(&locate(name, None)?)?;
        inputs.insert("model.tokenizer".to_owned(), marks.join(" "));
    }
    if let Some(path) = &config.model.create {
        let mark = of_named("model.create", path, "a model's config.json")?;
        inputs.insert("model.create".to_owned(), mark);
    }
    let rows = "a file of rows (JSON lines, a JSON list or Parquet), or arithmetic";
    for (name, path, allowed) in [
        ("data.path", &config.data.path, rows),
        ("data.evaluation", &config.data.evaluation, rows),
        ("oracle.path", &config.oracle.path, "a file of scores"),
        ("oracle.prompt", &config.oracle.prompt, "a text file"),
    ] {
        if let Some(path) = path.as_deref().filter(|path| *path != ARITHMETIC) {
            inputs.insert(name.to_owned(), of_named(name, path, allowed)?);
        }
    }
    Ok(inputs)
}

/// Where the marks say when the run was begun, in seconds since 1970.
const BEGAN: &str = "began";

/// Writes the marks of a run that was begun at `began`, whole seconds.
///
/// # Errors
/// A file that cannot be written.
pub fn keep(path: &Path, mut inputs: Inputs, began: SystemTime) -> Result<(), FinetuneError> {
    let seconds = began.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = seconds.unwrap_or_default().as_secs();
    inputs.insert(BEGAN.to_owned(), seconds.to_string());
    let text = serde_json::to_vec_pretty(&inputs).expect("texts by texts");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(FinetuneError::file("create", parent))?;
    }
    Ok(tracking::write_atomic(path, &text)?)
}

/// The present in whole seconds.
pub fn now() -> SystemTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.unwrap_or_default().as_secs())
}

/// Compares with the marks of the run's beginning, and says when that was; none for a run that
/// was not begun.
///
/// # Errors
/// Something that has changed; a file that does not read.
pub fn compare(path: &Path, inputs: &Inputs) -> Result<Option<SystemTime>, FinetuneError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).map_err(FinetuneError::file("read", path))?;
    let before: Inputs = serde_json::from_str(&text).map_err(|error| {
        FinetuneError::damaged(path, format!("does not read ({error}) - start a new run"))
    })?;
    let changed: Vec<&str> = inputs
        .iter()
        .filter(|(name, mark)| before.get(*name) != Some(mark))
        .map(|(name, _)| name.as_str())
        .collect();
    if changed.is_empty() {
        let seconds = before.get(BEGAN).and_then(|seconds| seconds.parse().ok());
        let began = seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        return Ok(Some(began.unwrap_or_else(now)));
    }
    Err(FinetuneError::Settings(format!(
        "{}: not what this run was begun with - allowed for a resume: the same content; put it back, or start a new run",
        changed.join(", ")
    )))
}

fn of_folder(folder: &Path) -> Result<String, FinetuneError> {
    let mut marks = vec![of_file(&folder.join("config.json"), true)?];
    marks.extend(of_text_files(folder)?);
    let entries = fs::read_dir(folder).map_err(FinetuneError::file("read", folder))?;
    let mut weights: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
        .collect();
    weights.sort();
    for file in weights {
        marks.push(of_file(&file, false)?);
    }
    Ok(marks.join(" "))
}

/// Of what makes ids of text, where it is there.
fn of_text_files(folder: &Path) -> Result<Vec<String>, FinetuneError> {
    [
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "chat_template.jinja",
        "chat_template.json",
        "generation_config.json",
    ]
    .iter()
    .map(|name| folder.join(name))
    .filter(|path| path.exists())
    .map(|path| of_file(&path, true))
    .collect()
}

/// The mark of the file that a setting names; one that is not there is the setting's fault.
fn of_named(name: &str, path: &str, allowed: &str) -> Result<String, FinetuneError> {
    let file = Path::new(path);
    if file.is_file() {
        return of_file(file, true);
    }
    let what = if file.exists() {
        "is no file"
    } else {
        "there is no such file"
    };
    Err(FinetuneError::Settings(format!(
        "{name}: {path}: {what} - allowed: {allowed}; correct it with --set {name}=FILE"
    )))
}

/// Size and hash of a file, of all of it or of both its ends.
fn of_file(path: &Path, whole: bool) -> Result<String, FinetuneError> {
    let failed = |error| FinetuneError::file("read", path)(error);
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    if whole || size <= 2 * LOOKED_AT {
        file.read_to_end(&mut bytes).map_err(failed)?;
    } else {
        (&mut file)
            .take(LOOKED_AT)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        file.seek(SeekFrom::End(-(LOOKED_AT as i64)))
            .map_err(failed)?;
        file.read_to_end(&mut bytes).map_err(failed)?;
    }
    let mut hash = Fnv::default();
    hash.add(&bytes);
    Ok(format!("{size}:{:016x}", hash.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_data_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prompts.jsonl");
        let marks = folder.path().join("iterations/inputs.json");
        fs::write(&file, "{\"prompt\":\"a\"}\n").unwrap();
        let mut config = FinetuneConfig::default();
        config.data.path = Some(file.display().to_string());
        let inputs = of(&config).unwrap();
        assert_eq!(compare(&marks, &inputs).unwrap(), None);
        let began = now() - Duration::from_secs(86_400);
        keep(&marks, inputs.clone(), began).unwrap();
        assert_eq!(compare(&marks, &inputs).unwrap(), Some(began));
        fs::write(&file, "{\"prompt\":\"b\"}\n").unwrap();
        let message = compare(&marks, &of(&config).unwrap())
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("data.path: not what"), "{message}");
    }

    #[test]
    fn a_file_that_is_not_there_is_the_settings_fault() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = FinetuneConfig::default();
        for (path, what) in [
            (folder.path().join("typo.jsonl"), "there is no such file"),
            (folder.path().to_owned(), "is no file"),
        ] {
            config.data.path = Some(path.display().to_string());
            let error = of(&config).unwrap_err();
            assert!(matches!(error, FinetuneError::Settings(_)), "{error}");
            let message = error.to_string();
            assert!(message.starts_with("data.path: "), "{message}");
            assert!(message.contains(what), "{message}");
        }
    }
}
