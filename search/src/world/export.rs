//! Files to make a searcher from: a model without weights, demonstrations to learn from, held-out prompts to measure by.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::names::Split;
use super::questions::{QuestionSettings, Questions};
use super::random::Draws;
use super::traces::{Row, TraceSettings, trace};
use super::vocabulary::{PAD, TEMPLATE, UNKNOWN_WORD, tokenizer, vocabulary};
use super::{World, WorldError, WorldSettings};
use crate::dialogue::compact::END;

/// What is exported.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportSettings {
    /// Demonstrations, of all lessons together.
    pub rows: usize,
    /// Prompts of the held-out world.
    pub held_out_rows: usize,
    /// Worlds that the demonstrations come from, as many rows of each.
    pub worlds: u64,
    /// Entities of each world.
    pub entities: usize,
    /// Of everything random: worlds have the seeds from 1,000 times this on.
    pub seed: u64,
    /// What goes wrong in the searches.
    pub traces: TraceSettings,
}

impl Default for ExportSettings {
    fn default() -> Self {
        Self {
            rows: 640_000,
            held_out_rows: 4_000,
            worlds: 12,
            entities: 1_500,
            seed: 1,
            traces: TraceSettings::default(),
        }
    }
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A world cannot be made.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A world has no question.
    #[error("a world of {entities} entities has no question - ask for more entities")]
    NoQuestion {
        /// Its entities.
        entities: usize,
    },
    /// A file cannot be written.
    #[error("cannot write the files: {0} - check the folder, its permissions and the disk")]
    Write(#[from] io::Error),
}

/// Writes `start/` (configuration, tokenizer and chat template), `train.jsonl` (messages) and `held-out.jsonl` (messages
/// with `answer`, perhaps `also`, and what they are about) into a folder. The same settings give the same files.
///
/// # Errors
/// [`ExportError`].
pub fn export(folder: &Path, settings: &ExportSettings) -> Result<(), ExportError> {
    fs::create_dir_all(folder)?;
    write_start(&folder.join("start"))?;
    let mut rows = Vec::with_capacity(settings.rows);
    for number in 0..settings.worlds {
        let upto = settings.rows * (number as usize + 1) / settings.worlds as usize;
        let seed = settings.seed * 1_000 + number;
        gather(Split::Train, seed, upto, settings, &mut rows)?;
    }
    Draws::new(settings.seed, "order").shuffle(&mut rows);
    write_rows(&folder.join("train.jsonl"), &rows, demonstration)?;
    rows.clear();
    gather(
        Split::HeldOut,
        settings.seed,
        settings.held_out_rows,
        settings,
        &mut rows,
    )?;
    write_rows(&folder.join("held-out.jsonl"), &rows, measured)
}

/// Rows from traces about one world until there are `upto`.
fn gather(
    split: Split,
    seed: u64,
    upto: usize,
    settings: &ExportSettings,
    rows: &mut Vec<Row>,
) -> Result<(), ExportError> {
    let entities = settings.entities;
    let world = World::new(WorldSettings {
        seed,
        split,
        entities,
    })?;
    let mut questions = Questions::new(&world, &QuestionSettings::default(), seed)?;
    let mut draws = Draws::new(seed, "traces");
    while rows.len() < upto {
        let question = questions
            .make()
            .ok_or(ExportError::NoQuestion { entities })?;
        rows.extend(trace(&world, &question, &settings.traces, &mut draws));
    }
    rows.truncate(upto);
    Ok(())
}

fn demonstration(row: &Row) -> Value {
    json!({"messages": [{"role": "user", "content": row.prompt}, {"role": "assistant", "content": row.reply}]})
}

fn measured(row: &Row) -> Value {
    json!({
        "messages": [{"role": "user", "content": row.prompt}], "answer": row.reply, "also": row.also,
        "lesson": row.lesson.name(), "question_id": row.question, "resolved": row.resolved, "hops": row.hops,
    })
}

fn write_rows(path: &Path, rows: &[Row], value: fn(&Row) -> Value) -> Result<(), ExportError> {
    let mut file = BufWriter::new(File::create(path)?);
    for row in rows {
        writeln!(file, "{}", value(row))?;
    }
    Ok(file.flush()?)
}

/// Configuration, tokenizer and chat template of a model without weights: Llama's form, 808,192 parameters.
fn write_start(folder: &Path) -> Result<(), ExportError> {
    fs::create_dir_all(folder)?;
    let words = vocabulary();
    let id = |token: &str| words.iter().position(|word| word == token);
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
        target["eos_token_id"] = json!(id(END));
        target["pad_token_id"] = json!(id(PAD));
    }
    let tokens = json!({
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": PAD, "unk_token": UNKNOWN_WORD,
        "model_max_length": 512, "clean_up_tokenization_spaces": false, "chat_template": TEMPLATE,
    });
    for (name, value) in [
        ("config.json", config),
        ("generation_config.json", generation),
        ("tokenizer.json", tokenizer()),
        ("tokenizer_config.json", tokens),
    ] {
        fs::write(folder.join(name), format!("{value:#}\n"))?;
    }
    Ok(fs::write(
        folder.join("chat_template.jinja"),
        format!("{TEMPLATE}\n"),
    )?)
}
