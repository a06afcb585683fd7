//! PairRM and reward models as oracles, on the fixtures of `concord model score`
//! (`xtask/parity/scoring_folders.py`).
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

use alignment::oracles::pair_model::PairModel;
use alignment::oracles::reward_model::RewardModel;
use alignment::oracles::{Aggregation, Candidates, OracleKind, PairLogits, PreferenceOracle, Raw};
use dataset::Message;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

const CPU: Device = Device::Cpu;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/worker/tests/fixtures/scoring")
}

/// A model's folder with the tokenizer that all of them share.
fn model(name: &str) -> TempDir {
    nn::runtime::prepare(1);
    let target = tempfile::tempdir().unwrap();
    for part in [name, "tokenizer"] {
        for file in fs::read_dir(fixtures().join(part)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), target.path().join(file.file_name())).unwrap();
        }
    }
    target
}

fn change(folder: &Path, key: &str, value: Value) {
    let path = folder.join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config[key] = value;
    fs::write(&path, config.to_string()).unwrap();
}

/// Prompt, candidates and what the reference says of them.
fn cases(name: &str, expected: &str) -> Vec<(Candidates, Value)> {
    let text = fs::read_to_string(fixtures().join("expected.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let cases = all[name].as_array().unwrap().iter().enumerate();
    let cases = cases.filter(|(_, case)| case["record"].get("candidates").is_some());
    cases
        .map(|(number, case)| {
            let record = &case["record"];
            let responses = serde_json::from_value(record["candidates"].clone()).unwrap();
            let candidates = Candidates {
                id: format!("p{number}"),
                responses,
                ..asked(&record["prompt"])
            };
            (candidates, case[expected].clone())
        })
        .collect()
}

fn asked(prompt: &Value) -> Candidates {
    match prompt.as_str() {
        Some(text) => Candidates {
            prompt: text.to_owned(),
            ..Candidates::default()
        },
        None => Candidates {
            messages: serde_json::from_value(prompt.clone()).unwrap(),
            ..Candidates::default()
        },
    }
}

fn candidates(prompt: &str, responses: &[&str]) -> Candidates {
    Candidates {
        id: "here".to_owned(),
        prompt: prompt.to_owned(),
        responses: responses.iter().map(|text| (*text).to_owned()).collect(),
        ..Candidates::default()
    }
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(value.clone()).unwrap()
}

#[track_caller]
fn close(left: &[f64], right: &[f64]) {
    assert_eq!(left.len(), right.len());
    for (one, other) in left.iter().zip(right) {
        assert!((one - other).abs() <= 1e-4, "{left:?} is not {right:?}");
    }
}

fn pair(folder: &Path, aggregation: Aggregation) -> PairModel {
    PairModel::load("the judge", folder, aggregation, None, CPU).unwrap()
}

fn reward(folder: &Path, temperature: f64) -> RewardModel {
    RewardModel::load("the judge", folder, temperature, None, CPU).unwrap()
}

#[test]
fn pair_logits_are_those_of_the_reference_in_both_aggregations() {
    let folder = model("pair");
    let cases = cases("pair", "logits");
    let batch: Vec<Candidates> = cases.iter().map(|(asked, _)| asked.clone()).collect();
    assert_eq!(batch.len(), 3);
    for aggregation in [Aggregation::Pairwise, Aggregation::AveragedScores] {
        for ceiling in [1, 8192] {
            let mut oracle = pair(folder.path(), aggregation).with_ceiling(ceiling);
            assert_eq!(oracle.kind(), OracleKind::Pairwise);
            let found = oracle.judge(&batch).unwrap();
            assert_eq!(found.len(), batch.len());
            for (judgement, (_, expected)) in found.iter().zip(&cases) {
                let Raw::Logits(logits) = &judgement.raw else {
                    panic!("{:?}", judgement.raw);
                };
                let expected = rows(expected);
                close(&logits.concat(), &expected.concat());
                let wins = PairLogits::new(&expected)
                    .unwrap()
                    .wins(aggregation)
                    .unwrap();
                close(
                    &Vec::<Vec<f64>>::from(judgement.wins.clone()).concat(),
                    &Vec::<Vec<f64>>::from(wins).concat(),
                );
            }
            // The third prompt's texts do not fit; the fixture says so too.
            let notes = oracle.notes();
            assert_eq!(notes.len(), 1);
            assert!(notes[0].contains("were cut to 1224 tokens"), "{notes:?}");
        }
    }
}

#[test]
fn scores_are_those_of_the_reference() {
    for name in ["reward", "encoder"] {
        let folder = model(name);
        let cases = cases(name, "scores");
        assert!(!cases.is_empty(), "{name}");
        let batch: Vec<Candidates> = cases.iter().map(|(asked, _)| asked.clone()).collect();
        for (temperature, ceiling) in [(1.0, 8192), (0.5, 1)] {
            let mut oracle = reward(folder.path(), temperature).with_ceiling(ceiling);
            assert_eq!(oracle.kind(), OracleKind::Scalar);
            let found = oracle.judge(&batch).unwrap();
            for (judgement, (_, expected)) in found.iter().zip(&cases) {
                let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
                let Raw::Scores(scores) = &judgement.raw else {
                    panic!("{:?}", judgement.raw);
                };
                close(scores, &expected);
                let odds = (expected[0] - expected[1]) / temperature;
                let win = judgement.wins.get(0, 1).unwrap();
                close(&[win], &[1.0 / (1.0 + (-odds).exp())]);
            }
            assert!(oracle.judge(&[]).unwrap().is_empty());
        }
    }
}

#[test]
fn a_prompt_of_several_turns_goes_through_the_models_template() {
    let folder = model("reward");
    let mut oracle = reward(folder.path(), 1.0);
    let score = |oracle: &mut RewardModel, asked: Candidates| {
        let found = oracle.judge(&[asked]).unwrap();
        let Raw::Scores(scores) = &found[0].raw else {
            panic!("{found:?}");
        };
        scores[0]
    };
    let plain = candidates("hello", &["good"]);
    let turns = |texts: &[(&str, &str)]| Candidates {
        messages: texts
            .iter()
            .map(|(role, text)| Message::new(*role, *text))
            .collect(),
        ..plain.clone()
    };
    let one = score(&mut oracle, turns(&[("user", "hello")]));
    let three = score(
        &mut oracle,
        turns(&[
            ("user", "how are you"),
            ("assistant", "bad"),
            ("user", "hello"),
        ]),
    );
    assert!((one - score(&mut oracle, plain.clone())).abs() < 1e-6);
    assert!((one - three).abs() > 1e-3, "{one} {three}");
}

#[test]
fn identical_responses_tie_exactly() {
    let asked = candidates("hello", &["good", "bad", "good", "good"]);
    let (pairs, rewards) = (model("pair"), model("reward"));
    let oracles: [Box<dyn PreferenceOracle>; 2] = [
        Box::new(pair(pairs.path(), Aggregation::Pairwise)),
        Box::new(reward(rewards.path(), 1.0)),
    ];
    for mut oracle in oracles {
        let found = oracle.judge(std::slice::from_ref(&asked)).unwrap();
        let wins = &found[0].wins;
        assert_eq!(wins.get(0, 2), Some(0.5));
        assert_eq!(wins.get(2, 3), Some(0.5));
        close(&[wins.get(0, 1).unwrap()], &[wins.get(3, 1).unwrap()]);
        assert_ne!(wins.get(0, 1), Some(0.5));
        let same = candidates("hello", &["good", "good", "good"]);
        let found = oracle.judge(&[same]).unwrap();
        assert_eq!(found[0].wins.best_and_worst(), None);
    }
}

#[test]
fn another_kind_of_model_is_refused_before_its_weights_are_read() {
    let refusal = |folder: &TempDir| {
        // Whoever opens the weights first is caught.
        fs::write(folder.path().join("model.safetensors"), b"no weights").unwrap();
        let pair = PairModel::load("it", folder.path(), Aggregation::Pairwise, None, CPU);
        let reward = RewardModel::load("it", folder.path(), 1.0, None, CPU);
        [
            pair.err().unwrap().to_string(),
            reward.err().unwrap().to_string(),
        ]
    };
    let says = |said: &str, parts: &[&str]| {
        for part in parts {
            assert!(said.contains(part), "{said} lacks {part}");
        }
    };
    let [_, said] = refusal(&model("pair"));
    says(&said, &["it is a PairRM", "set oracle.kind = pair_model"]);
    for name in ["reward", "encoder"] {
        let [said, _] = refusal(&model(name));
        says(
            &said,
            &[
                "it is a reward model",
                "set oracle.kind = reward_model",
                "llm-blender/PairRM-hf",
            ],
        );
    }
    let language = model("reward");
    change(
        language.path(),
        "architectures",
        json!(["LlamaForCausalLM"]),
    );
    let [pair, reward] = refusal(&language);
    says(&pair, &["it is a language model, which compares nothing"]);
    says(
        &reward,
        &[
            "it is a language model, which scores nothing",
            "oracle.kind = judge",
        ],
    );
    let bare = model("encoder");
    change(bare.path(), "architectures", json!(["DebertaV2Model"]));
    let [pair, reward] = refusal(&bare);
    says(&pair, &["an encoder without a head"]);
    says(&reward, &["an encoder without a head"]);
    let labels = model("reward");
    change(labels.path(), "id2label", json!({"0": "a", "1": "b"}));
    says(&refusal(&labels)[1], &["2 scores of a text - allowed: one"]);
    for name in ["pair", "reward", "encoder"] {
        let stranger = model(name);
        change(stranger.path(), "vocab_size", json!(20));
        let said = refusal(&stranger)[usize::from(name != "pair")].clone();
        says(&said, &["its highest id is", "allows ids to 19"]);
    }
    let bare = model("reward");
    fs::remove_file(bare.path().join("chat_template.jinja")).unwrap();
    says(
        &refusal(&bare)[1],
        &["its chat template does not take", "add chat_template.jinja"],
    );
    let strict = model("reward");
    let refuses = "{{ raise_exception('only system prompts') }}";
    fs::write(strict.path().join("chat_template.jinja"), refuses).unwrap();
    says(&refusal(&strict)[1], &["only system prompts"]);
    // The right kind is refused for its weights.
    says(&refusal(&model("pair"))[0], &["model.safetensors"]);
    says(&refusal(&model("reward"))[1], &["model.safetensors"]);
    let temperature = RewardModel::load("it", model("reward").path(), 0.0, None, CPU);
    says(&temperature.err().unwrap().to_string(), &["temperature: 0"]);
}

/// Writes NaN over one tensor of a folder.
fn spoil(folder: &Path, name: &str) {
    let path = folder.join("model.safetensors");
    let mut tensors = Tensor::read_safetensors(&path).unwrap();
    let (_, tensor) = tensors
        .iter_mut()
        .find(|(known, _)| known.ends_with(name))
        .unwrap();
    *tensor = Tensor::full_like(tensor, f64::NAN).to_kind(Kind::Float);
    let named: Vec<(&str, &Tensor)> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor))
        .collect();
    Tensor::write_safetensors(&named, &path).unwrap();
}

