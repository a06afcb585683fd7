//! What is wrong with a folder is said in one sentence.

use std::fs;
use std::path::Path;

use crate::golden::write_weights;
use lm::checkpoint::{Checkpoint, INDEX, WHOLE};
use lm::config::ModelConfig;
use lm::decoder::Decoder;
use lm::rope::Scaling;
use serde_json::{Value, json};
use tch::Device;

fn config_of(case: &str) -> Value {
    let text = fs::read_to_string(crate::golden::folder(case).join("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn parse(value: &Value) -> Result<ModelConfig, String> {
    let parsed = ModelConfig::parse(Path::new("config.json"), &value.to_string());
    parsed.map_err(|error| error.to_string())
}

/// The message for a config with one key changed.
fn refusal(case: &str, key: &str, value: Value) -> String {
    let mut config = config_of(case);
    config[key] = value;
    parse(&config).unwrap_err()
}

#[test]
fn a_config_that_describes_no_model_of_ours_is_refused() {
    let of = |key: &str, value: Value| refusal("llama", key, value);
    let message = of("model_type", json!("mamba"));
    assert!(
        message.contains("`model_type`: mamba - allowed: llama"),
        "{message}"
    );
    let message = of(
        "rope_parameters",
        json!({"rope_type": "dynamic", "factor": 2.0}),
    );
    assert!(
        message.contains("rotation `dynamic` - allowed: default, linear"),
        "{message}"
    );
    let message = of("rope_parameters", json!({"rope_type": "yarn2"}));
    assert!(message.contains("rotation `yarn2`"), "{message}");
    let message = of("rope_parameters", json!({"rope_type": "linear"}));
    assert!(message.contains("without `factor`"), "{message}");
    let message = of("num_key_value_heads", json!(3));
    assert!(
        message.contains("a divisor of `num_attention_heads` = 4"),
        "{message}"
    );
    let message = of("hidden_size", json!("64"));
    assert!(
        message.contains("`hidden_size`: \"64\" - allowed: a whole number"),
        "{message}"
    );
    let message = of("hidden_size", Value::Null);
    assert!(message.contains("`hidden_size` is missing"), "{message}");
    let message = of("rms_norm_eps", json!(-1.0));
    assert!(
        message.contains("`rms_norm_eps`: -1 - allowed: a number above 0"),
        "{message}"
    );
    let message = of("num_attention_heads", json!(0));
    assert!(message.contains("allowed: at least 1"), "{message}");
    let message = of("hidden_act", json!("relu2"));
    assert!(message.contains("relu2 - allowed: silu"), "{message}");
    let message = refusal("phi3_longrope_long", "head_dim", json!(32));
    assert!(
        message.contains("`short_factor`: 8 numbers - allowed: 16"),
        "{message}"
    );
    let message = refusal("gemma3", "layer_types", json!(["full_attention"]));
    assert!(
        message.contains("1 names - allowed: one for each of the 3 layers"),
        "{message}"
    );
    let cut = ModelConfig::parse(Path::new("config.json"), "{\"model_type\":");
    assert!(cut.unwrap_err().to_string().contains("not JSON"));
}

#[test]
fn the_older_form_means_the_same() {
    let older = |case: &str, change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut value = config_of(case);
        let map = value.as_object_mut().unwrap();
        let parameters = map.remove("rope_parameters").unwrap();
        let dtype = map.remove("dtype").unwrap();
        map.insert("torch_dtype".to_owned(), dtype);
        if let Some(theta) = parameters.get("rope_theta") {
            map.insert("rope_theta".to_owned(), theta.clone());
            map.insert("rope_scaling".to_owned(), parameters);
        }
        change(map);
        let mut config = parse(&value).unwrap();
        config.source.clear();
        let mut newer = parse(&config_of(case)).unwrap();
        newer.source.clear();
        assert_eq!(config, newer, "{case}");
    };
    older("llama", &|map| {
        map["rope_scaling"] = Value::Null;
    });
    older("llama_llama3", &|_| {});
    older("llama_yarn_mscale", &|_| {});
    older("llama_linear", &|map| {
        // The key of the first versions.
        let scaling = map["rope_scaling"].as_object_mut().unwrap();
        let kind = scaling.remove("rope_type").unwrap();
        scaling.insert("type".to_owned(), kind);
    });
    older("phi3_longrope_long", &|map| {
        map["rope_scaling"]["rope_type"] = json!("su");
    });
    older("qwen2_sliding", &|map| drop(map.remove("layer_types")));
    older("smollm3", &|map| {
        map.remove("layer_types");
        map.remove("no_rope_layers");
    });
    older("gemma2", &|map| drop(map.remove("layer_types")));
    older("gemma3_full_linear", &|map| {
        map.remove("layer_types");
        map.insert("rope_theta".to_owned(), json!(1e6));
        map.insert("rope_local_base_freq".to_owned(), json!(1e4));
        map.insert(
            "rope_scaling".to_owned(),
            json!({"rope_type": "linear", "factor": 8.0}),
        );
    });
}

#[test]
fn missing_keys_take_the_family_s_defaults_and_are_told() {
    let minimal = |family: &str| {
        json!({"model_type": family, "vocab_size": 32, "hidden_size": 64, "num_hidden_layers": 2,
               "num_attention_heads": 8, "intermediate_size": 96})
    };
    let llama = parse(&minimal("llama")).unwrap();
    assert_eq!((llama.kv_heads, llama.head_dim, llama.tied), (8, 8, false));
    assert_eq!(llama.ropes[0].theta, 1e4);
    assert!(
        llama
            .warnings
            .iter()
            .any(|warning| warning.contains("`rope_theta`"))
    );
    let mistral = parse(&minimal("mistral")).unwrap();
    assert!(mistral.layers.iter().all(|plan| plan.window == Some(4096)));
    assert!(
        mistral
            .warnings
            .iter()
            .any(|warning| warning.contains("`sliding_window`"))
    );
    let qwen3 = parse(&minimal("qwen3"));
    assert!(qwen3.unwrap_err().contains("`num_key_value_heads`: 32"));
    let gemma2 = parse(&minimal("gemma2")).unwrap();
    assert!(gemma2.tied && gemma2.attention_cap == Some(50.0) && gemma2.head_dim == 256);
    let smollm3 = parse(&minimal("smollm3")).unwrap();
    assert_eq!(smollm3.ropes[0].theta, 2e6);
    assert_eq!(smollm3.ropes[0].scaling, Scaling::Plain);
}

/// A sound folder, to be damaged.
fn sound() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = crate::golden::folder("llama").join("config.json");
    fs::copy(config, folder.path().join("config.json")).unwrap();
    write_weights(&ModelConfig::read(folder.path()).unwrap(), folder.path());
    folder
}

