//! `concord-worker logits` and `generate`: a language model's folder, from ids to ids.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use lm::LmError;
use lm::config::ModelConfig;
use lm::decoder::Decoder;
use lm::generation::{Continuation, Finish, GenerationSettings, Verdict, generate};
use lm::sampling::Sampling;
use nn::arrays::{Array, Arrays};
use serde_json::{Value, json};
use tch::Kind;

use crate::exit::{DONE, Failure, answer, warn};

/// Which model, and how it is run.
#[derive(Args)]
pub struct ModelArguments {
    /// A model's folder: config.json and safetensors.
    #[arg(long)]
    model: PathBuf,
    /// The type of the weights; that of the files when left out.
    #[arg(long, value_enum)]
    dtype: Option<Dtype>,
    /// auto, cpu or cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads inside one operation; one for small models, else all processors.
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dtype {
    F32,
    Bf16,
}

impl ModelArguments {
    fn load(&self) -> Result<Decoder, Failure> {
        let config = ModelConfig::read(&self.model)?;
        nn::runtime::prepare(
            self.threads
                .unwrap_or_else(|| threads_for(config.scalars())),
        );
        let device = nn::runtime::resolve_device(&self.device)?;
        let kind = self.dtype.map(|dtype| match dtype {
            Dtype::F32 => Kind::Float,
            Dtype::Bf16 => Kind::BFloat16,
        });
        let decoder = Decoder::load(&self.model, kind, device, false)?;
        for warning in &decoder.config().warnings {
            warn(warning);
        }
        Ok(decoder)
    }
}

/// Below that many parameters, handing work to another thread takes longer than the work.
const SHARED_FROM: usize = 50_000_000;

fn threads_for(scalars: usize) -> usize {
    if scalars < SHARED_FROM {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Scores of every next token.
#[derive(Args)]
pub struct LogitsArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Token ids, separated by commas.
    #[arg(long, value_delimiter = ',', required = true)]
    ids: Vec<i64>,
    /// The safetensors file to write.
    #[arg(long)]
    out: PathBuf,
}

/// Writes `logits` `[len, vocab]` in f32 and `ids`, and answers with one JSON object.
pub fn logits(arguments: &LogitsArguments) -> Result<u8, Failure> {
    let decoder = arguments.model.load()?;
    let logits = decoder.logits_of(&arguments.ids)?;
    let shape: Vec<usize> = logits.size().iter().map(|size| *size as usize).collect();
    let values = nn::parameters::flat_values(&logits.reshape([-1]));
    let mut arrays = Arrays::new();
    arrays.insert("logits", Array::from_f32(shape.clone(), &values));
    arrays.insert(
        "ids",
        Array::from_i64(vec![arguments.ids.len()], &arguments.ids),
    );
    arrays.write(&arguments.out)?;
    answer(&json!({ "out": arguments.out, "shape": shape }).to_string());
    Ok(DONE)
}

/// Continuations of prompts.
#[derive(Args)]
pub struct GenerateArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Token ids of a prompt, separated by commas; may be repeated.
    #[arg(long = "prompt-ids", required = true)]
    prompts: Vec<String>,
    /// New tokens, at most.
    #[arg(long = "max-new", default_value_t = 256)]
    max_new: usize,
    /// Take the best token always.
    #[arg(long)]
    greedy: bool,
    /// Go on after the ids that end a text.
    #[arg(long)]
    ignore_eos: bool,
    /// Continuations of each prompt.
    #[arg(long, default_value_t = 1)]
    samples: usize,
    /// Divides the scores.
    #[arg(long, default_value_t = 1.0)]
    temperature: f64,
    /// Only that many best tokens; 0 for all.
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Only the best tokens that reach this sum of probabilities.
    #[arg(long, default_value_t = 1.0)]
    top_p: f64,
    /// Only tokens at least this part as probable as the best.
    #[arg(long, default_value_t = 0.0)]
    min_p: f64,
    /// Above 1: tokens that were there become less likely.
    #[arg(long, default_value_t = 1.0)]
    repetition_penalty: f64,
    /// Seed of every sequence's stream.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Answer with the log-probability of every token.
    #[arg(long)]
    log_probabilities: bool,
    /// Only `json`.
    #[arg(long, default_value = "json")]
    format: String,
}

/// Answers with one JSON object: `ids` of the first continuation, and all of them.
pub fn continue_prompts(arguments: &GenerateArguments) -> Result<u8, Failure> {
    let prompts = arguments.prompts.iter().map(|text| parse_ids(text));
    let prompts: Vec<Vec<i64>> = prompts.collect::<Result<_, _>>()?;
    let started = Instant::now();
    let decoder = arguments.model.load()?;
    let loaded = started.elapsed();
    let stop_ids = if arguments.ignore_eos {
        Vec::new()
    } else {
        decoder.config().stop_ids(&arguments.model.model)?
    };
    let settings = GenerationSettings {
        sampling: Sampling {
            temperature: if arguments.greedy {
                0.0
            } else {
                arguments.temperature
            },
            top_k: arguments.top_k,
            top_p: arguments.top_p,
            min_p: arguments.min_p,
            repetition_penalty: arguments.repetition_penalty,
        },
        max_new_tokens: arguments.max_new,
        samples: arguments.samples,
        stop_ids,
        seed: arguments.seed,
        log_probabilities: arguments.log_probabilities,
        ..GenerationSettings::default()
    };
    let prompts: Vec<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
    let started = Instant::now();
    let answers = generate(&decoder, &prompts, &settings, &mut |_| Verdict::Continue)?;
    let seconds = started.elapsed().as_secs_f64();
    let tokens: usize = answers.iter().map(|answer| answer.ids.len()).sum();
    let first = answers.first().map(|answer| answer.ids.clone());
    let continuations: Vec<Value> = answers.iter().map(described).collect();
    answer(
        &json!({
            "ids": first,
            "continuations": continuations,
            "load_seconds": loaded.as_secs_f64(),
            "seconds": seconds,
            "tokens_per_second": tokens as f64 / seconds,
        })
        .to_string(),
    );
    Ok(DONE)
}

fn parse_ids(text: &str) -> Result<Vec<i64>, Failure> {
    let ids = text.split(',').map(|id| {
        id.trim().parse::<i64>().map_err(|_| {
            LmError::Input(format!(
                "--prompt-ids {text}: `{id}` - allowed: whole numbers separated by commas"
            ))
        })
    });
    Ok(ids.collect::<Result<_, _>>()?)
}

fn described(answer: &Continuation) -> Value {
    let finish = match answer.finish {
        Finish::StopId => "stop",
        Finish::MaxNewTokens => "max_new_tokens",
        Finish::Context => "context",
        Finish::Observer => "observer",
    };
    let mut value = json!({
        "prompt": answer.prompt,
        "sample": answer.sample,
        "ids": answer.ids,
        "finish": finish,
    });
    if !answer.log_probabilities.is_empty() {
        value["log_probabilities"] = json!(answer.log_probabilities);
    }
    value
}
