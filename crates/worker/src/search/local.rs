//! A checkpoint in this process.
//!
//! Requests of one call run in one batch. Every prompt is kept, as far as there is room, so that children
//! and siblings of a node, and its critic, compute the end of theirs alone.

mod rendering;

use std::rc::Rc;
use std::time::Instant;

use alignment::text_model::{TextModel, TextParts, locate};
use configs::finetune::NumberKind;
use configs::search::SearchConfig;
use hub::{DecodeStream, HubError};
use lm::config::ModelConfig;
use lm::decoder::Decoder;
use lm::generation::{
    Engine, EngineSettings, GenerationSettings, Remember, Request, Step, Verdict,
};
use lm::sampling::Sampling;
use search::job::Usage;
use search::language::{Completion, CompletionModel, CompletionRequest, Finish, ModelError};
use tch::{Device, Kind};

use crate::exit::{BAD_CONFIG, Failure, warn};
use crate::language::{AdapterPlace, adapt};
use rendering::Renderer;

/// Memory for the computed beginnings of prompts, bytes.
const KEPT_BYTES: usize = 1 << 30;

/// The model of the settings. It stays in memory for as long as the process lives.
pub fn model(config: &SearchConfig, device: Device) -> Result<LocalModel<'static>, Failure> {
    let model = open(config, device)?;
    // The engine borrows the weights, and a process searches with one model until it ends.
    LocalModel::new(Box::leak(Box::new(model)), EngineSettings::default())
}

fn open(config: &SearchConfig, device: Device) -> Result<TextModel, Failure> {
    let section = &config.model;
    let name = section.name.as_deref().ok_or_else(|| {
        Failure::new(
            BAD_CONFIG,
            "model.name: not set - allowed: a model of the hub or a folder",
        )
    })?;
    let folder = locate(name, section.revision.as_deref())?;
    // The small files first: what is wrong with them is told before the weights are read.
    let parts = TextParts::open(&folder)?;
    let kind = match section.dtype {
        NumberKind::Auto => None,
        NumberKind::F32 => Some(Kind::Float),
        NumberKind::Bf16 => Some(Kind::BFloat16),
    };
    let mut decoder = Decoder::load(&folder, kind, device, false)?;
    decoder.config().warnings.iter().for_each(|told| warn(told));
    if let Some(adapter) = &section.adapter {
        adapt(&mut decoder, adapter.as_ref(), AdapterPlace::Merged)?;
    }
    Ok(parts.with(decoder)?)
}

/// A model with the beginnings that it keeps.
pub struct LocalModel<'a> {
    model: &'a TextModel,
    engine: Engine<'a>,
    renderer: Renderer<'a>,
}

/// A request in the batch.
struct Sequence<'a> {
    /// Its place among the requests.
    place: usize,
    /// Its number in the engine.
    number: usize,
    stream: DecodeStream<'a>,
    text: String,
    /// Tokens that were chosen for it, those behind a stop text too.
    tokens: u64,
    broken: Option<HubError>,
}

impl<'a> LocalModel<'a> {
    /// A model without a past. Beginnings get the room that `settings` name, or as much as is usual where
    /// they name none.
    ///
    /// # Errors
    /// Settings of 0 rows or 0 tokens.
    pub fn new(model: &'a TextModel, mut settings: EngineSettings) -> Result<Self, Failure> {
        let decoder = &model.decoder;
        if settings.prefix_tokens == 0 {
            let bytes = token_bytes(decoder.config(), decoder.weights().kind());
            settings.prefix_tokens =
                (KEPT_BYTES / bytes.max(1)).max(decoder.config().max_positions);
        }
        Ok(Self {
            model,
            engine: Engine::new(decoder, settings)?,
            renderer: Renderer::new(model),
        })
    }

    /// What was computed and what was not, since the beginning.
    #[cfg(test)]
    fn statistics(&self) -> lm::generation::Statistics {
        self.engine.statistics()
    }

