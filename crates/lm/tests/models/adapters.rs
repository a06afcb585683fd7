//! Adapters against `peft` 0.21 (those called Bone: 0.18), and what is promised beyond that.

use crate::golden::{Expected, difference, folder, hashed, model};
use lm::adapters::{Adapter, AdapterSettings, Dialect, Form, Keep};
use lm::decoder::{Batch, Decoder};
use lm::generation::{GenerationSettings, Verdict, generate};
use lm::scoring::{Activations, Gradient, ScoreSettings};
use lm::trained::Trained;
use tch::{Device, Kind, Tensor, no_grad};

const CPU: Device = Device::Cpu;

const CASES: [&str; 12] = [
    "lora",
    "rslora",
    "lora_fused",
    "lora_irregular",
    "miss",
    "miss_remainder",
    "miss_mini",
    "miss_fused",
    "bat",
    "bat_fused",
    "bone",
    "bone_bat",
];

/// The base model of a case with its adapter, and what `peft` computed.
fn adapted(case: &str, kind: Kind) -> (Decoder, Expected) {
    let expected = Expected::of(&format!("adapters/{case}"));
    let mut decoder = model(&expected.metadata("base"), kind, false);
    let folder = folder("adapters").join(case);
    let adapter = Adapter::load(&folder, decoder.config(), CPU, true).unwrap();
    decoder.attach(adapter).unwrap();
    (decoder, expected)
}

/// An adapter of a form on every product of the tiny Llama, with values that matter.
fn drawn(form: Form, dropout: f64) -> Decoder {
    let mut decoder = model("llama", Kind::Float, false);
    let settings = AdapterSettings {
        form,
        dropout,
        ..AdapterSettings::default()
    };
    let adapter = Adapter::create(&settings, decoder.config(), CPU, 3).unwrap();
    for (name, mut tensor) in adapter.tensors() {
        let values = Tensor::from_slice(&hashed(&name, tensor.numel())) * 0.2;
        no_grad(|| tensor.copy_(&values.view(&tensor.size()[..])));
    }
    decoder.attach(adapter).unwrap();
    decoder
}

const LORA: Form = Form::Lora {
    rank: 4,
    alpha: 8.0,
    rank_stabilised: false,
};
const MISS: Form = Form::Miss {
    rank: 8,
    mini: None,
};
const FORMS: [Form; 4] = [
    LORA,
    MISS,
    Form::Miss {
        rank: 6,
        mini: Some(16),
    },
    Form::Bat { rank: 16 },
];

fn next_tokens(ids: &[i64]) -> Tensor {
    let mut next = ids[1..].to_vec();
    next.push(-1);
    Tensor::from_slice(&next).unsqueeze(0)
}

/// The mean negative log-likelihood and its gradient.
fn loss_of(
    decoder: &Decoder,
    ids: &[i64],
    activations: Activations,
    dropout: Option<u64>,
) -> (f64, Gradient) {
    let batch = Batch::padded(&[ids], CPU);
    let settings = ScoreSettings {
        activations,
        chunk: 16,
        dropout,
    };
    let scored = decoder.score(&batch, &next_tokens(ids), settings).unwrap();
    let logs = scored.log_probabilities().copy();
    let derivative = logs.full_like(-1.0 / logs.numel() as f64);
    let mut gradient = Gradient::zeros(decoder).unwrap();
    decoder
        .accumulate(&batch, scored, &derivative, &mut gradient)
        .unwrap();
    (-logs.mean(Kind::Double).double_value(&[]), gradient)
}

/// How far a tensor's norm and projections are from the row of `numbers`, over the norm.
fn off(tensor: &Tensor, name: &str, numbers: &Tensor, row: usize) -> f64 {
    let wanted = |column: i64| numbers.double_value(&[row as i64, column]);
    let flat = tensor.to_kind(Kind::Double).reshape([-1]);
    let mut worst = (flat.norm().double_value(&[]) - wanted(0)).abs();
    for number in 0..2 {
        let against =
            Tensor::from_slice(&hashed(&format!("project.{number}.{name}"), flat.numel()));
        let projected = flat.dot(&against.to_kind(Kind::Double)).double_value(&[]);
        worst = worst.max((projected - wanted(1 + number)).abs());
    }
    worst / wanted(0)
}

