//! The commit checked out around a folder, without running git.

use std::fs;
use std::path::Path;

/// The full commit hash of the repository that contains `folder`, if there is one.
pub(crate) fn commit_around(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let git = folder
        .ancestors()
        .map(|ancestor| ancestor.join(".git"))
        .find(|git| git.exists())?;
    // In a linked work tree `.git` is a file that names the real folder.
    let git = if git.is_file() {
        let text = fs::read_to_string(&git).ok()?;
        git.parent()?.join(text.trim().strip_prefix("gitdir: ")?)
    } else {
        git
    };
    let common = match fs::read_to_string(git.join("commondir")) {
        Ok(text) => git.join(text.trim()),
        Err(_) => git.clone(),
    };
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(reference) = head.trim().strip_prefix("ref: ") else {
        return as_hash(head.trim());
    };
    if let Ok(hash) = fs::read_to_string(common.join(reference)) {
        return as_hash(hash.trim());
    }
    let packed = fs::read_to_string(common.join("packed-refs")).ok()?;
    packed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(_, name)| *name == reference)
        .and_then(|(hash, _)| as_hash(hash))
}

fn as_hash(text: &str) -> Option<String> {
    let valid = text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_loose_packed_and_detached_heads() {
        let folder = tempfile::tempdir().unwrap();
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let git = folder.path().join(".git");
        let inner = folder.path().join("a/b");
        fs::create_dir_all(git.join("refs/heads")).unwrap();
        fs::create_dir_all(&inner).unwrap();
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        assert_eq!(commit_around(&inner), None);
        fs::write(
            git.join("packed-refs"),
            format!("# pack-refs\n{hash} refs/heads/main\n"),
        )
        .unwrap();
        assert_eq!(commit_around(&inner).as_deref(), Some(hash));
        let loose = hash.replace('0', "9");
        fs::write(git.join("refs/heads/main"), format!("{loose}\n")).unwrap();
        assert_eq!(commit_around(&inner), Some(loose));
        fs::write(git.join("HEAD"), format!("{hash}\n")).unwrap();
        assert_eq!(commit_around(&inner).as_deref(), Some(hash));
    }
}
