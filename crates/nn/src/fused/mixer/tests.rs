//! The mixer against LibTorch.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::*;
use crate::parameters::{Parameters, flat_values};
use crate::random::RandomStream;

const STATE: i64 = 6;

struct Case {
    layers: MixerLayers,
    parameters: Parameters,
    agents: i64,
    embedding: i64,
}

fn case(agents: i64, embedding: i64, hidden: Option<i64>) -> Case {
    let mut layout = ParameterLayout::new();
    let mut linear =
        |name: &str, inputs, outputs| Linear::declare(&mut layout, name, inputs, outputs);
    let mut hypernetwork = |name: &str, outputs| match hidden {
        None => (None, linear(name, STATE, outputs)),
        Some(hidden) => (
            Some(linear(&format!("{name}.0"), STATE, hidden)),
            linear(&format!("{name}.2"), hidden, outputs),
        ),
    };
    let layers = MixerLayers {
        first: hypernetwork("first", agents * embedding),
        last: hypernetwork("last", embedding),
        bias: linear("bias", STATE, embedding),
        value: (
            linear("value.0", STATE, embedding),
            linear("value.2", embedding, 1),
        ),
    };
    let mut stream = RandomStream::new(1, "initialisation", 0);
    let layout = Arc::new(layout);
    let parameters = Parameters::initialised(&layout, Device::Cpu, true, &mut stream);
    Case {
        layers,
        parameters,
        agents,
        embedding,
    }
}

fn random(count: usize, index: u64) -> Vec<f32> {
    let mut stream = RandomStream::new(3, "test", index);
    (0..count).map(|_| 6.0 * stream.uniform() - 3.0).collect()
}

fn through(case: &Case, (hidden, output): (Option<Linear>, Linear), states: &Tensor) -> Tensor {
    let features = hidden.map(|hidden| hidden.forward(&case.parameters, states).relu());
    output.forward(&case.parameters, features.as_ref().unwrap_or(states))
}

/// Mixed values, and the gradients of values and weights, by LibTorch.
fn expected(case: &Case, values: &[f32], states: &[f32], pull: &[f32]) -> [Vec<f32>; 3] {
    let values = Tensor::from_slice(values).view([-1, 1, case.agents]);
    let values = values.set_requires_grad(true);
    let states = Tensor::from_slice(states).view([-1, STATE]);
    let layers = &case.layers;
    let first = through(case, layers.first, &states).abs();
    let first = first.view([-1, case.agents, case.embedding]);
    let bias = layers.bias.forward(&case.parameters, &states);
    let hidden = (values.bmm(&first).squeeze_dim(1) + bias).elu();
    let last = through(case, layers.last, &states).abs();
    let value = (Some(layers.value.0), layers.value.1);
    let mixed = (hidden * last).sum_dim_intlist([1i64].as_slice(), true, Kind::Float)
        + through(case, value, &states);
    let loss = (mixed.view(-1) * Tensor::from_slice(pull)).sum(Kind::Float);
    let of_values = Tensor::run_backward(&[&loss], &[&values], true, false);
    let weights = case.parameters.gradient(&loss).unwrap();
    [mixed.detach(), of_values[0].copy(), weights].map(|tensor| flat_values(&tensor.reshape([-1])))
}

fn actual(
    case: &Case,
    values: &[f32],
    states: &[f32],
    pull: &[f32],
    workspace: &mut MixerWorkspace,
) -> [Vec<f32>; 3] {
    let mixer = FusedMixer::new(case.parameters.layout(), &case.layers);
    let flat = flat_values(case.parameters.flat());
    let mut mixed = vec![0.0; pull.len()];
    let mut again = vec![0.0; pull.len()];
    mixer.forward(&flat, values, states, workspace, &mut again, false);
    mixer.forward(&flat, values, states, workspace, &mut mixed, true);
    assert_eq!(mixed, again, "training changes nothing");
    let mut of_values = vec![9.0; values.len()];
    let mut gradient = vec![1.0; flat.len()];
    mixer.backward(
        &flat,
        values,
        states,
        workspace,
        pull,
        &mut of_values,
        &mut gradient,
    );
    gradient.iter_mut().for_each(|value| *value -= 1.0);
    [mixed, of_values, gradient]
}

#[test]
fn every_instruction_set_equals_autograd() {
    for kernels in dispatch::available() {
        let mut workspace = MixerWorkspace::with_kernels(kernels);
        for (agents, embedding, hidden) in [
            (2, 32, Some(64)),
            (4, 5, Some(7)),
            (3, 17, None),
            (1, 16, Some(3)),
        ] {
            let case = case(agents, embedding, hidden);
            for rows in [1, 5, 128, 300] {
                let values = random(rows * agents as usize, 1);
                let states = random(rows * STATE as usize, 2);
                let pull = random(rows, 3);
                let expected = expected(&case, &values, &states, &pull);
                let actual = actual(&case, &values, &states, &pull, &mut workspace);
                for (actual, expected) in actual.iter().zip(&expected) {
                    let scale = expected.iter().fold(1f32, |scale, v| scale.max(v.abs()));
                    for (actual, expected) in actual.iter().zip(expected) {
                        let difference = (actual - expected).abs() / scale;
                        assert!(
                            difference < 1e-5,
                            "{} {agents} {embedding} {hidden:?} {rows}: {actual} {expected}",
                            kernels.name
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn no_rows_are_no_work() {
    let case = case(2, 4, Some(3));
    let [mixed, of_values, gradient] = actual(&case, &[], &[], &[], &mut MixerWorkspace::new());
    assert!(mixed.is_empty() && of_values.is_empty());
    assert!(gradient.iter().all(|&value| value == 0.0));
}

#[test]
#[should_panic(expected = "backward follows a forward pass in training")]
fn backward_without_training_is_refused() {
    let case = case(2, 4, None);
    let mixer = FusedMixer::new(case.parameters.layout(), &case.layers);
    let flat = flat_values(case.parameters.flat());
    let mut workspace = MixerWorkspace::new();
    let (values, states) = ([0.0; 2], [0.0; STATE as usize]);
    mixer.forward(&flat, &values, &states, &mut workspace, &mut [0.0], false);
    let (mut of_values, mut gradient) = ([0.0; 2], vec![0.0; flat.len()]);
    mixer.backward(
        &flat,
        &values,
        &states,
        &mut workspace,
        &[1.0],
        &mut of_values,
        &mut gradient,
    );
}
