//! Trainers: from gradients to weights, in f32 and in bf16 with f32 masters.

use std::fs;
use std::path::Path;

use lm::config::ModelConfig;
use lm::decoder::{Batch, Decoder};
use lm::scoring::{Activations, Gradient, ScoreSettings};
use lm::training::{Decay, OptimiserKind, RateSchedule, Trainer, TrainerSettings, WarmUp, count};
use lm::weights::{WeightLayout, Weights};
use nn::parameters::flat_values;
use nn::random::RandomStream;
use safetensors::tensor::SafeTensors;
use serde_json::json;
use tch::{Device, Kind, Tensor, no_grad};

use crate::golden::{Expected, difference, folder, model};

const CPU: Device = Device::Cpu;

/// A model of 64 hidden units and two layers that was never trained.
pub(crate) fn untrained(kind: Kind) -> Decoder {
    nn::runtime::prepare(1);
    let text = json!({
        "model_type": "llama", "vocab_size": 32, "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
        "rope_theta": 10000.0,
    });
    let config = ModelConfig::parse(Path::new("config.json"), &text.to_string()).unwrap();
    let layout = WeightLayout::of(&config);
    let weights = Weights::random(layout, &config, kind, CPU, 1).unwrap();
    Decoder::new(config, weights.into_trainable())
}

/// Texts of a small grammar: `0 a b a b .. 1 c` where a and b are drawn, and c is a + 10 for
/// an even number of pairs, else b + 10.
fn texts(number: usize, seed: u64) -> Vec<Vec<i64>> {
    let mut stream = RandomStream::new(seed, "grammar", 0);
    (0..number)
        .map(|_| {
            let (a, b) = (2 + stream.below(9) as i64, 2 + stream.below(9) as i64);
            let pairs = 2 + stream.below(4);
            let mut text = vec![0];
            text.extend((0..pairs).flat_map(|_| [a, b]));
            text.extend([
                1,
                if pairs.is_multiple_of(2) {
                    a + 10
                } else {
                    b + 10
                },
            ]);
            text
        })
        .collect()
}

fn next(text: &[i64]) -> Vec<i64> {
    let mut next = text[1..].to_vec();
    next.push(-1);
    next
}

/// Texts in one row, and their next tokens.
fn packed(texts: &[Vec<i64>]) -> (Batch, Tensor) {
    let slices: Vec<&[i64]> = texts.iter().map(Vec::as_slice).collect();
    let targets: Vec<i64> = texts.iter().flat_map(|text| next(text)).collect();
    (
        Batch::packed(&slices, CPU),
        Tensor::from_slice(&targets).unsqueeze(0),
    )
}

/// Texts in a row each, padded on the left.
fn padded(texts: &[Vec<i64>]) -> (Batch, Tensor) {
    let slices: Vec<&[i64]> = texts.iter().map(Vec::as_slice).collect();
    let longest = texts.iter().map(Vec::len).max().unwrap();
    let rows = texts.iter().flat_map(|text| {
        let mut row = vec![-1; longest - text.len()];
        row.extend(next(text));
        row
    });
    let targets: Vec<i64> = rows.collect();
    let targets = Tensor::from_slice(&targets).view([texts.len() as i64, longest as i64]);
    (Batch::padded(&slices, CPU), targets)
}

/// The mean negative log-likelihood of micro-batches and its gradient.
fn gradient_of(
    decoder: &Decoder,
    batches: &[(Batch, Tensor)],
    activations: Activations,
    gradient: &mut Gradient,
) -> f64 {
    let targets: usize = batches.iter().map(|(_, targets)| count(targets)).sum();
    let settings = ScoreSettings {
        activations,
        ..ScoreSettings::default()
    };
    let mut loss = 0.0;
    for (batch, next) in batches {
        let scored = decoder.score(batch, next, settings).unwrap();
        loss -= scored
            .log_probabilities()
            .sum(Kind::Double)
            .double_value(&[])
            / targets as f64;
        let derivative = scored.log_probabilities().full_like(-1.0 / targets as f64);
        decoder
            .accumulate(batch, scored, &derivative, gradient)
            .unwrap();
    }
    loss
}

