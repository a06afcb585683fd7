//! Wheels by pip, unpacked by Python: nothing else is asked of the machine.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::{TORCH_VERSION, layout, machine};

const UNPACK_SCRIPT: &str = include_str!("unpack.py");

/// The wheels' contents that we take do not depend on the Python version, so one is pinned.
const PYTHON_TAG: &str = "311";

/// The CPU part on x86_64, by the hashes of the wheels that were tested.
const CPU_WHEELS_X86_64: [&str; 3] = [
    "torch==2.11.0 --hash=sha256:7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
    "nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    "nvidia-cuda-cupti==13.0.85 --hash=sha256:4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
];

/// The same elsewhere: versions only, which the index vouches for.
const CPU_WHEELS: [&str; 3] = [
    "torch==2.11.0",
    "nvidia-cuda-runtime==13.0.*",
    "nvidia-cuda-cupti==13.0.*",
];

/// What the wheel's METADATA asks for on Linux and its CUDA libraries load (pip follows these to
/// the single libraries).
const CUDA_WHEELS: [&str; 5] = [
    "cuda-toolkit[cublas,cudart,cufft,cufile,cupti,curand,cusolver,cusparse,nvjitlink,nvrtc,nvtx]==13.0.2",
    "nvidia-cudnn-cu13==9.19.0.56",
    "nvidia-cusparselt-cu13==0.8.0",
    "nvidia-nccl-cu13==2.28.9",
    "nvidia-nvshmem-cu13==3.4.5",
];

/// How often pip is started anew after a broken download; it keeps the wheels it finished.
const ATTEMPTS: u32 = 3;

/// The wheels of one set-up, in its own folder.
pub struct Downloads {
    python: PathBuf,
    wheels: PathBuf,
    scratch: PathBuf,
    requirements: PathBuf,
}

impl Downloads {
    /// `partial` may hold the wheels of an interrupted set-up: pip checks and reuses them.
    pub fn new(partial: &Path) -> Result<Self> {
        let downloads = Self {
            python: machine::python_with_pip(partial)?,
            wheels: partial.join("wheels"),
            scratch: partial.join("scratch"),
            requirements: partial.join("requirements.txt"),
        };
        super::remove(&downloads.scratch)?;
        fs::create_dir_all(&downloads.wheels)?;
        fs::create_dir_all(&downloads.scratch)?;
        Ok(downloads)
    }

    /// Downloads the CPU part and unpacks it into `folder`.
    pub fn cpu(&self, folder: &Path) -> Result<()> {
        self.fetch(cpu_wheels(), Dependencies::Ignore)?;
        let torch = self.wheel(&format!("torch-{TORCH_VERSION}-"))?;
        let of_torch = ["libc10.so", "libgomp.so.1", "libtorch_cpu.so"];
        self.unpack(&json!([
            {"wheel": torch, "prefix": "torch/lib/", "names": of_torch, "to": folder.join("lib")},
            {"wheel": torch, "prefix": "torch/include/", "names": null, "to": folder.join("include")},
            {"wheel": self.wheel("nvidia_cuda_runtime-")?, "prefix": "nvidia/cu13/lib/",
             "names": ["libcudart.so.13"], "to": folder.join("lib")},
            {"wheel": self.wheel("nvidia_cuda_cupti-")?, "prefix": "nvidia/cu13/lib/",
             "names": ["libcupti.so.13"], "to": folder.join("lib")},
        ]))
    }

    /// Downloads the CUDA part and unpacks all its libraries side by side into `folder`, where
    /// each finds the others: they search the folder that they lie in.
    pub fn cuda(&self, folder: &Path) -> Result<()> {
        self.fetch(&cpu_wheels()[..1], Dependencies::Ignore)?;
        self.fetch(&CUDA_WHEELS, Dependencies::Follow)?;
        let torch = self.wheel(&format!("torch-{TORCH_VERSION}-"))?;
        let mut jobs = vec![json!({
            "wheel": torch, "prefix": "torch/lib/", "names": layout::CUDA_LIBRARIES, "to": folder
        })];
        for entry in fs::read_dir(&self.wheels)? {
            let wheel = entry?.path();
            for prefix in self.library_folders(&wheel)? {
                jobs.push(json!({"wheel": wheel, "prefix": prefix, "names": null,
                    "libraries_only": true, "to": folder}));
            }
        }
        self.unpack(&json!(jobs))
    }

