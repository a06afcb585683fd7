//! LibTorch at run time: the CUDA backend, devices and threads.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use tch::{Cuda, Device};

use crate::NnError;

/// What was found when the CUDA backend was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CudaBackend {
    /// No NVIDIA driver on this machine; nothing was loaded.
    NoDriver,
    /// A driver, but no `libtorch_cuda.so` beside LibTorch.
    NotInstalled {
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// The library is there and could not be loaded.
    Failed {
        /// The library.
        path: PathBuf,
        /// The loader's words.
        reason: String,
    },
    /// Loaded.
    Loaded {
        /// The library.
        path: PathBuf,
    },
}

static BACKEND: OnceLock<CudaBackend> = OnceLock::new();

/// Loads the CUDA backend once, before the first tensor call; later calls return
/// what the first one found.
///
/// The worker links `torch_cpu` only. `libtorch_cuda.so` registers its kernels when it
/// is loaded, so one binary serves machines with and without a GPU.
pub fn load_cuda_backend() -> &'static CudaBackend {
    BACKEND.get_or_init(|| {
        if !has_driver() {
            return CudaBackend::NoDriver;
        }
        let searched = cuda_library_candidates();
        match searched.iter().find(|path| path.exists()) {
            None => CudaBackend::NotInstalled { searched },
            Some(path) => open_globally(path),
        }
    })
}

fn has_driver() -> bool {
    ["/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"]
        .iter()
        .any(|path| Path::new(path).exists())
}

/// The folder LibTorch was loaded from, read from this process's memory map.
pub fn libtorch_folder() -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps
        .lines()
        .find(|line| line.ends_with("/libtorch_cpu.so"))?;
    let path = line.find('/').map(|start| PathBuf::from(&line[start..]))?;
    path.parent().map(Path::to_path_buf)
}

fn cuda_library_candidates() -> Vec<PathBuf> {
    let Some(folder) = libtorch_folder() else {
        return Vec::new();
    };
    let beside = folder.join("libtorch_cuda.so");
    let separate = folder
        .parent()
        .map(|root| root.join("cuda").join("libtorch_cuda.so"));
    std::iter::once(beside).chain(separate).collect()
}

#[expect(unsafe_code, reason = "loading a shared library runs its constructors")]
fn open_globally(path: &Path) -> CudaBackend {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: the library is LibTorch's own CUDA backend, found beside the LibTorch this
    // process already runs; its constructors only register kernels. RTLD_GLOBAL is needed
    // because the backend's symbols are resolved by libraries loaded after it.
    let opened = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    match opened {
        Ok(library) => {
            // Unloading would leave dangling kernels in LibTorch's dispatcher.
            std::mem::forget(library);
            CudaBackend::Loaded {
                path: path.to_path_buf(),
            }
        }
        Err(error) => CudaBackend::Failed {
            path: path.to_path_buf(),
            reason: error.to_string(),
        },
    }
}

/// Resolves `auto`, `cpu`, `cuda` or `cuda:N`.
///
/// # Errors
/// A CUDA device that is not there, with the reason.
pub fn resolve_device(device: &str) -> Result<Device, NnError> {
    let fail = |reason: String| NnError::Device {
        device: device.to_owned(),
        reason,
    };
    if device == "cpu" {
        return Ok(Device::Cpu);
    }
    let backend = load_cuda_backend();
    let count = if Cuda::is_available() {
        Cuda::device_count() as usize
    } else {
        0
    };
    if device == "auto" {
        return Ok(if count > 0 {
            Device::Cuda(0)
        } else {
            Device::Cpu
        });
    }
    let index = match device.strip_prefix("cuda") {
        Some("") => Some(0),
        Some(rest) => rest
            .strip_prefix(':')
            .and_then(|number| number.parse::<usize>().ok()),
        None => None,
    };
    let Some(index) = index else {
        return Err(fail(
            "not a device; allowed: auto, cpu, cuda, cuda:N".to_owned(),
        ));
    };
    if index < count {
        return Ok(Device::Cuda(index));
    }
    Err(fail(match backend {
        CudaBackend::NoDriver => "no NVIDIA driver on this machine".to_owned(),
        CudaBackend::NotInstalled { .. } => {
            "the CUDA part of LibTorch is not installed (`cargo xtask setup --cuda`)".to_owned()
        }
        CudaBackend::Failed { reason, .. } => {
            format!("the CUDA part of LibTorch does not load: {reason}")
        }
        CudaBackend::Loaded { .. } => format!("this machine has {count} CUDA device(s)"),
    }))
}

