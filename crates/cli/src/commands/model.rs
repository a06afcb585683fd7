//! `concord model`: language models as folders.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use super::eval::answer_of;
use super::model_files::folder_of;
use crate::arguments::{
    Choosing, CreateModel, Format, Global, Logits, Model, ModelArgument, ModelArguments,
    ModelChoice, Prompting, Save,
};
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::worker;

mod chat;
mod generate;
pub(super) mod process;
mod scoring;

/// Runs the command.
pub(crate) fn model(global: &Global, command: &Model) -> Result<(), Failure> {
    match command {
        Model::Files(command) => super::model_files::model_files(command),
        Model::Logits(arguments) => logits(global, arguments),
        Model::Generate(arguments) => generate::generate(global, arguments),
        Model::Chat(arguments) => chat::chat(global, arguments),
        Model::Save(arguments) => save(global, arguments),
        Model::Create(arguments) => create(global, arguments),
        Model::Merge(arguments) => super::adapters::merge(global, arguments),
        Model::Adapter(arguments) => super::adapters::adapter(global, arguments),
        Model::Score(arguments) => scoring::score(global, arguments),
    }
}

fn logits(global: &Global, arguments: &Logits) -> Result<(), Failure> {
    let (folder, rest) = chosen(&arguments.model.choice, &arguments.first, &None)?;
    refuse_more(rest.as_deref(), "logits", "--text TEXT or --ids IDS")?;
    let mut words = model_words("logits", folder, &arguments.model);
    match &arguments.text {
        Some(text) => words.push(format!("--text={text}").into()),
        None => {
            let ids: Vec<String> = arguments.ids.iter().map(i64::to_string).collect();
            words.push(format!("--ids={}", ids.join(",")).into());
        }
    }
    words.extend(["--out".into(), arguments.out.clone().into_os_string()]);
    let answer = ask(global, &words)?;
    match arguments.format.format {
        Format::Json => print_json(&answer),
        _ => print(&format!(
            "logits {} written to {}\n",
            answer["shape"],
            arguments.out.display()
        )),
    }
}

fn save(global: &Global, arguments: &Save) -> Result<(), Failure> {
    let (folder, rest) = chosen(&arguments.choice, &arguments.first, &arguments.second)?;
    let out = match (rest, &arguments.out) {
        (Some(out), None) => out,
        (None, Some(out)) => out.clone(),
        _ => {
            return Err(Failure::arguments(
                "one folder to write is wanted: concord model save NAME|DIR OUT",
            ));
        }
    };
    let bytes = bytes(&arguments.shard_size)?;
    let mut words: Vec<OsString> = vec!["save".into(), "--model".into(), folder.into()];
    words.extend(["--out".into(), (&out).into()]);
    words.push(format!("--shard-bytes={bytes}").into());
    let dtype = arguments.dtype.iter();
    words.extend(dtype.map(|dtype| format!("--dtype={dtype}").into()));
    let answer = ask(global, &words)?;
    match arguments.format.format {
        Format::Json => print_json(&answer),
        _ => print(&format!(
            "{} parameters in {} written to {out}\n",
            answer["parameters"],
            answer["dtype"].as_str().unwrap_or_default()
        )),
    }
}

fn create(global: &Global, arguments: &CreateModel) -> Result<(), Failure> {
    let mut words: Vec<OsString> = vec!["create".into()];
    words.push(format!("--config={}", arguments.config).into());
    words.extend(["--out".into(), arguments.out.clone().into_os_string()]);
    words.push(format!("--seed={}", arguments.seed).into());
    let dtype = arguments.dtype.iter();
    words.extend(dtype.map(|dtype| format!("--dtype={dtype}").into()));
    if let Some(folder) = &arguments.tokenizer {
        words.extend(["--tokenizer".into(), folder.clone().into_os_string()]);
    }
    let answer = ask(global, &words)?;
    match arguments.format.format {
        Format::Json => print_json(&answer),
        _ => print(&format!(
            "{} parameters of a {} model in {} written to {}\n",
            answer["parameters"],
            answer["family"].as_str().unwrap_or_default(),
            answer["dtype"].as_str().unwrap_or_default(),
            arguments.out.display()
        )),
    }
}

