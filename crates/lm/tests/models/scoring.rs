//! Log-probabilities in chunks and their gradients, against `transformers` 5.23.

use crate::golden::{CASES, Expected, difference, hashed, model};
use lm::decoder::{Batch, Branched, Decoder};
use lm::scoring::{Activations, Gradient, ScoreSettings};
use tch::{Device, Kind, Tensor};

const CPU: Device = Device::Cpu;

/// The next token at each place, and none at the last.
fn next_tokens(ids: &[i64]) -> Vec<i64> {
    let mut next = ids[1..].to_vec();
    next.push(-1);
    next
}

/// Log-probabilities and the gradient of their negative mean.
fn scored(
    decoder: &Decoder,
    ids: &[i64],
    activations: Activations,
    chunk: usize,
) -> (Tensor, Gradient) {
    let batch = Batch::padded(&[ids], CPU);
    let targets = Tensor::from_slice(&next_tokens(ids)).unsqueeze(0);
    let settings = ScoreSettings {
        activations,
        chunk,
        ..ScoreSettings::default()
    };
    let scored = decoder.score(&batch, &targets, settings).unwrap();
    let logs = scored.log_probabilities().copy();
    let mut gradient = Gradient::zeros(decoder).unwrap();
    let derivative = logs.full_like(-1.0 / logs.numel() as f64);
    decoder
        .accumulate(&batch, scored, &derivative, &mut gradient)
        .unwrap();
    (logs, gradient)
}

#[test]
fn chunks_and_recomputation_give_the_reference_s_gradients() {
    for case in CASES {
        let expected = Expected::of(case);
        let decoder = model(case, Kind::Float, true);
        let ids = expected.ids("ids");
        let logits = expected
            .tensor("logits")
            .log_softmax(-1, Kind::Float)
            .narrow(0, 0, 79);
        let wanted = logits.gather(-1, &Tensor::from_slice(&ids[1..]).unsqueeze(-1), false);
        let norms = expected.tensor("gradient_norms");
        let projections = expected.tensor("gradient_projections");
        for (activations, chunk) in [(Activations::Kept, 512), (Activations::Recomputed, 7)] {
            let (logs, gradient) = scored(&decoder, &ids, activations, chunk);
            let delta = difference(&logs, &wanted.squeeze_dim(-1));
            assert!(delta <= 1e-4, "{case}: log-probabilities differ by {delta}");
            for (row, name) in expected.names().iter().enumerate() {
                let layout = decoder.weights().layout();
                let ours = layout
                    .named(gradient.flat(), name)
                    .unwrap()
                    .to_kind(Kind::Double);
                let norm = norms.double_value(&[row as i64]);
                let off = (ours.norm().double_value(&[]) - norm).abs() / norm;
                assert!(
                    off <= 1e-4,
                    "{case}, {activations:?}: norm of {name} off by {off}"
                );
                let against =
                    Tensor::from_slice(&hashed(&format!("project.0.{name}"), ours.numel()));
                let projected = ours.reshape([-1]).dot(&against.to_kind(Kind::Double));
                let wanted = projections.double_value(&[row as i64, 0]);
                let off = (projected.double_value(&[]) - wanted).abs() / norm;
                assert!(off <= 1e-4, "{case}, {activations:?}: {name} off by {off}");
            }
        }
    }
}

#[test]
fn gradients_of_batches_add_up_and_packing_spares_the_padding() {
    let decoder = model("qwen3", Kind::Float, true);
    let ids = Expected::of("qwen3").ids("ids");
    let texts: [&[i64]; 2] = [&ids[..50], &ids[50..]];
    let mut apart = Gradient::zeros(&decoder).unwrap();
    for text in texts {
        let batch = Batch::padded(&[text], CPU);
        let targets = Tensor::from_slice(&next_tokens(text)).unsqueeze(0);
        let settings = ScoreSettings {
            activations: Activations::Kept,
            chunk: 16,
            ..ScoreSettings::default()
        };
        let scored = decoder.score(&batch, &targets, settings).unwrap();
        let ones = scored.log_probabilities().ones_like();
        decoder
            .accumulate(&batch, scored, &ones, &mut apart)
            .unwrap();
    }
    let targets = texts.map(next_tokens).concat();
    let packed = Batch::packed(&texts, CPU);
    let settings = ScoreSettings {
        activations: Activations::Recomputed,
        chunk: 16,
        ..ScoreSettings::default()
    };
    let scored = decoder
        .score(
            &packed,
            &Tensor::from_slice(&targets).unsqueeze(0),
            settings,
        )
        .unwrap();
    assert_eq!(scored.log_probabilities().numel(), 78);
    let ones = scored.log_probabilities().ones_like();
    let mut together = Gradient::zeros(&decoder).unwrap();
    decoder
        .accumulate(&packed, scored, &ones, &mut together)
        .unwrap();
    let off =
        difference(apart.flat(), together.flat()) / apart.flat().abs().max().double_value(&[]);
    assert!(off < 1e-5, "off by {off}");
    together.clear();
    assert_eq!(together.flat().abs().max().double_value(&[]), 0.0);
}