#[test]
fn outputs_gradients_and_merged_weights_are_those_of_peft() {
    for case in CASES {
        let (mut decoder, expected) = adapted(case, Kind::Float);
        let ids = expected.ids("ids");
        let logits = decoder.logits_of(&ids).unwrap();
        let outputs = difference(&logits, &expected.tensor("logits"));
        assert!(outputs <= 1e-4, "{case}: logits differ by {outputs}");
        let mut gradients = 0.0f64;
        for activations in [Activations::Kept, Activations::Recomputed] {
            let (loss, gradient) = loss_of(&decoder, &ids, activations, None);
            let gap = loss - expected.tensor("loss").double_value(&[0]);
            assert!(gap.abs() < 1e-5, "{case}: loss differs by {gap}");
            let adapter = decoder.adapter().unwrap();
            let named: Vec<(String, Tensor)> = adapter.named(gradient.flat()).collect();
            let names = expected.names();
            assert_eq!(names.len(), named.len(), "{case}");
            for (row, name) in names.iter().enumerate() {
                let ours = named.iter().find(|(ours, _)| name.ends_with(ours)).unwrap();
                gradients = gradients.max(off(&ours.1, name, &expected.tensor("gradients"), row));
            }
        }
        assert!(gradients <= 1e-4, "{case}: gradients off by {gradients}");
        decoder.merge_adapter(Keep::Nothing).unwrap();
        let largest = logits.abs().max().double_value(&[]);
        let merged = difference(&decoder.logits_of(&ids).unwrap(), &logits) / largest;
        assert!(
            merged <= 1e-5,
            "{case}: merged logits differ by {merged} of the largest"
        );
        let names: Vec<String> = serde_json::from_str(&expected.metadata("merged")).unwrap();
        let mut weights = 0.0f64;
        for (row, name) in names.iter().enumerate() {
            let layout = decoder.weights().layout();
            let ours = layout.named(decoder.weights().flat(), name).unwrap();
            weights = weights.max(off(&ours, name, &expected.tensor("merged_weights"), row));
        }
        assert!(weights <= 1e-6, "{case}: merged weights off by {weights}");
        eprintln!(
            "{case:15} logits {outputs:.1e}  gradients {gradients:.1e}  merged weights {weights:.1e}  merged logits {merged:.1e}"
        );
    }
}

#[test]
fn a_new_adapter_changes_no_bit() {
    let ids = Expected::of("llama").ids("ids");
    for kind in [Kind::Float, Kind::BFloat16] {
        let plain = model("llama", kind, false).logits_of(&ids).unwrap();
        for form in FORMS {
            let mut decoder = model("llama", kind, false);
            let settings = AdapterSettings {
                form,
                ..AdapterSettings::default()
            };
            let adapter = Adapter::create(&settings, decoder.config(), CPU, 0).unwrap();
            decoder.attach(adapter).unwrap();
            assert!(decoder.adapted());
            assert_eq!(
                decoder.logits_of(&ids).unwrap(),
                plain,
                "{form:?} in {kind:?}"
            );
        }
    }
}

#[test]
fn a_of_lora_is_drawn_as_peft_draws_it_and_anew_with_every_seed() {
    let config = model("llama", Kind::Float, false).config().clone();
    let settings = AdapterSettings {
        form: Form::Lora {
            rank: 64,
            alpha: 8.0,
            rank_stabilised: false,
        },
        ..AdapterSettings::default()
    };
    let of = |seed| Adapter::create(&settings, &config, CPU, seed).unwrap();
    let first = of(1);
    assert_eq!(first.flat(), of(1).flat());
    assert_ne!(first.flat(), of(2).flat());
    for (name, tensor) in first.tensors() {
        let wide = tensor.to_kind(Kind::Double);
        if name.ends_with("lora_B.weight") {
            assert_eq!(wide.abs().max().double_value(&[]), 0.0, "{name}");
            continue;
        }
        // Uniform within 1 / sqrt(inputs), whose deviation is that over sqrt(3).
        let bound = 1.0 / (tensor.size()[1] as f64).sqrt();
        assert!(wide.abs().max().double_value(&[]) <= bound, "{name}");
        let deviation = wide.std(true).double_value(&[]) * 3f64.sqrt() / bound;
        assert!((deviation - 1.0).abs() < 0.05, "{name}: {deviation}");
    }
}

