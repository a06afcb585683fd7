//! `cargo xtask setup`: LibTorch for the workspace, from the `torch` wheel.
//!
//! The folder `.libtorch` gets `lib/` and `include/` for the CPU. The CUDA libraries go into
//! `.libtorch/cuda`, apart from `lib/`: torch-sys would link what it finds there, and the worker
//! loads them at run time instead. Everything is prepared in `.libtorch.partial` and renamed.

mod download;
mod layout;
mod machine;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::workspace;
use download::Downloads;

/// The LibTorch that the pinned `tch` was written against.
pub const TORCH_VERSION: &str = "2.11.0";

/// Free disk, in megabytes, that the CPU libraries need while they are unpacked.
const CPU_DISK_MEGABYTES: u64 = 3_000;
/// The same for the CUDA libraries, which come on top.
const CUDA_DISK_MEGABYTES: u64 = 9_000;

/// Which libraries are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cuda {
    /// With a GPU in the machine; without, the CPU's alone.
    WhenPresent,
    Always,
    Never,
}

/// Runs `cargo xtask setup` with its own arguments.
pub fn command(arguments: &[String]) -> Result<ExitCode> {
    let mut cuda = Cuda::WhenPresent;
    let mut into = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--cuda" => cuda = Cuda::Always,
            "--cpu" => cuda = Cuda::Never,
            "--into" => into = Some(rest.next().context("--into needs a folder")?.into()),
            other => bail!("unknown option of setup: {other} - allowed: --cuda, --cpu, --into DIR"),
        }
    }
    println!("{}", prepare(cuda, into)?);
    Ok(ExitCode::SUCCESS)
}

/// Does whatever set-up is missing; the other tasks call this first. Silent when nothing is.
pub fn ensure() -> Result<()> {
    prepare(Cuda::WhenPresent, None).map(drop)
}

/// Returns a sentence that says what is ready.
fn prepare(cuda: Cuda, into: Option<PathBuf>) -> Result<String> {
    machine::check_compiler()?;
    let own = workspace::root().join(".libtorch");
    // cargo's `[env]` sets LIBTORCH to our own folder when the user has not.
    let of_user = std::env::var_os("LIBTORCH")
        .map(PathBuf::from)
        .filter(|folder| !same_folder(folder, &own));
    if let (Some(folder), None) = (of_user, &into) {
        layout::check_foreign(&folder)?;
        return Ok(format!(
            "LibTorch {TORCH_VERSION} of LIBTORCH is used: {}",
            folder.display()
        ));
    }
    let target = into.unwrap_or(own);
    let wanted = Wanted::of(&target, cuda);
    if wanted.anything() {
        fetch(&target, cuda)?;
    }
    let ready = if layout::cuda_is_complete(&target) {
        " with CUDA"
    } else {
        ""
    };
    Ok(format!(
        "LibTorch {TORCH_VERSION}{ready} is ready: {}",
        target.display()
    ))
}

/// What a target folder still lacks.
struct Wanted {
    cpu: bool,
    cuda: bool,
}

impl Wanted {
    fn of(target: &Path, cuda: Cuda) -> Self {
        let for_gpu = match cuda {
            Cuda::Always => true,
            Cuda::Never => false,
            Cuda::WhenPresent => machine::has_nvidia_gpu(),
        };
        Self {
            cpu: !layout::cpu_is_complete(target),
            cuda: for_gpu && !layout::cuda_is_complete(target),
        }
    }

    fn anything(&self) -> bool {
        self.cpu || self.cuda
    }
}

fn fetch(target: &Path, cuda: Cuda) -> Result<()> {
    let parent = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    fs::create_dir_all(parent.unwrap_or(Path::new(".")))?;
    let _lock = lock(&beside(target, "lock"))?;
    // Another set-up may have finished while this one waited.
    let wanted = Wanted::of(target, cuda);
    if wanted.cpu {
        fetch_part(target, Part::Cpu)?;
    }
    if wanted.cuda
        && let Err(error) = fetch_part(target, Part::Cuda)
    {
        if cuda == Cuda::Always {
            return Err(error);
        }
        eprintln!(
            "warning: the CUDA libraries are missing, so jobs run on the CPU: {error:#}\n\
             To try again: cargo xtask setup --cuda"
        );
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Cpu,
    Cuda,
}

/// Downloads, unpacks and verifies one part, then renames it into its place.
fn fetch_part(target: &Path, part: Part) -> Result<()> {
    machine::check_platform()?;
    let partial = beside(target, "partial");
    fs::create_dir_all(&partial).with_context(|| format!("creating {}", partial.display()))?;
    let megabytes = match part {
        Part::Cpu => CPU_DISK_MEGABYTES,
        Part::Cuda => CUDA_DISK_MEGABYTES,
    };
    machine::check_disk(&partial, megabytes)?;
    let downloads = Downloads::new(&partial)?;
    let unpacked = partial.join("unpacked");
    remove(&unpacked)?;
    let place = match part {
        Part::Cpu => {
            eprintln!("Downloading LibTorch {TORCH_VERSION} for the CPU (about 0.55 GB).");
            downloads.cpu(&unpacked)?;
            layout::finish_cpu(&unpacked)?;
            target.to_path_buf()
        }
        Part::Cuda => {
            eprintln!("A GPU is wanted: downloading the CUDA libraries (about 2.5 GB).");
            downloads.cuda(&unpacked)?;
            layout::finish_cuda(&unpacked)?;
            target.join("cuda")
        }
    };
    let replaced = partial.join("replaced");
    remove(&replaced)?;
    if place.exists() {
        // An incomplete folder: its CUDA part is fetched again only when that is wanted.
        fs::rename(&place, &replaced)?;
    }
    fs::rename(&unpacked, &place)
        .with_context(|| format!("moving the unpacked libraries to {}", place.display()))?;
    remove(&partial)
}

/// `.libtorch` -> `.libtorch.lock`, which `.gitignore` covers too.
fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Waits for any other set-up of the same folder; the lock ends with this process at the latest.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("Another set-up is at work here; waiting for it.");
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("locking {}", path.display()));
        }
    }
    Ok(file)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn same_folder(left: &Path, right: &Path) -> bool {
    left == right
        || left
            .canonicalize()
            .ok()
            .is_some_and(|left| right.canonicalize().is_ok_and(|right| left == right))
}
