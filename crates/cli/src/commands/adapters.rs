//! `concord model merge`, and what a folder of an adapter tells.

use std::ffi::OsString;
use std::path::PathBuf;

use hub::AdapterFolder;
use serde_json::{Value, json};

use super::model::ask;
use super::model_files::folder_of;
use crate::arguments::{Adapter, Format, Global, Merge, ModelArgument};
use crate::failure::Failure;
use crate::output::{print, print_json};

fn folder(model: &str) -> Result<PathBuf, Failure> {
    folder_of(&ModelArgument {
        model: model.to_owned(),
        revision: hub::DEFAULT_REVISION.to_owned(),
    })
}

/// Puts an adapter into the weights of its model.
pub(super) fn merge(global: &Global, arguments: &Merge) -> Result<(), Failure> {
    let mut words: Vec<OsString> = vec!["save".into()];
    for (name, folder) in [
        ("--model", &folder(&arguments.model)?),
        ("--adapter", &arguments.adapter),
        ("--out", &arguments.out),
    ] {
        words.extend([name.into(), folder.clone().into_os_string()]);
    }
    let dtype = arguments.dtype.as_ref();
    words.extend(dtype.map(|dtype| format!("--dtype={dtype}").into()));
    let answer = ask(global, &words)?;
    match arguments.format.format {
        Format::Json => print_json(&answer),
        _ => print(&format!(
            "{} parameters as {} in {}\n",
            answer["parameters"],
            answer["dtype"].as_str().unwrap_or_default(),
            arguments.out.display()
        )),
    }
}

/// Writes an adapter's folder.
pub(super) fn adapter(global: &Global, arguments: &Adapter) -> Result<(), Failure> {
    let mut words: Vec<OsString> = vec!["adapter".into()];
    let model = folder(&arguments.model)?;
    let folders = [("--model", &model), ("--out", &arguments.out)];
    let from = arguments.from.iter().map(|from| ("--from", from));
    for (name, folder) in folders.into_iter().chain(from) {
        words.extend([name.into(), folder.clone().into_os_string()]);
    }
    let mut give = |name: &str, value: String| words.push(format!("--{name}={value}").into());
    if arguments.from.is_none() {
        give("form", arguments.form.clone());
        give("rank", arguments.rank.to_string());
        give("targets", arguments.targets.join(","));
        give("dropout", arguments.dropout.to_string());
        give("seed", arguments.seed.to_string());
        for layer in &arguments.excluded_layers {
            give("excluded-layers", layer.to_string());
        }
        if let Some(alpha) = arguments.alpha {
            give("alpha", alpha.to_string());
        }
        if let Some(mini) = arguments.mini {
            give("mini", mini.to_string());
        }
    }
    if let Some(base) = &arguments.base {
        give("base", base.clone());
    }
    let flags = [
        ("--rank-stabilised", arguments.rank_stabilised),
        ("--bone", arguments.bone),
    ];
    let flags = flags.iter().filter(|(_, on)| *on);
    words.extend(flags.map(|(flag, _)| OsString::from(flag)));
    let answer = ask(global, &words)?;
    match arguments.format.format {
        Format::Json => print_json(&answer),
        _ => print(&format!(
            "{} parameters on {} modules in {}\n",
            answer["parameters"],
            answer["modules"],
            arguments.out.display()
        )),
    }
}

/// What an adapter's folder says, for `concord model inspect`.
pub(super) fn facts(adapter: &AdapterFolder) -> Vec<(&'static str, Value)> {
    let alpha = adapter.field("lora_alpha");
    let init = adapter.field("init_weights");
    let mut facts = vec![
        ("folder", json!(adapter.path())),
        ("adapter", json!(adapter.kind())),
        ("base_model", json!(adapter.base())),
        ("rank", adapter.field("r").clone()),
        ("target_modules", adapter.field("target_modules").clone()),
        ("layers", adapter.field("layers_to_transform").clone()),
    ];
    if !alpha.is_null() {
        facts.push(("alpha", alpha.clone()));
        facts.push(("rank_stabilised", adapter.field("use_rslora").clone()));
    }
    if init.is_string() {
        facts.push(("variant", init.clone()));
    }
    if let Ok(weights) = adapter.weights() {
        let types: Vec<&String> = weights.numbers.keys().collect();
        facts.extend([
            ("parameters", json!(weights.parameters())),
            ("types", json!(types)),
            ("tensors", json!(weights.tensors())),
            ("weight_bytes", json!(weights.bytes())),
        ]);
    }
    facts
}
