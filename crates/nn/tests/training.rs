//! Optimisers and learning rates against `torch.optim` and `get_scheduler`;
//! `xtask/parity/make_training_golden.py` makes the fixture.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use nn::optimiser::{Optimiser, OptimiserKind, StepSettings, gradient_norm};
use nn::parameters::flat_values;
use nn::schedule::{Decay, RateSchedule, WarmUp};
use serde_json::Value;
use tch::Tensor;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/training.json")).unwrap()
}

fn tensor(value: &Value) -> Tensor {
    let numbers = value.as_array().unwrap().iter();
    let numbers: Vec<f32> = numbers.map(|x| x.as_f64().unwrap() as f32).collect();
    Tensor::from_slice(&numbers)
}

/// Rule, learning rate, weight decay and greatest norm of each case.
fn case(name: &str) -> (OptimiserKind, f64, f64, Option<f64>) {
    let sgd = |momentum| OptimiserKind::Sgd { momentum };
    let adam = OptimiserKind::Adam {
        beta1: 0.9,
        beta2: 0.95,
        epsilon: 1e-8,
    };
    match name {
        "adam" => (OptimiserKind::ADAM, 1e-2, 0.0, None),
        "adamw" => (OptimiserKind::ADAM, 1e-3, 0.01, None),
        "adamw_decayed" => (adam, 1e-2, 0.1, None),
        "adamw_clipped" => (OptimiserKind::ADAM, 1e-2, 0.01, Some(1.0)),
        "rmsprop" => (OptimiserKind::RMS_PROP, 1e-2, 0.0, None),
        "rmsprop_decayed" => (OptimiserKind::RMS_PROP, 1e-3, 0.1, None),
        "sgd" => (sgd(0.0), 0.1, 0.0, None),
        "sgd_momentum" => (sgd(0.9), 0.1, 0.01, None),
        other => panic!("{other}"),
    }
}

#[test]
fn twenty_steps_are_those_of_torch() {
    let fixture = fixture();
    let optimisers = fixture["optimisers"].as_object().unwrap();
    assert_eq!(optimisers.len(), 8);
    for (name, expected) in optimisers {
        let (kind, learning_rate, weight_decay, limit) = case(name);
        let mut values = tensor(&fixture["start"]);
        let mut optimiser = Optimiser::over(kind, learning_rate, &values).unwrap();
        for gradient in fixture["gradients"].as_array().unwrap() {
            let mut gradient = tensor(gradient);
            let norm = gradient_norm(&gradient);
            let settings = StepSettings {
                learning_rate,
                gradient_scale: limit.map_or(1.0, |limit| (limit / (norm + 1e-6)).min(1.0)),
                weight_decay,
                decayed: std::slice::from_ref(&(0..48)),
            };
            optimiser.step_over(&mut values, &mut gradient, None, &settings);
        }
        let expected = flat_values(&tensor(expected));
        for (ours, theirs) in flat_values(&values).iter().zip(&expected) {
            // One part in a million of numbers that are about 1.
            let off = (ours - theirs).abs() / theirs.abs().max(1.0);
            assert!(off <= 1e-6, "{name}: {ours} for {theirs}");
        }
    }
}

#[test]
fn learning_rates_are_those_of_transformers() {
    for case in fixture()["schedules"].as_array().unwrap() {
        let number = |key: &str| case[key].as_u64().unwrap();
        let name = case["name"].as_str().unwrap();
        let decay = match name.split('_').next().unwrap() {
            "constant" => Decay::Constant,
            "linear" => Decay::Linear,
            _ => Decay::Cosine,
        };
        let schedule = RateSchedule {
            decay,
            warm_up: WarmUp::Steps(number("warm_up")),
            total_steps: number("total"),
        };
        for (taken, factor) in case["factors"].as_array().unwrap().iter().enumerate() {
            let wanted = factor.as_f64().unwrap();
            let ours = schedule.factor(taken as u64);
            assert!(
                (ours - wanted).abs() < 1e-12,
                "{name} at {taken}: {ours} for {wanted}"
            );
        }
    }
    let ratio = RateSchedule {
        decay: Decay::Linear,
        warm_up: WarmUp::Ratio(0.1),
        total_steps: 41,
    };
    // `math.ceil(41 * 0.1)`, as TrainingArguments.get_warmup_steps.
    assert_eq!(ratio.warm_up_steps(), 5);
    assert_eq!(ratio.factor(0), 0.0);
    assert_eq!(ratio.factor(5), 1.0);
}
