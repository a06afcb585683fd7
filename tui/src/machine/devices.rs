//! Devices through NVML, NVIDIA's management library. It is loaded while the program
//! runs: without a driver there are no devices, and nothing fails.

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::error::NvmlError;

use super::{Device, Share, Worker};

/// The devices of this machine.
pub struct Devices {
    library: Result<Nvml, String>,
}

impl Default for Devices {
    fn default() -> Self {
        Self::new()
    }
}

impl Devices {
    /// Looks for the driver's library.
    #[must_use]
    pub fn new() -> Self {
        let library = Nvml::init().map_err(|error| match error {
            NvmlError::LibloadingError(_) => "no NVIDIA driver: the CPU only".to_owned(),
            other => format!("NVIDIA's driver does not answer: {other}"),
        });
        Devices { library }
    }

    /// No devices, for this reason.
    #[must_use]
    pub fn none(why: &str) -> Self {
        Devices {
            library: Err(why.to_owned()),
        }
    }

    /// What the driver tells, and otherwise why there is nothing.
    pub(super) fn look(&self, workers: &[Worker]) -> (Vec<Device>, String) {
        let library = match &self.library {
            Ok(library) => library,
            Err(why) => return (Vec::new(), why.clone()),
        };
        let count = match library.device_count() {
            Ok(count) => count,
            Err(error) => {
                let why = format!("NVIDIA's driver does not answer: {error}");
                return (Vec::new(), why);
            }
        };
        let devices = (0..count)
            .map(|index| describe(library, index, workers))
            .collect();
        let why = if count == 0 { "no device" } else { "" };
        (devices, why.to_owned())
    }
}

fn describe(library: &Nvml, index: u32, workers: &[Worker]) -> Device {
    let mut found = Device {
        id: format!("cuda:{index}"),
        ..Device::default()
    };
    let device = match library.device_by_index(index) {
        Ok(device) => device,
        Err(error) => {
            found.name = error.to_string();
            return found;
        }
    };
    found.name = device.name().unwrap_or_default();
    let rates = device.utilization_rates().ok();
    found.busy = rates.map(|rates| (f64::from(rates.gpu) / 100.0).clamp(0.0, 1.0));
    found.memory = device.memory_info().ok().map(|memory| Share {
        used: memory.used,
        total: memory.total,
    });
    let sensor = device.temperature(TemperatureSensor::Gpu);
    found.celsius = sensor.ok().map(f64::from);
    let power = device.power_usage().ok();
    found.watts = power.map(|milliwatts| f64::from(milliwatts) / 1000.0);
    for process in device.running_compute_processes().unwrap_or_default() {
        let worker = workers.iter().find(|worker| worker.pid == process.pid);
        found.runs.extend(worker.map(|worker| worker.run.clone()));
    }
    found
}
