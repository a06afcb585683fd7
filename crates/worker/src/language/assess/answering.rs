//! Prompts to answers, with the lengths that are told of them.

use std::ops::ControlFlow;

use alignment::failure::FinetuneError;
use alignment::responding::{Ask, PolicyResponder, Responder, TRACE_TOKENS, is_unclosed};
use alignment::run::data::{self, PromptRow};
use alignment::text_model::TextModel;
use configs::finetune::{ARITHMETIC, GenerationConfig};
use dataset::Response;
use serde_json::{Value, json};

use super::super::sampling::SamplingArguments;
use super::{AssessArguments, Settings, Telling, USUAL_PROBLEMS};
use crate::exit::{BAD_CONFIG, Failure, note};

/// How tokens are chosen and how many.
#[derive(Clone, Debug)]
pub(super) struct Choosing {
    pub(super) generation: GenerationConfig,
    pub(super) greedy: bool,
}

/// What is done where no flag says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    /// The best token where there is one answer to each prompt, and not the model's own way.
    pub(super) best_for_one: bool,
    /// Answers to each prompt that have to differ.
    pub(super) samples: usize,
    /// New tokens, at most.
    pub(super) max_new_tokens: usize,
}

impl Choosing {
    /// Flags over `generation_config.json`, where the model's own way is asked for.
    pub(super) fn new(
        arguments: &AssessArguments,
        settings: &Settings,
        generation_config: &Value,
        usual: Usual,
    ) -> Result<Self, Failure> {
        let flags: &SamplingArguments = &arguments.sampling;
        let best = usual.best_for_one && usual.samples == 1;
        let sampling = if best && !flags.is_said() {
            lm::sampling::Sampling::GREEDY
        } else {
            let (sampling, taken) = flags.over_file(generation_config)?;
            taken.iter().for_each(|taken| note(taken));
            sampling
        };
        sampling.check()?;
        if sampling.is_greedy() && usual.samples > 1 {
            return Err(Failure::new(
                BAD_CONFIG,
                format!(
                    "--samples {}: all alike at temperature 0 - allowed: 1, or a --temperature above 0",
                    usual.samples
                ),
            ));
        }
        let max_new_tokens = arguments.max_new.unwrap_or(usual.max_new_tokens);
        if max_new_tokens == 0 {
            return Err(Failure::new(
                BAD_CONFIG,
                "--max-new 0 - allowed: 1 token or more",
            ));
        }
        for (name, value, usual) in [
            ("min_p", sampling.min_p, 0.0),
            ("repetition_penalty", sampling.repetition_penalty, 1.0),
        ] {
            if value != usual {
                note(&format!("{name} {value} is not used in an evaluation"));
            }
        }
        Ok(Self {
            generation: GenerationConfig {
                temperature: sampling.temperature,
                top_p: sampling.top_p,
                top_k: sampling.top_k as u64,
                max_new_tokens,
                ..settings.generation.clone()
            },
            greedy: sampling.is_greedy(),
        })
    }

    /// The same at another temperature.
    pub(super) fn at(&self, temperature: Option<f64>) -> Self {
        let Some(temperature) = temperature else {
            return self.clone();
        };
        Self {
            generation: GenerationConfig {
                temperature,
                ..self.generation.clone()
            },
            greedy: temperature == 0.0,
        }
    }

    /// What is told of it.
    pub(super) fn described(&self) -> Value {
        let generation = &self.generation;
        if self.greedy {
            return json!({"greedy": true, "max_new_tokens": generation.max_new_tokens});
        }
        json!({
            "greedy": false,
            "temperature": generation.temperature,
            "top_p": generation.top_p,
            "top_k": generation.top_k,
            "max_new_tokens": generation.max_new_tokens,
        })
    }
}

/// The prompts of a file, or made-up problems that no training has seen.
pub(super) fn prompts(
    path: &str,
    arguments: &AssessArguments,
    settings: &Settings,
) -> Result<Vec<PromptRow>, Failure> {
    let usual = (path == ARITHMETIC).then_some(USUAL_PROBLEMS);
    let wanted = arguments.limit.or(usual);
    let read = data::prompts(path, &settings.data, wanted, true, arguments.seed)?;
    read.notes.iter().for_each(|told| note(told));
    if read.rows.is_empty() {
        return Err(Failure::new(
            BAD_CONFIG,
            format!("{path}: no prompts that can be used - allowed: one at least"),
        ));
    }
    Ok(read.rows)
}

/// Answers each ask; `take` gets those of one ask, by its place, as they are finished. Ends early
/// when told to.
pub(super) fn answer(
    model: &TextModel,
    settings: &Settings,
    choosing: &Choosing,
    asks: &[Ask],
    (responses, seed): (usize, u64),
    (telling, stage): (&mut Telling, &str),
    take: &mut dyn FnMut(usize, Vec<Response>) -> Result<(), FinetuneError>,
) -> Result<(), Failure> {
    let mut responder = PolicyResponder::new(model, &settings.data, &choosing.generation);
    if choosing.greedy {
        responder = responder.greedy();
    }
    let mut finished = 0;
    telling.progress(stage, 0, asks.len());
    responder.respond(asks, responses, seed, &mut |place, given| {
        take(place, given)?;
        finished += 1;
        telling.progress(stage, finished, asks.len());
        Ok(if telling.is_interrupted() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(())
}

/// What is measured of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) answer_tokens: u64,
    pub(super) trace_tokens: u64,
    pub(super) cut: bool,
    pub(super) closed: bool,
}

impl Measured {
    pub(super) fn of(response: &Response) -> Self {
        let trace_tokens = response.extra.get(TRACE_TOKENS).and_then(Value::as_u64);
        let trace_tokens = trace_tokens.unwrap_or(0);
        Self {
            answer_tokens: response.tokens.unwrap_or(0).saturating_sub(trace_tokens),
            trace_tokens,
            cut: response.finish.as_deref() == Some("length"),
            closed: !is_unclosed(response),
        }
    }
}
