//! Makes what the small searcher in `assets/searcher` is trained from:
//!
//! ```text
//! cargo run -p search --example world_traces -- FOLDER [ROWS [SEED [MISTAKES]]]
//! ```
//!
//! `FOLDER/start` has configuration, tokenizer and chat template; `FOLDER/train.jsonl` has demonstrations from twelve
//! worlds of the training side; `FOLDER/held-out.jsonl` has prompts of a held-out world with the right replies.

use std::error::Error;
use std::path::Path;

use search::world::export::{ExportSettings, export};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments
        .next()
        .ok_or("give a folder, and perhaps rows, a seed and the share of mistakes")?;
    let mut settings = ExportSettings::default();
    if let Some(rows) = arguments.next() {
        settings.rows = rows.parse()?;
    }
    if let Some(seed) = arguments.next() {
        settings.seed = seed.parse()?;
    }
    if let Some(mistakes) = arguments.next() {
        settings.traces.mistakes = mistakes.parse()?;
    }
    Ok(export(Path::new(&folder), &settings)?)
}
