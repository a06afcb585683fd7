//! Whole updates of a tiny Llama against TRL 1.16's trainers (`xtask/parity/make_update_golden.py`):
//! losses, gradients, and weights after three updates of each optimiser.
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use alignment::losses::preference::{PreferenceLoss, SppoForm};
use alignment::preparation::{Example, Pair, Sequence};
use alignment::training::{Objective, PassSettings, accumulate, reference_log_probabilities};
use lm::decoder::Decoder;
use lm::scoring::{Activations, Gradient};
use lm::training::{OptimiserKind, RateSchedule, Trainer, TrainerSettings};
use safetensors::SafeTensors;
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

#[derive(Deserialize)]
struct Expected {
    passes_of_an_update: usize,
    rows_of_a_pass: usize,
    ids: Vec<Row>,
    runs: BTreeMap<String, Run>,
}

/// Token ids of prompt, chosen and rejected.
type Row = [Vec<i64>; 3];

#[derive(Deserialize)]
struct Run {
    losses: Vec<f64>,
    gradient_norms: Vec<f64>,
}

fn golden(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    folder.join("tests/golden/update").join(name)
}

fn expected() -> Expected {
    serde_json::from_slice(&fs::read(golden("expected.json")).unwrap()).unwrap()
}

fn decoder() -> Decoder {
    nn::runtime::prepare(1);
    Decoder::load(&golden("model"), Some(Kind::Float), Device::Cpu, true).unwrap()
}

const LOSSES: [(&str, PreferenceLoss); 4] = [
    (
        "sppo_hard",
        PreferenceLoss::Sppo {
            form: SppoForm::Hard,
            step_size: 1e3,
            baseline_c: 0.5,
        },
    ),
    (
        "sigmoid",
        PreferenceLoss::Dpo {
            preference_strength: 0.1,
            label_smoothing: 0.0,
        },
    ),
    (
        "ipo",
        PreferenceLoss::Ipo {
            regularisation: 0.1,
            per_token: true,
        },
    ),
    (
        "simpo",
        PreferenceLoss::Simpo {
            preference_strength: 2.0,
            target_margin: 0.5,
            label_smoothing: 0.0,
        },
    ),
];

const OPTIMISERS: [(&str, OptimiserKind, f64, f64); 3] = [
    ("adamw", OptimiserKind::ADAM, 1e-3, 0.1),
    ("rmsprop", OptimiserKind::RMS_PROP, 1e-4, 0.0),
    ("sgd", OptimiserKind::Sgd { momentum: 0.0 }, 0.1, 0.0),
];

/// The rows as pairs, with their log-probabilities under `reference`.
fn examples(ids: &[Row], reference: &Decoder, passes: &PassSettings) -> Vec<Example> {
    let pairs = ids.iter().map(|[prompt, chosen, rejected]| Pair {
        chosen: Sequence::new(prompt, chosen),
        rejected: Sequence::new(prompt, rejected),
        ..Pair::default()
    });
    let mut examples: Vec<Example> = pairs.map(Example::Pair).collect();
    let go_on = &mut |_| ControlFlow::Continue(());
    assert!(reference_log_probabilities(reference, &mut examples, passes, go_on).unwrap());
    examples
}

fn tensor(file: &SafeTensors<'_>, name: &str) -> Tensor {
    let view = file.tensor(name).unwrap();
    let shape: Vec<i64> = view.shape().iter().map(|size| *size as i64).collect();
    Tensor::f_from_data_size(view.data(), &shape, Kind::Float).unwrap()
}

/// All numbers of a flat buffer by the names of files, in the names' order.
fn by_name(decoder: &Decoder, flat: &Tensor) -> Vec<(String, Tensor)> {
    let layout = decoder.weights().layout();
    let mut names: Vec<&str> = layout.names().map(|(name, _)| name).collect();
    names.sort_unstable();
    let named = names.into_iter().map(|name| {
        let found = layout.named(flat, name).unwrap();
        (name.to_owned(), found.copy())
    });
    named.collect()
}

fn relative(ours: f64, theirs: f64) -> f64 {
    (ours - theirs).abs() / theirs.abs()
}

#[test]
fn losses_gradients_and_weights_of_three_updates_equal_trl() {
    let expected = expected();
    let bytes = fs::read(golden("expected.safetensors")).unwrap();
    let arrays = SafeTensors::deserialize(&bytes).unwrap();
    let reference = decoder();
    let rows = expected.rows_of_a_pass;
    for pack in [false, true] {
        let passes = PassSettings {
            rows,
            activations: Activations::Kept,
            logit_chunk: 512,
            pack,
            seed: 0,
        };
        let examples = examples(&expected.ids, &reference, &passes);
        for (loss_name, loss) in &LOSSES {
            let objective = Objective::Preference(loss.clone());
            for (optimiser_name, optimiser, learning_rate, weight_decay) in OPTIMISERS {
                let case = format!("{loss_name}.{optimiser_name}, packed {pack}");
                let run = &expected.runs[&format!("{loss_name}.{optimiser_name}")];
                let mut decoder = decoder();
                let settings = TrainerSettings {
                    optimiser,
                    learning_rate,
                    weight_decay,
                    schedule: RateSchedule::CONSTANT,
                    max_gradient_norm: Some(1.0),
                    ..TrainerSettings::default()
                };
                let mut trainer = Trainer::new(&decoder, settings).unwrap();
                let mut gradient = Gradient::zeros(&decoder).unwrap();
                let updates = examples.chunks(rows * expected.passes_of_an_update);
                assert_eq!(updates.len(), run.losses.len());
                for (number, examples) in updates.enumerate() {
                    let rows: Vec<&Example> = examples.iter().collect();
                    let figures =
                        accumulate(&decoder, &mut gradient, &rows, &objective, &passes, 0).unwrap();
                    let off = relative(figures.loss, run.losses[number]);
                    assert!(off <= 2e-6, "{case}, update {number}: loss off by {off}");
                    if number == 0 {
                        let norm = run.gradient_norms[0];
                        for (name, ours) in by_name(&decoder, gradient.flat()) {
                            let theirs = tensor(&arrays, &format!("gradient.{loss_name}.{name}"));
                            let off = (ours - theirs).norm().double_value(&[]) / norm;
                            assert!(off <= 1e-6, "{case}: gradient of {name} off by {off}");
                        }
                    }
                    let step = trainer.step(&mut decoder, &mut gradient).unwrap();
                    let off = relative(step.gradient_norm, run.gradient_norms[number]);
                    assert!(off <= 1e-5, "{case}, update {number}: norm off by {off}");
                }
                let weights = by_name(&decoder, decoder.weights().flat());
                let flat: Vec<Tensor> = weights
                    .iter()
                    .map(|(_, part)| part.flatten(0, -1))
                    .collect();
                let flat = Tensor::cat(&flat, 0);
                let theirs = tensor(&arrays, &format!("weights.{loss_name}.{optimiser_name}"));
                let (all, samples) = (flat.numel() as i64, theirs.numel() as i64);
                let places: Vec<i64> = (0..samples).map(|place| place * all / samples).collect();
                let ours = flat.index_select(0, &Tensor::from_slice(&places));
                let off = (ours - theirs).abs().max().double_value(&[]);
                // An element whose gradient is rounding noise may be pushed either way.
                assert!(off <= 1e-2 * learning_rate, "{case}: weights off by {off}");
            }
        }
    }
}
