//! `concord-worker logits`.

use std::path::PathBuf;

use clap::Args;
use nn::arrays::{Array, Arrays};
use serde_json::json;

use super::{AdapterPlace, ModelArguments, wide};
use crate::exit::{DONE, Failure, answer};

/// Scores of every next token.
#[derive(Args)]
pub struct LogitsArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Token ids, separated by commas.
    #[arg(long, value_delimiter = ',', required_unless_present = "text")]
    ids: Vec<i64>,
    /// A text instead of ids, with the beginning of text that the tokenizer puts before it.
    #[arg(long, conflicts_with = "ids")]
    text: Option<String>,
    /// The safetensors file to write.
    #[arg(long)]
    out: PathBuf,
}

/// Writes `logits` `[len, vocab]` in f32 and `ids`, and answers with one JSON object.
pub fn logits(arguments: &LogitsArguments) -> Result<u8, Failure> {
    let (decoder, ids) = match &arguments.text {
        None => (
            arguments.model.load(AdapterPlace::Beside)?,
            arguments.ids.clone(),
        ),
        Some(text) => {
            let model = arguments.model.load_with_text(AdapterPlace::Beside)?;
            let ids = wide(&model.tokenizer.encode(text, true)?);
            (model.decoder, ids)
        }
    };
    let logits = decoder.logits_of(&ids)?;
    let shape: Vec<usize> = logits.size().iter().map(|size| *size as usize).collect();
    let values = nn::parameters::flat_values(&logits.reshape([-1]));
    let mut arrays = Arrays::new();
    arrays.insert("logits", Array::from_f32(shape.clone(), &values));
    arrays.insert("ids", Array::from_i64(vec![ids.len()], &ids));
    arrays.write(&arguments.out)?;
    answer(&json!({ "out": arguments.out, "shape": shape, "ids": ids }).to_string());
    Ok(DONE)
}
