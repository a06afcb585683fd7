//! What a folder holds, and each way in which it cannot be used.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hub::{HubError, ModelFolder};
use tempfile::TempDir;

/// A safetensors file of one tensor of eight floats, or what is put in its place.
fn weights(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

const SOUND: &str =
    r#"{"__metadata__":{"format":"pt"},"w":{"dtype":"BF16","shape":[4,2],"data_offsets":[0,16]}}"#;

fn model(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/byte_level");
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        fs::copy(tokenizer.join(file), folder.path().join(file)).expect("a file");
    }
    let config =
        br#"{"model_type":"llama","vocab_size":400,"eos_token_id":2,"max_position_embeddings":64}"#;
    let sound = weights(SOUND, 16);
    let usual: [(&str, &[u8]); 3] = [
        ("config.json", config),
        ("generation_config.json", br#"{"eos_token_id":[2,4]}"#),
        ("model.safetensors", &sound),
    ];
    for (name, content) in usual.iter().chain(files) {
        let path = folder.path().join(name);
        if *content == b"gone" {
            fs::remove_file(path).expect("a file");
        } else {
            fs::write(path, content).expect("a file");
        }
    }
    folder
}

fn problems(files: &[(&str, &[u8])]) -> Vec<String> {
    let folder = model(files);
    let opened = ModelFolder::open(folder.path()).expect("a folder");
    opened.problems()
}

fn problem(files: &[(&str, &[u8])]) -> String {
    let mut all = problems(files);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_sound_folder_tells_what_it_is() {
    let folder = model(&[]);
    let opened = ModelFolder::open(folder.path()).expect("a folder");
    assert_eq!(opened.problems(), Vec::<String>::new());
    assert_eq!(opened.family(), Some("llama"));
    assert_eq!(opened.context_tokens(), Some(64));
    assert_eq!(opened.end_ids(), BTreeSet::from([2, 4]));
    let weights = opened.weights().expect("weights");
    assert_eq!(weights.parameters(), 8);
    assert_eq!(weights.numbers["BF16"], 8);
    assert_eq!(weights.tensors(), 1);
    assert!(opened.template().expect("no template").is_none());
    assert_eq!(
        opened.tokenizer().expect("a tokenizer").end_ids(),
        &BTreeSet::from([2, 4])
    );
}

#[test]
fn shards_are_counted_together_and_missed() {
    let index = br#"{"metadata":{},"weight_map":{"w":"model-00001-of-00002.safetensors","v":"model-00002-of-00002.safetensors"}}"#;
    let first = weights(SOUND, 16);
    let second = weights(&SOUND.replace("\"w\"", "\"v\""), 16);
    let sharded: [(&str, &[u8]); 3] = [
        ("model.safetensors", b"gone"),
        ("model.safetensors.index.json", index),
        ("model-00001-of-00002.safetensors", &first),
    ];
    let text = problem(&sharded);
    assert!(
        text.contains("names model-00002-of-00002.safetensors, which is missing"),
        "{text}"
    );
    let mut whole = sharded.to_vec();
    whole.push(("model-00002-of-00002.safetensors", &second));
    assert_eq!(problems(&whole), Vec::<String>::new());
    whole[3].1 = &first;
    assert!(problem(&whole).contains("lacks the tensor v"));
    let outside = br#"{"weight_map":{"w":"../../secret.safetensors"}}"#;
    let text = problem(&[
        ("model.safetensors", b"gone"),
        ("model.safetensors.index.json", outside),
    ]);
    assert!(text.contains("no safetensors file"), "{text}");
}

#[test]
fn damaged_weights_are_told_apart() {
    let text = |content: &[u8]| problem(&[("model.safetensors", content)]);
    assert!(text(b"abc").contains("cut off after 3 bytes"));
    assert!(text(&weights(SOUND, 15)).contains("cut off: its tensors take 16 bytes, 15 are there"));
    assert!(
        text(&weights(SOUND, 17)).contains("too long: its tensors take 16 bytes, 17 are there")
    );
    assert!(text(&weights(SOUND, 16)[..40]).contains("its header claims"));
    assert!(text(&weights("{not json", 0)).contains("its header is no JSON"));
    let long = SOUND.replace("[4,2]", "[4,3]");
    assert!(
        text(&weights(&long, 16)).contains("tensor w of shape [4, 3] and type BF16 does not fit")
    );
    let overflow = SOUND.replace("[4,2]", "[9223372036854775807,9]");
    assert!(text(&weights(&overflow, 16)).contains("does not fit"));
    let unknown = SOUND.replace("BF16", "Q4_0");
    assert!(text(&weights(&unknown, 16)).contains("unknown type Q4_0"));
    let mut huge = weights(SOUND, 16);
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(text(&huge).contains("its header claims"));
}

#[test]
fn other_forms_are_refused_with_a_way_out() {
    let text = problem(&[("model.safetensors", b"gone"), ("pytorch_model.bin", b"")]);
    assert!(
        text.contains("pickle (pytorch_model.bin)") && text.contains("save_pretrained"),
        "{text}"
    );
    let text = problem(&[("tokenizer.json", b"gone"), ("tokenizer.model", b"")]);
    assert!(
        text.contains("tokenizer.model alone") && text.contains("save_pretrained"),
        "{text}"
    );
    let text = problem(&[("tokenizer.json", b"gone")]);
    assert!(text.contains("no tokenizer.json"), "{text}");
    let text = problem(&[("tokenizer.json", b"{}")]);
    assert!(text.contains("tokenizer.json is damaged"), "{text}");
    let text = problem(&[("chat_template.jinja", b"{% if %}")]);
    assert!(text.contains("cannot be compiled"), "{text}");
}

#[test]
fn a_vocabulary_that_does_not_match_is_refused() {
    let small = br#"{"model_type":"llama","vocab_size":100}"#;
    let text = problem(&[("config.json", small)]);
    assert!(
        text.contains("highest id is 399") && text.contains("vocab_size 100"),
        "{text}"
    );
    // Rows that only pad the embedding are fine.
    let large = br#"{"model_type":"llama","vocab_size":512}"#;
    assert_eq!(problems(&[("config.json", large)]), Vec::<String>::new());
}

#[test]
fn no_config_no_model() {
    let folder = model(&[("config.json", b"gone")]);
    let error = ModelFolder::open(folder.path()).expect_err("no model");
    assert!(matches!(error, HubError::Unsupported { .. }), "{error}");
    let folder = model(&[("config.json", b"[1]")]);
    let error = ModelFolder::open(folder.path()).expect_err("no model");
    assert!(error.to_string().contains("no JSON object"), "{error}");
    let error = ModelFolder::open(&folder.path().join("none")).expect_err("no folder");
    assert!(matches!(error, HubError::NoFolder { .. }), "{error}");
}

#[test]
fn templates_are_found_in_all_their_places() {
    let source = |files: &[(&str, &[u8])]| {
        let folder = model(files);
        let opened = ModelFolder::open(folder.path()).expect("a folder");
        opened
            .template()
            .expect("a template")
            .map(|template| template.source().to_owned())
    };
    let config: (&str, &[u8]) = ("tokenizer_config.json", br#"{"chat_template":"config"}"#);
    let json: (&str, &[u8]) = ("chat_template.json", br#"{"chat_template":"json"}"#);
    let jinja: (&str, &[u8]) = ("chat_template.jinja", b"jinja");
    assert_eq!(source(&[config]).as_deref(), Some("config"));
    assert_eq!(source(&[config, json]).as_deref(), Some("json"));
    assert_eq!(source(&[config, json, jinja]).as_deref(), Some("jinja"));
    let several = br#"{"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}"#;
    assert_eq!(
        source(&[("tokenizer_config.json", several)]).as_deref(),
        Some("d")
    );
}

#[test]
fn a_folder_says_what_its_model_is_for() {
    let purpose = |config: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("config.json"), config).expect("a file");
        ModelFolder::open(folder.path()).expect("a model").purpose()
    };
    let of =
        |class: &str, more: &str| purpose(&format!(r#"{{"architectures":["{class}"]{more}}}"#));
    assert_eq!(of("LlamaForCausalLM", ""), "language model");
    let one = r#","id2label":{"0":"good"}"#;
    assert_eq!(
        of("LlamaForSequenceClassification", one),
        "reward model, 1 label"
    );
    // Two labels are the default, which transformers does not write.
    assert_eq!(
        of("Qwen2ForSequenceClassification", ""),
        "reward model, 2 labels"
    );
    assert_eq!(of("DebertaV2PairRM", ""), "PairRM");
    assert_eq!(
        of("DebertaV2Model", r#","model_type":"deberta-v2""#),
        "encoder"
    );
    assert_eq!(purpose("{}"), "language model");
}
