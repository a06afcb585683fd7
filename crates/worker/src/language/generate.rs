//! `concord-worker generate`: continuations of prompts, given as ids or as text.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use hub::{DecodeStream, ModelTokenizer};
use lm::decoder::Decoder;
use lm::generation::{GenerationSettings, Step, Verdict, generate};
use serde_json::{Value, json};

use super::prompts::{Prompt, Reading};
use super::sampling::SamplingArguments;
use super::{AdapterPlace, ModelArguments, TextModel, template_arguments};
use crate::exit::{DONE, ENVIRONMENT, Failure, INTERRUPTED, LEFT_AT_ONCE, note, try_answer};

/// Time between two reports of how far the work is.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Continuations of prompts.
#[derive(Args)]
pub struct GenerateArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Token ids of a prompt, separated by commas; may be repeated.
    #[arg(long = "prompt-ids", conflicts_with_all = ["prompt", "prompt_file"])]
    prompt_ids: Vec<String>,
    /// A prompt as text.
    #[arg(long, required_unless_present_any = ["prompt_ids", "prompt_file"])]
    prompt: Option<String>,
    /// Prompts or conversations as JSON lines; `-` for stdin.
    #[arg(long, conflicts_with = "prompt")]
    prompt_file: Option<PathBuf>,
    /// Plain text goes through the chat template; so it does when there is one.
    #[arg(long, conflicts_with = "raw")]
    chat: bool,
    /// Plain text is continued as it stands.
    #[arg(long)]
    raw: bool,
    /// The system message of conversations that have none.
    #[arg(long, conflicts_with = "raw")]
    system: Option<String>,
    /// An argument of the template, `NAME=JSON`; may be repeated.
    #[arg(long = "template")]
    template: Vec<String>,
    /// A text that ends the continuation and is not part of it; may be repeated.
    #[arg(long = "stop")]
    stops: Vec<String>,
    /// Special tokens stay in the text.
    #[arg(long)]
    show_special: bool,
    /// New tokens, at most.
    #[arg(long = "max-new", default_value_t = 256)]
    max_new: usize,
    /// Go on after the ids that end a text.
    #[arg(long)]
    ignore_eos: bool,
    /// Continuations of each prompt.
    #[arg(long, default_value_t = 1)]
    samples: usize,
    #[command(flatten)]
    sampling: SamplingArguments,
    /// Seed of every sequence's stream.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Answer with the log-probability of every token.
    #[arg(long)]
    log_probabilities: bool,
    /// Answer with JSON lines: each continuation when it ends, progress between.
    #[arg(long)]
    events: bool,
    /// A line for every token as well.
    #[arg(long, requires = "events")]
    tokens: bool,
    /// Only `json`.
    #[arg(long, default_value = "json")]
    format: String,
}

/// The model of a generation: text needs more of it than ids do.
enum Model {
    Ids(Box<Decoder>, Vec<i64>),
    Text(Box<TextModel>),
}

impl Model {
    fn decoder(&self) -> &Decoder {
        match self {
            Self::Ids(decoder, _) => decoder,
            Self::Text(model) => &model.decoder,
        }
    }

    fn stop_ids(&self) -> &[i64] {
        match self {
            Self::Ids(_, ids) => ids,
            Self::Text(model) => &model.stop_ids,
        }
    }

    fn tokenizer(&self) -> Option<&ModelTokenizer> {
        match self {
            Self::Ids(..) => None,
            Self::Text(model) => Some(&model.tokenizer),
        }
    }
}

/// Continues every prompt. Without `--events` it answers with one JSON object: `ids` of the
/// first continuation, and all of them.
pub fn continue_prompts(arguments: &GenerateArguments) -> Result<u8, Failure> {
    let started = Instant::now();
    let interrupted = catch_interruptions()?;
    let (model, prompts) = read(arguments)?;
    let loaded = started.elapsed().as_secs_f64();
    let sampling = match &model {
        Model::Ids(..) => arguments.sampling.alone(),
        Model::Text(model) => {
            let (sampling, taken) = arguments
                .sampling
                .over_file(model.folder.generation_config())?;
            taken.iter().for_each(|taken| note(taken));
            sampling
        }
    };
    let settings = GenerationSettings {
        sampling,
        max_new_tokens: arguments.max_new,
        samples: arguments.samples,
        stop_ids: if arguments.ignore_eos {
            Vec::new()
        } else {
            model.stop_ids().to_vec()
        },
        seed: arguments.seed,
        log_probabilities: arguments.log_probabilities,
        ..GenerationSettings::default()
    };
    let mut telling = Telling {
        arguments,
        prompts: &prompts,
        context: model.decoder().config().max_positions,
        settings: &settings,
        sequences: sequences(&model, arguments, prompts.len()),
        interrupted: &interrupted,
        started: Instant::now(),
        told: Instant::now(),
        tokens: 0,
        broken: None,
        deaf: false,
    };
    let texts: Vec<&[i64]> = prompts.iter().map(|prompt| prompt.ids.as_slice()).collect();
    generate(model.decoder(), &texts, &settings, &mut |step| {
        telling.heard(&step)
    })?;
    telling.end(loaded)
}

