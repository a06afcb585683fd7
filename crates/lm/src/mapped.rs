//! Files as memory.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use crate::LmError;

/// A whole file, mapped for reading.
#[derive(Debug)]
pub(crate) struct MappedFile(Mmap);

impl MappedFile {
    /// Maps `path`.
    ///
    /// # Errors
    /// A file that is missing or may not be read.
    #[expect(unsafe_code, reason = "a mapped file is outside Rust's aliasing rules")]
    pub(crate) fn open(path: &Path) -> Result<Self, LmError> {
        let failed = |source| LmError::File {
            path: path.to_path_buf(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        // SAFETY: the map is read-only and private to this process, and it is only handed out
        // as bytes that are copied into tensors while the checkpoint is loaded. Were another
        // process to shorten the file in that time, the kernel would end this process (SIGBUS);
        // one that rewrites it in place changes numbers, which no reader can rule out. Both
        // hub caches and our own saving replace files by renaming, which leaves a map intact.
        let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
        Ok(Self(map))
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
