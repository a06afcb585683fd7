//! Reward models against `transformers` 5.23: scores, gradients, what is refused.

use std::fs;
use std::path::Path;

use crate::golden::{Expected, difference, hashed, whole_folder};
use lm::classification::{Classifier, DEFAULT_CEILING};
use lm::decoder::Decoder;
use lm::save::{SHARD_BYTES, SaveOptions, save};
use lm::scoring::{Activations, Gradient};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const CPU: Device = Device::Cpu;

const CASES: [&str; 9] = [
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3",
    "phi3",
    "smollm3",
    "llama_unpadded",
];

fn expected(case: &str) -> Expected {
    Expected::of(&format!("scoring/{case}"))
}

fn classifier(case: &str, kind: Kind, trainable: bool) -> Classifier {
    let folder = whole_folder(&format!("scoring/{case}"));
    Classifier::load(folder.path(), Some(kind), CPU, trainable).unwrap()
}

fn texts(expected: &Expected) -> Vec<Vec<i64>> {
    let lengths: Vec<usize> = serde_json::from_str(&expected.metadata("lengths")).unwrap();
    let ids = expected.ids("ids");
    let mut at = 0;
    let text = |length: &usize| {
        at += length;
        ids[at - length..at].to_vec()
    };
    lengths.iter().map(text).collect()
}

fn borrowed(texts: &[Vec<i64>]) -> Vec<&[i64]> {
    texts.iter().map(Vec::as_slice).collect()
}

#[test]
fn scores_are_those_of_transformers_whatever_the_grouping() {
    for case in CASES {
        let expected = expected(case);
        let classifier = classifier(case, Kind::Float, false);
        let texts = texts(&expected);
        let wanted = expected.tensor("scores");
        assert_eq!(classifier.labels() as i64, wanted.size()[1]);
        // All in one, two and two, each alone.
        for ceiling in [DEFAULT_CEILING, 80, 1] {
            let scores = classifier.scores_of(&borrowed(&texts), ceiling).unwrap();
            let delta = difference(&scores, &wanted);
            eprintln!("{case:16} at most {ceiling:5} tokens: scores {delta:.1e}");
            assert!(delta <= 1e-4, "{case}: scores differ by {delta}");
        }
    }
}

#[test]
fn scores_in_bf16_are_those_of_transformers_in_bf16() {
    for case in CASES {
        let expected = expected(case);
        let classifier = classifier(case, Kind::BFloat16, false);
        let texts = texts(&expected);
        let scores = classifier.scores_of(&borrowed(&texts), 1).unwrap();
        let delta = difference(&scores, &expected.tensor("scores_bf16"));
        let apart = difference(&expected.tensor("scores"), &expected.tensor("scores_bf16"));
        eprintln!("{case:16} bf16 {delta:.2} (f32 is {apart:.2} away)");
        assert!(delta <= 0.2, "{case}: scores in bf16 differ by {delta}");
    }
}

#[test]
fn gradients_are_those_of_transformers() {
    for case in CASES {
        let expected = expected(case);
        let classifier = classifier(case, Kind::Float, true);
        let texts = texts(&expected);
        let norms = expected.tensor("gradient_norms");
        let projections = expected.tensor("gradient_projections");
        for activations in [Activations::Kept, Activations::Recomputed] {
            let mut gradient = Gradient::zeros(classifier.decoder()).unwrap();
            let mut worst = 0.0f64;
            // Two batches add up.
            for (first, part) in texts.chunks(2).enumerate() {
                let scored = classifier.score(&borrowed(part), activations).unwrap();
                let shape = scored.scores().size();
                let row = Tensor::arange(shape[0], (Kind::Float, CPU)) + (2 * first + 1) as f64;
                let sign = Tensor::from_slice(&[1.0f32, -1.0, 1.0]).narrow(0, 0, shape[1]);
                let derivative = row.unsqueeze(1) / 8.0 * sign;
                classifier
                    .accumulate(scored, &derivative, &mut gradient)
                    .unwrap();
            }
            for (row, name) in expected.names().iter().enumerate() {
                let layout = classifier.decoder().weights().layout();
                let ours = layout.named(gradient.flat(), name).unwrap();
                let ours = ours.to_kind(Kind::Double).reshape([-1]);
                let norm = norms.double_value(&[row as i64]);
                let against = hashed(&format!("project.1.{name}"), ours.numel());
                let projected = ours.dot(&Tensor::from_slice(&against).to_kind(Kind::Double));
                let off = (projected.double_value(&[])
                    - projections.double_value(&[row as i64, 1]))
                .abs();
                let off = off.max((ours.norm().double_value(&[]) - norm).abs()) / norm;
                worst = worst.max(off);
                assert!(off <= 1e-4, "{case}, {activations:?}: {name} off by {off}");
            }
            eprintln!("{case:16} {activations:?}: gradients, relative {worst:.1e}");
        }
    }
}

