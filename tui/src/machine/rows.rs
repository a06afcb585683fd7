//! A snapshot as rows: what the panel draws and what `concord machine` prints.

use super::{Share, Snapshot};
use crate::theme::Role;

/// From these shares on something is worth a look, and then bad.
const FULL: (f64, f64) = (0.8, 0.95);
/// Degrees Celsius, likewise.
const HOT: (f64, f64) = (80.0, 90.0);

/// One figure of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What: `processors`, `core`, `memory`, `swap`, `disk`, `load`, `device`, `worker`.
    pub kind: &'static str,
    /// Which of its kind: a core's number, a device, a run.
    pub name: String,
    /// The share in use, 0 to 1, where the figure is one.
    pub share: Option<f64>,
    /// The figure in its own unit: bytes, cores, processes.
    pub value: Option<f64>,
    /// What there is of it, in the same unit.
    pub total: Option<f64>,
    /// The unit of both.
    pub unit: &'static str,
    /// In words.
    pub text: String,
    /// Good, worth a look, or bad.
    pub role: Role,
}

impl Row {
    fn new(kind: &'static str, name: &str) -> Self {
        Row {
            kind,
            name: name.to_owned(),
            share: None,
            value: None,
            total: None,
            unit: "",
            text: String::new(),
            role: Role::Text,
        }
    }

    /// A word for what the role says, so that it is not said by colour alone.
    #[must_use]
    pub fn remark(&self) -> &'static str {
        match self.role {
            Role::Bad => "!!",
            Role::Warn => "!",
            _ => "",
        }
    }

    fn of_share(kind: &'static str, name: &str, share: Share) -> Self {
        let fraction = share.fraction();
        Row {
            share: Some(fraction),
            value: Some(share.used as f64),
            total: Some(share.total as f64),
            unit: "bytes",
            text: format!("{} of {}", bytes(share.used), bytes(share.total)),
            role: judged(fraction, FULL),
            ..Row::new(kind, name)
        }
    }
}

/// All figures of a snapshot, in the order of their importance.
#[must_use]
pub fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(busy) = snapshot.busy {
        let count = snapshot.cores.len();
        rows.push(Row {
            share: Some(busy),
            value: Some(busy * count as f64),
            total: Some(count as f64),
            unit: "cores",
            text: format!("{:.2} of {count} cores", busy * count as f64),
            ..Row::new("processors", "all")
        });
    }
    if let Some([one, five, fifteen]) = snapshot.load {
        // More than two processes for each processor: all of them wait.
        let crowded = !snapshot.cores.is_empty() && one > 2.0 * snapshot.cores.len() as f64;
        rows.push(Row {
            value: Some(one),
            unit: "processes",
            text: format!("{one:.2} {five:.2} {fifteen:.2}"),
            role: if crowded { Role::Warn } else { Role::Text },
            ..Row::new("load", "1 5 15 min")
        });
    }
    let shares = [
        ("memory", snapshot.memory),
        ("swap", snapshot.swap),
        ("disk", snapshot.disk),
    ];
    for (kind, share) in shares {
        rows.extend(share.map(|share| Row::of_share(kind, kind, share)));
    }
    devices(snapshot, &mut rows);
    for worker in &snapshot.workers {
        let cores = worker
            .cores
            .map_or_else(|| "-".to_owned(), |cores| format!("{cores:.2}"));
        rows.push(Row {
            value: worker.cores,
            unit: "cores",
            text: format!(
                "{cores} cores, {}, {} threads, pid {}",
                bytes(worker.memory),
                worker.threads,
                worker.pid
            ),
            ..Row::new("worker", &worker.run)
        });
    }
    for (index, busy) in snapshot.cores.iter().enumerate() {
        rows.push(Row {
            share: Some(*busy),
            text: format!("{:.0}%", busy * 100.0),
            ..Row::new("core", &index.to_string())
        });
    }
    rows
}

fn devices(snapshot: &Snapshot, rows: &mut Vec<Row>) {
    for device in &snapshot.devices {
        let mut parts = vec![device.name.clone()];
        parts.extend(
            device
                .memory
                .map(|memory| format!("{} of {}", bytes(memory.used), bytes(memory.total))),
        );
        parts.extend(device.celsius.map(|celsius| format!("{celsius:.0} C")));
        parts.extend(device.watts.map(|watts| format!("{watts:.0} W")));
        parts.extend((!device.runs.is_empty()).then(|| device.runs.join(" ")));
        parts.retain(|part| !part.is_empty());
        let full = device
            .memory
            .map_or(Role::Text, |memory| judged(memory.fraction(), FULL));
        let hot = device
            .celsius
            .map_or(Role::Text, |celsius| judged(celsius, HOT));
        rows.push(Row {
            share: device.busy,
            value: device.memory.map(|memory| memory.used as f64),
            total: device.memory.map(|memory| memory.total as f64),
            unit: "bytes",
            text: parts.join(", "),
            role: if hot == Role::Text { full } else { hot },
            ..Row::new("device", &device.id)
        });
    }
    if snapshot.devices.is_empty() && !snapshot.no_devices.is_empty() {
        rows.push(Row {
            text: snapshot.no_devices.clone(),
            role: Role::Muted,
            ..Row::new("device", "none")
        });
    }
}

fn judged(value: f64, (look, bad): (f64, f64)) -> Role {
    if value >= bad {
        Role::Bad
    } else if value >= look {
        Role::Warn
    } else {
        Role::Text
    }
}

/// Bytes in the unit that suits: `1.5 GiB`.
#[must_use]
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 || value >= 100.0 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}
