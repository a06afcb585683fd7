//! The kernels against LibTorch's autograd, finite differences and each other.

use std::sync::Arc;

use tch::{Device, Kind, Tensor, no_grad};

use super::dispatch::{self, Kernels};
use super::*;
use crate::parameters::{Parameters, flat_values};
use crate::random::RandomStream;

#[derive(Clone, Copy)]
enum Recurrence {
    FeedForward(Linear),
    Gru(Gru),
}

struct Network {
    input: Linear,
    middle: Recurrence,
    output: Linear,
    parameters: Parameters,
    body: FusedBody,
}

struct Batch {
    sizes: Vec<usize>,
    input: Vec<f32>,
    output_gradient: Vec<f32>,
}

fn random(count: usize, index: u64) -> Vec<f32> {
    let mut stream = RandomStream::new(7, "test", index);
    (0..count).map(|_| 2.0 * stream.uniform() - 1.0).collect()
}

fn network(gru: bool, [inputs, hidden, outputs]: [usize; 3]) -> Network {
    let [inputs, hidden, outputs] = [inputs as i64, hidden as i64, outputs as i64];
    let mut layout = ParameterLayout::new();
    // Another weight first, so that offsets matter.
    layout.declare(
        "other",
        &[3],
        crate::parameters::Initialisation::Constant(0.0),
    );
    let input = Linear::declare(&mut layout, "input", inputs, hidden);
    let middle = if gru {
        Recurrence::Gru(Gru::declare(&mut layout, "gru", hidden, hidden))
    } else {
        Recurrence::FeedForward(Linear::declare(&mut layout, "middle", hidden, hidden))
    };
    let output = Linear::declare(&mut layout, "output", hidden, outputs);
    let body = match middle {
        Recurrence::Gru(gru) => FusedBody::gru(&layout, input, gru, output),
        Recurrence::FeedForward(linear) => FusedBody::feed_forward(&layout, input, linear, output),
    };
    let mut stream = RandomStream::new(1, "initialisation", 0);
    let parameters = Parameters::initialised(&Arc::new(layout), Device::Cpu, true, &mut stream);
    Network {
        input,
        middle,
        output,
        parameters,
        body,
    }
}

fn batch(network: &Network, sizes: &[usize]) -> Batch {
    let rows: usize = sizes.iter().sum();
    Batch {
        sizes: sizes.to_vec(),
        input: random(rows * network.body.inputs, 1),
        output_gradient: random(rows * network.body.outputs, 2),
    }
}

/// Utilities and gradient by LibTorch.
fn expected(network: &Network, batch: &Batch) -> (Vec<f32>, Vec<f32>) {
    let parameters = &network.parameters;
    let shape = |columns: usize| [-1, columns as i64];
    let input = Tensor::from_slice(&batch.input).view(shape(network.body.inputs));
    let features = network.input.forward(parameters, &input).relu();
    let features = match network.middle {
        Recurrence::FeedForward(linear) => linear.forward(parameters, &features).relu(),
        Recurrence::Gru(gru) => {
            let sizes: Vec<i64> = batch.sizes.iter().map(|&size| size as i64).collect();
            let state = [sizes[0], network.body.hidden as i64];
            let state = Tensor::zeros(state, (Kind::Float, Device::Cpu));
            gru.forward(parameters, &features, &Tensor::from_slice(&sizes), &state)
                .0
        }
    };
    let output = network.output.forward(parameters, &features);
    let weights = Tensor::from_slice(&batch.output_gradient).view(shape(network.body.outputs));
    // The first weight takes part with gradient zero.
    let loss = (&output * weights).sum(Kind::Float) + zero_times_first(parameters);
    let gradient = flat_values(&parameters.gradient(&loss).unwrap());
    (flat_values(&no_grad(|| output.reshape([-1]))), gradient)
}

fn zero_times_first(parameters: &Parameters) -> Tensor {
    let index = ParameterLayout::new().declare(
        "other",
        &[3],
        crate::parameters::Initialisation::Constant(0.0),
    );
    parameters.get(index).sum(Kind::Float) * 0.0
}