    /// The folders `nvidia/<name>/lib/` of a wheel that hold shared libraries.
    fn library_folders(&self, wheel: &Path) -> Result<Vec<String>> {
        const LIST: &str = "import sys, zipfile; print('\\n'.join(sorted({n[:n.rindex('/') + 1] \
            for n in zipfile.ZipFile(sys.argv[1]).namelist() if n.startswith('nvidia/') and '.so' in n \
            and n.count('/') == 3 and n.split('/')[2] == 'lib'})))";
        let output = Command::new(&self.python)
            .args(["-c", LIST])
            .arg(wheel)
            .output()
            .context("starting python3")?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect())
    }

    fn fetch(&self, wheels: &[&str], dependencies: Dependencies) -> Result<()> {
        fs::write(&self.requirements, wheels.join("\n") + "\n")?;
        for attempt in 1..=ATTEMPTS {
            if self.run_pip(dependencies)? {
                return Ok(());
            }
            // What a broken download left behind is of no use to the next attempt.
            super::remove(&self.scratch)?;
            fs::create_dir_all(&self.scratch)?;
            if attempt < ATTEMPTS {
                eprintln!(
                    "The download broke off; attempt {} of {ATTEMPTS}.",
                    attempt + 1
                );
            }
        }
        bail!(
            "pip could not download {} - see its messages above, check the network or pip's index \
             settings, and run the same command again: finished wheels are kept",
            wheels
                .iter()
                .map(|wheel| wheel.split(' ').next().unwrap_or(wheel))
                .collect::<Vec<_>>()
                .join(", ")
        )
    }

    fn run_pip(&self, dependencies: Dependencies) -> Result<bool> {
        let mut command = Command::new(&self.python);
        command
            .args([
                "-m",
                "pip",
                "download",
                "--only-binary=:all:",
                "--implementation=cp",
            ])
            .arg(format!("--python-version={PYTHON_TAG}"))
            .arg(format!("--abi=cp{PYTHON_TAG}"))
            .args(platforms())
            .arg("--requirement")
            .arg(&self.requirements)
            .arg("--dest")
            .arg(&self.wheels);
        if dependencies == Dependencies::Ignore {
            command.arg("--no-deps");
        }
        let mut child = command
            // pip unpacks half a gigabyte where TMPDIR says, and /tmp is often small.
            .env("TMPDIR", &self.scratch)
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .env("PIP_NO_INPUT", "1")
            .env("PIP_REQUIRE_VIRTUALENV", "0")
            .env("PIP_RESUME_RETRIES", "10")
            .stdin(Stdio::null())
            .spawn()
            .context("starting python3 -m pip")?;
        let mut shown = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.success());
            }
            thread::sleep(Duration::from_millis(100));
            // On a terminal pip draws a bar; elsewhere it says nothing until it is done.
            if !std::io::stdout().is_terminal() && shown.elapsed() > Duration::from_secs(10) {
                shown = Instant::now();
                let bytes = folder_bytes(&self.scratch) + folder_bytes(&self.wheels);
                eprintln!("  {} MB so far", bytes / 1_000_000);
            }
        }
    }

    fn wheel(&self, start: &str) -> Result<PathBuf> {
        for entry in fs::read_dir(&self.wheels)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(start) && name.ends_with(".whl") {
                return Ok(entry.path());
            }
        }
        bail!(
            "pip brought no wheel {start}*.whl into {}",
            self.wheels.display()
        )
    }

    fn unpack(&self, jobs: &serde_json::Value) -> Result<()> {
        let status = Command::new(&self.python)
            .args(["-c", UNPACK_SCRIPT])
            .arg(jobs.to_string())
            .stdin(Stdio::null())
            .status()
            .context("starting python3")?;
        if !status.success() {
            // The next run must not meet the same damaged wheels.
            super::remove(&self.wheels)?;
            bail!(
                "the wheels could not be unpacked - run the same command again to download them anew"
            );
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dependencies {
    Ignore,
    Follow,
}

fn cpu_wheels() -> &'static [&'static str] {
    if cfg!(target_arch = "x86_64") {
        &CPU_WHEELS_X86_64
    } else {
        &CPU_WHEELS
    }
}

/// pip does not know that a newer glibc serves the older tags, so each is named.
fn platforms() -> Vec<String> {
    let processor = std::env::consts::ARCH;
    (17..=28)
        .rev()
        .map(|minor| format!("--platform=manylinux_2_{minor}_{processor}"))
        .chain([format!("--platform=manylinux2014_{processor}")])
        .collect()
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => folder_bytes(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}
