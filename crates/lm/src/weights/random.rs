//! Weights of a model that was never trained.

use std::f32::consts::TAU;
use std::thread;

use nn::random::RandomStream;
use tch::{Device, Kind, Tensor, no_grad};

use super::{Entry, WeightLayout, Weights};
use crate::LmError;
use crate::config::ModelConfig;

/// Numbers that one random stream gives.
const PIECE: usize = 1 << 16;

/// What `transformers` takes where `config.json` names no `initializer_range`.
const SPREAD: f64 = 0.02;

impl Weights {
    /// Drawn as `transformers` draws: matrices from a normal distribution around 0 with the
    /// deviation `initializer_range`, norms that change nothing, biases 0, and the row of the
    /// padding token 0. The numbers depend on `seed` and the weights' names alone.
    ///
    /// # Errors
    /// An `initializer_range` that is no positive number; not enough memory on the device.
    pub fn random(
        layout: WeightLayout,
        config: &ModelConfig,
        kind: Kind,
        device: Device,
        seed: u64,
    ) -> Result<Self, LmError> {
        let spread = spread(config)?;
        let weights = Self::zeros(layout, kind, device, false)?;
        for (number, entry) in weights.layout.entries.iter().enumerate() {
            let mut place = weights.layout.view(&weights.flat, entry);
            if entry.is_matrix() {
                let drawn = Tensor::from_slice(&normal(seed, entry, spread));
                no_grad(|| place.f_copy_(&drawn.view(&entry.shape[..])))?;
            } else if entry.is_norm() && !config.norm_offset {
                let _ = no_grad(|| place.f_fill_(1.0))?;
            }
            let padding = config.padding_id.filter(|id| *id < entry.shape[0]);
            if let (Some(id), true) = (padding, number == weights.layout.embedding.0) {
                let _ = no_grad(|| place.get(id).f_zero_())?;
            }
        }
        Ok(weights)
    }
}

fn spread(config: &ModelConfig) -> Result<f32, LmError> {
    let Some(value) = config.source.get("initializer_range") else {
        return Ok(SPREAD as f32);
    };
    let spread = value.as_f64().filter(|spread| *spread > 0.0);
    spread.map(|spread| spread as f32).ok_or_else(|| {
        LmError::Input(format!(
            "config.json: `initializer_range`: {value} - allowed: a number above 0, such as 0.02"
        ))
    })
}

/// The numbers of one weight, by Box and Muller, on all processors.
fn normal(seed: u64, entry: &Entry, spread: f32) -> Vec<f32> {
    let name = entry.parts.first().map_or("", |part| part.name.as_str());
    let mut values = vec![0f32; entry.numel() as usize];
    let mut pieces: Vec<(usize, &mut [f32])> = values.chunks_mut(PIECE).enumerate().collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = pieces.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        for part in pieces.chunks_mut(share) {
            scope.spawn(move || {
                for (number, piece) in part {
                    let mut stream = RandomStream::new(seed, name, *number as u64);
                    for pair in piece.chunks_mut(2) {
                        // In (0, 1], so that the logarithm is a number.
                        let radius = (-2.0 * (1.0 - stream.uniform()).ln()).sqrt() * spread;
                        let (sine, cosine) = (TAU * stream.uniform()).sin_cos();
                        for (value, part) in pair.iter_mut().zip([cosine, sine]) {
                            *value = radius * part;
                        }
                    }
                }
            });
        }
    });
    values
}
