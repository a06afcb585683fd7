//! Saved folders, read again; `xtask/parity/models.py` has `transformers` read what the binary saves.

use std::fs;

use crate::golden::{CASES, Expected, difference, model};
use lm::config::ModelConfig;
use lm::decoder::Decoder;
use lm::save::{SHARD_BYTES, SaveOptions, save};
use serde_json::Value;
use tch::{Device, Kind};

fn options(shard_bytes: usize) -> SaveOptions<'static> {
    SaveOptions {
        kind: Kind::Float,
        shard_bytes,
        carried_from: None,
    }
}

#[test]
fn a_saved_model_is_the_same_bits_in_one_file_and_in_shards() {
    // CONCORD_LM_SAVED names a folder that keeps the models, for the live check.
    let kept = std::env::var_os("CONCORD_LM_SAVED").map(std::path::PathBuf::from);
    for case in CASES {
        let decoder = model(case, Kind::Float, false);
        let folder = tempfile::tempdir().unwrap();
        let root = kept.as_deref().unwrap_or(folder.path());
        for (name, shard_bytes) in [("whole", SHARD_BYTES), ("shards", 60_000)] {
            let target = root.join(format!("{case}-{name}"));
            save(&decoder, &target, &options(shard_bytes)).unwrap();
            assert_eq!(target.join("model.safetensors").exists(), name == "whole");
            let again = Decoder::load(&target, None, Device::Cpu, false).unwrap();
            assert_eq!(again.weights().kind(), Kind::Float);
            let (ours, theirs) = (again.weights().flat(), decoder.weights().flat());
            assert_eq!(difference(ours, theirs), 0.0, "{case}, {name}");
            let ids = Expected::of(case).ids("ids");
            let logits = again.logits_of(&ids).unwrap();
            assert_eq!(
                difference(&logits, &decoder.logits_of(&ids).unwrap()),
                0.0,
                "{case}"
            );
            let mut config = ModelConfig::read(&target).unwrap();
            let mut before = decoder.config().clone();
            config.source.clear();
            before.source.clear();
            assert_eq!(config, before, "{case}");
        }
    }
}

#[test]
fn both_forms_are_written_and_unknown_keys_kept() {
    let decoder = model("llama_llama3", Kind::Float, false);
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("saved");
    let source = crate::golden::folder("saved");
    let options = SaveOptions {
        kind: Kind::BFloat16,
        shard_bytes: SHARD_BYTES,
        carried_from: Some(&source),
    };
    save(&decoder, &target, &options).unwrap();
    let config: Value =
        serde_json::from_str(&fs::read_to_string(target.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["dtype"], "bfloat16");
    assert_eq!(config["torch_dtype"], "bfloat16");
    assert_eq!(config["rope_theta"], 10_000.0);
    assert_eq!(config["rope_scaling"]["rope_type"], "llama3");
    assert_eq!(config["rope_parameters"]["factor"], 8.0);
    assert_eq!(config["initializer_range"], 0.02);
    assert!(target.join("generation_config.json").exists());
    let again = Decoder::load(&target, None, Device::Cpu, false).unwrap();
    assert_eq!(again.weights().kind(), Kind::BFloat16);
    // Nothing half-written is left, and nothing is written over.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let message = save(&decoder, &target, &options).unwrap_err().to_string();
    assert!(message.contains("is there already"), "{message}");
    let message = save(
        &decoder,
        &folder.path().join("saved/model.safetensors/x"),
        &options,
    );
    assert!(message.is_err());
}
