//! Folders that `transformers` loads, version 4 as well as version 5.
//!
//! A folder written by version 5 alone loses its rotation in version 4, in silence. So the
//! `config.json` we write says everything twice: `rope_parameters` and `rope_theta` with
//! `rope_scaling`, `dtype` and `torch_dtype`. Weights go to one file or to shards, everything
//! into a folder beside the target, which takes its name once all of it is on the disk.

mod config_file;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, View};
use serde_json::json;
use tch::{Device, Kind, Tensor, no_grad};

use crate::LmError;
use crate::checkpoint::{INDEX, WHOLE};
use crate::decoder::Decoder;

pub use config_file::config_text;

/// The size above which `transformers` shards by default, in bytes.
pub const SHARD_BYTES: usize = 5_000_000_000;

/// Files that a saved model takes over from the one it came from.
const CARRIED: [&str; 10] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
];

/// How a model is written.
#[derive(Clone, Debug)]
pub struct SaveOptions<'a> {
    /// The type of the weights: f32, bf16 or f16.
    pub kind: Kind,
    /// Bytes of weights in one file, at most; a single larger weight gets a file of its own.
    pub shard_bytes: usize,
    /// The folder whose tokenizer and generation settings are carried over.
    pub carried_from: Option<&'a Path>,
}

/// One tensor of the model, converted when it is its turn to be written.
struct Outgoing {
    tensor: Tensor,
    kind: Kind,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl Outgoing {
    fn of(tensor: Tensor, kind: Kind) -> Self {
        let shape = tensor.size().iter().map(|size| *size as usize).collect();
        let dtype = match kind {
            Kind::Float => Dtype::F32,
            Kind::BFloat16 => Dtype::BF16,
            _ => Dtype::F16,
        };
        Self {
            tensor,
            kind,
            dtype,
            shape,
        }
    }
}

impl View for &Outgoing {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let tensor = self.tensor.to_device(Device::Cpu).to_kind(self.kind);
        let bytes = tensor.contiguous().view_dtype(Kind::Uint8).reshape([-1]);
        let mut copy = vec![0u8; bytes.numel()];
        bytes.copy_data(&mut copy, bytes.numel());
        Cow::Owned(copy)
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * self.kind.elt_size_in_bytes()
    }
}

/// Writes `decoder` as the new folder `target`.
///
/// # Errors
/// The folder is there already, a type that files do not have, a full disk. Nothing stays
/// behind then.
pub fn save(decoder: &Decoder, target: &Path, options: &SaveOptions<'_>) -> Result<(), LmError> {
    into_new_folder(target, |folder| write_all(decoder, folder, options))
}

/// Has `write` fill a folder beside `target`, which then takes its name.
pub(crate) fn into_new_folder(
    target: &Path,
    write: impl FnOnce(&Path) -> Result<(), LmError>,
) -> Result<(), LmError> {
    if target.exists() {
        return Err(LmError::Input(format!(
            "{} is there already - allowed: a new folder - choose another name, or move it away",
            target.display()
        )));
    }
    let Some(name) = target.file_name().and_then(|name| name.to_str()) else {
        return Err(LmError::Input(format!(
            "{} - allowed: a folder with a name",
            target.display()
        )));
    };
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let unfinished = parent.join(format!(".{name}.unfinished-{}", std::process::id()));
    let _ = fs::remove_dir_all(&unfinished);
    let written = fs::create_dir_all(&unfinished)
        .map_err(|error| file(&unfinished, error))
        .and_then(|()| write(&unfinished))
        .and_then(|()| sync(&unfinished))
        .and_then(|()| fs::rename(&unfinished, target).map_err(|error| file(target, error)))
        .and_then(|()| sync(parent));
    if written.is_err() {
        let _ = fs::remove_dir_all(&unfinished);
    }
    written
}

fn write_all(decoder: &Decoder, folder: &Path, options: &SaveOptions<'_>) -> Result<(), LmError> {
    let config = config_text(decoder.config(), dtype_name(options.kind)?);
    write(&folder.join("config.json"), config.as_bytes())?;
    if let Some(source) = options.carried_from {
        for name in CARRIED {
            let from = source.join(name);
            if from.is_file() {
                let bytes = fs::read(&from).map_err(|error| file(&from, error))?;
                write(&folder.join(name), &bytes)?;
            }
        }
    }
    write_weights(decoder, folder, options)
}

