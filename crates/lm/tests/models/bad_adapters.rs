//! Adapters that are refused, each with a sentence.

use std::fs;
use std::path::Path;

use crate::golden::{folder, model};
use lm::adapters::{Adapter, AdapterSettings, CONFIG, Form, Keep, WEIGHTS};
use lm::decoder::{Batch, Decoder};
use lm::scoring::{Activations, Gradient, ScoreSettings};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const CPU: Device = Device::Cpu;

fn refusal(folder: &Path, decoder: &Decoder) -> String {
    let read = Adapter::load(folder, decoder.config(), CPU, false);
    read.unwrap_err().to_string()
}

/// A copy of a case's folder.
fn copy(case: &str) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    for name in [CONFIG, WEIGHTS] {
        let from = folder("adapters").join(case).join(name);
        fs::copy(from, target.path().join(name)).unwrap();
    }
    target
}

/// Writes the tensors of a case anew, with what `change` makes of each; none leaves it out.
fn rewritten(
    case: &str,
    change: impl Fn(&str, Vec<f32>) -> Option<(String, Vec<f32>)>,
) -> tempfile::TempDir {
    let target = copy(case);
    let path = target.path().join(WEIGHTS);
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .iter()
        .filter_map(|(name, view)| {
            let (chunks, _) = view.data().as_chunks::<4>();
            let values = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk));
            let (name, values) = change(name, values.collect())?;
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            Some((name, view.shape().to_vec(), bytes.collect()))
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (name, view.unwrap())
    });
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    target
}

#[test]
fn options_that_do_not_run_here_are_refused_by_name() {
    let decoder = model("llama", Kind::Float, false);
    let cases = [
        (
            "peft_type",
            json!("VERA"),
            "`peft_type` \"VERA\" - allowed: LORA, MISS, BONE",
        ),
        ("peft_type", Value::Null, "`peft_type` null"),
        (
            "use_dora",
            json!(true),
            "`use_dora` true - allowed: leaving it out",
        ),
        (
            "modules_to_save",
            json!(["lm_head"]),
            "`modules_to_save` [\"lm_head\"]",
        ),
        ("rank_pattern", json!({"q_proj": 2}), "`rank_pattern`"),
        ("alpha_pattern", json!({"q_proj": 2}), "`alpha_pattern`"),
        (
            "trainable_token_indices",
            json!([1]),
            "`trainable_token_indices` [1]",
        ),
        (
            "something_new",
            json!(3),
            "`something_new` 3 - allowed: leaving it out",
        ),
        ("bias", json!("all"), "`bias` \"all\" - allowed: none"),
        (
            "init_lora_weights",
            json!("pissa"),
            "peft changes the weights of the base model",
        ),
        ("r", json!(0), "`r` 0 - allowed: at least 1"),
        ("r", json!("four"), "`r` \"four\" - allowed: a whole number"),
        (
            "lora_alpha",
            json!("x"),
            "`lora_alpha` \"x\" - allowed: a number",
        ),
        (
            "lora_dropout",
            json!(1.0),
            "dropout 1 - allowed: 0 to below 1",
        ),
        ("target_modules", json!([1]), "`target_modules` with 1"),
        (
            "exclude_modules",
            json!("lm_.*"),
            "with the pattern `lm_.*`",
        ),
        (
            "layers_to_transform",
            json!(["a"]),
            "`layers_to_transform` with \"a\"",
        ),
    ];
    for (key, value, wanted) in cases {
        let target = copy("lora");
        let path = target.path().join(CONFIG);
        let mut options: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        options[key] = value;
        fs::write(&path, options.to_string()).unwrap();
        let told = refusal(target.path(), &decoder);
        assert!(told.contains(wanted), "{key}: {told}");
    }
    let target = copy("miss");
    let path = target.path().join(CONFIG);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("\"init_weights\": true", "\"init_weights\": \"else\""),
    )
    .unwrap();
    let told = refusal(target.path(), &decoder);
    assert!(
        told.contains("`init_weights` \"else\" - allowed: true, false, mini, bat"),
        "{told}"
    );
}

