//! Whether bytes are those that the server named.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What a file has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) bytes: u64,
    digest: Option<Named>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// Of the file; large files have it.
    Sha256(String),
    /// Of git's header and the file; small files have it.
    GitBlob(String),
}

impl Expected {
    /// 64 hexadecimal digits are a SHA-256, 40 the name of a git blob, anything else tells nothing.
    pub(crate) fn of_etag(etag: &str, bytes: u64) -> Self {
        let etag = etag.to_ascii_lowercase();
        let hexadecimal = etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digest = match etag.len() {
            64 if hexadecimal => Some(Named::Sha256(etag)),
            40 if hexadecimal => Some(Named::GitBlob(etag)),
            _ => None,
        };
        Expected { bytes, digest }
    }

    /// Starts to take bytes in.
    pub(crate) fn proof(&self) -> Proof {
        let hasher = match &self.digest {
            Some(Named::Sha256(_)) => Hasher::Sha256(Sha256::new()),
            Some(Named::GitBlob(_)) => {
                let mut hasher = Sha1::new();
                hasher.update(format!("blob {}\0", self.bytes));
                Hasher::GitBlob(hasher)
            }
            None => Hasher::None,
        };
        Proof { taken: 0, hasher }
    }

    /// Reads a file and says what is wrong with it.
    pub(crate) fn check(&self, path: &Path) -> io::Result<Result<(), String>> {
        let mut proof = self.proof();
        proof.take_in(File::open(path)?, u64::MAX)?;
        Ok(proof.finish(self))
    }
}

enum Hasher {
    Sha256(Sha256),
    GitBlob(Sha1),
    None,
}

/// Bytes so far.
pub(crate) struct Proof {
    taken: u64,
    hasher: Hasher,
}

impl Proof {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.taken += bytes.len() as u64;
        match &mut self.hasher {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::GitBlob(hasher) => hasher.update(bytes),
            Hasher::None => {}
        }
    }

    /// Takes in what is on the disk, at most `limit` bytes.
    pub(crate) fn take_in(&mut self, file: File, limit: u64) -> io::Result<()> {
        let mut file = file.take(limit);
        let mut buffer = vec![0; 1 << 18];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.update(&buffer[..count]);
        }
    }

    /// What is wrong, size first.
    pub(crate) fn finish(self, expected: &Expected) -> Result<(), String> {
        if self.taken != expected.bytes {
            return Err(format!(
                "{} bytes instead of {}",
                self.taken, expected.bytes
            ));
        }
        let (kind, named, found) = match (&expected.digest, self.hasher) {
            (Some(Named::Sha256(named)), Hasher::Sha256(hasher)) => {
                ("SHA-256", named, hexadecimal(&hasher.finalize()))
            }
            (Some(Named::GitBlob(named)), Hasher::GitBlob(hasher)) => {
                ("git hash", named, hexadecimal(&hasher.finalize()))
            }
            _ => return Ok(()),
        };
        if *named == found {
            Ok(())
        } else {
            Err(format!("{kind} {found} instead of {named}"))
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(etag: &str, bytes: &[u8], size: u64) -> Result<(), String> {
        let expected = Expected::of_etag(etag, size);
        let mut proof = expected.proof();
        proof.update(bytes);
        proof.finish(&expected)
    }

    #[test]
    fn both_kinds_of_etag_are_proved() {
        // `sha256sum` and `git hash-object` of "hello\n".
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let blob = "ce013625030ba8dba906f756967f9e9ca394464a";
        for etag in [sha256, blob, "\"weak\""] {
            assert_eq!(verdict(etag, b"hello\n", 6), Ok(()), "{etag}");
            assert!(verdict(etag, b"hello", 6).is_err(), "{etag}");
        }
        for etag in [sha256, blob] {
            let told = verdict(etag, b"hullo\n", 6).expect_err("another content");
            assert!(told.contains(etag), "{told}");
        }
    }
}
