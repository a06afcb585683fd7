//! `concord-worker adapter`: an adapter's folder, new or from another one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lm::adapters::{Adapter, AdapterSettings, Dialect, Form, describe};
use lm::config::ModelConfig;
use serde_json::json;
use tch::Device;

use crate::exit::{BAD_CONFIG, DONE, Failure, answer};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormName {
    Lora,
    Miss,
    Bat,
}

/// A new folder of an adapter.
#[derive(Args)]
pub struct AdapterArguments {
    /// The folder of the model it is for; only its config.json is read.
    #[arg(long)]
    model: PathBuf,
    /// The folder to write; it must not be there.
    #[arg(long)]
    out: PathBuf,
    /// An adapter to write anew, in place of a fresh one.
    #[arg(long, conflicts_with_all = ["form", "rank", "alpha", "rank_stabilised", "mini", "targets", "excluded_layers", "dropout", "seed"])]
    from: Option<PathBuf>,
    /// What it does to a weight.
    #[arg(long, value_enum, default_value_t = FormName::Lora)]
    form: FormName,
    /// The rank.
    #[arg(long, default_value_t = 16)]
    rank: usize,
    /// Of LoRA; twice the rank when left out.
    #[arg(long)]
    alpha: Option<f64>,
    /// Of LoRA: alpha over the square root of the rank.
    #[arg(long)]
    rank_stabilised: bool,
    /// Of MiSS: columns of its matrix, repeated along the outputs.
    #[arg(long)]
    mini: Option<usize>,
    /// Modules as files name them, or all-linear.
    #[arg(long, value_delimiter = ',', default_value = lm::adapters::ALL_LINEAR)]
    targets: Vec<String>,
    /// Layers that stay as they are.
    #[arg(long, value_delimiter = ',')]
    excluded_layers: Vec<usize>,
    /// Probability with which an input is dropped in training.
    #[arg(long, default_value_t = 0.0)]
    dropout: f64,
    /// Of the numbers that are drawn.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The model's name in the file; by default that of `--from`, or the model's folder.
    #[arg(long)]
    base: Option<String>,
    /// MiSS as the BONE of peft up to 0.18.
    #[arg(long)]
    bone: bool,
}

/// Writes the folder and answers with one JSON object.
pub fn adapter(arguments: &AdapterArguments) -> Result<u8, Failure> {
    nn::runtime::prepare(1);
    let config = ModelConfig::read(&arguments.model)?;
    let mut base = arguments.base.clone();
    let mut adapter = match &arguments.from {
        Some(folder) => {
            base = base.or(describe(folder)?.base);
            Adapter::load(folder, &config, Device::Cpu, false)?
        }
        None => {
            let settings = settings(arguments)?;
            Adapter::create(&settings, &config, Device::Cpu, arguments.seed)?
        }
    };
    adapter.set_dialect(if arguments.bone {
        Dialect::Bone
    } else {
        Dialect::Miss
    });
    let base = base.unwrap_or_else(|| arguments.model.display().to_string());
    adapter.save(&arguments.out, &base)?;
    answer(
        &json!({
            "out": arguments.out,
            "base_model": base,
            "parameters": adapter.parameters(),
            "modules": adapter.layout().modules().count(),
        })
        .to_string(),
    );
    Ok(DONE)
}

fn settings(arguments: &AdapterArguments) -> Result<AdapterSettings, Failure> {
    let foreign = [
        ("--alpha", arguments.alpha.is_some(), FormName::Lora),
        (
            "--rank-stabilised",
            arguments.rank_stabilised,
            FormName::Lora,
        ),
        ("--mini", arguments.mini.is_some(), FormName::Miss),
    ];
    let foreign = foreign
        .iter()
        .find(|(_, given, form)| *given && *form != arguments.form);
    if let Some((option, _, form)) = foreign {
        let form = format!("{form:?}").to_lowercase();
        return Err(Failure::new(
            BAD_CONFIG,
            format!("{option} - allowed: with --form {form} alone"),
        ));
    }
    let rank = arguments.rank;
    let form = match arguments.form {
        FormName::Lora => Form::Lora {
            rank,
            alpha: arguments.alpha.unwrap_or(2.0 * rank as f64),
            rank_stabilised: arguments.rank_stabilised,
        },
        FormName::Miss => Form::Miss {
            rank,
            mini: arguments.mini,
        },
        FormName::Bat => Form::Bat { rank },
    };
    Ok(AdapterSettings {
        form,
        targets: arguments.targets.clone(),
        excluded_layers: arguments.excluded_layers.clone(),
        dropout: arguments.dropout,
    })
}