#[test]
fn damaged_folders_are_refused() {
    let decoder = model("llama", Kind::Float, false);
    let told = |target: &tempfile::TempDir| refusal(target.path(), &decoder);
    let empty = tempfile::tempdir().unwrap();
    assert!(told(&empty).contains(CONFIG));
    fs::write(empty.path().join("config.json"), "{}").unwrap();
    assert!(told(&empty).contains("a model, not an adapter"));
    let target = copy("lora");
    fs::write(target.path().join(CONFIG), "{").unwrap();
    assert!(told(&target).contains("not JSON"));
    fs::write(target.path().join(CONFIG), "[]").unwrap();
    assert!(told(&target).contains("not an object"));
    let target = copy("lora");
    let path = target.path().join(WEIGHTS);
    let bytes = fs::read(&path).unwrap();
    for end in [0, 7, 100, bytes.len() - 1] {
        fs::write(&path, &bytes[..end]).unwrap();
        assert!(told(&target).contains("truncated"), "{end}");
    }
    fs::remove_file(&path).unwrap();
    assert!(told(&target).contains("fetch the adapter again"));
    fs::write(target.path().join("adapter_model.bin"), "").unwrap();
    assert!(told(&target).contains("only pickled weights"));
    let broken = rewritten("lora", |name, mut values| {
        if name.contains("layers.1.mlp.up_proj.lora_B") {
            values[5] = f32::NAN;
        }
        Some((name.to_owned(), values))
    });
    let told = told(&broken);
    assert!(
        told.contains("layers.1.mlp.up_proj.lora_B") && told.contains("not a finite number"),
        "{told}"
    );
}

