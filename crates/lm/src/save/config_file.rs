//! The `config.json` of a saved model: what was read, with both forms of what changed its
//! form between `transformers` 4 and 5.

use serde_json::{Map, Value, json};

use crate::config::{Family, ModelConfig};
use crate::rope::{Rope, Scaling};

/// The text of a `config.json` for weights of type `dtype`, such as `bfloat16`; keys we do
/// not know are kept.
pub fn config_text(config: &ModelConfig, dtype: &str) -> String {
    let mut map = config.source.clone();
    map.insert("dtype".to_owned(), json!(dtype));
    map.insert("torch_dtype".to_owned(), json!(dtype));
    map.insert("tie_word_embeddings".to_owned(), json!(config.tied));
    map.insert("head_dim".to_owned(), json!(config.head_dim));
    if let Some(labels) = config.labels
        && !map.contains_key("id2label")
    {
        let names = (0..labels).map(|label| (label.to_string(), json!(format!("LABEL_{label}"))));
        map.insert("id2label".to_owned(), Value::Object(names.collect()));
    }
    if config.family == Family::Gemma3 {
        map.insert("model_type".to_owned(), json!("gemma3_text"));
        let class = match config.labels {
            Some(_) => "Gemma3TextForSequenceClassification",
            None => "Gemma3ForCausalLM",
        };
        map.insert("architectures".to_owned(), json!([class]));
    }
    write_ropes(config, &mut map);
    let mut text = format!("{:#}", Value::Object(map));
    text.push('\n');
    text
}

fn write_ropes(config: &ModelConfig, map: &mut Map<String, Value>) {
    let Some(full) = config.ropes.first() else {
        return;
    };
    map.insert("rope_theta".to_owned(), json!(full.theta));
    map.insert("rope_scaling".to_owned(), older_scaling(config, full));
    let partial = full.width as f64 / config.head_dim as f64;
    if full.width != config.head_dim {
        map.insert("partial_rotary_factor".to_owned(), json!(partial));
    }
    if let Some(original) = full.switch_length() {
        map.insert(
            "original_max_position_embeddings".to_owned(),
            json!(original),
        );
    }
    let parameters = match config.ropes.get(1) {
        None => parameters(full, partial),
        Some(sliding) => {
            map.insert("rope_local_base_freq".to_owned(), json!(sliding.theta));
            json!({
                "full_attention": parameters(full, partial),
                "sliding_attention": parameters(sliding, partial),
            })
        }
    };
    map.insert("rope_parameters".to_owned(), parameters);
}

/// `rope_parameters` of version 5.
fn parameters(rope: &Rope, partial: f64) -> Value {
    let mut map = scaling(rope);
    map.insert("rope_theta".to_owned(), json!(rope.theta));
    if partial != 1.0 {
        map.insert("partial_rotary_factor".to_owned(), json!(partial));
    }
    Value::Object(map)
}

/// `rope_scaling` of version 4.
fn older_scaling(config: &ModelConfig, rope: &Rope) -> Value {
    match &rope.scaling {
        Scaling::Plain => Value::Null,
        // Phi-3 allows these three keys and no other.
        Scaling::LongRope { short, long, .. } if config.family == Family::Phi3 => {
            json!({ "type": "longrope", "short_factor": short, "long_factor": long })
        }
        _ => Value::Object(scaling(rope)),
    }
}

fn scaling(rope: &Rope) -> Map<String, Value> {
    let value = match &rope.scaling {
        Scaling::Plain => json!({ "rope_type": "default" }),
        Scaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
        Scaling::Llama3 {
            factor,
            low,
            high,
            original,
        } => json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low,
            "high_freq_factor": high,
            "original_max_position_embeddings": original,
        }),
        Scaling::Yarn {
            factor,
            original,
            attention,
            beta_fast,
            beta_slow,
            truncate,
        } => json!({
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": original,
            "attention_factor": attention,
            "beta_fast": beta_fast,
            "beta_slow": beta_slow,
            "truncate": truncate,
        }),
        Scaling::LongRope {
            short,
            long,
            original,
            attention,
        } => json!({
            "rope_type": "longrope",
            "short_factor": short,
            "long_factor": long,
            "original_max_position_embeddings": original,
            "attention_factor": attention,
        }),
    };
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
