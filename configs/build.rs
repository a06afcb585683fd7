//! Writes the table of presets: every `presets/**/*.toml`, by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fmt::Write as _, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets the folder"));
    let folder = root.join("presets");
    println!("cargo::rerun-if-changed=presets");
    let mut presets = BTreeMap::new();
    collect(&folder, &mut presets)?;

    let mut table = "static ALL: &[Preset] = &[\n".to_owned();
    for (name, path) in &presets {
        let relative = path.strip_prefix(&folder).unwrap_or(path);
        let relative = relative.to_string_lossy().replace('\\', "/");
        writeln!(
            table,
            "    Preset {{ name: {name:?}, path: {relative:?}, text: include_str!({path:?}) }},"
        )
        .expect("writing to a string does not fail");
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets the folder"));
    fs::write(out.join("presets.rs"), table)
}

fn collect(folder: &Path, presets: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, presets)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            if let Some(other) = presets.insert(name.clone().into_owned(), path.clone()) {
                let message = format!(
                    "two presets named {name}: {} and {}; rename one",
                    other.display(),
                    path.display()
                );
                return Err(io::Error::other(message));
            }
        }
    }
    Ok(())
}