#[test]
fn numbers_that_are_none_are_refused_with_the_prompt() {
    let (pairs, rewards) = (model("pair"), model("reward"));
    spoil(pairs.path(), "head_layer.4.weight");
    spoil(rewards.path(), "score.weight");
    let asked = candidates("hello", &["good", "bad"]);
    let told = |oracle: &mut dyn PreferenceOracle| {
        oracle
            .judge(std::slice::from_ref(&asked))
            .unwrap_err()
            .to_string()
    };
    let said = told(&mut pair(pairs.path(), Aggregation::Pairwise));
    assert!(
        said.contains("prompt here: the logit against response 1 of response 2 is NaN"),
        "{said}"
    );
    let said = told(&mut reward(rewards.path(), 1.0));
    assert!(
        said.contains("prompt here: the score of response 1 is NaN"),
        "{said}"
    );
}

#[test]
fn a_text_that_the_model_has_no_positions_for_is_named() {
    let folder = model("reward");
    change(folder.path(), "max_position_embeddings", json!(16));
    let mut oracle = reward(folder.path(), 1.0);
    let long = "good ".repeat(40);
    let found = oracle.judge(&[candidates("hello", &["good", &long])]);
    let said = found.unwrap_err().to_string();
    assert!(
        said.contains("prompt here: response 2: a prompt of"),
        "{said}"
    );
}
