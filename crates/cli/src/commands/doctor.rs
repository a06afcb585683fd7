//! `concord doctor`: what this machine offers, and what to do about each problem.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use configs::env::Environment;
use hub::{HubSettings, cached_models};
use indicatif::HumanBytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tui::ColourDepth;

use crate::arguments::{Doctor, Format, Global};
use crate::failure::{ENVIRONMENT, Failure};
use crate::output::{Table, print, print_json, tell};
use crate::surroundings::{has_terminal, of_terminal, runs_root};
use crate::worker;

/// A run writes checkpoints of some megabytes; below this a longer one ends early.
const LITTLE_DISK: u64 = 2 << 30;
const NO_DISK: u64 = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// As it should be.
    Good,
    /// Jobs run, though not as well as they could.
    Warning,
    /// No job can run.
    Problem,
}

#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do; empty when there is nothing to do.
    mend: String,
}

fn good(name: &'static str, found: impl Into<String>) -> Finding {
    Finding {
        name,
        verdict: Verdict::Good,
        found: found.into(),
        mend: String::new(),
    }
}

fn warning(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding {
        name,
        verdict: Verdict::Warning,
        found: found.into(),
        mend: mend.into(),
    }
}

fn problem(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding {
        name,
        verdict: Verdict::Problem,
        found: found.into(),
        mend: mend.into(),
    }
}

/// Runs the command.
pub(crate) fn doctor(global: &Global, arguments: &Doctor) -> Result<(), Failure> {
    let mut findings = vec![good(
        "concord",
        format!("{} ({})", env!("CARGO_PKG_VERSION"), own_path()),
    )];
    let probe = examine_worker(global, &mut findings);
    findings.push(threads(probe.as_ref().map(|(_, known)| known)));
    findings.push(memory());
    findings.extend(disk(&runs_root(global)));
    findings.push(caches());
    findings.push(models());
    findings.push(terminal());
    let blocked = findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Problem);
    match arguments.format.format {
        Format::Json => print_json(&json!({
            "ready": !blocked,
            "findings": findings,
            "probe": probe.map(|(value, _)| value),
        }))?,
        Format::Csv => print(&table(&findings).to_csv())?,
        Format::Table => {
            print(&text(&findings))?;
            tell(if blocked {
                "a job cannot run here yet"
            } else {
                "jobs can run here"
            });
        }
    }
    if blocked {
        Err(Failure::silent(ENVIRONMENT))
    } else {
        Ok(())
    }
}

fn table(findings: &[Finding]) -> Table {
    let mut table = Table::new(&["name", "verdict", "found", "mend"]);
    for finding in findings {
        table.row(vec![
            json!(finding.name),
            json!(finding.verdict),
            json!(finding.found),
            json!(finding.mend),
        ]);
    }
    table
}

fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Good => "ok  ",
            Verdict::Warning => "warn",
            Verdict::Problem => "FAIL",
        };
        text.push_str(&format!("{mark}  {:<12} {}\n", finding.name, finding.found));
        if !finding.mend.is_empty() {
            text.push_str(&format!("      {:<12} -> {}\n", "", finding.mend));
        }
    }
    text
}

fn own_path() -> String {
    std::env::current_exe().map_or_else(
        |_| "unknown path".to_owned(),
        |path| path.display().to_string(),
    )
}

/// Finds the worker and asks it for LibTorch and CUDA.
fn examine_worker(global: &Global, findings: &mut Vec<Finding>) -> Option<(Value, Probe)> {
    let path = match worker::locate(global) {
        Ok(path) => path,
        Err(failure) => {
            findings.push(problem("worker", failure.message, "cargo build"));
            return None;
        }
    };
    let output = worker::command(&path)
        .args(["probe", "--format", "json"])
        .stdin(Stdio::null())
        .output();
    let probe = match output {
        Ok(output) if output.status.success() => serde_json::from_slice::<Value>(&output.stdout)
            .map_err(|error| format!("{} answers, but not in JSON: {error}", path.display())),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .unwrap_or("it says nothing");
            Err(format!(
                "{} does not start: {}",
                path.display(),
                tui::figures::printable(line)
            ))
        }
        Err(error) => Err(format!("{} cannot be started: {error}", path.display())),
    };
    match probe {
        Ok(probe) => {
            findings.push(good("worker", path.display().to_string()));
            let known = Probe::deserialize(&probe).unwrap_or_default();
            findings.push(libtorch(&known));
            findings.push(cuda(&known));
            Some((probe, known))
        }
        Err(found) => {
            findings.push(problem(
                "worker",
                found,
                "cargo xtask setup, then cargo build (LibTorch is missing or of another version)",
            ));
            None
        }
    }
}

