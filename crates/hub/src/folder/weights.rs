//! Headers of safetensors files: what is in them, and whether the files are whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::read_object;
use crate::error::{HubError, io_error};
use crate::selection;

/// The format's own limit, bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// A file of weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Names of its tensors.
    pub tensors: BTreeSet<String>,
}

/// All weights of a model, from their headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    /// The files in the order of their names.
    pub files: Vec<WeightFile>,
    /// Numbers by type as the files spell it, such as `BF16`.
    pub numbers: BTreeMap<String, u64>,
}

impl Weights {
    /// Of one file, whatever its name.
    pub(crate) fn of_file(path: &Path) -> Result<Self, HubError> {
        let mut weights = Self {
            files: Vec::new(),
            numbers: BTreeMap::new(),
        };
        read_file(path, &mut weights)?;
        Ok(weights)
    }

    /// Numbers of all tensors.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.numbers.values().sum()
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Tensors of all files.
    #[must_use]
    pub fn tensors(&self) -> usize {
        self.files.iter().map(|file| file.tensors.len()).sum()
    }
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Reads the headers of all weight files of a folder.
pub(super) fn read(folder: &Path, names: &[&str]) -> Result<Weights, HubError> {
    let mut weights = Weights {
        files: Vec::new(),
        numbers: BTreeMap::new(),
    };
    if names.contains(&selection::WEIGHTS) {
        read_file(&folder.join(selection::WEIGHTS), &mut weights)?;
        return Ok(weights);
    }
    let index = folder.join(selection::INDEX);
    let Some(map) = read_object(&index)? else {
        return Err(selection::no_weights(&folder.display().to_string(), names));
    };
    let placed = placed(&index, &map)?;
    for (file, tensors) in placed {
        let path = folder.join(&file);
        if !path.exists() {
            return Err(HubError::broken(
                &index,
                format!("it names {file}, which is missing"),
            ));
        }
        read_file(&path, &mut weights)?;
        let held = weights.files.last().map(|file| &file.tensors);
        if let Some(lost) = tensors
            .iter()
            .find(|name| held.is_some_and(|held| !held.contains(*name)))
        {
            return Err(HubError::broken(
                &path,
                format!("it lacks the tensor {lost} that the index places there"),
            ));
        }
    }
    Ok(weights)
}

/// The index's tensors by file.
fn placed(index: &Path, map: &Value) -> Result<BTreeMap<String, BTreeSet<String>>, HubError> {
    let entries = map["weight_map"]
        .as_object()
        .filter(|entries| !entries.is_empty())
        .ok_or_else(|| HubError::broken(index, "it has no weight_map"))?;
    let mut placed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (tensor, file) in entries {
        // Names come from a download: they must not lead out of the folder.
        let file = file
            .as_str()
            .filter(|file| !file.contains(['/', '\\']) && file.ends_with(".safetensors"))
            .ok_or_else(|| {
                HubError::broken(
                    index,
                    format!("it places {tensor} in {file}, no safetensors file"),
                )
            })?;
        placed
            .entry(file.to_owned())
            .or_default()
            .insert(tensor.clone());
    }
    Ok(placed)
}

fn read_file(path: &Path, weights: &mut Weights) -> Result<(), HubError> {
    let reading = || io_error("cannot read", path);
    let mut file = File::open(path).map_err(reading())?;
    let bytes = file.metadata().map_err(reading())?.len();
    let mut length = [0; 8];
    if bytes < 8 {
        return Err(HubError::broken(
            path,
            format!("it is cut off after {bytes} bytes, inside its header"),
        ));
    }
    file.read_exact(&mut length).map_err(reading())?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER || length > bytes - 8 {
        return Err(HubError::broken(
            path,
            format!(
                "its header claims {length} bytes, the file has {bytes}: it is cut off or no safetensors file"
            ),
        ));
    }
    let mut header = Vec::new();
    file.take(length)
        .read_to_end(&mut header)
        .map_err(reading())?;
    let mut entries: BTreeMap<String, Value> = serde_json::from_slice(&header)
        .map_err(|error| HubError::broken(path, format!("its header is no JSON ({error})")))?;
    entries.remove("__metadata__");
    let mut tensors = BTreeSet::new();
    let mut end = 0;
    for (name, entry) in entries {
        let entry: Entry = serde_json::from_value(entry)
            .map_err(|error| HubError::broken(path, format!("tensor {name}: {error}")))?;
        let count =
            check(&entry).map_err(|why| HubError::broken(path, format!("tensor {name} {why}")))?;
        end = end.max(entry.data_offsets.1);
        *weights.numbers.entry(entry.dtype).or_default() += count;
        tensors.insert(name);
    }
    let data = bytes - 8 - length;
    if data != end {
        let how = if data < end { "cut off" } else { "too long" };
        return Err(HubError::broken(
            path,
            format!("it is {how}: its tensors take {end} bytes, {data} are there"),
        ));
    }
    weights.files.push(WeightFile {
        path: path.to_path_buf(),
        bytes,
        tensors,
    });
    Ok(())
}

/// The tensor's count of numbers, if its place has the size of its shape.
fn check(entry: &Entry) -> Result<u64, String> {
    let (begin, end) = entry.data_offsets;
    let bits = bits(&entry.dtype).ok_or_else(|| format!("has the unknown type {}", entry.dtype))?;
    let count = entry
        .shape
        .iter()
        .try_fold(1_u64, |product, length| product.checked_mul(*length));
    let place = end.checked_sub(begin);
    let expected = count
        .and_then(|count| count.checked_mul(bits))
        .map(|bits| bits / 8);
    match (count, expected, place) {
        (Some(count), Some(expected), Some(place)) if expected == place => Ok(count),
        _ => Err(format!(
            "of shape {:?} and type {} does not fit its place, bytes {begin} to {end}",
            entry.shape, entry.dtype
        )),
    }
}

fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" => 8,
        "F16" | "BF16" | "I16" | "U16" => 16,
        "F32" | "I32" | "U32" => 32,
        "F64" | "I64" | "U64" | "C64" => 64,
        _ => return None,
    })
}
