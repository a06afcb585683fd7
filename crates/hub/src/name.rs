//! Names of models and revisions, checked before they reach a path or an address.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::HubError;

/// The branch that is meant when none is named.
pub const DEFAULT_REVISION: &str = "main";

const LONGEST_NAME: usize = 96;

/// `OWNER/NAME`, or a `NAME` alone as the hub's oldest models have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(String);

impl ModelName {
    /// Reads a name; an address of the public hub is taken for the name in it.
    ///
    /// # Errors
    ///
    /// [`HubError::BadName`] where the hub itself would refuse the name.
    pub fn new(text: &str) -> Result<Self, HubError> {
        let name = text
            .strip_prefix("https://huggingface.co/")
            .or_else(|| text.strip_prefix("hf.co/"))
            .unwrap_or(text)
            .trim_end_matches('/');
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() <= 2 && name.len() <= LONGEST_NAME && parts.iter().all(|part| is_part(part))
        {
            return Ok(ModelName(name.to_owned()));
        }
        Err(HubError::BadName {
            name: text.to_owned(),
        })
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a cache folder such as `models--OWNER--NAME`.
    pub(crate) fn of_folder(folder: &str) -> Option<Self> {
        let name = folder.strip_prefix("models--")?.replacen("--", "/", 1);
        ModelName::new(&name).ok()
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Letters, digits, `-`, `_` and `.`; no `--` or `..`, neither end a `-` or `.`.
fn is_part(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !part.is_empty()
        && part.bytes().all(plain)
        && !part.contains("--")
        && !part.contains("..")
        && !part.starts_with(['-', '.'])
        && !part.ends_with(['-', '.'])
}

/// Refuses revisions that would leave the cache's folder or break an address.
pub(crate) fn check_revision(revision: &str) -> Result<(), HubError> {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    let sound = !revision.is_empty()
        && revision.bytes().all(plain)
        && revision
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
    if sound {
        Ok(())
    } else {
        Err(HubError::BadRevision {
            revision: revision.to_owned(),
        })
    }
}

/// Whether a revision is a whole commit, which never moves.
pub(crate) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a user may write where a model is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelReference {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A model of the hub.
    Name(ModelName),
}

impl ModelReference {
    /// An existing folder wins over a name; what looks like a path is one.
    ///
    /// # Errors
    ///
    /// [`HubError::NoFolder`] for a path that is none, [`HubError::BadName`] for a name.
    pub fn read(text: &str) -> Result<Self, HubError> {
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(ModelReference::Folder(path.to_path_buf()));
        }
        let like_a_path = path.is_absolute()
            || text.starts_with("./")
            || text.starts_with("../")
            || text.starts_with('~')
            || path.is_file();
        if like_a_path {
            return Err(HubError::NoFolder {
                path: path.to_path_buf(),
            });
        }
        Ok(ModelReference::Name(ModelName::new(text)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_hubs_rules() {
        for good in ["gpt2", "HuggingFaceTB/SmolLM2-135M-Instruct", "a.b/c_d-1"] {
            assert_eq!(
                ModelName::new(good).map(|name| name.0).ok().as_deref(),
                Some(good)
            );
        }
        let address = ModelName::new("https://huggingface.co/Qwen/Qwen3-0.6B/").expect("a name");
        assert_eq!(address.as_str(), "Qwen/Qwen3-0.6B");
        for bad in [
            "", "a/b/c", "../x", "a/..", "a--b/c", "-a/b", "a b/c", "a/b.", "/",
        ] {
            assert!(ModelName::new(bad).is_err(), "{bad}");
        }
        let folder = ModelName::of_folder("models--a--b");
        assert_eq!(folder.as_ref().map(ModelName::as_str), Some("a/b"));
        assert_eq!(ModelName::of_folder("datasets--a--b"), None);
    }

    #[test]
    fn revisions_stay_inside_their_folder() {
        for good in ["main", "refs/pr/3", "v1.0", "0123456789abcdef"] {
            assert!(check_revision(good).is_ok(), "{good}");
        }
        for bad in ["", "..", "a/../b", "/a", "a/", "a b", "a?b"] {
            assert!(check_revision(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_folder_stands_wherever_a_name_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = folder.path().to_string_lossy().into_owned();
        assert_eq!(
            ModelReference::read(&text).ok(),
            Some(ModelReference::Folder(folder.path().to_path_buf()))
        );
        let missing = format!("{text}/missing");
        assert!(matches!(
            ModelReference::read(&missing),
            Err(HubError::NoFolder { .. })
        ));
        assert!(matches!(
            ModelReference::read("owner/name"),
            Ok(ModelReference::Name(_))
        ));
    }
}