#[test]
fn adapters_of_another_model_are_refused_with_what_does_not_fit() {
    let decoder = model("llama", Kind::Float, false);
    let told = |case: &str| refusal(&folder("adapters").join(case), &decoder);
    // Phi-3 has one matrix where Llama has three.
    let fused = told("lora_fused");
    assert!(
        fused.contains("the model has no `layers.0.mlp.gate_up_proj`"),
        "{fused}"
    );
    assert!(fused.contains("`phi3`"), "{fused}");
    // Same names, other heads.
    let other = model("qwen3", Kind::Float, false);
    let shape = refusal(&folder("adapters").join("lora"), &other);
    assert!(
        shape.contains("self_attn.") && shape.contains("allowed by"),
        "{shape}"
    );
    // More layers than the adapter has.
    let deeper = model("gemma3_full", Kind::Float, false);
    let lacking = refusal(&folder("adapters").join("miss"), &deeper);
    assert!(
        lacking.contains("no tensors for `model.layers."),
        "{lacking}"
    );
    // The other way round.
    let stray = rewritten("rslora", |name, values| {
        Some((name.replace("layers.2.", "layers.9."), values))
    });
    let stray = refusal(stray.path(), &model("qwen2", Kind::Float, false));
    assert!(stray.contains("the model has no `layers.9."), "{stray}");
    // Half of a module, a module that the config does not name, one of another kind.
    let half = rewritten("lora", |name, values| {
        (!name.contains("layers.1.self_attn.k_proj.lora_A")).then(|| (name.to_owned(), values))
    });
    let half = refusal(half.path(), &decoder);
    assert!(
        half.contains("layers.1.self_attn.k_proj.lora_A.weight` is missing"),
        "{half}"
    );
    let extra = rewritten("rslora", |name, values| {
        Some((name.replace("layers.2.", "layers.1."), values))
    });
    let extra = refusal(extra.path(), &model("qwen2", Kind::Float, false));
    assert!(
        extra.contains("no tensors for `model.layers.2.") || extra.contains("does not name"),
        "{extra}"
    );
    let embedding = rewritten("lora", |name, values| {
        Some((
            name.replace(
                "layers.0.mlp.up_proj.lora_A.weight",
                "embed_tokens.lora_embedding_A",
            ),
            values,
        ))
    });
    let embedding = refusal(embedding.path(), &decoder);
    assert!(
        embedding.contains("embed_tokens.lora_embedding_A` has no place here"),
        "{embedding}"
    );
    // Made for one model, attached to another.
    let settings = AdapterSettings::default();
    let adapter = Adapter::create(&settings, decoder.config(), CPU, 0).unwrap();
    let mut phi3 = model("phi3", Kind::Float, false);
    let refused = phi3.attach(adapter).unwrap_err().to_string();
    assert!(refused.contains("is not in this model"), "{refused}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let config = model("llama", Kind::Float, false).config().clone();
    let refuse = |settings: AdapterSettings, wanted: &str| {
        let told = Adapter::create(&settings, &config, CPU, 0)
            .unwrap_err()
            .to_string();
        assert!(told.contains(wanted), "{told}");
    };
    let plain = AdapterSettings::default;
    let form = |form| AdapterSettings { form, ..plain() };
    let lora = |rank, alpha| Form::Lora {
        rank,
        alpha,
        rank_stabilised: false,
    };
    let targets = vec!["qkv_proj".to_owned()];
    refuse(
        AdapterSettings { targets, ..plain() },
        "target module `qkv_proj` - allowed for this model: all-linear, down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj",
    );
    refuse(
        AdapterSettings {
            targets: Vec::new(),
            ..plain()
        },
        "no target module",
    );
    refuse(
        AdapterSettings {
            excluded_layers: vec![3],
            ..plain()
        },
        "excluded layer 3 - allowed: 0 to 2",
    );
    refuse(
        AdapterSettings {
            excluded_layers: vec![0, 1, 2],
            ..plain()
        },
        "no target module",
    );
    refuse(
        AdapterSettings {
            dropout: 1.0,
            ..plain()
        },
        "adapter dropout 1 - allowed: 0 to below 1",
    );
    refuse(
        AdapterSettings {
            dropout: 0.1,
            ..form(Form::Bat { rank: 16 })
        },
        "with BAT - allowed: 0",
    );
    refuse(form(lora(0, 1.0)), "adapter rank 0 - allowed: 1 to 64");
    refuse(form(lora(65, 1.0)), "adapter rank 65 - allowed: 1 to 64");
    refuse(form(lora(4, f64::NAN)), "adapter alpha NaN");
    refuse(form(lora(4, 0.0)), "adapter alpha 0");
    refuse(
        form(Form::Miss {
            rank: 8,
            mini: Some(7),
        }),
        "mini 7 - allowed: a divisor",
    );
    refuse(
        form(Form::Bat { rank: 10 }),
        "BAT of rank 10 - allowed: a divisor",
    );
}

#[test]
fn steps_out_of_order_are_refused() {
    let mut decoder = model("llama", Kind::Float, false);
    assert!(decoder.merge_adapter(Keep::Nothing).is_err());
    assert!(decoder.unmerge_adapter().is_err());
    let settings = AdapterSettings::default();
    let create = || Adapter::create(&settings, decoder.config(), CPU, 0).unwrap();
    let (first, second) = (create(), create());
    decoder.attach(first).unwrap();
    let told = decoder.attach(second).unwrap_err().to_string();
    assert!(told.contains("one at a time"), "{told}");
    decoder.merge_adapter(Keep::Nothing).unwrap();
    assert!(decoder.merge_adapter(Keep::Nothing).is_err());
    // No gradient of what is in the weights.
    let batch = Batch::padded(&[&[1, 2, 3]], CPU);
    let targets = Tensor::from_slice(&[2i64, 3, -1]).unsqueeze(0);
    let settings = ScoreSettings {
        activations: Activations::Kept,
        ..ScoreSettings::default()
    };
    let scored = decoder.score(&batch, &targets, settings).unwrap();
    let mut gradient = Gradient::zeros(&decoder).unwrap();
    let ones = scored.log_probabilities().ones_like();
    let told = decoder.accumulate(&batch, scored, &ones, &mut gradient);
    let told = told.unwrap_err().to_string();
    assert!(told.contains("merged into the weights"), "{told}");
}