fn adam(learning_rate: f64) -> TrainerSettings {
    TrainerSettings {
        learning_rate,
        weight_decay: 0.01,
        ..TrainerSettings::default()
    }
}

#[test]
fn a_random_model_learns_a_grammar() {
    let mut decoder = untrained(Kind::Float);
    let settings = TrainerSettings {
        schedule: RateSchedule {
            decay: Decay::Cosine,
            warm_up: WarmUp::Ratio(0.1),
            total_steps: 150,
        },
        ..adam(5e-3)
    };
    let mut trainer = Trainer::new(&decoder, settings).unwrap();
    let mut gradient = Gradient::zeros(&decoder).unwrap();
    let mut first = None;
    for step in 0..150 {
        let drawn = texts(32, step + 1);
        let batches: Vec<_> = drawn.chunks(16).map(packed).collect();
        let loss = gradient_of(&decoder, &batches, Activations::Recomputed, &mut gradient);
        first.get_or_insert(loss);
        let taken = trainer.step(&mut decoder, &mut gradient).unwrap();
        assert_eq!(taken.number, step + 1);
    }
    // An untrained model guesses among 32 tokens.
    assert!((first.unwrap() - 32f64.ln()).abs() < 0.1, "{first:?}");
    // The last token of a text that was never seen follows from the whole of it.
    let unseen = texts(64, 1000);
    let right = unseen.iter().filter(|text| {
        let logits = decoder.logits_of(&text[..text.len() - 1]).unwrap();
        logits.get(-1).argmax(None, false).int64_value(&[]) == text[text.len() - 1]
    });
    let right = right.count();
    assert!(right >= 58, "{right} of 64");
}

#[test]
fn micro_batches_recomputation_and_packing_change_nothing() {
    let decoder = untrained(Kind::Float);
    let drawn = texts(16, 1);
    let gradient = |batches: &[(Batch, Tensor)], activations| {
        let mut gradient = Gradient::zeros(&decoder).unwrap();
        let loss = gradient_of(&decoder, batches, activations, &mut gradient);
        (loss, gradient)
    };
    let (loss, whole) = gradient(&[packed(&drawn)], Activations::Kept);
    let largest = whole.flat().abs().max().double_value(&[]);
    let micro: Vec<_> = drawn.chunks(3).map(packed).collect();
    for (what, batches, activations) in [
        ("micro-batches", micro, Activations::Kept),
        ("recomputed", vec![packed(&drawn)], Activations::Recomputed),
        ("padded", vec![padded(&drawn)], Activations::Kept),
    ] {
        let (other_loss, other) = gradient(&batches, activations);
        assert!(
            (loss - other_loss).abs() < 1e-6,
            "{what}: {loss} and {other_loss}"
        );
        let off = difference(whole.flat(), other.flat()) / largest;
        assert!(off <= 1e-6, "{what}: off by {off}");
    }
}

/// Trains `steps` steps on the same few texts; returns the losses.
pub(crate) fn run(decoder: &mut Decoder, trainer: &mut Trainer, steps: usize) -> Vec<f64> {
    let batches = [packed(&texts(8, 3))];
    let mut gradient = Gradient::zeros(decoder).unwrap();
    (0..steps)
        .map(|_| {
            let loss = gradient_of(decoder, &batches, Activations::Kept, &mut gradient);
            trainer.step(decoder, &mut gradient).unwrap();
            loss
        })
        .collect()
}