/// The first signal ends the generation with what is finished, the second one at once.
pub(super) fn catch_interruptions() -> Result<Arc<AtomicBool>, Failure> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::flag::{register, register_conditional_shutdown};
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        register_conditional_shutdown(signal, i32::from(LEFT_AT_ONCE), Arc::clone(&interrupted))
            .and_then(|_| register(signal, Arc::clone(&interrupted)))
            .map_err(|error| {
                Failure::new(ENVIRONMENT, format!("cannot listen for signals: {error}"))
            })?;
    }
    Ok(interrupted)
}

fn read(arguments: &GenerateArguments) -> Result<(Model, Vec<Prompt>), Failure> {
    if !arguments.prompt_ids.is_empty() {
        let prompts = arguments.prompt_ids.iter().map(|ids| Prompt::of_ids(ids));
        let prompts = prompts.collect::<Result<_, _>>()?;
        let decoder = arguments.model.load(AdapterPlace::Merged)?;
        let stop_ids = decoder.config().stop_ids(&arguments.model.model)?;
        return Ok((Model::Ids(Box::new(decoder), stop_ids), prompts));
    }
    let template_arguments = template_arguments(&arguments.template)?;
    let model = arguments.model.load_with_text(AdapterPlace::Merged)?;
    if arguments.system.is_some() || arguments.chat {
        model.chat_template()?;
    }
    let reading = Reading {
        chat: !arguments.raw && model.template.is_some(),
        system: arguments.system.clone(),
        arguments: template_arguments,
    };
    let prompts = match (&arguments.prompt, &arguments.prompt_file) {
        (_, Some(file)) => Prompt::of_file(&model, &reading, file)?,
        (text, None) => {
            let text = text.as_deref().unwrap_or_default();
            vec![Prompt::of_text(&model, &reading, text)?]
        }
    };
    Ok((Model::Text(Box::new(model)), prompts))
}

/// A continuation on its way.
struct Sequence<'a> {
    stream: Option<DecodeStream<'a>>,
    text: String,
    ids: Vec<i64>,
    log_probabilities: Vec<f32>,
    finish: Option<&'static str>,
}

fn sequences<'a>(
    model: &'a Model,
    arguments: &GenerateArguments,
    prompts: usize,
) -> Vec<Sequence<'a>> {
    let one = |_| Sequence {
        stream: model
            .tokenizer()
            .map(|tokenizer| tokenizer.stream(!arguments.show_special, &arguments.stops)),
        text: String::new(),
        ids: Vec::new(),
        log_probabilities: Vec::new(),
        finish: None,
    };
    (0..prompts * arguments.samples).map(one).collect()
}

/// What is told while sequences grow.
struct Telling<'a> {
    arguments: &'a GenerateArguments,
    prompts: &'a [Prompt],
    context: usize,
    settings: &'a GenerationSettings,
    sequences: Vec<Sequence<'a>>,
    interrupted: &'a AtomicBool,
    started: Instant,
    told: Instant,
    tokens: usize,
    /// Why the generation cannot go on.
    broken: Option<Failure>,
    /// The reader has left.
    deaf: bool,
}