#[test]
fn a_saved_reward_model_is_the_same_bits() {
    // CONCORD_LM_SAVED names a folder that keeps the models, for the live check.
    let kept = std::env::var_os("CONCORD_LM_SAVED").map(std::path::PathBuf::from);
    for case in CASES {
        let expected = expected(case);
        let classifier = classifier(case, Kind::Float, false);
        let folder = tempfile::tempdir().unwrap();
        let root = kept.as_deref().unwrap_or(folder.path());
        let target = root.join(format!("reward-{case}"));
        let options = SaveOptions {
            kind: Kind::Float,
            shard_bytes: SHARD_BYTES,
            carried_from: None,
        };
        save(classifier.decoder(), &target, &options).unwrap();
        let again = Classifier::load(&target, None, CPU, false).unwrap();
        let texts = texts(&expected);
        let scores = |of: &Classifier| of.scores_of(&borrowed(&texts), 1).unwrap();
        assert_eq!(difference(&scores(&again), &scores(&classifier)), 0.0);
        let written: Value =
            serde_json::from_str(&fs::read_to_string(target.join("config.json")).unwrap()).unwrap();
        let names = written["id2label"].as_object().unwrap().len();
        assert_eq!(names, classifier.labels(), "{case}");
        let class = written["architectures"][0].as_str().unwrap();
        assert!(class.ends_with("ForSequenceClassification"), "{class}");
    }
}

/// What is said about the folder `llama` after `change`.
fn refusal(change: impl Fn(&mut Value, &Path)) -> String {
    let folder = whole_folder("scoring/llama");
    let path = folder.path().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut config, folder.path());
    fs::write(&path, config.to_string()).unwrap();
    let loaded = Classifier::load(folder.path(), None, CPU, false);
    loaded.err().unwrap().to_string()
}

#[test]
fn what_is_no_reward_model_is_refused() {
    let message = refusal(|config, _| config["architectures"] = json!(["LlamaForCausalLM"]));
    assert!(message.contains("no head that scores a text"), "{message}");
    let message =
        refusal(|config, _| config["architectures"] = json!(["LlamaForRewardModelWithGating"]));
    assert!(message.contains("code of its own repository"), "{message}");
    let message = refusal(|config, _| config["id2label"] = json!({"0": "a", "1": "b"}));
    assert!(
        message.contains("`score.weight` is [1, 64] - allowed by config.json: [2, 64]"),
        "{message}"
    );
    let message = refusal(|config, _| config["id2label"] = json!({}));
    assert!(message.contains("no labels"), "{message}");
    let message = refusal(|config, _| config["vocab_size"] = json!(130));
    assert!(
        message.contains("allowed by config.json: [130, 64]"),
        "{message}"
    );
    let message = refusal(|_, folder| {
        let trunk = whole_folder("llama");
        fs::copy(
            trunk.path().join("model.safetensors"),
            folder.join("model.safetensors"),
        )
        .unwrap();
    });
    assert!(message.contains("no `score.weight` of 1 rows"), "{message}");
    // The other way round: a reward model does not continue texts.
    let folder = whole_folder("scoring/llama");
    let message = Decoder::load(folder.path(), None, CPU, false).unwrap_err();
    assert!(
        message.to_string().contains("concord model score"),
        "{message}"
    );
}

#[test]
fn texts_that_do_not_fit_are_refused() {
    let classifier = classifier("llama", Kind::Float, false);
    let refuse = |text: &[i64]| {
        let scored = classifier.scores_of(&[&[3, 4], text], DEFAULT_CEILING);
        scored.unwrap_err().to_string()
    };
    assert!(refuse(&[]).contains("no tokens"));
    assert!(refuse(&[3, 131]).contains("token id 131 - allowed: 0 to 130"));
    assert!(refuse(&[3; 257]).contains("a prompt of 257 tokens - allowed: 256"));
    let none = classifier.score(&[], Activations::Dropped).err().unwrap();
    assert!(none.to_string().contains("no texts"));
    let nothing = classifier.scores_of(&[], DEFAULT_CEILING).unwrap();
    assert_eq!(nothing.size(), [0, 1]);
}