#[test]
fn taking_a_merged_adapter_out_restores_every_bit() {
    for kind in [Kind::Float, Kind::BFloat16] {
        for case in CASES {
            let (mut decoder, _) = adapted(case, kind);
            let before = decoder.weights().flat().copy();
            decoder.merge_adapter(Keep::Originals).unwrap();
            assert_ne!(decoder.weights().flat(), &before, "{case} in {kind:?}");
            decoder.unmerge_adapter().unwrap();
            assert_eq!(decoder.weights().flat(), &before, "{case} in {kind:?}");
        }
    }
}

#[test]
fn without_the_originals_weights_come_back_within_their_rounding() {
    for case in CASES {
        let (mut decoder, _) = adapted(case, Kind::Float);
        let before = decoder.weights().flat().to_kind(Kind::Double);
        decoder.merge_adapter(Keep::Nothing).unwrap();
        let merged = decoder.weights().flat().to_kind(Kind::Double);
        decoder.unmerge_adapter().unwrap();
        let gap = (decoder.weights().flat().to_kind(Kind::Double) - &before).abs();
        // Half a unit in the last place is at most 2^-24 of a number.
        let unit = (before.abs() + merged.abs()) * 2f64.powi(-24);
        // The condition of I + D of the drawn blocks is below 100.
        let factor = if case.starts_with("bat") || case == "bone_bat" {
            100.0
        } else {
            1.0
        };
        let worst = if factor == 1.0 {
            (gap / unit.clamp_min(1e-30)).max().double_value(&[])
        } else {
            (gap.max() / unit.max()).double_value(&[])
        };
        eprintln!("{case:15} {worst:.2} of the sum of both roundings");
        assert!(worst <= factor, "{case}: off by {worst}");
    }
}

#[test]
fn generation_and_packing_go_through_the_adapter() {
    for form in FORMS {
        let mut decoder = drawn(form, 0.0);
        let ids = Expected::of("llama").ids("ids");
        let (left, right) = (&ids[..12], &ids[12..20]);
        let packed = no_grad(|| {
            let batch = Batch::packed(&[left, right], CPU);
            decoder.logits(&decoder.forward(&batch)).squeeze_dim(0)
        });
        let apart = [left, right].map(|text| decoder.logits_of(text).unwrap());
        let gap = difference(&packed, &Tensor::cat(&apart, 0));
        assert!(gap < 1e-5, "{form:?}: packed texts differ by {gap}");
        let settings = GenerationSettings {
            max_new_tokens: 12,
            log_probabilities: true,
            ..GenerationSettings::default()
        };
        let say = |decoder: &Decoder| {
            let prompts = [left, right];
            let mut observe = |_: lm::generation::Step<'_>| Verdict::Continue;
            generate(decoder, &prompts, &settings, &mut observe).unwrap()
        };
        let beside = say(&decoder);
        decoder.merge_adapter(Keep::Originals).unwrap();
        assert!(!decoder.adapted());
        let within = say(&decoder);
        decoder.unmerge_adapter().unwrap();
        let without = {
            decoder.detach().unwrap();
            say(&decoder)
        };
        for (beside, within) in beside.iter().zip(&within) {
            assert_eq!(beside.ids, within.ids, "{form:?}");
            let pairs = beside
                .log_probabilities
                .iter()
                .zip(&within.log_probabilities);
            let gap = pairs
                .map(|(left, right)| (left - right).abs())
                .fold(0.0, f32::max);
            assert!(gap < 1e-4, "{form:?}: log-probabilities differ by {gap}");
        }
        assert_ne!(without[0].ids, beside[0].ids, "{form:?}");
    }
}