    /// Weighs the choices of a request against each other.
    fn weigh(&mut self, request: &CompletionRequest) -> Result<Completion, ModelError> {
        let begin = Instant::now();
        let prompt = self.renderer.ids(&request.prompt)?;
        let choices = request.choices.iter();
        let choices: Result<Vec<Vec<i64>>, ModelError> =
            choices.map(|choice| self.renderer.plain(choice)).collect();
        let choices = choices?;
        let longest = choices.iter().map(Vec::len).max().unwrap_or(0) as u64;
        let mut usage = Usage {
            prompt_tokens: prompt.len() as u64,
            cached_tokens: self.engine.known(&prompt) as u64,
            output_tokens: longest,
            ..Usage::default()
        };
        if longest > request.max_tokens {
            // Nothing is computed where it cannot be paid.
            return Ok(Completion {
                text: String::new(),
                call: None,
                finish: Finish::Length,
                usage: Usage::default(),
                choice_log_probabilities: None,
            });
        }
        let borrowed: Vec<&[i64]> = choices.iter().map(Vec::as_slice).collect();
        let logs = self.engine.score_choices(&prompt, &borrowed);
        let logs = logs.map_err(|error| of_request(&error))?;
        usage.milliseconds = milliseconds(begin);
        Ok(Completion {
            text: String::new(),
            call: None,
            finish: Finish::Stop,
            usage,
            choice_log_probabilities: Some(logs.into_iter().map(f64::from).collect()),
        })
    }

    /// Puts a request into the batch.
    fn submit(
        &mut self,
        place: usize,
        request: &CompletionRequest,
    ) -> Result<Sequence<'a>, ModelError> {
        let ids = self.renderer.ids(&request.prompt)?;
        let context = self.model.decoder.config().max_positions;
        let settings = GenerationSettings {
            sampling: Sampling {
                temperature: request.sampling.temperature,
                top_p: request.sampling.top_p,
                top_k: request.sampling.top_k as usize,
                ..Sampling::PLAIN
            },
            max_new_tokens: request.max_tokens.min(context as u64) as usize,
            stop_ids: self.model.stop_ids.clone(),
            seed: request.seed,
            // Rows without a token have no text.
            vocabulary: Some(self.model.tokenizer.highest_id() as usize + 1),
            // A reply is no beginning of another prompt: what changes from job to job stands before it.
            remember: Remember::Prompt,
            ..GenerationSettings::default()
        };
        let settings = Rc::new(settings);
        let number = self.engine.submit(Request {
            ids,
            settings,
            stream: 0,
        });
        Ok(Sequence {
            place,
            number: number.map_err(|error| of_request(&error))?,
            // Special tokens stay: in some styles they are the form of a reply.
            stream: self.model.tokenizer.stream(false, &request.prompt.stop),
            text: String::new(),
            tokens: 0,
            broken: None,
        })
    }

    /// Runs the batch until all of it has ended.
    fn run(
        &mut self,
        mut sequences: Vec<Sequence<'a>>,
        replies: &mut [Option<Result<Completion, ModelError>>],
    ) {
        let begin = Instant::now();
        let stop_ids = &self.model.stop_ids;
        let mut more = !sequences.is_empty();
        while more {
            let step = self.engine.step(&mut |step| {
                let of_step = sequences.iter_mut().find(|one| one.number == step.prompt);
                of_step.map_or(Verdict::Stop, |sequence| sequence.hear(&step, stop_ids))
            });
            more = match step {
                Ok(more) => more,
                Err(error) => {
                    // What ran may be lost: whatever waits is taken back, and the rest has failed.
                    let why = error.to_string();
                    for sequence in sequences.drain(..) {
                        self.engine.cancel(sequence.number);
                        replies[sequence.place] = Some(Err(sequence.failed(&why)));
                    }
                    self.engine.finished();
                    return;
                }
            };
            for ended in self.engine.finished() {
                let of_ended = sequences.iter().position(|one| one.number == ended.prompt);
                if let Some(at) = of_ended {
                    let sequence = sequences.swap_remove(at);
                    let place = sequence.place;
                    replies[place] = Some(sequence.reply(&ended, milliseconds(begin)));
                }
            }
        }
    }
}

