//! Whole updates of a tiny Llama against TRL 1.16's trainers (`xtask/parity/make_update_golden.py`):
//! losses, gradients, and weights after three updates of each optimiser.
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use alignment::losses::log_ratios::PairLogRatios;
use alignment::losses::preference::{PairBatch, PreferenceLoss, SppoForm};
use lm::decoder::{Batch, Branched, Decoder};
use lm::scoring::{Activations, Gradient, ScoreSettings, Scored};
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

/// How the texts of a pass lie.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// A row each.
    Padded,
    /// One after the other.
    Packed,
    /// Both responses behind one prompt.
    Branched,
}

/// Texts side by side, with the targets of their responses.
struct Side {
    batch: Batch,
    places: Tensor,    // [scored]
    targets: Tensor,   // [scored]
    owners: Tensor,    // [scored]: the text of each target, chosen before rejected
    lengths: Vec<i64>, // of the responses
}

impl Side {
    fn of(rows: &[Row], form: Form) -> Self {
        let halves = [1, 2].into_iter();
        let texts: Vec<(&[i64], Vec<i64>)> = halves
            .flat_map(|half| rows.iter().map(move |row| (&row[0][..], &row[half][..])))
            .map(|(prompt, response)| (response, [prompt, response].concat()))
            .collect();
        let lengths = texts.iter().map(|(response, _)| response.len() as i64);
        let lengths = lengths.collect();
        if matches!(form, Form::Branched) {
            return Self::branched(rows, lengths);
        }
        let slices: Vec<&[i64]> = texts.iter().map(|(_, text)| &text[..]).collect();
        let longest = slices.iter().map(|text| text.len()).max().unwrap();
        let (mut places, mut targets, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        let mut end = 0;
        for (number, (response, text)) in texts.iter().enumerate() {
            end += match form {
                Form::Padded => longest,
                _ => text.len(),
            };
            // The last token of the prompt predicts the first of the response.
            let first = end - response.len() - 1;
            places.extend((first..end - 1).map(|place| place as i64));
            targets.extend_from_slice(response);
            owners.extend(std::iter::repeat_n(number as i64, response.len()));
        }
        Self {
            batch: match form {
                Form::Padded => Batch::padded(&slices, Device::Cpu),
                _ => Batch::packed(&slices, Device::Cpu),
            },
            places: Tensor::from_slice(&places),
            targets: Tensor::from_slice(&targets),
            owners: Tensor::from_slice(&owners),
            lengths,
        }
    }

    fn branched(rows: &[Row], lengths: Vec<i64>) -> Self {
        let branches: Vec<[&[i64]; 2]> = rows.iter().map(|row| [&row[1][..], &row[2]]).collect();
        let texts: Vec<Branched<'_>> = rows
            .iter()
            .zip(&branches)
            .map(|(row, branches)| Branched {
                stem: &row[0],
                branches,
            })
            .collect();
        let (places, targets) = Batch::branch_targets(&texts);
        let mut owners = Vec::new();
        for number in 0..rows.len() {
            for text in [number, rows.len() + number] {
                owners.extend(std::iter::repeat_n(text as i64, lengths[text] as usize));
            }
        }
        Self {
            batch: Batch::branched(&texts, Device::Cpu),
            places: Tensor::from_slice(&places),
            targets: Tensor::from_slice(&targets),
            owners: Tensor::from_slice(&owners),
            lengths,
        }
    }

    fn score(&self, decoder: &Decoder, activations: Activations) -> Scored {
        let settings = ScoreSettings {
            activations,
            ..ScoreSettings::default()
        };
        decoder
            .score_at(&self.batch, &self.places, &self.targets, settings)
            .unwrap()
    }

    /// Sums of log-probabilities of the responses, chosen and rejected.
    fn sums(&self, logs: &Tensor) -> PairLogRatios {
        let sums = Tensor::zeros([self.lengths.len() as i64], (Kind::Float, Device::Cpu));
        halves(&sums.index_add(0, &self.owners, logs))
    }
}

fn halves(both: &Tensor) -> PairLogRatios {
    let mut parts = both.chunk(2, 0).into_iter();
    PairLogRatios {
        chosen: parts.next().unwrap(),
        rejected: parts.next().unwrap(),
    }
}

/// Adds a pass to `gradient`; returns its mean loss over `passes`.
fn pass(
    decoder: &Decoder,
    reference: &Decoder,
    loss: &PreferenceLoss,
    side: &Side,
    passes: usize,
    gradient: &mut Gradient,
) -> f64 {
    let frozen = side.score(reference, Activations::Dropped);
    let scored = side.score(decoder, Activations::Kept);
    let found = loss
        .gradient(&PairBatch {
            policy: side.sums(scored.log_probabilities()),
            reference: Some(side.sums(frozen.log_probabilities())),
            tokens: Some(halves(&Tensor::from_slice(&side.lengths))),
            wins: None,
        })
        .unwrap();
    let of_sums = Tensor::cat(&[found.chosen, found.rejected], 0) / passes as f64;
    let derivative = of_sums.index_select(0, &side.owners);
    decoder
        .accumulate(&side.batch, scored, &derivative, gradient)
        .unwrap();
    found.losses.mean(Kind::Double).double_value(&[]) / passes as f64
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
    let passes = expected.passes_of_an_update;
    for form in [Form::Padded, Form::Packed, Form::Branched] {
        for (loss_name, loss) in &LOSSES {
            for (optimiser_name, optimiser, learning_rate, weight_decay) in OPTIMISERS {
                let case = format!("{loss_name}.{optimiser_name}, {form:?}");
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
                let updates = expected.ids.chunks(passes * expected.rows_of_a_pass);
                assert_eq!(updates.len(), run.losses.len());
                for (number, rows) in updates.enumerate() {
                    let mut total = 0.0;
                    for rows in rows.chunks(expected.rows_of_a_pass) {
                        let side = Side::of(rows, form);
                        total += pass(&decoder, &reference, loss, &side, passes, &mut gradient);
                    }
                    let off = relative(total, run.losses[number]);
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
