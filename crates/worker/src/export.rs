//! `concord-worker export`: writes a policy for other programs.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::exit::{DONE, Failure, answer};
use crate::score::checkpoint_folder;

/// Which policy, and where to.
#[derive(Args)]
pub struct ExportArguments {
    /// A run folder.
    #[arg(long)]
    run_dir: PathBuf,
    /// `best`, `last`, `step-N`, or the folder of a policy.
    #[arg(long, default_value = "best")]
    checkpoint: String,
    /// The folder to write into.
    #[arg(long)]
    out: PathBuf,
    /// Only `json`.
    #[arg(long, default_value = "json")]
    format: String,
}

/// Writes the files and answers with one JSON object on stdout.
pub fn export(arguments: &ExportArguments) -> Result<u8, Failure> {
    let source = checkpoint_folder(&arguments.run_dir, &arguments.checkpoint)?;
    nn::runtime::prepare(1);
    let files = agents::export::export(&source, &arguments.out)?;
    answer(&json!({ "checkpoint": source, "files": files }).to_string());
    Ok(DONE)
}
