//! Prompts in, sampled responses out.

mod server;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use configs::finetune::{DataConfig, GenerationConfig};
use dataset::{Content, Response};
use hub::ThinkMarks;
use lm::generation::{
    Continuation, Engine, EngineSettings, Finish, GenerationSettings, Request, Verdict,
};
use lm::sampling::Sampling;
use serde_json::json;

use crate::failure::FinetuneError;
use crate::preparation::Preparation;
use crate::text_model::TextModel;

pub use server::ServerResponder;

/// Where a response keeps the ids that were sampled.
pub const IDS: &str = "ids";
/// Where a response says that its trace never closed.
pub const UNCLOSED: &str = "unclosed";
/// Where a response keeps the tokens of its trace.
pub const TRACE_TOKENS: &str = "trace_tokens";

/// A prompt to be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Its id.
    pub id: String,
    /// What is asked.
    pub content: Content,
    /// Whether a thinking trace is wanted; none leaves it to the chat template.
    pub thinking: Option<bool>,
    /// The number of its first random stream; its responses use as many from there on, so that a
    /// prompt is answered alike whatever else is asked.
    pub stream: u64,
}

/// Told of every prompt that is answered, by its place in the list; `Break` ends the work.
pub type Told<'a> = dyn FnMut(usize, Vec<Response>) -> Result<ControlFlow<()>, FinetuneError> + 'a;

/// Someone who answers prompts.
pub trait Responder {
    /// Answers each of `asks` with `responses` samples, in whatever order they are done. The
    /// answer says whether all were.
    ///
    /// # Errors
    /// What keeps it from answering; what was told stays told.
    fn respond(
        &mut self,
        asks: &[Ask],
        responses: usize,
        seed: u64,
        told: &mut Told<'_>,
    ) -> Result<bool, FinetuneError>;

    /// The same, for responders that wait: they ask `go_on` ten times a second where nothing comes, and
    /// break off at `Break`.
    ///
    /// # Errors
    /// As [`Responder::respond`].
    fn respond_while(
        &mut self,
        asks: &[Ask],
        responses: usize,
        seed: u64,
        told: &mut Told<'_>,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<bool, FinetuneError> {
        let _ = go_on;
        self.respond(asks, responses, seed, told)
    }
}

/// The policy itself, in the batching engine.
pub struct PolicyResponder<'a> {
    model: &'a TextModel,
    data: DataConfig,
    sampling: Sampling,
    max_new_tokens: usize,
    batch_tokens: usize,
}

impl<'a> PolicyResponder<'a> {
    /// A policy with the settings of data and generation.
    pub fn new(model: &'a TextModel, data: &DataConfig, generation: &GenerationConfig) -> Self {
        Self {
            model,
            data: data.clone(),
            sampling: Sampling {
                temperature: generation.temperature,
                top_p: generation.top_p,
                top_k: usize::try_from(generation.top_k).unwrap_or(usize::MAX),
                ..Sampling::PLAIN
            },
            max_new_tokens: generation.max_new_tokens,
            batch_tokens: generation.batch_tokens,
        }
    }

    /// The same, choosing the best token always.
    #[must_use]
    pub fn greedy(mut self) -> Self {
        self.sampling = Sampling::GREEDY;
        self
    }
}

/// The responses to one prompt on their way.
struct Gathering {
    place: usize,
    opened: bool,
    left: usize,
    responses: Vec<Response>,
}