/// Utilities and gradient by the kernels.
fn actual(network: &Network, batch: &Batch, workspace: &mut Workspace) -> (Vec<f32>, Vec<f32>) {
    let values = flat_values(network.parameters.flat());
    let (body, sizes) = (&network.body, &batch.sizes[..]);
    let mut output = vec![f32::NAN; batch.output_gradient.len()];
    let mut gradient = vec![0.0; values.len()];
    body.forward(&values, &batch.input, sizes, workspace, &mut output, true);
    let weights = &batch.output_gradient;
    body.backward(
        &values,
        &batch.input,
        sizes,
        workspace,
        weights,
        &mut gradient,
    );
    (output, gradient)
}

/// Largest difference, relative to the largest expected value.
fn difference(actual: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(actual.len(), expected.len());
    let scale = expected
        .iter()
        .fold(1e-3f32, |most, value| most.max(value.abs()));
    let pairs = actual.iter().zip(expected);
    let worst = pairs.fold(0f32, |most, (a, b)| {
        let distance = (a - b).abs();
        assert!(distance.is_finite(), "{a} for {b}");
        most.max(distance)
    });
    worst / scale
}

const SHAPES: [[usize; 3]; 6] = [
    [14, 64, 6],
    [14, 128, 6],
    [1, 1, 1],
    [7, 13, 3],
    [19, 48, 40],
    [33, 70, 17],
];

fn ragged() -> [Vec<usize>; 5] {
    [
        vec![1],
        vec![5, 5, 4, 1],
        (1..=29).rev().collect(),
        vec![200, 3, 3, 0],
        [vec![32; 9], vec![17; 3], vec![2; 5]].concat(),
    ]
}

fn check_all(kernels: &'static Kernels) {
    // Two threads of LibTorch over matrices this small mostly wait for each other.
    tch::set_num_threads(1);
    // One workspace for all, so that it also grows, shrinks and changes its kind.
    let mut workspace = Workspace::with_kernels(kernels);
    for gru in [false, true] {
        for shape in SHAPES {
            let network = network(gru, shape);
            for sizes in ragged() {
                let batch = batch(&network, &sizes);
                // LibTorch refuses a step without sequences.
                let shown = Batch {
                    sizes: sizes.iter().copied().filter(|&size| size > 0).collect(),
                    ..batch
                };
                let (output, gradient) = expected(&network, &shown);
                let batch = Batch { sizes, ..shown };
                let (own_output, own_gradient) = actual(&network, &batch, &mut workspace);
                let case = format!("{} gru {gru} {shape:?} {:?}", kernels.name, batch.sizes);
                let error = difference(&own_output, &output);
                assert!(error < 1e-5, "output {error} {case}");
                let error = difference(&own_gradient, &gradient);
                assert!(error < 1e-5, "gradient {error} {case}");
            }
        }
    }
}

#[test]
fn every_instruction_set_equals_autograd() {
    for kernels in dispatch::available() {
        check_all(kernels);
    }
}