/// Prepares the process: memory kept between operations, `threads` inside one operation.
/// Call it once, first thing, on the main thread.
pub fn prepare(threads: usize) {
    keep_freed_memory();
    THREADS.store(threads.max(1), Ordering::Relaxed);
    enter_thread();
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Gives the calling thread the number of threads inside one operation that [`prepare`]
/// was told. OpenMP counts for each thread apart: without this, a thread of ours starts as
/// many as there are processors for matrices too small to share, and they spin while they
/// wait for each other. Call it first thing on every thread that computes.
pub fn enter_thread() {
    let threads = THREADS.load(Ordering::Relaxed);
    if threads > 0 {
        tch::set_num_threads(threads as i32);
    }
}

/// Tells the C allocator to keep freed memory for the next operation.
///
/// By default glibc hands the large blocks of activations back to the kernel after each
/// operation and faults them in again for the next one. Measured on two cores of an AMD
/// EPYC with autograd, before the kernels of [`crate::fused`]: seven seconds of updates had
/// 1.3 million page faults by default and 32 thousand with the memory kept; an update of
/// the 64-unit network over 32 episodes went from 6.1 to 2.5 ms.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "mallopt is a C function")]
fn keep_freed_memory() {
    const LARGEST: libc::c_int = 1 << 30;
    // SAFETY: mallopt only sets parameters of the allocator; any value is allowed.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGEST);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

#[cfg(not(target_env = "gnu"))]
fn keep_freed_memory() {}

/// What `concord doctor` wants to know about LibTorch.
#[derive(Clone, Debug, Serialize)]
pub struct RuntimeReport {
    /// LibTorch version this build expects.
    pub libtorch_version: &'static str,
    /// Folder LibTorch was loaded from.
    pub libtorch_folder: Option<PathBuf>,
    /// Threads inside one operation.
    pub threads: usize,
    /// The CUDA backend.
    pub cuda_backend: CudaBackend,
    /// Number of usable CUDA devices.
    pub cuda_devices: usize,
    /// Whether cuDNN answers.
    pub cudnn: bool,
}

/// The LibTorch version the bindings are generated for.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// Probes LibTorch and CUDA.
pub fn report() -> RuntimeReport {
    let cuda_backend = load_cuda_backend().clone();
    let available = Cuda::is_available();
    RuntimeReport {
        libtorch_version: LIBTORCH_VERSION,
        libtorch_folder: libtorch_folder(),
        threads: tch::get_num_threads().max(1) as usize,
        cuda_devices: if available {
            Cuda::device_count() as usize
        } else {
            0
        },
        cudnn: available && Cuda::cudnn_is_available(),
        cuda_backend,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_devices_are_refused() {
        let message = resolve_device("tpu").unwrap_err().to_string();
        assert!(message.contains("cuda:N"), "{message}");
        assert_eq!(resolve_device("cpu").unwrap(), Device::Cpu);
    }

    #[test]
    fn a_missing_gpu_is_an_error_with_a_mend() {
        let message = resolve_device("cuda:99").unwrap_err().to_string();
        assert!(message.contains("--device cpu"), "{message}");
    }

    #[test]
    fn libtorch_folder_is_found() {
        let _ = tch::get_num_threads();
        assert!(libtorch_folder().is_some_and(|folder| folder.join("libtorch_cpu.so").exists()));
    }
}