impl Responder for PolicyResponder<'_> {
    fn respond(
        &mut self,
        asks: &[Ask],
        responses: usize,
        seed: u64,
        told: &mut Told<'_>,
    ) -> Result<bool, FinetuneError> {
        let mut preparation = Preparation::new(self.model, &self.data);
        let settings = Rc::new(GenerationSettings {
            sampling: self.sampling,
            max_new_tokens: self.max_new_tokens,
            samples: responses,
            stop_ids: self.model.stop_ids.clone(),
            seed,
            vocabulary: Some(
                self.model
                    .decoder
                    .config()
                    .vocabulary
                    .min(self.model.tokenizer.highest_id() as usize + 1),
            ),
            ..GenerationSettings::default()
        });
        let engine_settings = EngineSettings {
            rows: rows(self.batch_tokens, self.max_new_tokens),
            cached_tokens: self.batch_tokens,
            ..EngineSettings::default()
        };
        let mut engine = Engine::new(&self.model.decoder, engine_settings)?;
        let mut gathering: BTreeMap<usize, Gathering> = BTreeMap::new();
        let mut next = 0;
        loop {
            // A full queue at all times, and no more: prompts are rendered as they are needed.
            while next < asks.len()
                && engine.waiting() < 2 * rows(self.batch_tokens, self.max_new_tokens)
            {
                let ask = &asks[next];
                let prompt = preparation
                    .prompt(&ask.content, ask.thinking)
                    .map_err(|error| about(&ask.id, &error))?;
                let number = engine
                    .submit(Request {
                        ids: prompt.ids,
                        settings: Rc::clone(&settings),
                        stream: ask.stream,
                    })
                    .map_err(|error| about(&ask.id, &error.into()))?;
                gathering.insert(
                    number,
                    Gathering {
                        place: next,
                        opened: prompt.opened,
                        left: responses,
                        responses: vec![Response::default(); responses],
                    },
                );
                next += 1;
            }
            let more = engine.step(&mut |_| Verdict::Continue)?;
            for continuation in engine.finished() {
                let number = continuation.prompt;
                let Some(gathered) = gathering.get_mut(&number) else {
                    continue;
                };
                let sample = continuation.sample;
                gathered.responses[sample] = response(
                    self.model,
                    &preparation.marks,
                    &continuation,
                    gathered.opened,
                )?;
                gathered.left -= 1;
                if gathered.left == 0
                    && let Some(done) = gathering.remove(&number)
                    && told(done.place, done.responses)?.is_break()
                {
                    return Ok(false);
                }
            }
            if !more && next == asks.len() {
                return Ok(true);
            }
        }
    }
}

/// Rows side by side; more of them than the default only cost memory.
fn rows(batch_tokens: usize, max_new_tokens: usize) -> usize {
    (batch_tokens / max_new_tokens.max(1)).clamp(1, 64)
}

fn about(id: &str, error: &FinetuneError) -> FinetuneError {
    FinetuneError::Settings(format!("prompt {id}: {error}"))
}

/// A continuation as a response: text apart from trace, and the ids it was sampled as.
fn response(
    model: &TextModel,
    marks: &ThinkMarks,
    continuation: &Continuation,
    opened: bool,
) -> Result<Response, FinetuneError> {
    let ids: Vec<u32> = continuation
        .ids
        .iter()
        .filter(|id| !model.stop_ids.contains(id))
        .filter_map(|id| u32::try_from(*id).ok())
        .collect();
    // Marks may be special tokens, which a reader of the answer must not see.
    let whole = model.tokenizer.decode(&ids, false)?;
    let split = marks.split(&whole, opened);
    let mut response = Response {
        tokens: Some(continuation.ids.len() as u64),
        finish: Some(
            match continuation.finish {
                Finish::StopId | Finish::StopString | Finish::Observer => "stop",
                _ => "length",
            }
            .to_owned(),
        ),
        ..Response::default()
    };
    response
        .extra
        .insert(IDS.to_owned(), json!(continuation.ids));
    if let Some(trace) = split.trace {
        let inside = trace_tokens(model, marks, &ids)?;
        response
            .extra
            .insert(TRACE_TOKENS.to_owned(), json!(inside));
        response.trace = Some(trace);
    }
    if !split.closed {
        response.extra.insert(UNCLOSED.to_owned(), json!(true));
    }
    response.text = split.answer;
    Ok(response)
}

/// Tokens up to the one that closes the trace, all of them where none does.
fn trace_tokens(
    model: &TextModel,
    marks: &ThinkMarks,
    ids: &[u32],
) -> Result<usize, FinetuneError> {
    let mut stream = model
        .tokenizer
        .stream(false, std::slice::from_ref(&marks.close));
    for (place, id) in ids.iter().enumerate() {
        stream.push(*id)?;
        if stream.is_stopped() {
            return Ok(place + 1);
        }
    }
    Ok(ids.len())
}

/// The sampled ids of a response; none where it came from elsewhere.
pub fn sampled_ids(response: &Response) -> Option<Vec<i64>> {
    let ids = response.extra.get(IDS)?.as_array()?;
    ids.iter().map(serde_json::Value::as_i64).collect()
}

/// How many of its sampled ids are its trace with what closes it; none without a trace.
pub fn trace_length(response: &Response) -> Option<usize> {
    let tokens = response.extra.get(TRACE_TOKENS)?.as_u64()?;
    usize::try_from(tokens).ok()
}

/// Whether a response began a trace and never closed it.
pub fn is_unclosed(response: &Response) -> bool {
    response
        .extra
        .get(UNCLOSED)
        .is_some_and(|value| value == &json!(true))
}
