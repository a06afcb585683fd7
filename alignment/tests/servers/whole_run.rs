//! A run whose answers and judgements come from servers.

use std::fs;
use std::path::Path;

use alignment::FinetuneError;
use alignment::run::{FinetuneRun, Outcome, Setting};
use configs::finetune::{
    DataConfig, FinetuneConfig, GenerationConfig, IterationsConfig, ModelConfig, OptimiserConfig,
    OracleConfig, OracleKind, Source,
};
use crossbeam::channel::unbounded;
use serde_json::{Value, json};
use tch::Device;
use testkit::chat_model::ChatModel;
use tracking::Tracker;
use tracking::run_folder::{NewRun, RunFolder};

use crate::scripted::{self, Reply, Server, good, refuse};

/// Four answers of unlike length.
fn answering(body: &Value) -> Reply {
    let messages = body["messages"].as_array().unwrap();
    let text = messages.last().unwrap()["content"]
        .as_str()
        .unwrap()
        .to_owned();
    let answers: Vec<String> = (1..4).map(|count| text.repeat(count)).collect();
    good(&[&answers[1], &answers[0], &answers[2]])
}

/// Prefers the longer answer.
fn judging(body: &Value) -> Reply {
    let text = body["messages"][0]["content"].as_str().unwrap();
    let between = |open: &str, close: &str| {
        let (_, rest) = text.split_once(open).unwrap();
        rest.split_once(close).unwrap().0.len()
    };
    let first = between("[Answer A]", "[End of answer A]");
    let second = between("[Answer B]", "[End of answer B]");
    good(&[if first > second { "[[A]]" } else { "[[B]]" }])
}

fn config(folder: &Path, generator: &Server, judge: &Server) -> FinetuneConfig {
    ChatModel::default().write(&folder.join("policy")).unwrap();
    let prompts =
        ["he", "an", "on", "is"].map(|word| json!({"id": word, "prompt": word}).to_string());
    fs::write(folder.join("prompts.jsonl"), prompts.join("\n")).unwrap();
    let path = |name: &str| Some(folder.join(name).display().to_string());
    FinetuneConfig {
        model: ModelConfig {
            name: path("policy"),
            ..ModelConfig::default()
        },
        data: DataConfig {
            path: path("prompts.jsonl"),
            ..DataConfig::default()
        },
        generation: GenerationConfig {
            kind: Source::Server,
            responses: 3,
            max_new_tokens: 16,
            server: scripted::config(generator),
            ..GenerationConfig::default()
        },
        oracle: OracleConfig {
            kind: OracleKind::Judge,
            server: scripted::config(judge),
            ..OracleConfig::default()
        },
        iterations: IterationsConfig {
            count: 1,
            ..IterationsConfig::default()
        },
        optimiser: OptimiserConfig {
            rows_per_update: 2,
            ..OptimiserConfig::default()
        },
        ..FinetuneConfig::default()
    }
}

fn run(
    config: &FinetuneConfig,
    folder: &RunFolder,
    resume: bool,
) -> Result<Outcome, FinetuneError> {
    let (_sender, commands) = unbounded();
    let setting = Setting {
        folder,
        tracker: Tracker::silent(),
        commands,
        device: Device::Cpu,
        device_name: "cpu".to_owned(),
        resume,
    };
    FinetuneRun::new(config, setting)?.run()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn answers_and_judgements_of_servers_make_a_checkpoint_and_are_paid_for_once() {
    nn::runtime::prepare(1);
    let folder = tempfile::tempdir().unwrap();
    let generator = Server::new(|_, body| answering(body));
    // The judge's key ends in the middle.
    let judge = Server::new(|_, body| judging(body));
    let locked = Server::new(|_, _| refuse(401, &json!({"error": {"message": "no credit"}})));
    let config = config(folder.path(), &generator, &judge);
    let new = NewRun {
        name: "servers".to_owned(),
        config_toml: "job = \"finetune\"\n".to_owned(),
        ..NewRun::default()
    };
    let at = RunFolder::create(&folder.path().join("runs"), &new).unwrap();
    let mut refused = config.clone();
    refused.oracle.server.url = Some(locked.url.clone());
    let said = run(&refused, &at, false).unwrap_err().to_string();
    assert!(said.contains("status 401, \"no credit\""), "{said}");
    assert_eq!(generator.requests().len(), 4);

    assert_eq!(run(&config, &at, true).unwrap(), Outcome::Finished);
    assert_eq!(generator.requests().len(), 4, "answers are kept");
    // Three answers to each of four prompts, each pair in both orders.
    assert_eq!(judge.requests().len(), 4 * 6);
    let iteration = at.path().join("iterations/1");
    let judged = lines(&iteration.join("judgements.jsonl"));
    assert_eq!(judged.len(), 4);
    let verdicts = json!({"verdicts": [[0.5, 1.0, 0.0], [0.0, 0.5, 0.0], [1.0, 1.0, 0.5]]});
    for line in &judged {
        assert_eq!(line["raw"], verdicts);
        assert_eq!(line["win_matrix"], verdicts["verdicts"]);
        assert_eq!(line["failures"], 0);
    }
    let pairs = lines(&iteration.join("pairs.jsonl"));
    assert_eq!(pairs.len(), 4);
    assert_eq!(pairs[0]["chosen"][1]["content"], "hehehe");
    assert_eq!(pairs[0]["rejected"][1]["content"], "he");
    assert_eq!(pairs[0]["chosen_probs"], 1.0);
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        assert!(at.path().join("model").join(file).exists(), "{file}");
    }
    let before = fs::read(folder.path().join("policy/model.safetensors")).unwrap();
    let after = fs::read(at.path().join("model/model.safetensors")).unwrap();
    assert!(before != after, "something was learnt");
}