/// The part of the worker's answer that is used here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Probe {
    libtorch_version: Option<String>,
    libtorch_folder: Option<PathBuf>,
    threads: Option<usize>,
    cuda_backend: CudaBackend,
    cuda_devices: usize,
    cudnn: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CudaBackend {
    state: String,
    reason: Option<String>,
}

fn libtorch(probe: &Probe) -> Finding {
    let version = probe
        .libtorch_version
        .as_deref()
        .unwrap_or("of unknown version");
    let folder = probe.libtorch_folder.as_ref();
    good(
        "LibTorch",
        folder.map_or_else(
            || version.to_owned(),
            |folder| format!("{version} in {}", folder.display()),
        ),
    )
}

fn cuda(probe: &Probe) -> Finding {
    if probe.cuda_devices > 0 {
        let memory = graphics_cards().unwrap_or_default();
        let colon = if memory.is_empty() { "" } else { ": " };
        let cudnn = if probe.cudnn { "" } else { ", without cuDNN" };
        return good(
            "CUDA",
            format!("{} device(s){cudnn}{colon}{memory}", probe.cuda_devices),
        );
    }
    match probe.cuda_backend.state.as_str() {
        "not_installed" => warning(
            "CUDA",
            "an NVIDIA driver, but the CPU build of LibTorch",
            "cargo xtask setup --cuda",
        ),
        "failed" => {
            let reason = probe.cuda_backend.reason.clone();
            warning(
                "CUDA",
                reason.unwrap_or_else(|| "the CUDA backend cannot be loaded".to_owned()),
                "update the NVIDIA driver, or run on the CPU",
            )
        }
        "loaded" => warning(
            "CUDA",
            "the CUDA backend is loaded and finds no device",
            "look at nvidia-smi and CUDA_VISIBLE_DEVICES",
        ),
        _ => good("CUDA", "no NVIDIA driver: jobs run on the CPU"),
    }
}

/// Names and memory of the cards, from the driver's own program.
fn graphics_cards() -> Option<String> {
    let output = Command::new("nvidia-smi")
        .args([
            "--query-gpu=name,memory.free,memory.total",
            "--format=csv,noheader,nounits",
        ])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let card = |line: &str| {
        let mut fields = line.split(',').map(str::trim);
        let name = fields.next()?.to_owned();
        let mut gibibytes = || {
            fields
                .next()?
                .parse::<f64>()
                .ok()
                .map(|mebibytes| mebibytes / 1024.0)
        };
        let (free, total) = (gibibytes()?, gibibytes()?);
        Some(format!("{name}, {free:.1} of {total:.1} GiB free"))
    };
    let cards: Vec<String> = text.lines().filter_map(card).collect();
    (!cards.is_empty()).then(|| cards.join("; "))
}

fn threads(probe: Option<&Probe>) -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let torch = probe
        .and_then(|probe| probe.threads)
        .map(|threads| format!("; LibTorch takes {threads} unless runtime.threads says otherwise"))
        .unwrap_or_default();
    let found = format!("{cores} usable{torch}");
    if cores == 1 {
        return warning(
            "threads",
            found,
            "actors and learner share one core; two or more train faster",
        );
    }
    good("threads", found)
}