/// Log-probabilities of the branches and the gradient of a weighted sum of them.
fn weighed(
    decoder: &Decoder,
    batch: &Batch,
    (places, targets): (&[i64], &[i64]),
    weights: &Tensor,
) -> (Tensor, Gradient) {
    let settings = ScoreSettings {
        activations: Activations::Kept,
        chunk: 16,
        ..ScoreSettings::default()
    };
    let [places, targets] = [places, targets].map(Tensor::from_slice);
    let scored = decoder
        .score_at(batch, &places, &targets, settings)
        .unwrap();
    let logs = scored.log_probabilities().copy();
    let mut gradient = Gradient::zeros(decoder).unwrap();
    decoder
        .accumulate(batch, scored, weights, &mut gradient)
        .unwrap();
    (logs, gradient)
}

#[test]
fn a_shared_beginning_changes_neither_scores_nor_gradients() {
    for case in CASES {
        let ids = Expected::of(case).ids("ids");
        let texts = [
            Branched {
                stem: &ids[..30],
                branches: &[&ids[30..50], &ids[50..51], &[], &ids[60..75]],
            },
            Branched {
                stem: &ids[3..4],
                branches: &[&ids[30..37], &ids[20..30]],
            },
        ];
        let (places, targets) = Batch::branch_targets(&texts);
        let weights = Tensor::arange(targets.len() as i64, (Kind::Float, CPU)).sin();
        // The same texts apart, each with its whole beginning.
        let apart: Vec<Vec<i64>> = texts
            .iter()
            .flat_map(|text| {
                text.branches
                    .iter()
                    .map(|branch| [text.stem, branch].concat())
            })
            .collect();
        let stems = texts
            .iter()
            .flat_map(|text| vec![text.stem.len(); text.branches.len()]);
        let mut start = 0;
        let mut places_apart = Vec::new();
        for (text, stem) in apart.iter().zip(stems) {
            places_apart.extend(start + stem as i64 - 1..start + text.len() as i64 - 1);
            start += text.len() as i64;
        }
        let slices: Vec<&[i64]> = apart.iter().map(Vec::as_slice).collect();
        let together = Batch::branched(&texts, CPU);
        assert!(together.ids().numel() + 80 < slices.concat().len());
        // In f64 a pass goes by LibTorch, in f32 by the kernels where they can.
        for kind in [Kind::Float, Kind::Double] {
            let decoder = model(case, kind, true);
            let (logs, gradient) = weighed(&decoder, &together, (&places, &targets), &weights);
            let packed = Batch::packed(&slices, CPU);
            let (wanted, whole) = weighed(&decoder, &packed, (&places_apart, &targets), &weights);
            let off = difference(&logs, &wanted);
            assert!(
                off <= 1e-5,
                "{case}, {kind:?}: log-probabilities off by {off}"
            );
            let largest = whole.flat().abs().max().double_value(&[]);
            let off = difference(gradient.flat(), whole.flat()) / largest;
            assert!(off <= 1e-5, "{case}, {kind:?}: gradient off by {off}");
        }
    }
}

#[test]
fn targets_that_do_not_fit_are_refused() {
    let decoder = model("llama", Kind::Float, false);
    let batch = Batch::padded(&[&[1, 2, 3]], CPU);
    let refuse = |targets: &[i64]| {
        let targets = Tensor::from_slice(targets).unsqueeze(0);
        let scored = decoder.score(&batch, &targets, ScoreSettings::default());
        scored.err().unwrap().to_string()
    };
    assert!(refuse(&[1, 2]).contains("targets [1, 2] - allowed: the batch's [1, 3]"));
    assert!(refuse(&[1, 2, 131]).contains("each below 131"));
    assert!(refuse(&[-1, -1, -1]).contains("at least one"));
    let refuse = |places: &[i64]| {
        let (places, targets) = (Tensor::from_slice(places), Tensor::from_slice(&[4i64]));
        let scored = decoder.score_at(&batch, &places, &targets, ScoreSettings::default());
        scored.err().unwrap().to_string()
    };
    assert!(refuse(&[3]).contains("places [1] of [1] targets - allowed: one each, below 3"));
    assert!(refuse(&[0, 1]).contains("places [2] of [1] targets"));
    // A gradient of weights that do not take any.
    let targets = Tensor::from_slice(&[2i64, 3, -1]).unsqueeze(0);
    let scored = decoder
        .score(&batch, &targets, ScoreSettings::default())
        .unwrap();
    let mut gradient = Gradient::zeros(&decoder).unwrap();
    let ones = scored.log_probabilities().ones_like();
    let refused = decoder.accumulate(&batch, scored, &ones, &mut gradient);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("trainable weights or a trainable adapter")
    );
}
