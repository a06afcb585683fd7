//! `concord model`: language models as folders.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::eval::answer_of;
use crate::arguments::{Format, Generate, Global, Logits, Model, ModelArguments};
use crate::failure::Failure;
use crate::output::{Table, print, print_json};
use crate::worker;

/// Runs the command.
pub(crate) fn model(global: &Global, command: &Model) -> Result<(), Failure> {
    match command {
        Model::Files(command) => super::model_files::model_files(command),
        Model::Logits(arguments) => logits(global, arguments),
        Model::Generate(arguments) => generate(global, arguments),
    }
}

fn logits(global: &Global, arguments: &Logits) -> Result<(), Failure> {
    let ids: Vec<String> = arguments.ids.iter().map(i64::to_string).collect();
    let mut words = model_words("logits", &arguments.model);
    words.push(format!("--ids={}", ids.join(",")).into());
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

fn generate(global: &Global, arguments: &Generate) -> Result<(), Failure> {
    let mut words = model_words("generate", &arguments.model);
    let flags = [
        ("--greedy", arguments.greedy),
        ("--ignore-eos", arguments.ignore_eos),
        ("--log-probabilities", arguments.log_probabilities),
    ];
    words.extend(
        flags
            .iter()
            .filter(|(_, on)| *on)
            .map(|(flag, _)| flag.into()),
    );
    let prompts = arguments.prompts.iter();
    words.extend(prompts.map(|prompt| format!("--prompt-ids={prompt}").into()));
    for (name, value) in [
        ("max-new", arguments.max_new.to_string()),
        ("samples", arguments.samples.to_string()),
        ("temperature", arguments.temperature.to_string()),
        ("top-k", arguments.top_k.to_string()),
        ("top-p", arguments.top_p.to_string()),
        ("min-p", arguments.min_p.to_string()),
        (
            "repetition-penalty",
            arguments.repetition_penalty.to_string(),
        ),
        ("seed", arguments.seed.to_string()),
    ] {
        words.push(format!("--{name}={value}").into());
    }
    let answer = ask(global, &words)?;
    match arguments.format.format {
        Format::Json => print_json(&answer),
        Format::Csv => print(&table(&answer).to_csv()),
        Format::Table => print(&table(&answer).to_text()),
    }
}

fn table(answer: &Value) -> Table {
    let mut table = Table::new(&["prompt", "sample", "finish", "ids"]);
    for one in answer["continuations"].as_array().into_iter().flatten() {
        let ids = one["ids"].as_array().into_iter().flatten();
        let ids: Vec<String> = ids.map(Value::to_string).collect();
        table.row(vec![
            one["prompt"].clone(),
            one["sample"].clone(),
            one["finish"].clone(),
            json!(ids.join(",")),
        ]);
    }
    table
}

fn model_words(command: &str, model: &ModelArguments) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![command.into(), "--model".into()];
    words.push(model.model.clone().into_os_string());
    words.push(format!("--device={}", model.device).into());
    words.extend(
        model
            .dtype
            .as_ref()
            .map(|dtype| format!("--dtype={dtype}").into()),
    );
    words.extend(
        model
            .threads
            .map(|threads| format!("--threads={threads}").into()),
    );
    words
}

fn ask(global: &Global, words: &[OsString]) -> Result<Value, Failure> {
    let worker = worker::locate(global)?;
    let mut command = Command::new(&worker);
    command
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    answer_of(&mut command, &worker)
}