fn load(folder: &Path) -> Result<Decoder, String> {
    Decoder::load(folder, None, Device::Cpu, false).map_err(|error| error.to_string())
}

#[test]
fn damaged_weights_are_refused() {
    let folder = sound();
    let path = folder.path().join(WHOLE);
    let bytes = fs::read(&path).unwrap();
    assert!(load(folder.path()).is_ok());
    for (name, damaged) in [
        ("truncated", bytes[..bytes.len() - 5].to_vec()),
        ("over-long", [bytes.as_slice(), b"12345"].concat()),
        ("cut in its header", bytes[..100].to_vec()),
        ("empty", Vec::new()),
        ("no header", vec![0xFF; 64]),
    ] {
        fs::write(&path, damaged).unwrap();
        let message = load(folder.path()).unwrap_err();
        assert!(
            message.contains("fetch the model again"),
            "{name}: {message}"
        );
        assert!(message.contains(WHOLE), "{name}: {message}");
    }
}

#[test]
fn weights_of_another_model_are_refused_with_both_shapes() {
    let folder = sound();
    let mut config = config_of("llama");
    config["vocab_size"] = json!(130);
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let message = load(folder.path()).unwrap_err();
    assert!(
        message.contains(
            "`model.embed_tokens.weight` is [131, 64] - allowed by config.json: [130, 64]"
        ),
        "{message}"
    );
    // Biases that would be dropped, and layers that are not there.
    let mut config = config_of("llama");
    config["num_hidden_layers"] = json!(2);
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let message = load(folder.path()).unwrap_err();
    assert!(
        message.contains("`model.layers.2.") && message.contains("has no place"),
        "{message}"
    );
    config["num_hidden_layers"] = json!(4);
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let message = load(folder.path()).unwrap_err();
    assert!(
        message.contains("`model.layers.3.input_layernorm.weight` is missing"),
        "{message}"
    );
}

#[test]
fn folders_without_safetensors_are_refused() {
    let folder = sound();
    fs::rename(
        folder.path().join(WHOLE),
        folder.path().join("pytorch_model.bin"),
    )
    .unwrap();
    let message = load(folder.path()).unwrap_err();
    assert!(
        message.contains("only pickled weights (`pytorch_model.bin`)"),
        "{message}"
    );
    fs::remove_file(folder.path().join("pytorch_model.bin")).unwrap();
    let message = load(folder.path()).unwrap_err();
    assert!(
        message.contains("no weights - expected model.safetensors"),
        "{message}"
    );
}

#[test]
fn shards_that_are_missing_or_mixed_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(crate::golden::folder("saved")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let open = || match Checkpoint::open(folder.path()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    assert_eq!(open(), "");
    let index = folder.path().join(INDEX);
    let text = fs::read_to_string(&index).unwrap();
    let second = "model-00002-of-00003.safetensors";
    let mixed = text.replace("model-00001-of-00003", "model-00002-of-00003");
    fs::write(&index, mixed).unwrap();
    assert!(open().contains("where the index says it is"), "{}", open());
    fs::write(&index, text.replace(second, "../../x.safetensors")).unwrap();
    assert!(open().contains("allowed: a file name"), "{}", open());
    fs::write(&index, "[]").unwrap();
    assert!(open().contains("not an index"), "{}", open());
    fs::write(&index, text).unwrap();
    fs::remove_file(folder.path().join(second)).unwrap();
    assert!(
        open().contains("shard `model-00002-of-00003.safetensors` is missing"),
        "{}",
        open()
    );
}
