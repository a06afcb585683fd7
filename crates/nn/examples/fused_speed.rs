//! Times the hand-made networks beside LibTorch's, one core, one half batch:
//! `cargo run -p nn --example fused_speed [PART OF A NAME [avx512|avx2|baseline]]`.
//!
//! Prints the least of many repeats; the floor is the products' operations at 210 GFLOP/s.

#![allow(clippy::print_stdout, reason = "a report for a person")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use nn::fused::{FusedBody, Workspace};
use nn::layers::{Gru, Linear};
use nn::parameters::{ParameterLayout, Parameters, flat_values};
use nn::random::RandomStream;
use tch::{Device, Kind, Tensor, no_grad};

const PEAK: f64 = 210e9;

enum Middle {
    FeedForward(Linear),
    Gru(Gru),
}

fn workspace() -> Workspace {
    match std::env::args().nth(2) {
        Some(name) => Workspace::with_instruction_set(&name)
            .unwrap_or_else(|| panic!("this machine lacks {name}")),
        None => Workspace::new(),
    }
}

fn least(budget: Duration, mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut least = f64::INFINITY;
    while start.elapsed() < budget {
        let begin = Instant::now();
        run();
        least = least.min(begin.elapsed().as_secs_f64());
    }
    least
}

fn report(name: &str, operations: usize, fused: f64, libtorch: f64) {
    let operations = operations as f64;
    println!(
        "{name:<34} {:7.1} MFLOP  floor {:6.3} ms  fused {:6.3} ms ({:5.1} GFLOP/s)  LibTorch {:6.3} ms  x{:.1}",
        operations / 1e6,
        operations / PEAK * 1e3,
        fused * 1e3,
        operations / fused / 1e9,
        libtorch * 1e3,
        libtorch / fused
    );
}

fn measure(name: &str, gru: bool, hidden: usize, sizes: &[usize], budget: Duration) {
    if std::env::args()
        .nth(1)
        .is_some_and(|part| !name.contains(&part))
    {
        return;
    }
    let (inputs, outputs) = (14, 6);
    let mut layout = ParameterLayout::new();
    let width = hidden as i64;
    let input = Linear::declare(&mut layout, "input", inputs as i64, width);
    let middle = if gru {
        Middle::Gru(Gru::declare(&mut layout, "gru", width, width))
    } else {
        Middle::FeedForward(Linear::declare(&mut layout, "middle", width, width))
    };
    let output = Linear::declare(&mut layout, "output", width, outputs as i64);
    let body = match middle {
        Middle::Gru(gru) => FusedBody::gru(&layout, input, gru, output),
        Middle::FeedForward(linear) => FusedBody::feed_forward(&layout, input, linear, output),
    };
    let mut stream = RandomStream::new(1, "initialisation", 0);
    let parameters = Parameters::initialised(&Arc::new(layout), Device::Cpu, true, &mut stream);

    let rows: usize = sizes.iter().sum();
    let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| stream.uniform()).collect() };
    let (observations, weights) = (draw(rows * inputs), draw(rows * outputs));
    let values = flat_values(parameters.flat());
    let mut workspace = workspace();
    let mut utilities = vec![0.0; rows * outputs];
    let mut gradient = vec![0.0; values.len()];
    let fused_forward = least(budget, || {
        body.forward(
            &values,
            &observations,
            sizes,
            &mut workspace,
            &mut utilities,
            false,
        );
    });
    let fused_both = least(budget, || {
        body.forward(
            &values,
            &observations,
            sizes,
            &mut workspace,
            &mut utilities,
            true,
        );
        body.backward(
            &values,
            &observations,
            sizes,
            &mut workspace,
            &weights,
            &mut gradient,
        );
    });

    let observations = Tensor::from_slice(&observations).view([rows as i64, inputs as i64]);
    let weights = Tensor::from_slice(&weights).view([rows as i64, outputs as i64]);
    let steps: Vec<i64> = sizes.iter().map(|&size| size as i64).collect();
    let state = Tensor::zeros([steps[0], width], (Kind::Float, Device::Cpu));
    let steps = Tensor::from_slice(&steps);
    let forward = || {
        let features = input.forward(&parameters, &observations).relu();
        let features = match &middle {
            Middle::FeedForward(linear) => linear.forward(&parameters, &features).relu(),
            Middle::Gru(gru) => gru.forward(&parameters, &features, &steps, &state).0,
        };
        output.forward(&parameters, &features)
    };
    let libtorch_forward = least(budget, || {
        let _ = no_grad(forward);
    });
    let libtorch_both = least(budget, || {
        let loss = (forward() * &weights).sum(Kind::Float);
        let _ = parameters.gradient(&loss).expect("all weights take part");
    });

    let (ahead, back) = body.operations(rows);
    report(
        &format!("{name}: forward"),
        ahead,
        fused_forward,
        libtorch_forward,
    );
    report(
        &format!("{name}: forward + backward"),
        ahead + back,
        fused_both,
        libtorch_both,
    );
}

fn main() {
    tch::set_num_threads(1);
    let budget = Duration::from_millis(250);
    println!("kernels: {}", workspace().instruction_set());
    let full = [32; 51];
    // Episodes that end at different steps: as many rows.
    let ragged: Vec<usize> = (0..102).map(|step| (32 - step * 32 / 102).max(1)).collect();
    measure("feed-forward 64, 1632 rows", false, 64, &full, budget);
    measure("feed-forward 128, 1632 rows", false, 128, &full, budget);
    measure("GRU 128, 32 x 51", true, 128, &full, budget);
    measure("GRU 128, ragged", true, 128, &ragged, budget);
    measure("GRU 64, 32 x 51", true, 64, &full, budget);
}