fn memory() -> Finding {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let read = |name: &str| {
        text.lines()
            .find_map(|line| {
                line.strip_prefix(name)?
                    .trim()
                    .strip_suffix("kB")?
                    .trim()
                    .parse::<u64>()
                    .ok()
            })
            .map(|kilobytes| kilobytes * 1024)
    };
    let (Some(total), Some(free)) = (read("MemTotal:"), read("MemAvailable:")) else {
        return good("memory", "unknown (no /proc/meminfo)");
    };
    let found = format!("{} of {} available", gibibytes(free), gibibytes(total));
    if free < 1 << 30 {
        return warning(
            "memory",
            found,
            "end other programs, or lower replay.capacity_episodes",
        );
    }
    good("memory", found)
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64)
}

/// The nearest folder that exists, going up.
fn existing(path: &Path) -> PathBuf {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    full.ancestors()
        .find(|folder| folder.is_dir())
        .map_or_else(|| "/".into(), Path::to_path_buf)
}

fn disk(root: &Path) -> Vec<Finding> {
    let folder = existing(root);
    let writable = rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_ok();
    let mut findings = vec![if writable {
        good("runs", format!("{} can be written", root.display()))
    } else {
        problem(
            "runs",
            format!("{} cannot be written", folder.display()),
            "choose another folder with --run-dir or CONCORD_RUNS_DIR",
        )
    }];
    let free =
        rustix::fs::statvfs(&folder).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    findings.push(match free {
        Err(error) => warning(
            "disk",
            format!("free space unknown: {error}"),
            "look at `df`",
        ),
        Ok(free) if free < NO_DISK => problem(
            "disk",
            format!("{} free under {}", gibibytes(free), folder.display()),
            "free space, or choose another disk with --run-dir",
        ),
        Ok(free) if free < LITTLE_DISK => warning(
            "disk",
            format!("{} free under {}", gibibytes(free), folder.display()),
            "free some space before a long run",
        ),
        Ok(free) => good(
            "disk",
            format!("{} free under {}", gibibytes(free), folder.display()),
        ),
    });
    findings
}

/// What set-up downloads and keeps.
/// The language models that are here, and those that are here in part.
fn models() -> Finding {
    let settings = HubSettings::from_environment(&Environment::process());
    let entries = cached_models(&settings.cache);
    let bytes = entries.iter().map(|entry| entry.summary.bytes).sum();
    let found = format!(
        "{} in {}, {}",
        entries.len(),
        settings.cache.display(),
        HumanBytes(bytes)
    );
    let broken = entries.iter().find(|entry| entry.summary.problem.is_some());
    match broken {
        Some(entry) => warning(
            "models",
            format!("{found}; {} is not whole", entry.name),
            format!("concord model fetch {}", entry.name),
        ),
        None => good("models", found),
    }
}

fn caches() -> Finding {
    let named = configs::env::path("LIBTORCH");
    let beside = std::env::current_exe().ok().and_then(|path| {
        path.ancestors()
            .map(|folder| folder.join(".libtorch"))
            .find(|folder| folder.is_dir())
    });
    match named.or(beside) {
        Some(folder) if folder.is_dir() => {
            good("caches", format!("LibTorch in {}", folder.display()))
        }
        Some(folder) => warning(
            "caches",
            format!("LIBTORCH names {}, which is no folder", folder.display()),
            "unset LIBTORCH or correct it",
        ),
        None => good("caches", "none beside this program"),
    }
}

fn terminal() -> Finding {
    let surroundings = of_terminal();
    let colours = match surroundings.colour {
        ColourDepth::None => "no colours (NO_COLOR)",
        ColourDepth::Sixteen => "16 colours",
        ColourDepth::Indexed => "256 colours",
        ColourDepth::True => "24-bit colours",
    };
    let characters = if surroundings.unicode {
        "Unicode"
    } else {
        "ASCII only (locale)"
    };
    if !has_terminal() {
        return good(
            "terminal",
            "none here: `concord train` shows plain progress",
        );
    }
    let size = tui::terminal_size()
        .map_or_else(String::new, |(columns, rows)| format!(", {columns}x{rows}"));
    let found = format!("{colours}, {characters}{size}");
    match tui::terminal_size() {
        Some((columns, rows)) if columns < 72 || rows < 19 => warning(
            "terminal",
            found,
            "the dashboard shows one pane at a time below 72x19; enlarge the window",
        ),
        _ => good("terminal", found),
    }
}