#[test]
fn dropout_repeats_in_the_second_pass_and_is_off_without_a_seed() {
    let ids = Expected::of("llama").ids("ids");
    for form in [LORA, MISS] {
        let decoder = drawn(form, 0.3);
        let kept = loss_of(&decoder, &ids, Activations::Kept, Some(1));
        let again = loss_of(&decoder, &ids, Activations::Recomputed, Some(1));
        assert_eq!(kept.0, again.0);
        let size = kept.1.flat().abs().max().double_value(&[]);
        let gap = difference(kept.1.flat(), again.1.flat()) / size;
        assert!(gap < 1e-5, "{form:?}: recomputed gradients off by {gap}");
        let other = loss_of(&decoder, &ids, Activations::Kept, Some(2));
        assert!((kept.0 - other.0).abs() > 1e-4, "{form:?}");
        let without = loss_of(&decoder, &ids, Activations::Kept, None);
        let plain = loss_of(&drawn(form, 0.0), &ids, Activations::Kept, Some(1));
        assert_eq!(without.0, plain.0);
        assert_eq!(without.1.flat(), plain.1.flat());
    }
}

#[test]
fn training_lowers_the_loss_and_leaves_the_weights_alone() {
    let ids = Expected::of("llama").ids("ids");
    for (form, rate) in [
        (LORA, 0.1),
        (MISS, 0.004),
        (FORMS[2], 0.002),
        (FORMS[3], 0.01),
    ] {
        let mut decoder = model("llama", Kind::Float, true);
        assert_eq!(decoder.trained(), Trained::Weights);
        let settings = AdapterSettings {
            form,
            excluded_layers: vec![1],
            ..AdapterSettings::default()
        };
        let adapter = Adapter::create(&settings, decoder.config(), CPU, 1).unwrap();
        let scalars = adapter.layout().scalars();
        decoder.attach(adapter).unwrap();
        assert_eq!(decoder.trained(), Trained::Adapters);
        assert_eq!(decoder.trained_flat().size(), [scalars as i64]);
        let before = decoder.weights().flat().copy();
        let mut losses = Vec::new();
        for _ in 0..12 {
            let (loss, gradient) = loss_of(&decoder, &ids[..40], Activations::Recomputed, None);
            losses.push(loss);
            let step = gradient.flat() * rate;
            let _ = no_grad(|| decoder.trained_flat_mut().g_sub_(&step));
        }
        eprintln!("{form:?}: {:.3} to {:.3}", losses[0], losses[11]);
        assert!(
            losses.windows(2).all(|pair| pair[1] < pair[0]),
            "{losses:?}"
        );
        assert!(losses[11] < losses[0] - 0.5, "{losses:?}");
        assert_eq!(decoder.weights().flat(), &before);
    }
}

#[test]
fn what_is_saved_is_read_back_and_names_the_modules_as_peft_does() {
    let target = tempfile::tempdir().unwrap();
    for case in CASES {
        let (decoder, _) = adapted(case, Kind::Float);
        let adapter = decoder.adapter().unwrap();
        let folder_of_case = target.path().join(case);
        adapter.save(&folder_of_case, "some/model").unwrap();
        let read = Adapter::load(&folder_of_case, decoder.config(), CPU, false).unwrap();
        assert_eq!(read.flat(), adapter.flat(), "{case}");
        assert_eq!(read.layout(), adapter.layout(), "{case}");
        assert_eq!(read.dropout(), adapter.dropout(), "{case}");
        // The tensors are those that peft wrote, name for name.
        let file = |folder: &std::path::Path| {
            let bytes = std::fs::read(folder.join(lm::adapters::WEIGHTS)).unwrap();
            let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let mut tensors: Vec<(String, Vec<u8>)> = tensors
                .iter()
                .map(|(name, view)| (name.to_owned(), view.data().to_vec()))
                .collect();
            tensors.sort();
            tensors
        };
        assert_eq!(
            file(&folder_of_case),
            file(&folder("adapters").join(case)),
            "{case}"
        );
        let again = adapter.save(&folder_of_case, "some/model").unwrap_err();
        assert!(again.to_string().contains("is there already"), "{again}");
    }
    let mut mini = drawn(FORMS[2], 0.0).detach().unwrap();
    mini.set_dialect(Dialect::Bone);
    let refused = mini.save(&target.path().join("mini"), "x").unwrap_err();
    assert!(refused.to_string().contains("as `BONE`"), "{refused}");
}
