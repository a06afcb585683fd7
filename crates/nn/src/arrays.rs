//! Named arrays in safetensors files.
//!
//! Everything numeric in a checkpoint goes through here, so that a truncated file or
//! one of another shape is refused with a sentence instead of a wrong training run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::NnError;

/// One array: element type, shape and little-endian bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    kind: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

macro_rules! element {
    ($from:ident, $read:ident, $type:ty, $kind:expr) => {
        impl Array {
            #[doc = concat!("An array of `", stringify!($type), "`; `values` are in row-major order.")]
            pub fn $from(shape: Vec<usize>, values: &[$type]) -> Self {
                debug_assert_eq!(shape.iter().product::<usize>(), values.len());
                let mut bytes = vec![0; size_of_val(values)];
                let places = bytes.chunks_exact_mut(size_of::<$type>());
                for (place, value) in places.zip(values) {
                    place.copy_from_slice(&value.to_le_bytes());
                }
                Self { kind: $kind, shape, bytes }
            }
        }

        impl Arrays {
            #[doc = concat!("The `", stringify!($type), "` array called `name`, of this `shape`.")]
            ///
            /// # Errors
            /// When it is missing or has another type or shape.
            pub fn $read(&self, name: &str, shape: &[usize]) -> Result<Vec<$type>, NnError> {
                const SIZE: usize = size_of::<$type>();
                let array = self.find(name, $kind, shape)?;
                let read = |chunk: &[u8]| {
                    let mut bytes = [0u8; SIZE];
                    bytes.copy_from_slice(chunk);
                    <$type>::from_le_bytes(bytes)
                };
                Ok(array.bytes.chunks_exact(SIZE).map(read).collect())
            }
        }
    };
}

element!(from_f32, f32, f32, Dtype::F32);
element!(from_f64, f64, f64, Dtype::F64);
element!(from_u64, u64, u64, Dtype::U64);
element!(from_i32, i32, i32, Dtype::I32);
element!(from_i64, i64, i64, Dtype::I64);
element!(from_u8, u8, u8, Dtype::U8);

impl View for &Array {
    fn dtype(&self) -> Dtype {
        self.kind
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Arrays by name, as one safetensors file holds them.
#[derive(Clone, Debug, Default)]
pub struct Arrays {
    source: PathBuf,
    arrays: BTreeMap<String, Array>,
}

impl Arrays {
    /// No arrays yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces an array.
    pub fn insert(&mut self, name: impl Into<String>, array: Array) {
        self.arrays.insert(name.into(), array);
    }

    /// Adds all arrays of `other`.
    pub fn extend(&mut self, other: Self) {
        self.arrays.extend(other.arrays);
    }

    /// The same arrays, each name with `prefix` before it.
    #[must_use]
    pub fn prefixed(self, prefix: &str) -> Self {
        let arrays = self.arrays.into_iter();
        Self {
            source: self.source,
            arrays: arrays
                .map(|(name, array)| (format!("{prefix}{name}"), array))
                .collect(),
        }
    }

    /// The arrays whose names start with `prefix`, without it.
    #[must_use]
    pub fn part(&self, prefix: &str) -> Self {
        let own = |(name, array): (&String, &Array)| {
            let name = name.strip_prefix(prefix)?;
            Some((name.to_owned(), array.clone()))
        };
        Self {
            source: self.source.clone(),
            arrays: self.arrays.iter().filter_map(own).collect(),
        }
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// The shape of an array, when it is there.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.arrays.get(name).map(|array| array.shape.as_slice())
    }

    /// Writes a safetensors file and makes it durable (fsync). Another file of that name is
    /// replaced when the new one is whole, and stays when it cannot be written.
    ///
    /// # Errors
    /// A full disk, a missing folder, missing permissions.
    pub fn write(&self, path: &Path) -> Result<(), NnError> {
        let file_error = |source| NnError::File {
            path: path.to_path_buf(),
            source,
        };
        let bytes = safetensors::serialize(self.arrays.iter(), None)
            .map_err(|error| self.problem(error.to_string()))?;
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let written = fs::write(&part, bytes)
            .and_then(|()| fs::File::open(&part)?.sync_all())
            .and_then(|()| fs::rename(&part, path));
        written.map_err(|source| {
            // Half a file helps nobody, and takes what room there is.
            let _ = fs::remove_file(&part);
            file_error(source)
        })
    }

    /// Reads a safetensors file.
    ///
    /// # Errors
    /// A missing or truncated file; the message names it.
    pub fn read(path: &Path) -> Result<Self, NnError> {
        let bytes = fs::read(path).map_err(|source| NnError::File {
            path: path.to_path_buf(),
            source,
        })?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| NnError::Arrays {
            path: path.to_path_buf(),
            problem: format!("not a whole safetensors file ({error}) - it is truncated or damaged; use an earlier checkpoint"),
        })?;
        let arrays = file
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                let array = Array {
                    kind: view.dtype(),
                    shape: view.shape().to_vec(),
                    bytes: view.data().to_vec(),
                };
                (name, array)
            })
            .collect();
        Ok(Self {
            source: path.to_path_buf(),
            arrays,
        })
    }

    fn problem(&self, problem: String) -> NnError {
        NnError::Arrays {
            path: self.source.clone(),
            problem,
        }
    }

    fn find(&self, name: &str, kind: Dtype, shape: &[usize]) -> Result<&Array, NnError> {
        let array = self.arrays.get(name).ok_or_else(|| {
            self.problem(format!(
                "`{name}` is missing - the checkpoint belongs to another network or algorithm"
            ))
        })?;
        if array.kind != kind || array.shape != shape {
            return Err(self.problem(format!(
                "`{name}` is {:?} {:?}, expected {kind:?} {shape:?} - the checkpoint belongs to another network or environment",
                array.kind, array.shape
            )));
        }
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_through_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        let mut arrays = Arrays::new();
        arrays.insert(
            "a",
            Array::from_f32(vec![2, 2], &[1.0, -2.5, f32::MIN_POSITIVE, 4.0]),
        );
        arrays.insert("b", Array::from_u64(vec![1], &[u64::MAX]));
        arrays.write(&path).unwrap();
        let read = Arrays::read(&path).unwrap();
        assert_eq!(
            read.f32("a", &[2, 2]).unwrap(),
            vec![1.0, -2.5, f32::MIN_POSITIVE, 4.0]
        );
        assert_eq!(read.u64("b", &[1]).unwrap(), vec![u64::MAX]);
    }

    #[test]
    fn a_file_that_cannot_take_its_place_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        let mut arrays = Arrays::new();
        arrays.insert("a", Array::from_f32(vec![4], &[0.0; 4]));
        assert!(matches!(arrays.write(&path), Err(NnError::File { .. })));
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_truncated_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        let mut arrays = Arrays::new();
        arrays.insert("a", Array::from_f32(vec![4], &[0.0; 4]));
        arrays.write(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let message = Arrays::read(&path).unwrap_err().to_string();
        assert!(message.contains("truncated"), "{message}");
    }
}
