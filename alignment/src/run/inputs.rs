//! What a run was begun with, so that a resume with another model or other data is refused.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use configs::finetune::FinetuneConfig;

use super::data::ARITHMETIC;
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
    if let Some(path) = &config.model.create {
        inputs.insert("model.create".to_owned(), of_file(Path::new(path), true)?);
    }
    for (name, path) in [
        ("data.path", &config.data.path),
        ("data.evaluation", &config.data.evaluation),
        ("oracle.path", &config.oracle.path),
    ] {
        if let Some(path) = path.as_deref().filter(|path| *path != ARITHMETIC) {
            inputs.insert(name.to_owned(), of_file(Path::new(path), true)?);
        }
    }
    Ok(inputs)
}

/// Writes the marks, or compares them with those of the run's beginning.
///
/// # Errors
/// Something that has changed; a file that cannot be read or written.
pub fn keep_or_compare(path: &Path, inputs: &Inputs) -> Result<(), FinetuneError> {
    let Ok(text) = fs::read_to_string(path) else {
        let text = serde_json::to_vec_pretty(inputs).expect("texts by texts");
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(FinetuneError::file("create", parent))?;
        }
        return Ok(tracking::write_atomic(path, &text)?);
    };
    let before: Inputs = serde_json::from_str(&text).map_err(|error| {
        FinetuneError::damaged(path, format!("does not read ({error}) - start a new run"))
    })?;
    let changed: Vec<&str> = inputs
        .iter()
        .filter(|(name, mark)| before.get(*name) != Some(mark))
        .map(|(name, _)| name.as_str())
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(FinetuneError::Settings(format!(
        "{}: not what this run was begun with - allowed for a resume: the same content; put it back, or start a new run",
        changed.join(", ")
    )))
}

fn of_folder(folder: &Path) -> Result<String, FinetuneError> {
    let mut marks = vec![of_file(&folder.join("config.json"), true)?];
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
    Ok(format!("{size}:{:016x}", fnv(&bytes)))
}

/// FNV-1a, 64 bits: told apart, not protected.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
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
        keep_or_compare(&marks, &of(&config).unwrap()).unwrap();
        keep_or_compare(&marks, &of(&config).unwrap()).unwrap();
        fs::write(&file, "{\"prompt\":\"b\"}\n").unwrap();
        let message = keep_or_compare(&marks, &of(&config).unwrap())
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("data.path: not what"), "{message}");
    }
}
