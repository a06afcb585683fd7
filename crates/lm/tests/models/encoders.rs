//! DeBERTa encoders and their heads against `transformers` 5.23, and what is refused.

use std::fs;
use std::path::Path;

use crate::golden::{Expected, difference, folder, write_tensors};
use lm::encoder::{Encoder, EncoderClassifier, EncoderConfig, EncoderHead, PairRanker, PairText};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

const CPU: Device = Device::Cpu;

const CASES: [&str; 15] = [
    "v3",
    "v2_xlarge",
    "grouped_convolution",
    "own_products",
    "c2p",
    "p2c",
    "every_distance",
    "furthest",
    "no_terms",
    "absolute",
    "small_embedding",
    "one_score",
    "three_scores",
    "pair",
    "pair_two_tasks",
];

fn expected(case: &str) -> Expected {
    Expected::of(&format!("scoring/{case}"))
}

/// A case's folder with its weights.
fn whole_folder(case: &str) -> TempDir {
    nn::runtime::prepare(1);
    let target = tempfile::tempdir().unwrap();
    let config = folder(&format!("scoring/{case}")).join("config.json");
    fs::copy(config, target.path().join("config.json")).unwrap();
    write_encoder(target.path());
    target
}

/// Writes weights for the `config.json` of `target`.
fn write_encoder(target: &Path) {
    let config = EncoderConfig::read(target).unwrap();
    let hidden = config.hidden as i64;
    let mut tensors = Vec::new();
    let (prefix, head) = match config.head {
        EncoderHead::None => ("", Vec::new()),
        EncoderHead::Classification { labels, .. } => (
            "deberta.",
            vec![
                ("pooler.dense", hidden, hidden),
                ("classifier", labels as i64, hidden),
            ],
        ),
        EncoderHead::Pair { tasks, .. } => (
            "pretrained_model.",
            vec![
                ("head_layer.1", hidden, 2 * hidden),
                ("head_layer.4", tasks as i64, hidden),
            ],
        ),
    };
    for (name, outputs, inputs) in head {
        tensors.push((format!("{name}.weight"), vec![outputs, inputs]));
        tensors.push((format!("{name}.bias"), vec![outputs]));
    }
    // The encoder itself says which tensors it has.
    let mut listed = |name: &str, shape: &[i64]| {
        tensors.push((format!("{prefix}{name}"), shape.to_vec()));
        Ok(Tensor::zeros(shape, (Kind::Float, CPU)))
    };
    Encoder::from_tensors(config, Kind::Float, CPU, &mut listed).unwrap();
    let centred = |name: &str| name.ends_with("LayerNorm.weight");
    write_tensors(tensors.into_iter(), centred, target);
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

/// The vectors that the fixture keeps.
fn kept(vectors: &Tensor, expected: &Expected) -> Tensor {
    let stride: i64 = expected.metadata("stride").parse().unwrap();
    vectors.slice(0, None, None, stride)
}

#[test]
fn vectors_are_those_of_transformers_together_and_alone() {
    for case in CASES {
        let expected = expected(case);
        let folder = whole_folder(case);
        let encoder = Encoder::load(folder.path(), None, CPU).unwrap();
        let texts = texts(&expected);
        let together = encoder.forward(&borrowed(&texts)).unwrap();
        let delta = difference(&kept(&together, &expected), &expected.tensor("vectors"));
        eprintln!("{case:20} vectors {delta:.1e}");
        assert!(delta <= 1e-4, "{case}: vectors differ by {delta}");
        let alone: Vec<Tensor> = texts
            .iter()
            .map(|text| encoder.forward(&[text]).unwrap())
            .collect();
        let delta = difference(&together, &Tensor::cat(&alone, 0));
        assert!(delta <= 1e-5, "{case}: alone differs by {delta}");
    }
}

#[test]
fn vectors_in_bf16_are_those_of_transformers_in_bf16() {
    for case in CASES {
        let expected = expected(case);
        let folder = whole_folder(case);
        let encoder = Encoder::load(folder.path(), Some(Kind::BFloat16), CPU).unwrap();
        let vectors = encoder.forward(&borrowed(&texts(&expected))).unwrap();
        let wanted = expected.tensor("vectors_bf16").to_kind(Kind::Double);
        let delta = kept(&vectors, &expected).to_kind(Kind::Double) - &wanted;
        let mean = |tensor: &Tensor| tensor.square().mean(Kind::Double).sqrt().double_value(&[]);
        let relative = mean(&delta) / mean(&wanted);
        let exact = expected.tensor("vectors").to_kind(Kind::Double) - &wanted;
        let rounding = mean(&exact) / mean(&wanted);
        eprintln!("{case:20} bf16, relative {relative:.1e} (f32 is {rounding:.1e} away)");
        assert!(relative <= 1.5 * rounding, "{case}: {relative}");
    }
}

#[test]
fn scores_are_those_of_transformers() {
    for (case, labels) in [("one_score", 1), ("three_scores", 3)] {
        let expected = expected(case);
        let folder = whole_folder(case);
        let classifier = EncoderClassifier::load(folder.path(), None, CPU).unwrap();
        assert_eq!(classifier.labels(), labels);
        let texts = texts(&expected);
        for ceiling in [1, 200, 8192] {
            let scores = classifier.scores_of(&borrowed(&texts), ceiling).unwrap();
            let delta = difference(&scores, &expected.tensor("scores"));
            eprintln!("{case:20} at most {ceiling:5} tokens: scores {delta:.1e}");
            assert!(delta <= 1e-4, "{case}: scores differ by {delta}");
        }
    }
}

#[test]
fn logits_of_pairs_are_those_of_the_definition() {
    for case in ["pair", "pair_two_tasks"] {
        let expected = expected(case);
        let folder = whole_folder(case);
        let ranker = PairRanker::load(folder.path(), None, CPU).unwrap();
        assert_eq!(ranker.markers(), [128, 129, 130]);
        let markers = expected.ids("markers");
        let texts: Vec<PairText> = texts(&expected)
            .into_iter()
            .zip(markers.chunks(3))
            .map(|(ids, at)| PairText {
                ids,
                markers: [at[0] as usize, at[1] as usize, at[2] as usize],
                truncated: false,
            })
            .collect();
        for ceiling in [1, 8192] {
            let logits = ranker.logits(&texts, ceiling).unwrap();
            let logits = Tensor::from_slice(&logits);
            let delta = difference(&logits, &expected.tensor("logits"));
            eprintln!("{case:20} at most {ceiling:5} tokens: logits {delta:.1e}");
            assert!(delta <= 1e-4, "{case}: logits differ by {delta}");
        }
    }
}

#[test]
fn files_with_older_names_and_in_f16_load() {
    let folder = whole_folder("v3");
    let texts = texts(&expected("v3"));
    let encoder = Encoder::load(folder.path(), None, CPU).unwrap();
    let wanted = encoder.forward(&[&texts[1]]).unwrap();
    let path = folder.path().join("model.safetensors");
    let mut tensors = Tensor::read_safetensors(&path).unwrap();
    for (name, _) in &mut tensors {
        *name = name
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta");
    }
    Tensor::write_safetensors(&tensors, &path).unwrap();
    let older = Encoder::load(folder.path(), None, CPU).unwrap();
    assert_eq!(
        difference(&older.forward(&[&texts[1]]).unwrap(), &wanted),
        0.0
    );
    for (_, tensor) in &mut tensors {
        *tensor = tensor.to_kind(Kind::Half);
    }
    Tensor::write_safetensors(&tensors, &path).unwrap();
    let half = Encoder::load(folder.path(), None, CPU).unwrap();
    assert_eq!(half.kind(), Kind::Float);
    let delta = difference(&half.forward(&[&texts[1]]).unwrap(), &wanted);
    assert!(delta > 0.0 && delta < 0.02, "{delta}");
}

/// What a loader says about a case's folder after a change of its config.
fn refusal<T>(
    case: &str,
    key: &str,
    value: Value,
    load: impl Fn(&Path) -> Result<T, lm::LmError>,
) -> String {
    let folder = whole_folder(case);
    let path = folder.path().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config[key] = value;
    fs::write(&path, config.to_string()).unwrap();
    load(folder.path()).err().unwrap().to_string()
}

#[test]
fn configs_and_weights_that_do_not_fit_are_refused() {
    let encoder = |folder: &Path| Encoder::load(folder, None, CPU);
    for (key, value, reason) in [
        (
            "model_type",
            json!("llama"),
            "`model_type`: llama - allowed: deberta-v2",
        ),
        (
            "pos_att_type",
            json!("p2c|p2p"),
            "`pos_att_type`: p2p - allowed: c2p, p2c",
        ),
        ("pos_att_type", json!(["c2c"]), "`pos_att_type`: c2c"),
        (
            "norm_rel_ebd",
            json!("batch"),
            "`norm_rel_ebd`: batch - allowed: none, layer_norm",
        ),
        (
            "hidden_act",
            json!("mish"),
            "`hidden_act`: mish - allowed: gelu",
        ),
        (
            "num_attention_heads",
            json!(5),
            "allowed: a divisor of `hidden_size` = 32",
        ),
        (
            "position_buckets",
            json!(2),
            "`position_buckets`: 2 - allowed: at least 4",
        ),
        (
            "position_buckets",
            json!(16),
            "`encoder.rel_embeddings.weight` is [64, 32] - allowed by config.json: [32, 32]",
        ),
        (
            "vocab_size",
            json!(132),
            "is [131, 32] - allowed by config.json: [132, 32]",
        ),
        ("num_hidden_layers", json!(3), "`encoder.layer.2."),
        ("num_hidden_layers", json!(1), "`encoder.layer.1."),
        ("conv_kernel_size", json!(2), "an odd number"),
        (
            "conv_kernel_size",
            json!(3),
            "`encoder.conv.conv.weight` is missing",
        ),
        (
            "share_att_key",
            json!(false),
            "pos_key_proj.weight` is missing",
        ),
    ] {
        let message = refusal("v3", key, value, encoder);
        assert!(message.contains(reason), "{key}: {message}");
    }
    let message = refusal("own_products", "share_att_key", json!(true), encoder);
    assert!(message.contains("pos_key_proj"), "{message}");
    let message = refusal("v2_xlarge", "conv_kernel_size", json!(0), encoder);
    assert!(message.contains("`encoder.conv."), "{message}");
}

#[test]
fn one_kind_of_head_is_not_taken_for_another() {
    let pair = |folder: &Path| PairRanker::load(folder, None, CPU);
    let one = |folder: &Path| EncoderClassifier::load(folder, None, CPU);
    let same = |case: &str| json!(folder(&format!("scoring/{case}")).join("x"));
    let message = refusal("one_score", "unknown", same("pair"), pair);
    assert!(
        message.contains("an encoder that scores one text - allowed here: DebertaV2PairRM"),
        "{message}"
    );
    let message = refusal("pair", "unknown", same("pair"), one);
    assert!(
        message.contains("PairRM, which compares two candidates - allowed here"),
        "{message}"
    );
    let message = refusal("v3", "unknown", same("v3"), pair);
    assert!(message.contains("an encoder without a head"), "{message}");
    let message = refusal("pair", "cand1_prefix_id", Value::Null, pair);
    assert!(message.contains("without `cand1_prefix_id`"), "{message}");
    let message = refusal("pair", "cand1_prefix_id", json!(131), pair);
    assert!(
        message.contains("marker id 131 - allowed: 0 to 130"),
        "{message}"
    );
    let class = json!(["DebertaV2PairRM"]);
    let load = |folder: &Path| {
        let path = folder.join("config.json");
        let text = fs::read_to_string(&path).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        for (key, id) in [
            ("source_prefix_id", 1),
            ("cand1_prefix_id", 2),
            ("cand2_prefix_id", 3),
        ] {
            config[key] = json!(id);
        }
        fs::write(&path, config.to_string()).unwrap();
        PairRanker::load(folder, None, CPU)
    };
    let message = refusal("v3", "architectures", class, load);
    assert!(message.contains("no `head_layer.1.weight`"), "{message}");
}

#[test]
fn texts_that_do_not_fit_are_refused() {
    let folder = whole_folder("absolute");
    let encoder = Encoder::load(folder.path(), None, CPU).unwrap();
    let refuse = |text: &[i64]| encoder.forward(&[&[3, 4], text]).unwrap_err().to_string();
    assert!(refuse(&[]).contains("a text without tokens"));
    assert!(refuse(&[3, 131]).contains("token id 131 - allowed: 0 to 130"));
    assert!(refuse(&[3; 341]).contains("a text of 341 tokens - allowed: 340"));
    assert!(
        encoder
            .forward(&[])
            .unwrap_err()
            .to_string()
            .contains("no texts")
    );
}
