//! What no single range can tell: settings of a fine-tuning that contradict each other, or
//! that are needed and missing.

use super::{AdapterKind, Algorithm, FinetuneConfig, OracleKind, ServerConfig, Source, Thinking};
use crate::problem::Problem;

/// All contradictions, errors and warnings. Ranges are checked elsewhere, from the field table.
pub(crate) fn contradictions(config: &FinetuneConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    starting_point(config, &mut problems);
    lengths(config, &mut problems);
    batches(config, &mut problems);
    if config.iterates() {
        comparisons(config, &mut problems);
        oracle(config, &mut problems);
        source(config, &mut problems);
    }
    traces(config, &mut problems);
    problems
}

fn starting_point(config: &FinetuneConfig, problems: &mut Vec<Problem>) {
    if config.model.name.is_none() && config.model.create.is_none() {
        problems.push(
            Problem::error("model.name", "no model named")
                .allowed("OWNER/NAME of the hub, or a folder")
                .hint("set model.name, such as model.name=assets/arithmetic-chat"),
        );
    }
    if config.model.create.is_some() {
        if config.model.tokenizer.is_none() {
            problems.push(
                Problem::error("model.tokenizer", "a new model has no tokenizer of its own")
                    .hint("name a folder with tokenizer.json in model.tokenizer")
                    .related("model.create"),
            );
        }
        if config.model.name.is_some() {
            problems.push(
                Problem::error("model.create", "a checkpoint and a new model at once")
                    .hint("clear model.create or model.name")
                    .related("model.name"),
            );
        }
        if config.adapter.kind != AdapterKind::None {
            problems.push(
                Problem::error(
                    "adapter.kind",
                    "an adapter on weights that know nothing yet",
                )
                .value("adapter")
                .allowed("none, with model.create")
                .hint("set adapter.kind = none")
                .related("model.create"),
            );
        }
    }
    if config.data.path.is_none() {
        problems.push(
            Problem::error("data.path", "no data named")
                .allowed("a file of prompts, preferences or conversations, or arithmetic")
                .hint("set data.path, such as data.path=prompts.jsonl"),
        );
    }
}

fn lengths(config: &FinetuneConfig, problems: &mut Vec<Problem>) {
    let (prompt, whole) = (config.data.max_prompt_tokens, config.data.max_tokens);
    if prompt >= whole {
        problems.push(
            Problem::error("data.max_prompt_tokens", "no room for a response")
                .value(prompt)
                .allowed(format!("less than data.max_tokens = {whole}"))
                .hint("lower it or raise data.max_tokens")
                .related("data.max_tokens"),
        );
    }
}

fn batches(config: &FinetuneConfig, problems: &mut Vec<Problem>) {
    let optimiser = &config.optimiser;
    if optimiser.rows_per_pass > optimiser.rows_per_update {
        problems.push(
            Problem::error("optimiser.rows_per_pass", "more rows than an update has")
                .value(optimiser.rows_per_pass)
                .allowed(format!(
                    "at most optimiser.rows_per_update = {}",
                    optimiser.rows_per_update
                ))
                .hint("lower it")
                .related("optimiser.rows_per_update"),
        );
    }
    if optimiser
        .schedule_epochs
        .is_some_and(|epochs| epochs < optimiser.epochs)
    {
        problems.push(
            Problem::error(
                "optimiser.schedule_epochs",
                "the learning rate ends before the training",
            )
            .value(optimiser.schedule_epochs.unwrap_or_default())
            .allowed(format!("at least optimiser.epochs = {}", optimiser.epochs))
            .hint("raise it, or clear it with `none`")
            .related("optimiser.epochs"),
        );
    }
}

fn comparisons(config: &FinetuneConfig, problems: &mut Vec<Problem>) {
    let responses = config.generation.responses;
    if responses < 2 {
        problems.push(
            Problem::error("generation.responses", "nothing to compare")
                .value(responses)
                .allowed("at least 2 where an oracle compares responses")
                .hint("set generation.responses = 5, as the paper does"),
        );
    }
    if let Some(wanted) = config.iterations.win_rate_responses
        && usize::try_from(wanted).is_ok_and(|wanted| wanted > responses)
    {
        problems.push(
            Problem::error(
                "iterations.win_rate_responses",
                "more responses than are sampled",
            )
            .value(wanted)
            .allowed(format!("at most generation.responses = {responses}"))
            .hint("lower it, or clear it with `none`")
            .related("generation.responses"),
        );
    }
}

fn oracle(config: &FinetuneConfig, problems: &mut Vec<Problem>) {
    let oracle = &config.oracle;
    match oracle.kind {
        OracleKind::PairModel | OracleKind::RewardModel if oracle.model.is_none() => {
            problems.push(
                Problem::error("oracle.model", "no model to judge with")
                    .allowed("OWNER/NAME of the hub, or a folder")
                    .hint("set oracle.model, such as llm-blender/PairRM-hf")
                    .related("oracle.kind"),
            );
        }
        OracleKind::ScoresFile if oracle.path.is_none() => problems.push(
            Problem::error("oracle.path", "no file of scores")
                .hint("set oracle.path to a file with a line for every prompt")
                .related("oracle.kind"),
        ),
        OracleKind::Judge => server("oracle.server", "oracle.kind", &oracle.server, problems),
        _ => {}
    }
}

fn source(config: &FinetuneConfig, problems: &mut Vec<Problem>) {
    if config.generation.kind == Source::Server {
        server(
            "generation.server",
            "generation.kind",
            &config.generation.server,
            problems,
        );
    }
}

fn server(section: &str, tag: &str, server: &ServerConfig, problems: &mut Vec<Problem>) {
    let url = format!("{section}.url");
    match &server.url {
        None => problems.push(
            Problem::error(url.as_str(), "no server named")
                .hint(format!("set {url}, such as http://localhost:8000/v1"))
                .related(tag),
        ),
        Some(text) if !text.starts_with("http://") && !text.starts_with("https://") => {
            problems.push(
                Problem::error(url.as_str(), "not an address")
                    .value(text.as_str())
                    .allowed("http:// or https:// and the server's path up to /v1")
                    .hint("such as http://localhost:8000/v1"),
            );
        }
        Some(_) => {}
    }
    if server.model.is_none() {
        let model = format!("{section}.model");
        problems.push(
            Problem::error(model.as_str(), "no model named")
                .hint(format!("set {model} to the model's name at the server"))
                .related(tag),
        );
    }
}

fn traces(config: &FinetuneConfig, problems: &mut Vec<Problem>) {
    if config.algorithm.kind != Algorithm::Bvpo {
        return;
    }
    if config.data.thinking != Thinking::Auto {
        problems.push(
            Problem::error("data.thinking", "BVPO answers with a trace and without one")
                .value("on or off")
                .allowed("auto, with algorithm.kind = bvpo")
                .hint("set data.thinking = auto")
                .related("algorithm.kind"),
        );
    }
}
