//! Makes all that the small searcher in `assets/searcher` is trained from:
//!
//! ```text
//! cargo run -p search --example world_traces -- FOLDER [ROWS] [SEED]
//! ```
//!
//! `FOLDER/start` has configuration, tokenizer and chat template; `FOLDER/train.jsonl` has demonstrations from twelve
//! worlds of the training side; `FOLDER/held-out.jsonl` has prompts of a held-out world with the right replies.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use search::dialogue::compact::END;
use search::world::names::Split;
use search::world::questions::{QuestionSettings, Questions};
use search::world::random::Draws;
use search::world::traces::{Row, TraceSettings, trace};
use search::world::vocabulary::{PAD, TEMPLATE, tokenizer, vocabulary};
use search::world::{World, WorldSettings};
use serde_json::{Value, json};

const WORLDS: u64 = 12;
const HELD_OUT_ROWS: usize = 4_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments
        .next()
        .ok_or("give a folder, and perhaps rows and a seed")?;
    let rows = arguments.next().map_or(Ok(400_000), |rows| rows.parse())?;
    let seed: u64 = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    let folder = Path::new(&folder);
    write_start(&folder.join("start"))?;
    let mut training = Vec::with_capacity(rows);
    for number in 0..WORLDS {
        let upto = rows * (number as usize + 1) / WORLDS as usize;
        gather(Split::Train, seed * 1_000 + number, upto, &mut training)?;
    }
    Draws::new(seed, "order").shuffle(&mut training);
    write_rows(&folder.join("train.jsonl"), &training, true)?;
    let mut held_out = Vec::new();
    gather(Split::HeldOut, seed, HELD_OUT_ROWS, &mut held_out)?;
    write_rows(&folder.join("held-out.jsonl"), &held_out, false)
}

/// Rows from traces about one world until there are `upto`.
fn gather(split: Split, seed: u64, upto: usize, rows: &mut Vec<Row>) -> Result<(), Box<dyn Error>> {
    let settings = WorldSettings {
        seed,
        split,
        entities: 1_500,
    };
    let world = World::new(settings)?;
    let mut questions = Questions::new(&world, &QuestionSettings::default(), seed)?;
    let mut draws = Draws::new(seed, "traces");
    while rows.len() < upto {
        let question = questions.make().ok_or("the world is too small")?;
        rows.extend(trace(
            &world,
            &question,
            &TraceSettings::default(),
            &mut draws,
        ));
    }
    rows.truncate(upto);
    Ok(())
}

fn write_rows(path: &Path, rows: &[Row], learnt: bool) -> Result<(), Box<dyn Error>> {
    let mut file = BufWriter::new(File::create(path)?);
    for row in rows {
        let user = json!({"role": "user", "content": row.prompt});
        let value = if learnt {
            json!({"messages": [user, {"role": "assistant", "content": row.reply}]})
        } else {
            json!({
                "messages": [user], "answer": row.reply, "lesson": row.lesson.name(), "question_id": row.question,
                "resolved": row.resolved, "hops": row.hops,
            })
        };
        writeln!(file, "{value}")?;
    }
    Ok(file.flush()?)
}

/// Configuration, tokenizer and chat template of a model without weights.
fn write_start(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let words = vocabulary();
    let id = |token: &str| words.iter().position(|word| word == token);
    let ids = json!({"eos_token_id": id(END), "pad_token_id": id(PAD)});
    let mut config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": words.len(),
        "hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 32, "hidden_act": "silu", "max_position_embeddings": 512,
        "initializer_range": 0.02, "rms_norm_eps": 1e-6, "attention_bias": false, "mlp_bias": false,
        "tie_word_embeddings": true, "rope_theta": 10000.0, "rope_scaling": null,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "bos_token_id": null,
        "dtype": "float32", "torch_dtype": "float32",
    });
    let mut generation = json!({"max_new_tokens": 48});
    for target in [&mut config, &mut generation] {
        target["eos_token_id"] = ids["eos_token_id"].clone();
        target["pad_token_id"] = ids["pad_token_id"].clone();
    }
    let tokens = json!({
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": PAD, "unk_token": "<unk>",
        "model_max_length": 512, "clean_up_tokenization_spaces": false, "chat_template": TEMPLATE,
    });
    let write = |name: &str, value: &Value| -> Result<(), Box<dyn Error>> {
        Ok(fs::write(
            folder.join(name),
            format!("{}\n", serde_json::to_string_pretty(value)?),
        )?)
    };
    write("config.json", &config)?;
    write("generation_config.json", &generation)?;
    write("tokenizer.json", &tokenizer())?;
    write("tokenizer_config.json", &tokens)?;
    fs::write(folder.join("chat_template.jinja"), format!("{TEMPLATE}\n"))?;
    Ok(())
}
