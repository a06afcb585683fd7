//! Times one step of each optimiser beside the floor of memory:
//! `cargo run -p nn --example optimiser_speed [NUMBERS [THREADS]]`.
//!
//! The floor is a copy of the same bytes: reads and writes at the speed at which one buffer is
//! copied to another. LibTorch's calls, a call for each operation, stand beside.
#![allow(clippy::print_stdout, reason = "a report for a person")]

use std::time::Instant;

use nn::NnError;
use nn::optimiser::{Optimiser, OptimiserKind, StepSettings, gradient_norm};
use tch::{Device, Kind, Tensor, no_grad};

fn least(mut run: impl FnMut()) -> f64 {
    let times = (0..5).map(|_| {
        let begin = Instant::now();
        run();
        begin.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

fn main() -> Result<(), NnError> {
    let word = |at: usize| std::env::args().nth(at).and_then(|word| word.parse().ok());
    let numbers: usize = word(1).unwrap_or(50_000_000);
    nn::runtime::prepare(word(2).unwrap_or(2));
    let options = (Kind::Float, Device::Cpu);
    let mut values = Tensor::ones([numbers as i64], options);
    let mut gradient = Tensor::full([numbers as i64], 1e-3, options);
    let mut other = values.zeros_like();
    let mut short = values.to_kind(Kind::BFloat16);
    let copied = least(|| no_grad(|| other.copy_(&gradient)));
    let bandwidth = 8.0 * numbers as f64 / copied;
    println!(
        "{numbers} numbers; a copy moves {:.1} GB/s",
        bandwidth / 1e9
    );
    let norm = least(|| {
        gradient_norm(&gradient);
    });
    println!("norm of the gradient: {:.1} ms", 1e3 * norm);
    let all = 0..numbers;
    let settings = StepSettings {
        learning_rate: 1e-3,
        gradient_scale: 0.5,
        weight_decay: 0.01,
        decayed: std::slice::from_ref(&all),
    };
    // Read: weight, gradient, state. Written: weight, cleared gradient, state.
    for (name, kind, bytes) in [
        ("AdamW", OptimiserKind::ADAM, 32.0),
        ("RMSprop", OptimiserKind::RMS_PROP, 24.0),
        ("SGD", OptimiserKind::Sgd { momentum: 0.0 }, 16.0),
    ] {
        let mut optimiser = Optimiser::over(kind, 1e-3, &values)?;
        let plain = least(|| optimiser.step_over(&mut values, &mut gradient, None, &settings));
        let rounded = least(|| {
            optimiser.step_over(&mut values, &mut gradient, Some(&mut short), &settings);
        });
        let floor = bytes * numbers as f64 / bandwidth;
        println!(
            "{name:8} {:.1} ms, with a bf16 copy {:.1} ms; {bytes} bytes a number at a copy's speed: {:.1} ms ({:.2} times)",
            1e3 * plain,
            1e3 * rounded,
            1e3 * floor,
            plain / floor
        );
    }
    // AdamW as calls of LibTorch on whole buffers.
    let (mut first, mut second) = (values.zeros_like(), values.ones_like());
    let calls = least(|| {
        no_grad(|| {
            let _ = first.lerp_(&gradient, 0.1);
            let _ = second.g_mul_scalar_(0.999);
            let _ = second.addcmul_(&(&gradient * 0.001), &gradient);
            let mut denominator = second.sqrt();
            let _ = denominator.g_add_scalar_(1e-8).reciprocal_().g_mul_(&first);
            let _ = values.g_add_(&denominator.g_mul_scalar_(-1e-3));
            let _ = gradient.zero_();
        });
    });
    println!("Adam by calls: {:.1} ms", 1e3 * calls);
    Ok(())
}
