//! Updates of a small model: sizes of passes, first losses, what mixing does at its ends.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::ops::ControlFlow;

use alignment::failure::FinetuneError;
use alignment::losses::preference::{PreferenceLoss, SppoForm};
use alignment::preparation::{Example, Pair, Sequence};
use alignment::training::{
    Objective, PassSettings, UpdateFigures, reference_log_probabilities, update,
};
use lm::config::ModelConfig;
use lm::decoder::Decoder;
use lm::scoring::{Activations, Gradient};
use lm::training::{Trainer, TrainerSettings};
use lm::weights::{WeightLayout, Weights};
use nn::parameters::flat_values;
use nn::random::RandomStream;
use tch::{Device, Kind};

const CONFIG: &str = r#"{"model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":32,
"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,
"vocab_size":64,"max_position_embeddings":64,"rms_norm_eps":1e-6,"rope_theta":10000.0,
"tie_word_embeddings":false,"hidden_act":"silu","bos_token_id":1,"eos_token_id":2}"#;

fn model() -> Decoder {
    nn::runtime::prepare(1);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), CONFIG).unwrap();
    let config = ModelConfig::read(folder.path()).unwrap();
    let layout = WeightLayout::of(&config);
    let weights = Weights::random(layout, &config, Kind::Float, Device::Cpu, 7).unwrap();
    Decoder::new(config, weights.into_trainable())
}

fn text(stream: &mut RandomStream, length: usize) -> Vec<i64> {
    (0..length).map(|_| 3 + stream.below(60) as i64).collect()
}

/// Pairs of unlike lengths; the chosen response is made of low ids, which can be learnt.
fn pairs(count: usize, seed: u64) -> Vec<Pair> {
    let mut stream = RandomStream::new(seed, "pairs", 0);
    (0..count)
        .map(|_| {
            let length = 3 + stream.below(6);
            let prompt = text(&mut stream, length);
            let length = 2 + stream.below(8);
            let chosen: Vec<i64> = (0..length).map(|_| 3 + stream.below(20) as i64).collect();
            let length = 2 + stream.below(8);
            let rejected: Vec<i64> = (0..length).map(|_| 40 + stream.below(20) as i64).collect();
            Pair {
                chosen: Sequence::new(&prompt, &chosen),
                rejected: Sequence::new(&prompt, &rejected),
                chosen_win_rate: 0.8,
                rejected_win_rate: 0.3,
                chosen_wins: 0.9,
                reference: None,
            }
        })
        .collect()
}

fn settings(rows: usize) -> PassSettings {
    PassSettings {
        rows,
        activations: Activations::Kept,
        logit_chunk: 16,
        pack: false,
        seed: 1,
    }
}

fn dpo() -> PreferenceLoss {
    PreferenceLoss::Dpo {
        preference_strength: 0.1,
        label_smoothing: 0.0,
    }
}