#[test]
fn a_resumed_training_has_the_bits_of_one_that_was_not_interrupted() {
    for kind in [Kind::Float, Kind::BFloat16] {
        for optimiser in [
            OptimiserKind::ADAM,
            OptimiserKind::RMS_PROP,
            OptimiserKind::Sgd { momentum: 0.9 },
        ] {
            let settings = TrainerSettings {
                optimiser,
                schedule: RateSchedule {
                    decay: Decay::Linear,
                    warm_up: WarmUp::Steps(2),
                    total_steps: 9,
                },
                ..adam(1e-3)
            };
            let mut decoder = untrained(kind);
            let mut trainer = Trainer::new(&decoder, settings).unwrap();
            run(&mut decoder, &mut trainer, 4);
            let state = trainer.to_arrays("trainer.");
            let mut resumed = untrained(kind);
            if kind == Kind::Float {
                no_grad(|| resumed.trained_flat_mut().copy_(decoder.trained_flat()));
            }
            let mut continued = Trainer::new(&resumed, settings).unwrap();
            continued
                .load_arrays(&mut resumed, &state, "trainer.")
                .unwrap();
            assert_eq!(continued.steps(), 4);
            let losses = run(&mut decoder, &mut trainer, 4);
            assert_eq!(
                losses,
                run(&mut resumed, &mut continued, 4),
                "{kind:?}, {optimiser:?}"
            );
            assert_eq!(
                difference(decoder.trained_flat(), resumed.trained_flat()),
                0.0
            );
            let message = continued
                .load_arrays(&mut resumed, &state, "other.")
                .unwrap_err();
            assert!(message.to_string().contains("is missing"), "{message}");
        }
    }
}

#[test]
fn masters_keep_updates_that_bf16_loses() {
    let settings = TrainerSettings {
        weight_decay: 0.0,
        ..adam(5e-7)
    };
    let steps = 30;
    let mut decoder = untrained(Kind::BFloat16);
    let before = decoder.trained_flat().to_kind(Kind::Float);
    let mut trainer = Trainer::new(&decoder, settings).unwrap();
    run(&mut decoder, &mut trainer, steps);
    let masters = trainer.to_arrays("");
    let masters = Tensor::from_slice(&masters.f32("masters", &[before.numel()]).unwrap());
    let moved = (&masters - &before).abs();
    // Adam moves each weight that has a steady gradient by the learning rate at each step.
    let share = moved
        .gt(5e-7)
        .to_kind(Kind::Float)
        .mean(Kind::Float)
        .double_value(&[]);
    assert!(
        share > 0.5,
        "{share} of the masters moved by more than one update"
    );
    assert_eq!(
        difference(decoder.trained_flat(), &masters.to_kind(Kind::BFloat16)),
        0.0
    );
    // The same updates added to bf16 weights: nearly all are lost.
    let mut pure = before.to_kind(Kind::BFloat16);
    for _ in 0..steps {
        let update = ((&masters - &before) / steps as f64).to_kind(Kind::BFloat16);
        let _ = no_grad(|| pure.g_add_(&update));
    }
    let kept = pure
        .to_kind(Kind::Float)
        .ne_tensor(&before)
        .to_kind(Kind::Float);
    let rounded = masters
        .to_kind(Kind::BFloat16)
        .to_kind(Kind::Float)
        .ne_tensor(&before);
    let (kept, rounded) = (
        kept.sum(Kind::Float).double_value(&[]),
        rounded
            .to_kind(Kind::Float)
            .sum(Kind::Float)
            .double_value(&[]),
    );
    assert!(
        kept < 0.2 * rounded,
        "{kept} weights moved in bf16, {rounded} with masters"
    );
}