#[test]
fn instruction_sets_agree_with_the_baseline() {
    let tables = dispatch::available();
    let baseline = tables.last().unwrap();
    assert_eq!(baseline.name, "baseline");
    for gru in [false, true] {
        let network = network(gru, [14, 64, 6]);
        let batch = batch(&network, &[32; 20]);
        let (output, gradient) = actual(&network, &batch, &mut Workspace::with_kernels(baseline));
        for kernels in &tables {
            let mut workspace = Workspace::with_kernels(kernels);
            let (own_output, own_gradient) = actual(&network, &batch, &mut workspace);
            assert!(difference(&own_output, &output) < 2e-6, "{}", kernels.name);
            assert!(
                difference(&own_gradient, &gradient) < 2e-6,
                "{}",
                kernels.name
            );
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bits() {
    for gru in [false, true] {
        let network = network(gru, [14, 48, 6]);
        let (small, large) = (batch(&network, &[3, 2]), batch(&network, &[30, 20, 11, 4]));
        let mut workspace = Workspace::new();
        let first = actual(&network, &large, &mut workspace);
        actual(&network, &small, &mut workspace);
        assert_eq!(actual(&network, &large, &mut workspace), first);
        assert_eq!(actual(&network, &large, &mut Workspace::new()), first);
    }
}

#[test]
fn without_training_the_utilities_are_the_same_bits() {
    for gru in [false, true] {
        let network = network(gru, [14, 64, 6]);
        let batch = batch(&network, &[60, 40, 40, 11, 4]);
        let mut workspace = Workspace::new();
        let values = flat_values(network.parameters.flat());
        let mut output = vec![f32::NAN; batch.output_gradient.len()];
        let (input, sizes) = (&batch.input, &batch.sizes);
        network
            .body
            .forward(&values, input, sizes, &mut workspace, &mut output, false);
        assert_eq!(output, actual(&network, &batch, &mut workspace).0);
    }
}

#[test]
fn backward_adds_to_the_gradient() {
    let network = network(true, [5, 16, 3]);
    let batch = batch(&network, &[4, 4, 2]);
    let values = flat_values(network.parameters.flat());
    let mut workspace = Workspace::new();
    let (_, once) = actual(&network, &batch, &mut workspace);
    let mut twice = once.clone();
    let (input, sizes, weights) = (&batch.input, &batch.sizes, &batch.output_gradient);
    network
        .body
        .backward(&values, input, sizes, &mut workspace, weights, &mut twice);
    let doubled: Vec<f32> = once.iter().map(|value| 2.0 * value).collect();
    assert_eq!(twice, doubled);
}

#[test]
fn gradient_equals_finite_differences() {
    for gru in [false, true] {
        let network = network(gru, [5, 11, 3]);
        let batch = batch(&network, &[4, 3, 3, 1]);
        let mut workspace = Workspace::new();
        let (_, gradient) = actual(&network, &batch, &mut workspace);
        let values = flat_values(network.parameters.flat());
        let mut loss = |values: &[f32]| {
            let mut output = vec![0.0; batch.output_gradient.len()];
            let (input, sizes) = (&batch.input, &batch.sizes);
            network
                .body
                .forward(values, input, sizes, &mut workspace, &mut output, false);
            let terms = output.iter().zip(&batch.output_gradient);
            terms
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum::<f64>()
        };
        for index in (3..values.len()).step_by(values.len() / 40) {
            let step = 1e-2;
            let mut moved = values.clone();
            moved[index] = values[index] + step;
            let above = loss(&moved);
            moved[index] = values[index] - step;
            let slope = (above - loss(&moved)) / (2.0 * f64::from(step));
            let error = (slope - f64::from(gradient[index])).abs();
            // A ReLU that switches inside the step leaves a kink.
            assert!(
                error < 2e-2,
                "gru {gru} {index}: {slope} {}",
                gradient[index]
            );
        }
    }
}

#[test]
#[should_panic(expected = "backward follows a forward pass in training")]
fn backward_without_training_is_refused() {
    let network = network(false, [5, 16, 3]);
    let batch = batch(&network, &[4]);
    let values = flat_values(network.parameters.flat());
    let mut workspace = Workspace::new();
    let mut output = vec![0.0; 12];
    let mut gradient = vec![0.0; values.len()];
    network.body.forward(
        &values,
        &batch.input,
        &[4],
        &mut workspace,
        &mut output,
        false,
    );
    network.body.backward(
        &values,
        &batch.input,
        &[4],
        &mut workspace,
        &output,
        &mut gradient,
    );
}

#[test]
fn no_rows_are_no_work() {
    let network = network(true, [5, 16, 3]);
    let batch = batch(&network, &[]);
    let (output, gradient) = actual(&network, &batch, &mut Workspace::new());
    assert!(output.is_empty() && gradient.iter().all(|&value| value == 0.0));
}

#[test]
fn not_a_number_reaches_the_utilities() {
    for kernels in dispatch::available() {
        for gru in [false, true] {
            let network = network(gru, [14, 64, 6]);
            let mut batch = batch(&network, &[4]);
            batch.input[14] = f32::NAN;
            let (output, gradient) =
                actual(&network, &batch, &mut Workspace::with_kernels(kernels));
            let (_, expected) = expected(&network, &batch);
            let nan: Vec<bool> = output.iter().map(|value| value.is_nan()).collect();
            let second_row = [[false; 6], [true; 6], [false; 6], [false; 6]];
            assert_eq!(nan, second_row.as_flattened());
            let same = gradient.iter().zip(&expected);
            assert!(same.into_iter().all(|(a, b)| a.is_nan() == b.is_nan()));
        }
    }
}
