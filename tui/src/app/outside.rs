//! The user's editor.

use std::io::Write;
use std::process::Command;

/// A file that came back larger than this is not a configuration.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Opens a text in the user's editor and returns what became of it.
///
/// # Errors
/// In words for the user: no editor, it failed, or it left no readable file.
pub(super) fn edit(editor: &str, text: &str, ending: &str) -> Result<String, String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        format!("{what}: {error} - set VISUAL or EDITOR to your editor; nothing was changed")
    };
    let mut file = tempfile::Builder::new()
        .prefix("concord-")
        .suffix(&format!(".{ending}"))
        .tempfile()
        .map_err(|error| failed("cannot make a file for the editor", &error))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.flush())
        .map_err(|error| failed("cannot write a file for the editor", &error))?;
    // By a shell, since people set EDITOR to commands such as `code --wait`.
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(file.path())
        .status()
        .map_err(|error| failed(&format!("cannot start the editor `{editor}`"), &error))?;
    if !status.success() {
        return Err(format!(
            "the editor `{editor}` ended with {status} - set VISUAL or EDITOR to your editor; nothing was changed"
        ));
    }
    // By its path: editors replace files instead of writing into them.
    let path = file.path();
    let length = std::fs::metadata(path)
        .map_err(|error| failed("the editor left no file", &error))?
        .len();
    if length > LARGEST {
        return Err(format!(
            "the file from the editor has {length} bytes - allowed: {LARGEST}; nothing was changed"
        ));
    }
    std::fs::read_to_string(path)
        .map_err(|error| failed("cannot read what the editor left", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_editor_leaves_comes_back() {
        let append = "f() { echo b >> \"$1\"; }; f";
        assert_eq!(edit(append, "a\n", "toml"), Ok("a\nb\n".to_owned()));
        let replace = "f() { echo c > \"$1.new\"; mv \"$1.new\" \"$1\"; }; f";
        assert_eq!(edit(replace, "a\n", "toml"), Ok("c\n".to_owned()));
    }

    #[test]
    fn failures_of_the_editor_are_told_and_change_nothing() {
        let failed = edit("false", "a", "toml").expect_err("it failed");
        assert!(failed.contains("exit status: 1"), "{failed}");
        let missing = edit("no-such-editor-here", "a", "toml").expect_err("it is missing");
        assert!(missing.contains("127"), "{missing}");
        let gone = edit("rm", "a", "toml").expect_err("the file is gone");
        assert!(gone.contains("left no file"), "{gone}");
    }
}
