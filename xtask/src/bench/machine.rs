//! What a measurement depends on and a reader must know.

use std::fs;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::workspace;

/// The load averages over one, five and fifteen minutes.
pub fn load_averages() -> Vec<f64> {
    fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .split(' ')
        .take(3)
        .filter_map(|text| text.parse().ok())
        .collect()
}

/// Processor, cores, memory, load, compiler, LibTorch and commit. No names of hosts or users.
/// `load_before` are the load averages from before the measurement.
pub fn describe(load_before: &[f64]) -> Value {
    json!({
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": thread::available_parallelism().map_or(0, usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "system": std::env::consts::OS,
        "load_average_before": load_before,
        "load_average_after": load_averages(),
        "rustc": said("rustc", &["--version"]),
        "libtorch": crate::setup::TORCH_VERSION,
        "commit": said("git", &["describe", "--always", "--dirty", "--abbrev=12"]),
        "date": said("date", &["-u", "+%Y-%m-%d"]),
    })
}

/// The value of the first line `name : value` of a file under `/proc`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(workspace::root())
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
