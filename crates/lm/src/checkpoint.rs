//! Safetensors files of a model, whole or in shards, mapped into memory.
//!
//! A file is opened only when its header, its length and every tensor's place agree, so that
//! a download that was cut is refused with a sentence.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, SafeTensors};
use serde::Deserialize;
use tch::{Kind, Tensor};

use crate::LmError;
use crate::mapped::MappedFile;

/// A checkpoint in one file.
pub const WHOLE: &str = "model.safetensors";
/// The list of shards of a larger one.
pub const INDEX: &str = "model.safetensors.index.json";

/// Bytes of the length before a header.
const LENGTH_BYTES: usize = 8;

struct Shard {
    path: PathBuf,
    bytes: MappedFile,
    data: usize, // where the tensors begin
    metadata: Metadata,
}

/// The tensors of a model's folder.
pub struct Checkpoint {
    folder: PathBuf,
    shards: Vec<Shard>,
    places: BTreeMap<String, usize>, // tensor to shard
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens the safetensors files of `folder`.
    ///
    /// # Errors
    /// None there, or only pickled ones; a missing, truncated or over-long file; an index
    /// that names what its file does not hold.
    pub fn open(folder: &Path) -> Result<Self, LmError> {
        let whole = folder.join(WHOLE);
        if whole.is_file() {
            return Ok(Self {
                folder: folder.to_path_buf(),
                ..Self::of_file(whole)?
            });
        }
        let index = folder.join(INDEX);
        if index.is_file() {
            return Self::open_shards(folder, &index);
        }
        Err(LmError::Checkpoint {
            path: folder.to_path_buf(),
            problem: missing_weights(folder),
        })
    }

    fn open_shards(folder: &Path, index: &Path) -> Result<Self, LmError> {
        let problem = |problem: String| LmError::Checkpoint {
            path: index.to_path_buf(),
            problem,
        };
        let text = fs::read_to_string(index).map_err(|source| LmError::File {
            path: index.to_path_buf(),
            source,
        })?;
        let map: Index = serde_json::from_str(&text).map_err(|error| {
            problem(format!(
                "not an index of shards ({error}) - download it again"
            ))
        })?;
        let files: BTreeSet<&String> = map.weight_map.values().collect();
        let mut shards = Vec::with_capacity(files.len());
        let mut numbers = BTreeMap::new();
        for file in files {
            // A shard lies beside its index; a path that leaves the folder is not one.
            if Path::new(file).components().count() != 1 || file.starts_with("..") {
                return Err(problem(format!("shard `{file}` - allowed: a file name")));
            }
            let path = folder.join(file);
            if !path.is_file() {
                return Err(problem(format!(
                    "shard `{file}` is missing - fetch the model again; files that are whole are kept"
                )));
            }
            numbers.insert(file, shards.len());
            shards.push(Shard::open(path)?);
        }
        let mut places = BTreeMap::new();
        for (name, file) in &map.weight_map {
            let number = numbers[file];
            if shards[number].metadata.info(name).is_none() {
                return Err(problem(format!(
                    "`{name}` is not in `{file}`, where the index says it is - the files are of two downloads; fetch the model again"
                )));
            }
            places.insert(name.clone(), number);
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            shards,
            places,
        })
    }

    /// Opens one safetensors file, whatever its name.
    ///
    /// # Errors
    /// A missing, truncated or over-long file.
    pub(crate) fn of_file(path: PathBuf) -> Result<Self, LmError> {
        let shard = Shard::open(path.clone())?;
        let names = shard.metadata.tensors().into_keys();
        Ok(Self {
            folder: path,
            places: names.map(|name| (name, 0)).collect(),
            shards: vec![shard],
        })
    }

    /// The folder it was opened from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of all tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.bytes.len()).sum()
    }

    /// A copy of the tensor `name` on the CPU, in the type of the file.
    ///
    /// # Errors
    /// It is missing, of another shape, or quantised.
    pub fn tensor(&self, name: &str, shape: &[i64]) -> Result<Tensor, LmError> {
        let Some(&number) = self.places.get(name) else {
            return Err(self.problem(format!(
                "`{name}` is missing - config.json describes another model than the weights; fetch both again"
            )));
        };
        let shard = &self.shards[number];
        let Some(info) = shard.metadata.info(name) else {
            return Err(shard.problem(format!("`{name}` is missing")));
        };
        let found: Vec<i64> = info.shape.iter().map(|&size| size as i64).collect();
        if found != shape {
            return Err(shard.problem(format!(
                "`{name}` is {found:?} - allowed by config.json: {shape:?} - the two files are of different models; fetch both again"
            )));
        }
        let Some(kind) = kind_of(info.dtype) else {
            return Err(shard.problem(format!(
                "`{name}` holds {:?} - allowed: F32, BF16, F16 - quantised checkpoints do not load; choose the original",
                info.dtype
            )));
        };
        let (start, end) = info.data_offsets;
        let bytes = &shard.bytes[shard.data + start..shard.data + end];
        Ok(Tensor::f_from_data_size(bytes, shape, kind)?)
    }

    /// The shape of the tensor `name`.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<i64>> {
        let shard = &self.shards[*self.places.get(name)?];
        let info = shard.metadata.info(name)?;
        Some(info.shape.iter().map(|&size| size as i64).collect())
    }

    /// The type most of the weights have in the files.
    pub fn kind(&self) -> Kind {
        let mut sizes: BTreeMap<Dtype, usize> = BTreeMap::new();
        for shard in &self.shards {
            for info in shard.metadata.tensors().values() {
                let (start, end) = info.data_offsets;
                *sizes.entry(info.dtype).or_default() += end - start;
            }
        }
        let largest = sizes.into_iter().max_by_key(|(_, size)| *size);
        largest
            .and_then(|(dtype, _)| kind_of(dtype))
            .unwrap_or(Kind::Float)
    }

    pub(crate) fn problem(&self, problem: String) -> LmError {
        LmError::Checkpoint {
            path: self.folder.clone(),
            problem,
        }
    }
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self, LmError> {
        let bytes = MappedFile::open(&path)?;
        match SafeTensors::read_metadata(&bytes) {
            Ok((header, metadata)) => Ok(Self {
                path,
                bytes,
                data: LENGTH_BYTES + header,
                metadata,
            }),
            Err(error) => {
                let problem = format!(
                    "not a whole safetensors file ({error}) - it is truncated, over-long or damaged; fetch the model again"
                );
                Err(LmError::Checkpoint { path, problem })
            }
        }
    }

    fn problem(&self, problem: String) -> LmError {
        LmError::Checkpoint {
            path: self.path.clone(),
            problem,
        }
    }
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::F16 => Some(Kind::Half),
        _ => None,
    }
}

fn missing_weights(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let pickled = entries.into_iter().find(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        [".bin", ".pt", ".pth"]
            .iter()
            .any(|end| name.ends_with(end))
    });
    match pickled {
        Some(entry) => format!(
            "only pickled weights (`{}`) - allowed: {WHOLE} or shards with {INDEX} - a pickle runs code when it is read; convert it with transformers' save_pretrained, or choose a revision with safetensors",
            entry.file_name().to_string_lossy()
        ),
        None => format!("no weights - expected {WHOLE}, or shards with {INDEX}; fetch the model"),
    }
}
