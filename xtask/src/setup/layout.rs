//! What a LibTorch folder must hold, and how a finished one is recognised in a moment.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::TORCH_VERSION;

/// The libraries of the CPU part, each under the name that the others ask for.
pub const CPU_LIBRARIES: [&str; 5] = [
    "libc10.so",
    "libgomp.so.1",
    "libtorch_cpu.so",
    "libcudart.so.13",
    "libcupti.so.13",
];

/// The CUDA libraries of the `torch` wheel itself.
pub const CUDA_LIBRARIES: [&str; 5] = [
    "libtorch_cuda.so",
    "libc10_cuda.so",
    "libtorch_cuda_linalg.so",
    "libtorch_nvshmem.so",
    "libcaffe2_nvrtc.so",
];

/// Headers that stand for the whole of `include/`.
const HEADERS: [&str; 3] = [
    "include/torch/script.h",
    "include/torch/csrc/api/include/torch/torch.h",
    "include/torch/headeronly/version.h",
];

/// Name and size of each unpacked library, so that a truncated one is seen without hashing.
const CONTENTS: &str = "contents.txt";

/// Whether the CPU part is whole.
pub fn cpu_is_complete(folder: &Path) -> bool {
    version_of(folder).is_some_and(|version| is_ours(&version))
        && HEADERS.iter().all(|header| folder.join(header).is_file())
        && folder.join("lib/libtorch.so").exists()
        && CPU_LIBRARIES
            .iter()
            .all(|name| is_filled(&folder.join("lib").join(name)))
        && contents_hold(&folder.join(CONTENTS), &folder.join("lib")) != Some(false)
}

/// Whether the CUDA part is whole.
pub fn cuda_is_complete(folder: &Path) -> bool {
    let cuda = folder.join("cuda");
    CUDA_LIBRARIES
        .iter()
        .all(|name| is_filled(&cuda.join(name)))
        && contents_hold(&cuda.join(CONTENTS), &cuda) == Some(true)
}

/// Completes and checks a freshly unpacked CPU part.
pub fn finish_cpu(folder: &Path) -> Result<()> {
    // torch-sys links `-ltorch`. The wheel's libtorch.so also asks for the CUDA libraries, and
    // holds no code of its own.
    std::os::unix::fs::symlink("libtorch_cpu.so", folder.join("lib/libtorch.so"))?;
    let version = version_of(folder).context("the unpacked wheel names no version")?;
    ensure!(
        is_ours(&version),
        "the unpacked wheel is of version {version}, not {TORCH_VERSION}"
    );
    fs::write(folder.join("build-version"), format!("{TORCH_VERSION}\n"))?;
    write_contents(&folder.join(CONTENTS), &folder.join("lib"))?;
    ensure!(
        cpu_is_complete(folder),
        "the unpacked wheels lack a library or a header"
    );
    Ok(())
}

/// Completes and checks a freshly unpacked CUDA part, `folder` being the future `cuda/`.
pub fn finish_cuda(folder: &Path) -> Result<()> {
    for name in CUDA_LIBRARIES {
        ensure!(
            is_filled(&folder.join(name)),
            "the unpacked wheels lack {name}"
        );
    }
    write_contents(&folder.join(CONTENTS), folder)
}

/// Checks a folder that the user named in LIBTORCH.
pub fn check_foreign(folder: &Path) -> Result<()> {
    let shown = folder.display();
    let mend =
        format!("unset LIBTORCH to use the project's own, or name a LibTorch {TORCH_VERSION}");
    for part in ["lib", "include"] {
        if !folder.join(part).is_dir() {
            bail!("LIBTORCH is not usable: {shown} has no {part}/ - {mend}");
        }
    }
    match version_of(folder) {
        Some(version) if is_ours(&version) => Ok(()),
        Some(version) => bail!("LIBTORCH is not usable: {shown} is of version {version} - {mend}"),
        None => bail!("LIBTORCH is not usable: {shown} names no version - {mend}"),
    }
}

/// The version in `build-version` (LibTorch archives), else in the headers (wheels).
fn version_of(folder: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(folder.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    [
        "include/torch/headeronly/version.h",
        "include/torch/csrc/api/include/torch/version.h",
    ]
    .iter()
    .filter_map(|header| fs::read_to_string(folder.join(header)).ok())
    .find_map(|text| version_in_header(&text))
}

/// The string after `#define TORCH_VERSION`, on that line or the next.
fn version_in_header(text: &str) -> Option<String> {
    let (_, after) = text
        .split_once("#define TORCH_VERSION ")
        .or_else(|| text.split_once("#define TORCH_VERSION\n"))?;
    after.split('"').nth(1).map(str::to_owned)
}

/// `2.11.0` with or without a build tag such as `+cu130`.
fn is_ours(version: &str) -> bool {
    version.split('+').next() == Some(TORCH_VERSION)
}

fn is_filled(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|data| data.is_file() && data.len() > 0)
}

fn write_contents(list: &Path, libraries: &Path) -> Result<()> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(libraries)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains(".so") {
            lines.push(format!("{} {name}\n", entry.path().metadata()?.len()));
        }
    }
    lines.sort();
    fs::write(list, lines.concat())?;
    Ok(())
}

/// Whether each listed library has its size; `None` without a list.
fn contents_hold(list: &Path, libraries: &Path) -> Option<bool> {
    let text = fs::read_to_string(list).ok()?;
    Some(text.lines().all(|line| {
        line.split_once(' ').is_some_and(|(size, name)| {
            libraries
                .join(name)
                .metadata()
                .is_ok_and(|data| data.len().to_string() == size)
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a finished CPU part, with libraries of a few bytes.
    fn fake(name: &str) -> std::path::PathBuf {
        let folder =
            std::env::temp_dir().join(format!("xtask-layout-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for header in HEADERS {
            let path = folder.join(header);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "#define TORCH_VERSION \\\n  \"2.11.0\"\n").unwrap();
        }
        fs::create_dir_all(folder.join("lib")).unwrap();
        for library in CPU_LIBRARIES {
            fs::write(folder.join("lib").join(library), "code").unwrap();
        }
        folder
    }

    #[test]
    fn a_finished_folder_is_complete_until_a_library_is_cut() {
        let folder = fake("cut");
        finish_cpu(&folder).unwrap();
        assert!(cpu_is_complete(&folder));
        fs::write(folder.join("lib/libtorch_cpu.so"), "cod").unwrap();
        assert!(!cpu_is_complete(&folder));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_without_a_library_or_of_another_version_is_not_complete() {
        let folder = fake("lack");
        finish_cpu(&folder).unwrap();
        fs::write(folder.join("build-version"), "2.12.0+cpu\n").unwrap();
        assert!(!cpu_is_complete(&folder));
        fs::write(folder.join("build-version"), "2.11.0+cu130\n").unwrap();
        assert!(cpu_is_complete(&folder));
        fs::remove_file(folder.join("lib/libcupti.so.13")).unwrap();
        assert!(!cpu_is_complete(&folder));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_users_folder_is_judged_by_its_parts_and_version() {
        let folder = fake("user");
        check_foreign(&folder).unwrap();
        fs::write(folder.join("build-version"), "2.10.0\n").unwrap();
        let message = check_foreign(&folder).unwrap_err().to_string();
        assert!(
            message.contains("2.10.0") && message.contains("unset LIBTORCH"),
            "{message}"
        );
        fs::remove_dir_all(folder.join("include")).unwrap();
        let message = check_foreign(&folder).unwrap_err().to_string();
        assert!(message.contains("no include/"), "{message}");
        fs::remove_dir_all(folder).unwrap();
    }
}