#[test]
fn a_bf16_model_with_masters_learns() {
    let mut decoder = untrained(Kind::BFloat16);
    let mut trainer = Trainer::new(&decoder, adam(3e-3)).unwrap();
    let losses = run(&mut decoder, &mut trainer, 40);
    assert!(losses[39] < 0.5 * losses[0], "{losses:?}");
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    let mut decoder = untrained(Kind::Float);
    let mut trainer = Trainer::new(&decoder, adam(1e-3)).unwrap();
    run(&mut decoder, &mut trainer, 2);
    let (before, state) = (decoder.trained_flat().copy(), trainer.to_arrays(""));
    let mut gradient = Gradient::zeros(&decoder).unwrap();
    for bad in [f64::NAN, f64::INFINITY] {
        let _ = gradient.flat_mut().get(100).fill_(bad);
        let message = trainer
            .step(&mut decoder, &mut gradient)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("step 3") && message.contains("as before"),
            "{message}"
        );
    }
    assert_eq!(difference(&before, decoder.trained_flat()), 0.0);
    let size = [before.numel()];
    let after = trainer.to_arrays("");
    assert_eq!(
        state.f32("optimiser.first", &size).unwrap(),
        after.f32("optimiser.first", &size).unwrap()
    );
    assert_eq!(trainer.steps(), 2);
    let frozen = model("llama", Kind::Float, false);
    let message = Trainer::new(&frozen, adam(1e-3)).unwrap_err().to_string();
    assert!(message.contains("frozen"), "{message}");
    let message = Trainer::new(&decoder, adam(-1.0)).unwrap_err().to_string();
    assert!(message.contains("learning rate -1"), "{message}");
}

#[test]
fn clipping_and_the_schedule_are_told_and_norms_do_not_decay() {
    let mut decoder = untrained(Kind::Float);
    let settings = TrainerSettings {
        optimiser: OptimiserKind::Sgd { momentum: 0.0 },
        learning_rate: 0.5,
        schedule: RateSchedule {
            decay: Decay::Linear,
            warm_up: WarmUp::Steps(1),
            total_steps: 3,
        },
        weight_decay: 0.1,
        decay_norms_and_biases: false,
        max_gradient_norm: Some(1.0),
    };
    let mut trainer = Trainer::new(&decoder, settings).unwrap();
    let mut gradient = Gradient::zeros(&decoder).unwrap();
    let before = decoder.trained_flat().copy();
    let first = trainer.step(&mut decoder, &mut gradient).unwrap();
    assert_eq!((first.learning_rate, first.gradient_norm), (0.0, 0.0));
    assert_eq!(difference(&before, decoder.trained_flat()), 0.0);
    let _ = gradient.flat_mut().get(7).fill_(4.0);
    let second = trainer.step(&mut decoder, &mut gradient).unwrap();
    assert_eq!(
        (second.number, second.learning_rate, second.gradient_norm),
        (2, 0.5, 4.0)
    );
    // Clipped to a norm of 1: one step of 0.5 and the decay of 0.05.
    let value = |flat: &Tensor| flat.double_value(&[7]);
    let wanted = value(&before) * 0.95 - 0.5;
    assert!((value(decoder.trained_flat()) - wanted).abs() < 1e-6);
    let norm = |flat: &Tensor| {
        decoder
            .weights()
            .layout()
            .named(flat, "model.norm.weight")
            .unwrap()
    };
    assert_eq!(
        difference(&norm(&before), &norm(decoder.trained_flat())),
        0.0
    );
    let gate = |flat: &Tensor| {
        let name = "model.layers.0.mlp.gate_proj.weight";
        decoder.weights().layout().named(flat, name).unwrap()
    };
    assert!(difference(&(gate(&before) * 0.95), &gate(decoder.trained_flat())) < 1e-7);
}

