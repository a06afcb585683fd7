//! Times the kernels of a language model's step, one core, the least of many repeats:
//! `cargo run -p nn --example decoding_speed`.

#![allow(clippy::print_stdout, reason = "a report for a person")]

use std::time::Instant;

use nn::fused::PackedLinear;
use nn::fused::decoding::TokenAttention;

/// Microseconds.
fn least(mut run: impl FnMut()) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..300 {
        let begin = Instant::now();
        run();
        least = least.min(begin.elapsed().as_secs_f64());
    }
    least * 1e6
}

fn main() {
    for (outputs, inputs) in [(512, 256), (256, 256), (1376, 256), (256, 688), (4096, 256)] {
        let packed = PackedLinear::new(&vec![0.1; outputs * inputs], None, [outputs, inputs]);
        for rows in [1, 2, 4, 8, 32] {
            let (input, mut output) = (vec![0.1; rows * inputs], vec![0.0; rows * outputs]);
            let took = least(|| packed.forward(&input, rows, &mut output));
            println!(
                "product {outputs}x{inputs}, {rows} rows: {took:.1} us, {:.0} GB/s of weights, {:.0} GFLOP/s",
                (4 * outputs * inputs) as f64 / took / 1e3,
                (2 * outputs * inputs * rows) as f64 / took / 1e3
            );
        }
    }
    for (group, width, places) in [(1, 64, 272), (2, 64, 144), (2, 64, 272), (4, 128, 272)] {
        let attention = TokenAttention {
            group,
            width,
            scale: 0.125,
            cap: None,
        };
        let (queries, keys) = (vec![0.1; group * width], vec![0.2; places * width]);
        let (mut scores, mut output) = (vec![0.0; 2 * places], vec![0.0; group * width]);
        let took = least(|| attention.attend(&queries, &keys, &keys, &mut scores, &mut output));
        println!("attention, {group} queries of {width} over {places} places: {took:.1} us");
    }
}