/// A size such as `500MB`; a unit is a thousand of the one before.
fn bytes(text: &str) -> Result<u64, Failure> {
    let at = text
        .find(|letter: char| letter.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => Some(1.0),
        "KB" => Some(1e3),
        "MB" => Some(1e6),
        "GB" => Some(1e9),
        _ => None,
    };
    let number = number.trim().parse::<f64>().ok();
    match (number, unit) {
        (Some(number), Some(unit)) if number * unit >= 1.0 && number.is_finite() => {
            Ok((number * unit) as u64)
        }
        _ => Err(Failure::arguments(format!(
            "--shard-size {text} - allowed: a number with B, KB, MB or GB such as 5GB"
        ))),
    }
}

/// The folder of the model that was named, and the argument behind its name.
fn chosen(
    choice: &ModelChoice,
    first: &Option<String>,
    second: &Option<String>,
) -> Result<(PathBuf, Option<String>), Failure> {
    let (model, rest) = match (&choice.model, first, second) {
        (Some(model), rest, None) => (model, rest),
        (None, Some(model), rest) => (model, rest),
        (Some(_), _, Some(extra)) => {
            return Err(Failure::arguments(format!(
                "one argument too many: `{extra}` - the model is named with --model already; put text of several words in quotes"
            )));
        }
        (None, None, _) => {
            return Err(Failure::arguments(
                "no model is named - allowed: OWNER/NAME of the cache (concord model list), or a folder in the form of transformers",
            ));
        }
    };
    let model = ModelArgument {
        model: model.clone(),
        revision: choice.revision.clone(),
    };
    Ok((folder_of(&model)?, rest.clone()))
}

fn refuse_more(extra: Option<&str>, command: &str, instead: &str) -> Result<(), Failure> {
    match extra {
        None => Ok(()),
        Some(extra) => Err(Failure::arguments(format!(
            "one argument too many for {command}: `{extra}` - give {instead}"
        ))),
    }
}

fn model_words(command: &str, folder: PathBuf, model: &ModelArguments) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![command.into(), "--model".into(), folder.into()];
    words.push(format!("--device={}", model.device).into());
    let adapter = model.adapter.iter();
    words.extend(adapter.flat_map(|folder| ["--adapter".into(), folder.clone().into()]));
    let dtype = model.dtype.iter();
    words.extend(dtype.map(|dtype| format!("--dtype={dtype}").into()));
    let threads = model.threads.iter();
    words.extend(threads.map(|threads| format!("--threads={threads}").into()));
    words
}

/// Flags that the worker knows under the same names.
fn choosing_words(choosing: &Choosing) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut say = |name: &str, value: Option<String>| {
        words.extend(value.map(|value| OsString::from(format!("--{name}={value}"))));
    };
    say("temperature", choosing.temperature.map(|v| v.to_string()));
    say("top-k", choosing.top_k.map(|v| v.to_string()));
    say("top-p", choosing.top_p.map(|v| v.to_string()));
    say("min-p", choosing.min_p.map(|v| v.to_string()));
    let penalty = choosing.repetition_penalty;
    say("repetition-penalty", penalty.map(|v| v.to_string()));
    say("seed", Some(choosing.seed.to_string()));
    for stop in &choosing.stops {
        say("stop", Some(stop.clone()));
    }
    for (flag, on) in [
        ("--greedy", choosing.greedy),
        ("--show-special", choosing.show_special),
    ] {
        words.extend(on.then(|| flag.into()));
    }
    words
}

fn prompting_words(prompting: &Prompting) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    words.extend(prompting.raw.then(|| "--raw".into()));
    let system = prompting.system.iter();
    words.extend(system.map(|text| format!("--system={text}").into()));
    let template = prompting.template.iter();
    words.extend(template.map(|pair| format!("--template={pair}").into()));
    words
}

pub(super) fn ask(global: &Global, words: &[OsString]) -> Result<Value, Failure> {
    let worker = worker::locate(global)?;
    let mut command = worker::command(&worker);
    command
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    answer_of(&mut command, &worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("5GB").ok(), Some(5_000_000_000));
        assert_eq!(bytes("1.5 mb").ok(), Some(1_500_000));
        assert_eq!(bytes("20").ok(), Some(20));
        for wrong in ["", "GB", "0GB", "-1MB", "5 parsecs", "infGB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