impl Telling<'_> {
    fn heard(&mut self, step: &Step<'_>) -> Verdict {
        if self.broken.is_some() || self.deaf || self.interrupted.load(Ordering::Relaxed) {
            return Verdict::Stop;
        }
        self.tokens += 1;
        match self.grow(step) {
            Ok(verdict) => verdict,
            Err(failure) => {
                self.broken = Some(failure);
                Verdict::Stop
            }
        }
    }

    /// Takes a token in.
    fn grow(&mut self, step: &Step<'_>) -> Result<Verdict, Failure> {
        let prompt = &self.prompts[step.prompt];
        let log_probability = step.log_probability.unwrap_or_default();
        let id = step.ids.last().copied().unwrap_or_default();
        let number = step.prompt * self.settings.samples + step.sample;
        let sequence = &mut self.sequences[number];
        sequence.ids.push(id);
        sequence.log_probabilities.push(log_probability);
        let mut new = String::new();
        if let (Some(stream), Ok(id)) = (&mut sequence.stream, u32::try_from(id)) {
            new = stream.push(id)?;
        }
        let stopped = sequence.stream.as_ref();
        let stopped = stopped.is_some_and(DecodeStream::is_stopped);
        sequence.finish = if self.settings.stop_ids.contains(&id) {
            Some("stop_id")
        } else if stopped {
            Some("stop_string")
        } else if step.ids.len() >= self.settings.max_new_tokens {
            Some("max_new_tokens")
        } else if prompt.ids.len() + step.ids.len() >= self.context {
            Some("context")
        } else {
            None
        };
        let ended = sequence.finish.is_some();
        let mut verdict = if ended {
            Verdict::Stop
        } else {
            Verdict::Continue
        };
        let cut = sequence.finish == Some("stop_string");
        if let Some(stream) = sequence.stream.as_ref().filter(|_| cut) {
            // The tokens are those of the text, which ends before the stop string.
            let keep = stream.kept();
            sequence.ids.truncate(keep);
            sequence.log_probabilities.truncate(keep);
            verdict = Verdict::StopString { keep };
        }
        if let Some(stream) = sequence.stream.as_mut().filter(|_| ended) {
            new.push_str(&stream.finish()?);
        }
        sequence.text.push_str(&new);
        if self.arguments.tokens {
            let mut token = json!({
                "event": "token",
                "prompt": step.prompt,
                "sample": step.sample,
                "text": new,
                "id": id,
            });
            if self.arguments.log_probabilities {
                token["log_probability"] = json!(log_probability);
            }
            self.tell(&token);
        }
        if ended && self.arguments.events {
            self.tell_answer(number);
        }
        if self.arguments.events && self.told.elapsed() > PROGRESS_EVERY {
            self.told = Instant::now();
            self.tell(&json!({
                "event": "progress",
                "finished": self.finished(),
                "sequences": self.sequences.len(),
                "tokens": self.tokens,
                "seconds": self.started.elapsed().as_secs_f64(),
            }));
        }
        Ok(verdict)
    }

    fn tell(&mut self, event: &Value) {
        self.deaf |= !try_answer(&event.to_string());
    }

    fn tell_answer(&mut self, number: usize) {
        let mut event = self.described(number);
        event["event"] = json!("answer");
        self.tell(&event);
    }

    fn finished(&self) -> usize {
        let finished = self.sequences.iter().filter(|one| one.finish.is_some());
        finished.count()
    }

    fn described(&self, number: usize) -> Value {
        let sequence = &self.sequences[number];
        let prompt = &self.prompts[number / self.settings.samples];
        let mut value = json!({
            "prompt": number / self.settings.samples,
            "sample": number % self.settings.samples,
            "ids": sequence.ids,
            "finish": sequence.finish.unwrap_or("interrupted"),
            "prompt_tokens": prompt.ids.len(),
        });
        if let Some(text) = &prompt.text {
            value["prompt_text"] = json!(text);
            value["text"] = json!(sequence.text);
        }
        if let Some(id) = &prompt.id {
            value["id"] = id.clone();
        }
        if self.arguments.log_probabilities {
            value["log_probabilities"] = json!(sequence.log_probabilities);
        }
        value
    }

    /// The last words.
    fn end(mut self, loaded: f64) -> Result<u8, Failure> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let interrupted = self.interrupted.load(Ordering::Relaxed);
        let finished = self.finished();
        // Of several, what was finished counts; the beginning of a single one is worth something.
        let alone = self.sequences.len() == 1;
        let mut object = json!({
            "event": "done",
            "load_seconds": loaded,
            "seconds": seconds,
            "tokens": self.tokens,
            "tokens_per_second": self.tokens as f64 / seconds,
            "sequences": self.sequences.len(),
            "finished": finished,
            "interrupted": interrupted,
        });
        if self.arguments.events {
            if alone && finished == 0 {
                self.tell_answer(0);
            }
        } else {
            let worth = |number: &usize| alone || self.sequences[*number].finish.is_some();
            let all = (0..self.sequences.len()).filter(worth);
            let all: Vec<Value> = all.map(|number| self.described(number)).collect();
            for name in ["ids", "text"] {
                if let Some(value) = all.first().and_then(|one| one.get(name)) {
                    object[name] = value.clone();
                }
            }
            object["continuations"] = json!(all);
        }
        self.tell(&object);
        Ok(if interrupted { INTERRUPTED } else { DONE })
    }
}
