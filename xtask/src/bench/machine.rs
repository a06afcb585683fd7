//! What a measurement depends on and a reader must know.

use std::fs;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::workspace;

/// Processor, cores, memory, load, compiler, LibTorch and commit. No names of hosts or users.
pub fn describe() -> Value {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<f64> = load
        .split(' ')
        .take(3)
        .filter_map(|text| text.parse().ok())
        .collect();
    json!({
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": thread::available_parallelism().map_or(0, usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "system": std::env::consts::OS,
        "load_average_after": load,
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