/// Trains on all examples at once, so many times; the figures of every update and the weights.
fn trained(
    mut examples: Vec<Example>,
    objective: &Objective,
    settings: &PassSettings,
    updates: usize,
    learning_rate: f64,
) -> (Vec<UpdateFigures>, Vec<f32>) {
    let mut decoder = model();
    reference_log_probabilities(&decoder, &mut examples, settings, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    let mut trainer = Trainer::new(
        &decoder,
        TrainerSettings {
            learning_rate,
            ..TrainerSettings::default()
        },
    )
    .unwrap();
    let mut gradient = Gradient::zeros(&decoder).unwrap();
    let rows: Vec<&Example> = examples.iter().collect();
    let figures = (0..updates)
        .map(|_| {
            update(
                &mut decoder,
                &mut trainer,
                &mut gradient,
                &rows,
                objective,
                settings,
            )
            .unwrap()
        })
        .collect();
    (figures, flat_values(decoder.trained_flat()))
}

fn as_examples(pairs: &[Pair]) -> Vec<Example> {
    pairs.iter().cloned().map(Example::Pair).collect()
}

fn furthest(left: &[f32], right: &[f32]) -> f32 {
    let distance = left.iter().zip(right).map(|(a, b)| (a - b).abs());
    distance.fold(0.0, f32::max)
}

#[test]
fn the_size_and_form_of_passes_change_nothing() {
    let pairs = pairs(7, 1);
    let objective = Objective::Preference(dpo());
    let (whole, weights) = trained(as_examples(&pairs), &objective, &settings(7), 3, 1e-3);
    let mut others = vec![settings(1), settings(3)];
    others.push(PassSettings {
        pack: true,
        ..settings(4)
    });
    others.push(PassSettings {
        activations: Activations::Recomputed,
        ..settings(7)
    });
    for other in others {
        let (figures, moved) = trained(as_examples(&pairs), &objective, &other, 3, 1e-3);
        let far = furthest(&weights, &moved);
        assert!(far < 2e-5, "{other:?}: weights differ by {far}");
        for (left, right) in whole.iter().zip(&figures) {
            assert!((left.loss - right.loss).abs() < 1e-5, "{other:?}");
            assert!((left.gradient_norm - right.gradient_norm).abs() < 1e-4 * left.gradient_norm);
            assert_eq!(left.tokens, right.tokens);
        }
    }
}

#[test]
fn the_first_losses_are_those_of_a_log_ratio_of_zero() {
    let examples = || as_examples(&pairs(5, 2));
    let sppo = |form| PreferenceLoss::Sppo {
        form,
        step_size: 1000.0,
        baseline_c: 0.5,
    };
    // eta (p - 1/2) is 300 and -200; 400 for the pair; 500 for hard labels.
    for (loss, expected) in [
        (dpo(), 2f64.ln()),
        (
            PreferenceLoss::Ipo {
                regularisation: 0.1,
                per_token: false,
            },
            25.0,
        ),
        (sppo(SppoForm::Paper), (300.0 * 300.0 + 200.0 * 200.0) / 2.0),
        (sppo(SppoForm::Pair), 2.0 * 400.0 * 400.0),
        (sppo(SppoForm::Single), 400.0 * 400.0),
        (sppo(SppoForm::Hard), 500_000.0),
    ] {
        let objective = Objective::Preference(loss);
        let (figures, _) = trained(examples(), &objective, &settings(5), 1, 1e-3);
        let found = figures[0].loss;
        assert!(
            (found - expected).abs() < 1e-4 * expected,
            "{objective:?}: {found}, not {expected}"
        );
        let pairs = figures[0].pairs.unwrap();
        assert!(pairs.chosen_log_ratio.abs() < 1e-4 && pairs.kl.abs() < 1e-4);
    }
}

#[test]
fn every_preference_loss_learns_and_a_demonstration_is_learnt() {
    let losses = [
        dpo(),
        PreferenceLoss::Ipo {
            regularisation: 0.1,
            per_token: false,
        },
        PreferenceLoss::Simpo {
            preference_strength: 2.0,
            target_margin: 0.5,
            label_smoothing: 0.0,
        },
        PreferenceLoss::sppo(),
    ];
    for loss in losses {
        let objective = Objective::Preference(loss);
        let (figures, _) = trained(
            as_examples(&pairs(12, 3)),
            &objective,
            &settings(12),
            25,
            3e-3,
        );
        let (first, last) = (figures[0], figures[24]);
        assert!(last.loss < first.loss, "{objective:?}");
        let pairs = last.pairs.unwrap();
        assert!(
            pairs.reward_accuracy > 0.95 && pairs.chosen_reward > pairs.rejected_reward,
            "{objective:?}: {pairs:?}"
        );
    }
    let lessons = pairs(12, 3)
        .into_iter()
        .map(|pair| Example::Lesson(pair.chosen))
        .collect();
    let (figures, _) = trained(lessons, &Objective::Imitation, &settings(5), 40, 3e-3);
    // A random model is as unsure as the vocabulary is large.
    assert!(
        (figures[0].loss - 64f64.ln()).abs() < 0.1,
        "{}",
        figures[0].loss
    );
    assert!(figures[39].loss < 0.7 * figures[0].loss);
}

#[test]
fn at_its_ends_the_mixture_is_the_base_loss_bit_for_bit() {
    use alignment::run::method::{modes, objective};
    use configs::finetune::{Algorithm, AlgorithmConfig, FinetuneConfig};
    let (traces, empty) = (pairs(6, 4), pairs(6, 5));
    let bvpo = |trace_share| {
        objective(&AlgorithmConfig {
            kind: Algorithm::Bvpo,
            trace_share,
            ..AlgorithmConfig::default()
        })
    };
    let plain = Objective::Preference(dpo());
    for (share, pairs) in [(1.0, &traces), (0.0, &empty)] {
        let mut config = FinetuneConfig::default();
        config.algorithm.kind = Algorithm::Bvpo;
        config.algorithm.trace_share = share;
        assert_eq!(modes(&config), [Some(share == 1.0)]);
        let (_, expected) = trained(as_examples(pairs), &plain, &settings(4), 4, 1e-3);
        let (figures, found) = trained(as_examples(pairs), &bvpo(share), &settings(4), 4, 1e-3);
        assert_eq!(expected, found);
        assert!(figures[0].empty.is_none());
    }
    let both = || {
        let pairs = traces.iter().cloned().zip(empty.iter().cloned());
        pairs
            .map(|(trace, empty)| Example::Both { trace, empty })
            .collect::<Vec<_>>()
    };
    // Between the ends the gradient is the mixture of the two.
    let norms = |objective: &Objective| trained(both(), objective, &settings(4), 1, 0.0).0[0];
    let mixed = norms(&bvpo(0.5));
    assert!(mixed.empty.is_some() && mixed.gradient_norm > 0.0);
    let nearly = norms(&bvpo(1.0 - 1e-9));
    let (alone, _) = trained(as_examples(&traces), &plain, &settings(4), 1, 0.0);
    assert!((nearly.gradient_norm - alone[0].gradient_norm).abs() < 1e-5);
    assert!((mixed.loss - 2f64.ln()).abs() < 1e-5);
}

#[test]
fn a_loss_that_is_no_number_leaves_the_weights_as_they_were() {
    let mut examples = as_examples(&pairs(3, 6));
    let mut decoder = model();
    let before = flat_values(decoder.trained_flat());
    for example in &mut examples {
        for pair in example.pairs_mut() {
            pair.reference = Some([f64::NAN, 0.0]);
        }
    }
    let mut trainer = Trainer::new(&decoder, TrainerSettings::default()).unwrap();
    let mut gradient = Gradient::zeros(&decoder).unwrap();
    let rows: Vec<&Example> = examples.iter().collect();
    let error = update(
        &mut decoder,
        &mut trainer,
        &mut gradient,
        &rows,
        &Objective::Preference(dpo()),
        &settings(3),
    )
    .unwrap_err();
    assert!(
        matches!(error, FinetuneError::Diverged { update: 0, .. }),
        "{error}"
    );
    assert_eq!(before, flat_values(decoder.trained_flat()));
    assert_eq!(f64::try_from(gradient.flat().abs().max()).unwrap(), 0.0);
}