#[test]
fn gradients_in_bf16_are_those_of_transformers_in_bf16() {
    for case in ["llama", "qwen3", "gemma2"] {
        let path = folder("training").join(format!("{case}.safetensors"));
        let bytes = fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let read = |name: &str| {
            let view = file.tensor(name).unwrap();
            let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
            Tensor::from_data_size(view.data(), &shape, Kind::Float)
        };
        let (exact, theirs) = (read("f32"), read("bf16"));
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let names = metadata.metadata().as_ref().unwrap()["tensors"].clone();
        let names: Vec<String> = serde_json::from_str(&names).unwrap();
        let decoder = model(case, Kind::BFloat16, true);
        let ids = Expected::of(case).ids("ids");
        let batch = (
            Batch::padded(&[&ids], CPU),
            Tensor::from_slice(&next(&ids)).unsqueeze(0),
        );
        let mut gradient = Gradient::zeros(&decoder).unwrap();
        gradient_of(&decoder, &[batch], Activations::Recomputed, &mut gradient);
        let samples = exact.size()[1] as usize;
        let rows: Vec<Tensor> = names
            .iter()
            .map(|name| {
                let whole = decoder
                    .weights()
                    .layout()
                    .named(gradient.flat(), name)
                    .unwrap();
                let values = flat_values(&whole.reshape([-1]));
                let row: Vec<f32> = (0..samples)
                    .map(|at| values[at * values.len() / samples])
                    .collect();
                Tensor::from_slice(&row)
            })
            .collect();
        let ours = Tensor::stack(&rows, 0);
        let cosines = |left: &Tensor, right: &Tensor| {
            Tensor::cosine_similarity(left, right, -1, 1e-12)
                .min()
                .double_value(&[])
        };
        let cosine =
            |left: &Tensor, right: &Tensor| cosines(&left.reshape([-1]), &right.reshape([-1]));
        let each = cosines(&ours, &theirs);
        // Two roundings of one gradient: each is about as far from the other as from the truth.
        assert!(
            cosine(&ours, &theirs) > 0.995,
            "{case}: {}",
            cosine(&ours, &theirs)
        );
        assert!(each > 0.98, "{case}: {each} of one tensor");
        let (of_ours, of_theirs) = (cosine(&ours, &exact), cosine(&theirs, &exact));
        assert!(
            of_ours > of_theirs - 2e-3,
            "{case}: {of_ours} beside {of_theirs}"
        );
    }
}

#[test]
fn random_weights_are_drawn_as_transformers_draws_them() {
    for case in ["llama_tied_biased", "gemma2", "phi3"] {
        let config = ModelConfig::read(&folder(case)).unwrap();
        let random = |seed| {
            let layout = WeightLayout::of(&config);
            Weights::random(layout, &config, Kind::Float, CPU, seed).unwrap()
        };
        let weights = random(5);
        for (name, shape) in weights.layout().names() {
            let values = weights.layout().named(weights.flat(), name).unwrap();
            let deviation = values
                .to_kind(Kind::Double)
                .square()
                .mean(Kind::Double)
                .sqrt()
                .double_value(&[]);
            let wanted = match (shape.len(), name.ends_with("norm.weight"), case) {
                (2, ..) => 0.02,
                (_, true, "gemma2") | (_, false, _) => 0.0,
                _ => 1.0,
            };
            assert!(
                (deviation - wanted).abs() < 0.06 * wanted + 1e-9,
                "{case}: {name} {deviation}"
            );
        }
        assert_eq!(difference(weights.flat(), random(5).flat()), 0.0);
        assert!(difference(weights.flat(), random(6).flat()) > 0.01);
        if let Some(id) = config
            .padding_id
            .filter(|id| *id < config.vocabulary as i64)
        {
            let embedding = weights
                .layout()
                .named(weights.flat(), "model.embed_tokens.weight");
            assert_eq!(
                embedding.unwrap().get(id).abs().max().double_value(&[]),
                0.0
            );
        }
    }
    let mut config = ModelConfig::read(&folder("llama")).unwrap();
    config
        .source
        .insert("initializer_range".to_owned(), json!("wide"));
    let layout = WeightLayout::of(&config);
    let refused = Weights::random(layout, &config, Kind::Float, CPU, 0).unwrap_err();
    assert!(
        refused.to_string().contains("initializer_range"),
        "{refused}"
    );
}
