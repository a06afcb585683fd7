//! QMIX's mixing network against PyTorch's (`xtask/parity/make_mixer_golden.py`).

use std::collections::BTreeMap;
use std::sync::Arc;

use agents::mixer_pass::MixerPass;
use agents::mixing::{Mixer, MixerShape, MonotoneMixer};
use nn::arrays::{Array, Arrays};
use nn::parameters::{ParameterLayout, Parameters, flat_values};
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

#[derive(Deserialize)]
struct Golden {
    state: usize,
    embedding: usize,
    hypernet: usize,
    rows: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    agents: usize,
    hypernet_layers: usize,
    weights: BTreeMap<String, Vec<f64>>,
    gradients: BTreeMap<String, Vec<f64>>,
    values: Vec<f64>,
    states: Vec<f64>,
    pull: Vec<f64>,
    mixed: Vec<f64>,
    values_gradient: Vec<f64>,
}

fn tensor(values: &[f64], rows: usize) -> Tensor {
    let tensor = Tensor::from_slice(values).to_kind(Kind::Float);
    tensor.view([rows as i64, -1])
}

fn assert_close(what: &str, actual: &[f32], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (actual, expected) in actual.iter().zip(expected) {
        let difference = (f64::from(*actual) - expected).abs();
        assert!(
            difference < 1e-5 * expected.abs().max(1.0),
            "{what}: {actual} {expected}"
        );
    }
}

#[test]
fn values_and_gradients_equal_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("golden/mixer.json")).unwrap();
    for case in &golden.cases {
        let mut layout = ParameterLayout::new();
        let shape = MixerShape {
            agents: case.agents,
            state: golden.state,
            embedding_size: golden.embedding,
            hypernet_layers: case.hypernet_layers,
            hypernet_size: golden.hypernet,
        };
        let mixer = MonotoneMixer::declare(&mut layout, "mixer", &shape);
        let mixer = Arc::new(Mixer::Monotone(mixer));
        let mut parameters = Parameters::zeros(&Arc::new(layout), Device::Cpu, true);
        let blank = parameters.to_arrays("");
        let mut arrays = Arrays::new();
        for (name, values) in &case.weights {
            let shape = blank.shape(name).expect("EPyMARL's names").to_vec();
            let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            arrays.insert(name.clone(), Array::from_f32(shape, &values));
        }
        parameters.load_arrays(&arrays, "").unwrap();

        let chosen = tensor(&case.values, golden.rows).set_requires_grad(true);
        let states = tensor(&case.states, golden.rows);
        let mixed = mixer.forward(&parameters, &chosen, &states);
        assert_eq!(mixed.size(), [golden.rows as i64, 1]);
        assert_close("mixed", &flat_values(&mixed.view(-1)), &case.mixed);

        let loss = (mixed * tensor(&case.pull, golden.rows)).sum(Kind::Float);
        let of_values = Tensor::run_backward(&[&loss], &[&chosen], true, false);
        let of_values = flat_values(&of_values[0].reshape([-1]));
        assert_close("values", &of_values, &case.values_gradient);
        let mut gradients = Parameters::zeros(parameters.layout(), Device::Cpu, false);
        gradients.copy_from_flat(&parameters.gradient(&loss).unwrap());
        let mut pass = MixerPass::new(&mixer, &parameters);
        if pass.is_fused() {
            let mixed = pass.differentiable(&parameters, &chosen, &states);
            let constant = pass.constant(&parameters, &chosen, &states);
            assert_close("kernels", &flat_values(&mixed.view(-1)), &case.mixed);
            assert_close("kernels", &flat_values(&constant.view(-1)), &case.mixed);
            let mut flat = vec![0.0; parameters.layout().scalars()];
            let of_values = pass.backward(&tensor(&case.pull, golden.rows), &mut flat);
            let of_values = flat_values(&of_values.unwrap().reshape([-1]));
            assert_close("kernels", &of_values, &case.values_gradient);
            let expected = flat_values(gradients.flat());
            let expected: Vec<f64> = expected.iter().map(|&value| f64::from(value)).collect();
            assert_close("kernels", &flat, &expected);
        }
        let gradients = gradients.to_arrays("");
        for (name, expected) in &case.gradients {
            let shape = gradients.shape(name).unwrap().to_vec();
            assert_close(name, &gradients.f32(name, &shape).unwrap(), expected);
        }
    }
}
