//! Writes the place of LibTorch into each executable that links it, so that the worker and the
//! tests run with nothing exported. Shared by `nn`, `lm`, `agents`, `alignment` and `worker`: a library cannot pass
//! link arguments to the binaries that use it.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    // This line also stops cargo from running the script again for each edited source file.
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let Some(libtorch) = env::var_os("LIBTORCH").map(PathBuf::from) else {
        return;
    };
    if env::var("CARGO_CFG_TARGET_FAMILY").as_deref() != Ok("unix") {
        return;
    }
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // RUNPATH rather than RPATH: LD_LIBRARY_PATH can then name another LibTorch 2.11.0.
        println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
        if is_the_workspace_copy(&libtorch) {
            // First the copy beside target/, so that a moved checkout goes on working:
            // target/debug/concord-worker, then target/debug/deps/<test>.
            println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../../.libtorch/lib");
            println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../../../.libtorch/lib");
        }
    }
    println!(
        "cargo:rustc-link-arg=-Wl,-rpath,{}",
        libtorch.join("lib").display()
    );
}

/// Whether `libtorch` is the folder that `cargo xtask setup` fills, `.libtorch` in the workspace.
fn is_the_workspace_copy(libtorch: &Path) -> bool {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    libtorch.file_name().is_some_and(|name| name == ".libtorch")
        && libtorch
            .parent()
            .zip(package.as_deref())
            .is_some_and(|(workspace, package)| package.starts_with(workspace))
}