impl Sequence<'_> {
    /// Takes a token in.
    fn hear(&mut self, step: &Step<'_>, stop_ids: &[i64]) -> Verdict {
        self.tokens = step.ids.len() as u64;
        let Some(id) = step.ids.last().filter(|id| !stop_ids.contains(id)) else {
            return Verdict::Continue;
        };
        match self.stream.push(u32::try_from(*id).unwrap_or_default()) {
            Ok(new) => self.text.push_str(&new),
            Err(error) => {
                self.broken = Some(error);
                return Verdict::Stop;
            }
        }
        if self.stream.is_stopped() {
            let keep = self.stream.kept();
            return Verdict::StopString { keep };
        }
        Verdict::Continue
    }

    fn usage(&self) -> Usage {
        Usage {
            output_tokens: self.tokens,
            ..Usage::default()
        }
    }

    fn failed(&self, why: &str) -> ModelError {
        ModelError {
            why: why.to_owned(),
            fatal: true,
            usage: self.usage(),
        }
    }

    fn reply(
        mut self,
        ended: &lm::generation::Continuation,
        milliseconds: u64,
    ) -> Result<Completion, ModelError> {
        use lm::generation::Finish as Ended;
        let rest = match self.broken.take() {
            Some(error) => Err(error),
            None => self.stream.finish(),
        };
        match rest {
            Ok(rest) => self.text.push_str(&rest),
            Err(error) => {
                return Err(ModelError {
                    fatal: false,
                    ..self.failed(&error.to_string())
                });
            }
        }
        let finish = match ended.finish {
            Ended::StopId | Ended::StopString | Ended::Observer => Finish::Stop,
            Ended::MaxNewTokens | Ended::Context | Ended::Budget | Ended::Cancelled => {
                Finish::Length
            }
        };
        Ok(Completion {
            usage: Usage {
                prompt_tokens: ended.prompt_tokens as u64,
                cached_tokens: ended.cached_tokens as u64,
                milliseconds,
                ..self.usage()
            },
            text: self.text,
            call: None,
            finish,
            choice_log_probabilities: None,
        })
    }
}

impl CompletionModel for LocalModel<'_> {
    fn complete(&mut self, requests: &[CompletionRequest]) -> Vec<Result<Completion, ModelError>> {
        let mut replies: Vec<Option<Result<Completion, ModelError>>> = vec![None; requests.len()];
        let mut sequences = Vec::with_capacity(requests.len());
        for (place, request) in requests.iter().enumerate() {
            if !request.choices.is_empty() {
                replies[place] = Some(self.weigh(request));
                continue;
            }
            match self.submit(place, request) {
                Ok(sequence) => sequences.push(sequence),
                Err(error) => replies[place] = Some(Err(error)),
            }
        }
        self.run(sequences, &mut replies);
        let lost = || {
            Err(ModelError {
                why: "a request was lost in the batch - please report it".to_owned(),
                fatal: false,
                usage: Usage::default(),
            })
        };
        replies
            .into_iter()
            .map(|reply| reply.unwrap_or_else(lost))
            .collect()
    }
}

/// What one token's keys and values take.
fn token_bytes(config: &ModelConfig, kind: Kind) -> usize {
    let scalar = if kind == Kind::Float { 4 } else { 2 };
    2 * config.layers.len() * config.kv_heads * config.head_dim * scalar
}

fn milliseconds(begin: Instant) -> u64 {
    begin.elapsed().as_millis() as u64
}

/// An error of one request, before anything was made.
fn of_request(error: &lm::LmError) -> ModelError {
    ModelError {
        why: error.to_string(),
        // Only this prompt is too long or has what the model does not know.
        fatal: !matches!(error, lm::LmError::Input(_)),
        usage: Usage::default(),
    }
}

#[cfg(test)]
mod tests;
