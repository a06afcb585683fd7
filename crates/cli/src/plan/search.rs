//! Sizes of a search's model and questions, read from the files that are here.

use std::path::Path;

use configs::Problem;
use configs::finetune::NumberKind;
use configs::search::{ModelKind, QuestionsKind, SearchConfig};
use hub::memory::{ModelShape, Numbers, Task, estimate};
use hub::{HubError, ModelFolder};
use tui::figures::count;
use tui::plan::{Item, SearchSizes};

use super::finetune::{LARGEST, located};

/// Characters of a token at the least, for observations in a prompt.
const CHARACTERS_PER_TOKEN: u64 = 3;

/// Reads what the plan needs.
///
/// # Errors
/// A file of questions that is there and cannot be used; one that is not there leaves amounts
/// unknown.
pub(super) fn sizes(config: &SearchConfig) -> Result<SearchSizes, Vec<Problem>> {
    let mut sizes = SearchSizes::default();
    (sizes.questions, sizes.counted) =
        questions(config).map_err(|message| vec![Problem::error("questions.path", message)])?;
    match config.model.kind {
        ModelKind::Local => {
            sizes.model = config.model.name.clone().unwrap_or_default();
            if let Err(error) = of_model(config, &mut sizes) {
                sizes.missing = error.to_string();
            }
        }
        ModelKind::Server => {
            sizes.model = config.server.model.clone().unwrap_or_default();
            sizes.missing = "the model is the server's".to_owned();
        }
        ModelKind::Scripted => sizes.missing = "no model: chance with known error rates".to_owned(),
    }
    Ok(sizes)
}

fn questions(config: &SearchConfig) -> Result<(Option<u64>, String), String> {
    let questions = &config.questions;
    if config.model.kind == ModelKind::Scripted {
        return Ok((None, "made up, as many as wanted".to_owned()));
    }
    match (questions.kind, &questions.path) {
        (QuestionsKind::Text, _) => Ok((Some(1), "written in the settings".to_owned())),
        (QuestionsKind::World, _) if questions.count.is_some() => {
            Ok((None, "of the made-up world: questions.count".to_owned()))
        }
        (QuestionsKind::World, _) => {
            let hops = (config.world.min_hops, config.world.max_hops);
            Ok((
                None,
                format!(
                    "of {} to {} hops over {} entities; set questions.count for fewer than all",
                    hops.0,
                    hops.1,
                    count(config.world.entities as f64)
                ),
            ))
        }
        (QuestionsKind::File, None) => Ok((None, "questions.path is not set".to_owned())),
        (QuestionsKind::File, Some(path)) => of_file(path),
    }
}

/// Rows of a file of questions: of a JSON list, or lines.
fn of_file(path: &str) -> Result<(Option<u64>, String), String> {
    let about = match Path::new(path).metadata() {
        Ok(about) if about.is_file() => about,
        Ok(_) => return Err(format!("{path} is no file - name a file of questions")),
        Err(error) => return Ok((None, format!("cannot read {path}: {error}"))),
    };
    if about.len() > LARGEST {
        return Ok((None, format!("{path} is too large to be counted here")));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {path}: {error} - name a file in UTF-8"))?;
    let rows = if text.trim_start().starts_with('[') {
        let list: Vec<serde::de::IgnoredAny> = serde_json::from_str(&text)
            .map_err(|error| format!("{path} is no JSON list: {error}"))?;
        list.len() as u64
    } else {
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count() as u64;
        // A table has a heading.
        let table = path.ends_with(".csv") || path.ends_with(".tsv");
        lines.saturating_sub(u64::from(table))
    };
    Ok((Some(rows), format!("of {} in {path}", count(rows as f64))))
}

fn of_model(config: &SearchConfig, sizes: &mut SearchSizes) -> Result<(), HubError> {
    let Some(name) = &config.model.name else {
        sizes.missing = "model.name is not set".to_owned();
        return Ok(());
    };
    let folder = ModelFolder::open(&located(name, config.model.revision.as_deref())?)?;
    sizes.parameters = Some(ModelShape::of(&folder)?.parameters());
    let numbers = match config.model.dtype {
        NumberKind::F32 => Numbers::F32,
        NumberKind::Bf16 => Numbers::Bf16,
        NumberKind::Auto => match folder.weights() {
            Ok(weights) if !weights.numbers.contains_key("F32") => Numbers::Bf16,
            _ => Numbers::F32,
        },
    };
    let generation = &config.generation;
    let step =
        generation.max_step_tokens + config.tools.max_characters as u64 / CHARACTERS_PER_TOKEN;
    let longest = step
        .saturating_mul(u64::from(config.method.depth_limit))
        .saturating_add(generation.max_plan_tokens)
        .saturating_add(generation.max_answer_tokens);
    // No path is longer than what all may write, and what all calls may show.
    let budget = config.budget.tokens.unwrap_or(u64::MAX);
    let seen = config.budget.tool_calls.unwrap_or(u64::MAX);
    let shown = seen.saturating_mul(config.tools.max_characters as u64 / CHARACTERS_PER_TOKEN);
    let length = longest.min(budget.saturating_add(shown)).max(1);
    let rows = (config.runtime.parallel_questions * config.runtime.jobs_per_question) as u64;
    let needed = estimate(&folder, numbers, Task::Generate, rows.max(1), length)?;
    sizes.memory = Some(
        needed
            .items
            .into_iter()
            .map(|item| Item {
                name: item.name.to_owned(),
                bytes: item.bytes,
                from: match item.name {
                    "program" | "weights" | "files while they are read" | "working memory" => {
                        String::new()
                    }
                    _ => format!("{rows} paths of {length} tokens side by side"),
                },
            })
            .collect(),
    );
    Ok(())
}
