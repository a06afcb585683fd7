//! What is measured of the gradients of BVPO's two halves while a model trains.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use alignment::losses::preference::PreferenceLoss;
use alignment::preparation::{Example, Pair, Sequence};
use alignment::training::mixing::{Measurement, Probe, Redraws, measure, refer};
use alignment::training::{Objective, PassSettings, accumulate};
use lm::config::ModelConfig;
use lm::decoder::Decoder;
use lm::scoring::{Activations, Gradient};
use lm::weights::{WeightLayout, Weights};
use nn::parameters::flat_values;
use nn::random::RandomStream;
use tch::{Device, Kind};

const CONFIG: &str = r#"{"model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":32,
"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,
"vocab_size":64,"max_position_embeddings":64,"rms_norm_eps":1e-6,"rope_theta":10000.0,
"tie_word_embeddings":false,"hidden_act":"silu","bos_token_id":1,"eos_token_id":2}"#;
const ROWS: usize = 4;
const SETTINGS: PassSettings = PassSettings {
    rows: 3,
    activations: Activations::Kept,
    logit_chunk: 64,
    pack: false,
    seed: 1,
};
const DPO: PreferenceLoss = PreferenceLoss::Dpo {
    preference_strength: 0.5,
    label_smoothing: 0.0,
};

fn model(seed: u64) -> Decoder {
    nn::runtime::prepare(1);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), CONFIG).unwrap();
    let config = ModelConfig::read(folder.path()).unwrap();
    let layout = WeightLayout::of(&config);
    let weights = Weights::random(layout, &config, Kind::Float, Device::Cpu, seed).unwrap();
    Decoder::new(config, weights.into_trainable())
}

fn text(stream: &mut RandomStream, shortest: usize) -> Vec<i64> {
    let length = shortest + stream.below(3);
    (0..length).map(|_| 3 + stream.below(60) as i64).collect()
}

/// Examples whose trace pairs have these many other traces; with `same` these are copies of their own.
fn probes(count: usize, others: usize, same: bool) -> Vec<Probe> {
    let mut stream = RandomStream::new(5, "probes", 0);
    let probe = |_| {
        let prompt = text(&mut stream, 3);
        let (chosen, rejected) = (text(&mut stream, 1), text(&mut stream, 1));
        let own = text(&mut stream, 3);
        let pair = |chosen: &[i64], rejected: &[i64]| Pair {
            chosen: Sequence::new(&prompt, chosen),
            rejected: Sequence::new(&prompt, rejected),
            ..Pair::default()
        };
        let trace = pair(
            &[own.as_slice(), &chosen].concat(),
            &[own.as_slice(), &rejected].concat(),
        );
        let empty = pair(&chosen, &rejected);
        let mut traces = vec![own.clone()];
        for _ in 0..others {
            let other = text(&mut stream, 3);
            traces.push(if same { own.clone() } else { other });
        }
        let traces: Vec<&[i64]> = traces.iter().map(Vec::as_slice).collect();
        let redraws = Redraws::new(&prompt, &traces, &chosen, &rejected);
        Probe::new(&Example::Both { trace, empty }, Some(redraws), true)
    };
    (0..count).map(probe).collect()
}

