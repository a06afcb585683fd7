//! The bytes of saved environments: little-endian numbers behind a header that names what was
//! saved, with a checksum at the end.

use crate::error::EnvironmentError;

const MAGIC: &[u8; 4] = b"CENV";
const VERSION: u32 = 1;

/// Writes a snapshot.
#[derive(Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Starts a snapshot of something called `name`, such as an id with its count.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut encoder = Self {
            bytes: Vec::with_capacity(256),
        };
        encoder.bytes.extend_from_slice(MAGIC);
        encoder.u32(VERSION);
        encoder.bytes(name.as_bytes());
        encoder
    }

    /// Appends a byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Appends 16 bits.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends 32 bits.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends 64 bits.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends 128 bits.
    pub fn u128(&mut self, value: u128) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends a length and that many bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        self.u64(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// Closes the snapshot with its checksum.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let sum = checksum(&self.bytes);
        self.u64(sum);
        self.bytes
    }
}

/// Reads a snapshot; the whole of it was checked by [`Decoder::open`].
#[derive(Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Checks header, name and checksum.
    ///
    /// # Errors
    /// [`EnvironmentError::Snapshot`] when the bytes are cut short, changed, or of something else.
    pub fn open(bytes: &'a [u8], name: &str) -> Result<Self, EnvironmentError> {
        let Some((body, sum)) = bytes.split_last_chunk::<8>() else {
            return Err(broken("shorter than its header"));
        };
        if checksum(body) != u64::from_le_bytes(*sum) {
            return Err(broken(
                "the checksum differs, so the bytes were cut short or changed",
            ));
        }
        let mut decoder = Self { rest: body };
        if decoder.take(4)? != MAGIC {
            return Err(broken("it does not start with CENV"));
        }
        let version = decoder.u32()?;
        if version != VERSION {
            return Err(broken(&format!(
                "version {version}, this build reads {VERSION}"
            )));
        }
        let found = decoder.bytes()?;
        if found != name.as_bytes() {
            return Err(EnvironmentError::Snapshot {
                problem: format!(
                    "it is of {:?}, not of {name:?}",
                    String::from_utf8_lossy(found)
                ),
                hint: "make the environment with the id, options and count of the saved one"
                    .to_owned(),
            });
        }
        Ok(decoder)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], EnvironmentError> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else {
            return Err(broken("cut short"));
        };
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EnvironmentError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(broken("cut short"));
        };
        self.rest = rest;
        Ok(*head)
    }

    /// Reads a byte.
    ///
    /// # Errors
    /// Cut short; so for every reader below.
    pub fn u8(&mut self) -> Result<u8, EnvironmentError> {
        Ok(self.array::<1>()?[0])
    }

    /// Reads 16 bits.
    ///
    /// # Errors
    /// Cut short.
    pub fn u16(&mut self) -> Result<u16, EnvironmentError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Reads 32 bits.
    ///
    /// # Errors
    /// Cut short.
    pub fn u32(&mut self) -> Result<u32, EnvironmentError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Reads 64 bits.
    ///
    /// # Errors
    /// Cut short.
    pub fn u64(&mut self) -> Result<u64, EnvironmentError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Reads 128 bits.
    ///
    /// # Errors
    /// Cut short.
    pub fn u128(&mut self) -> Result<u128, EnvironmentError> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    /// Reads a length and that many bytes.
    ///
    /// # Errors
    /// Cut short.
    pub fn bytes(&mut self) -> Result<&'a [u8], EnvironmentError> {
        let length = self.u64()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// Bytes left over.
    pub fn finish(self) -> Result<(), EnvironmentError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(broken(&format!("{} bytes too many", self.rest.len())))
        }
    }
}

fn broken(problem: &str) -> EnvironmentError {
    EnvironmentError::Snapshot {
        problem: problem.to_owned(),
        hint: "take an older checkpoint".to_owned(),
    }
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
