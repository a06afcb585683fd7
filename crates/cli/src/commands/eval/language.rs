//! Language models: accuracy, win rates, answer files for other tools.

mod answering;
mod progress;
mod report;
mod targets;

use std::ffi::OsString;
use std::process::Stdio;

use configs::finetune::{ARITHMETIC, FinetuneConfig};
use configs::{Job, LoadRequest, RunConfig, load};
use serde_json::{Value, json};

use crate::arguments::{Eval, Global, LanguageEvaluation};
use crate::commands::model::process::{Events, Interruption, Working};
use crate::failure::Failure;
use crate::output::tell;
use crate::settings::variables;
use crate::surroundings::runs_root;
use answering::Answering;
use progress::Progress;
use targets::Target;

/// What of a fine-tuning's settings an evaluation has.
const SECTIONS: [&str; 3] = ["data.", "generation.", "oracle."];

/// Runs the command, when it is about a language model; false when it is about policies.
pub(super) fn eval(global: &Global, arguments: &Eval) -> Result<bool, Failure> {
    let wanted = &arguments.language;
    let root = runs_root(global);
    if !wanted.is_asked_for() {
        return match arguments
            .targets
            .iter()
            .find_map(|name| targets::is_language(&root, name))
        {
            None => Ok(false),
            Some(what) => Err(Failure::arguments(format!(
                "{what} - say what is evaluated: --problems FILE|arithmetic, --against MODEL --prompts FILE, or --export TOOL --questions FILE --output FILE"
            ))),
        };
    }
    let name = one_target(arguments)?;
    let target = Target::find(&root, name, wanted)?;
    tell(&format!("evaluating {}", target.described()));
    let mut words: Vec<OsString> = vec!["assess".into()];
    words.extend(target.words("model", "adapter"));
    if let Some(other) = &wanted.against {
        let other = Target::find(
            &root,
            other,
            &LanguageEvaluation {
                adapter: None,
                ..wanted.clone()
            },
        )?;
        tell(&format!("against {}", other.described()));
        words.extend(other.words("against", "against-adapter"));
    }
    let config = settings(wanted, &target)?;
    let way = Answering::new(wanted, &config, target.own_settings().as_ref());
    if let Some(told) = way.told() {
        tell(&told);
    }
    let sections = json!({
        "data": config.data,
        "generation": config.generation,
        "oracle": config.oracle,
    });
    words.push(format!("--settings={sections}").into());
    words.extend(way.words().into_iter().map(OsString::from));
    words.extend(flags(arguments));

    let mut worker = Working::start(global, &words, Stdio::null())?;
    let interruption = Interruption::pass_on(&worker)?;
    let mut progress = Progress::default();
    let mut found = Value::Null;
    for event in worker.stdout().into_iter().flat_map(Events::of) {
        let event = event?;
        match event["event"].as_str() {
            Some("progress") => progress.show(&event),
            Some("done") => found = event,
            _ => {}
        }
    }
    progress.clear();
    let end = interruption.judge(worker.end());
    if !found.is_null() {
        if found["interrupted"] == json!(true) {
            tell(&format!(
                "interrupted: {} of {} are finished, and the figures are theirs",
                found["finished"], found["of"]
            ));
        }
        report::report(&found, arguments.format.format)?;
    }
    end.map(|()| true)
}

/// The one model, and nothing that only policies have.
fn one_target(arguments: &Eval) -> Result<&str, Failure> {
    let playing = &arguments.playing;
    let others = [
        ("--checkpoint", arguments.checkpoint.is_some()),
        ("--sweep", arguments.sweep.is_some()),
        ("--with", !arguments.with.is_empty()),
        ("--env", playing.env.is_some()),
        ("--time-limit", playing.time_limit.is_some()),
        ("--execution", playing.execution.is_some()),
        ("--keep", arguments.keep),
        ("--out", arguments.kept.out.is_some()),
        ("--gif", arguments.gif.is_some()),
        ("--record", arguments.record.is_some()),
    ];
    if let Some((name, _)) = others.into_iter().find(|(_, given)| *given) {
        return Err(Failure::arguments(format!(
            "{name}: belongs to policies, not to language models - leave it out{}",
            if name == "--out" {
                "; answers are kept with --output FILE"
            } else {
                ""
            }
        )));
    }
    match arguments.targets.as_slice() {
        [one] => Ok(one),
        several => Err(Failure::arguments(format!(
            "{} models - allowed: one at a time; two are compared with --against",
            several.len()
        ))),
    }
}