/// The reference is another model than the policy, as later in a training.
fn measured(probes: &mut [Probe]) -> (Measurement, Decoder) {
    refer(&model(8), probes, &SETTINGS).unwrap();
    let policy = model(7);
    let found = measure(&policy, probes, &DPO, 0.25, ROWS, &SETTINGS).unwrap();
    (found, policy)
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

#[track_caller]
fn assert_near(actual: f64, expected: f64, scale: f64) {
    // The sketch keeps inner products within a few hundredths.
    assert!(
        (actual - expected).abs() <= 0.06 * scale.abs(),
        "{actual} is not {expected}"
    );
}

#[test]
fn variances_and_products_are_those_of_the_whole_gradients() {
    let mut probes = probes(5, 0, true);
    for probe in &mut probes {
        probe.redraws = None;
    }
    let (found, policy) = measured(&mut probes);
    let gradient = |pair: &Option<Pair>| -> Vec<f64> {
        let mut gradient = Gradient::zeros(&policy).unwrap();
        let example = Example::Pair(pair.clone().unwrap());
        let objective = Objective::Preference(DPO);
        accumulate(
            &policy,
            &mut gradient,
            &[&example],
            &objective,
            &SETTINGS,
            0,
        )
        .unwrap();
        let flat = flat_values(gradient.flat());
        flat.into_iter().map(f64::from).collect()
    };
    let traces: Vec<_> = probes.iter().map(|probe| gradient(&probe.trace)).collect();
    let empties: Vec<_> = probes.iter().map(|probe| gradient(&probe.empty)).collect();
    let count = probes.len() as f64;
    let mean = |gradients: &[Vec<f64>]| -> Vec<f64> {
        let places = 0..gradients[0].len();
        places
            .map(|place| gradients.iter().map(|one| one[place]).sum::<f64>() / count)
            .collect()
    };
    let variance = |gradients: &[Vec<f64>]| {
        let mean = mean(gradients);
        let each = gradients.iter().map(|one| {
            let apart = one.iter().zip(&mean);
            apart.map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
        });
        each.sum::<f64>() / (count - 1.0) / ROWS as f64
    };
    let mixed: Vec<Vec<f64>> = traces
        .iter()
        .zip(&empties)
        .map(|(t, e)| t.iter().zip(e).map(|(t, e)| 0.25 * t + 0.75 * e).collect())
        .collect();
    let (of_traces, of_empties) = (variance(&traces), variance(&empties));
    assert_near(found.trace_variance.unwrap(), of_traces, of_traces);
    assert_near(found.empty_variance.unwrap(), of_empties, of_empties);
    assert_near(found.mixed_variance.unwrap(), variance(&mixed), of_empties);

    // Without other traces the mean of the traces' gradients is what is aimed at: theorem 2's
    // numerator is then the variances' alone, but for the bias of the empty half.
    assert_eq!(found.trace_bias.unwrap(), 0.0);
    assert_eq!(found.effective_traces, None);
    let others = |left: &[Vec<f64>], right: &[Vec<f64>]| {
        let mut sum = 0.0;
        for (first, left) in left.iter().enumerate() {
            for (second, right) in right.iter().enumerate() {
                sum += if first == second {
                    0.0
                } else {
                    dot(left, right)
                };
            }
        }
        sum / count / (count - 1.0)
    };
    let apart: Vec<Vec<f64>> = traces
        .iter()
        .zip(&empties)
        .map(|(t, e)| e.iter().zip(t).map(|(e, t)| e - t).collect())
        .collect();
    let same = |left: &[Vec<f64>], right: &[Vec<f64>]| {
        left.iter().zip(right).map(|(a, b)| dot(a, b)).sum::<f64>() / count
    };
    let rows = ROWS as f64;
    let distance = same(&apart, &apart) / rows + (1.0 - 1.0 / rows) * others(&apart, &apart);
    let numerator = (same(&empties, &apart) - others(&traces, &apart)) / rows
        + (1.0 - 1.0 / rows) * others(&apart, &apart);
    let (above, below) = found.products.unwrap();
    assert_near(below, distance, same(&apart, &apart) / rows);
    assert_near(above, numerator, same(&apart, &apart) / rows);
}

#[test]
fn copies_of_the_own_trace_change_nothing_and_others_do() {
    let (alone, _) = measured(&mut probes(4, 0, true));
    let (copies, _) = measured(&mut probes(4, 2, true));
    let scale = alone.trace_variance.unwrap();
    assert!((alone.effective_traces.unwrap() - 1.0).abs() < 1e-9);
    assert!((copies.effective_traces.unwrap() - 3.0).abs() < 1e-4);
    for found in [alone, copies] {
        assert!(found.trace_bias.unwrap().abs() < 1e-6 * scale);
        assert!(found.empty_bias.unwrap().abs() > 1e-3 * scale);
    }
    let (others, _) = measured(&mut probes(4, 2, false));
    let effective = others.effective_traces.unwrap();
    assert!(effective > 1.2 && effective < 3.0, "{effective}");
    assert!(others.trace_bias.unwrap().abs() > 1e-4 * scale);
}

#[test]
fn one_half_alone_has_its_variance_and_nothing_else() {
    let mut probes = probes(3, 1, false);
    for probe in &mut probes {
        probe.empty = None;
    }
    let (found, _) = measured(&mut probes);
    assert!(found.trace_variance.unwrap() > 0.0);
    assert_eq!(found.empty_variance, None);
    assert_eq!(found.products, None);
    assert_eq!(measured(&mut probes[..1]).0, Measurement::default());
}