fn write_weights(
    decoder: &Decoder,
    folder: &Path,
    options: &SaveOptions<'_>,
) -> Result<(), LmError> {
    let shards = shards(outgoing(decoder, options.kind)?, options.shard_bytes);
    if let [only] = shards.as_slice() {
        return write_tensors(&folder.join(WHOLE), only);
    }
    let mut map = BTreeMap::new();
    let mut total = 0;
    for (number, shard) in shards.iter().enumerate() {
        let name = format!("model-{:05}-of-{:05}.safetensors", number + 1, shards.len());
        write_tensors(&folder.join(&name), shard)?;
        for (tensor, outgoing) in shard {
            total += outgoing.data_len();
            map.insert(tensor.clone(), name.clone());
        }
    }
    let index = json!({ "metadata": { "total_size": total }, "weight_map": map });
    let text = format!("{index:#}\n");
    write(&folder.join(INDEX), text.as_bytes())
}

/// Every tensor under its name in files.
fn outgoing(decoder: &Decoder, kind: Kind) -> Result<Vec<(String, Outgoing)>, LmError> {
    let weights = decoder.weights();
    let layout = weights.layout();
    let named = layout.names().map(|(name, shape)| {
        let tensor = no_grad(|| layout.named(weights.flat(), name));
        let tensor = tensor.ok_or_else(|| LmError::Input(format!("no weight `{name}`")))?;
        debug_assert_eq!(tensor.size(), shape);
        Ok((name.to_owned(), Outgoing::of(tensor, kind)))
    });
    named.collect()
}

/// Writes one file of tensors, each converted to `kind`.
pub(crate) fn write_plain_tensors(
    path: &Path,
    tensors: impl Iterator<Item = (String, Tensor)>,
    kind: Kind,
) -> Result<(), LmError> {
    let tensors = tensors.map(|(name, tensor)| (name, Outgoing::of(tensor, kind)));
    write_tensors(path, &tensors.collect::<Vec<_>>())
}

/// Fills files one after the other, in the order of the model.
fn shards(tensors: Vec<(String, Outgoing)>, bytes: usize) -> Vec<Vec<(String, Outgoing)>> {
    let mut shards = vec![Vec::new()];
    let mut filled = 0;
    for (name, outgoing) in tensors {
        let size = (&outgoing).data_len();
        if filled > 0 && filled + size > bytes {
            shards.push(Vec::new());
            filled = 0;
        }
        filled += size;
        if let Some(shard) = shards.last_mut() {
            shard.push((name, outgoing));
        }
    }
    shards
}

fn write_tensors(path: &Path, tensors: &[(String, Outgoing)]) -> Result<(), LmError> {
    // Older versions of transformers refuse files without it.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let views = tensors.iter().map(|(name, outgoing)| (name, outgoing));
    safetensors::serialize_to_file(views, Some(metadata), path).map_err(|error| match error {
        SafeTensorError::IoError(source) => file(path, source),
        other => LmError::Checkpoint {
            path: path.to_path_buf(),
            problem: other.to_string(),
        },
    })?;
    sync(path)
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), LmError> {
    fs::write(path, bytes).map_err(|error| file(path, error))?;
    sync(path)
}

/// Waits until a file or folder is on the disk.
fn sync(path: &Path) -> Result<(), LmError> {
    File::open(path)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| file(path, error))
}

fn file(path: &Path, source: std::io::Error) -> LmError {
    LmError::File {
        path: PathBuf::from(path),
        source,
    }
}

fn dtype_name(kind: Kind) -> Result<&'static str, LmError> {
    match kind {
        Kind::Float => Ok("float32"),
        Kind::BFloat16 => Ok("bfloat16"),
        Kind::Half => Ok("float16"),
        other => Err(LmError::Input(format!(
            "weights as {other:?} - allowed: f32, bf16, f16"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_takes_no_weights_is_a_file_s_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("missing").join(WHOLE);
        let tensors = [("a".to_owned(), Tensor::from_slice(&[1.0f32]))];
        let error = write_plain_tensors(&path, tensors.into_iter(), Kind::Float);
        assert!(matches!(error, Err(LmError::File { .. })), "{error:?}");
    }
}