/// The sections of settings, checked as those of a fine-tuning are.
fn settings(wanted: &LanguageEvaluation, target: &Target) -> Result<FinetuneConfig, Failure> {
    let strange = wanted
        .sets
        .iter()
        .find(|set| !SECTIONS.iter().any(|section| set.starts_with(section)));
    if let Some(strange) = strange {
        return Err(Failure::arguments(format!(
            "--set {strange}: an evaluation does not have this - allowed: data.*, generation.* and oracle.*, as in a fine-tuning"
        )));
    }
    answering::check(&wanted.sets)?;
    let data = wanted.problems.as_deref().or(wanted.prompts.as_deref());
    // What an evaluation does not have, so that it is not missed; and what a comparison of
    // two models has, so that its oracle is checked.
    let mut sets = vec![
        format!("model.name={}", quoted("evaluated")),
        "model.create=none".to_owned(),
        format!("data.path={}", quoted(data.unwrap_or(ARITHMETIC))),
        "data.rows=1".to_owned(),
        "algorithm.kind=sppo".to_owned(),
        "generation.kind=policy".to_owned(),
        "generation.responses=2".to_owned(),
        "iterations.count=1".to_owned(),
        "iterations.win_rate_responses=none".to_owned(),
    ];
    if wanted.against.is_none() {
        sets.push("oracle.kind=verifier".to_owned());
    }
    let oracle = wanted.oracle.as_deref();
    let oracle_model = wanted.oracle_model.as_deref().map(quoted);
    let model_key = if oracle == Some("judge") {
        "oracle.server.model"
    } else {
        "oracle.model"
    };
    let flags = [
        ("oracle.kind", oracle.map(str::to_owned)),
        (model_key, oracle_model),
        ("oracle.verifier", wanted.verifier.clone()),
    ];
    sets.extend(
        flags
            .into_iter()
            .filter_map(|(path, value)| Some(format!("{path}={}", value?))),
    );
    sets.extend(wanted.sets.iter().cloned());
    let request = LoadRequest {
        job: Some(Job::Finetune),
        file: target.config(),
        environment: variables(),
        sets,
        ..LoadRequest::default()
    };
    let loaded = load(&request).map_err(|problems| {
        let errors: Vec<_> = problems
            .into_iter()
            .filter(configs::Problem::is_error)
            .collect();
        Failure::problems("this evaluation", &errors)
    })?;
    let RunConfig::Finetune(config) = loaded.config else {
        return Err(Failure::arguments(format!(
            "{}: no fine-tuning - allowed: a model, or a run of `concord finetune`",
            target.described()
        )));
    };
    Ok(config)
}

/// A text as a setting's value, whatever is in it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Flags that the worker knows under the same names.
fn flags(arguments: &Eval) -> Vec<OsString> {
    let wanted = &arguments.language;
    let mut words: Vec<OsString> = Vec::new();
    let paths = [("questions", &wanted.questions), ("output", &wanted.output)];
    for (name, path) in paths {
        words.extend(
            path.iter()
                .flat_map(|path| [format!("--{name}").into(), path.into()]),
        );
    }
    let values = [
        ("problems", wanted.problems.clone()),
        ("prompts", wanted.prompts.clone()),
        ("export", wanted.export.clone()),
        ("name", wanted.name.clone()),
        ("limit", wanted.limit.map(|limit| limit.to_string())),
        ("seed", Some(arguments.playing.seed.to_string())),
        ("dtype", wanted.dtype.clone()),
        ("device", Some(wanted.device.clone())),
        ("threads", wanted.threads.map(|threads| threads.to_string())),
    ];
    let values = values
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    words.extend(values.map(|(name, value)| OsString::from(format!("--{name}={value}"))));
    words
}
