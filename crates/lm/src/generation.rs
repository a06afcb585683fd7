//! Continuations of prompts, many at a time.
//!
//! Prompts are padded on the left and filled into one cache; samples of the same prompt are
//! copies of its row, so that the prompt is computed once. A row that ends leaves the batch.
//! Every sequence draws from a stream of its own, made from the seed, the prompt's number
//! and the sample's number: its text does not depend on what runs beside it, but for the
//! last bits of a sum that a batch of another size may round differently.

use nn::random::RandomStream;
use tch::{Device, Kind, Tensor, no_grad};

use crate::LmError;
use crate::cache::Cache;
use crate::decoder::{Batch, Decoder};
use crate::fused_step::{FusedStep, ROWS};
use crate::sampling::{Sampler, Sampling};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct GenerationSettings {
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// New tokens per sequence, at most.
    pub max_new_tokens: usize,
    /// Continuations of each prompt.
    pub samples: usize,
    /// Ids that end a sequence; they are its last token.
    pub stop_ids: Vec<i64>,
    /// Sequences that run side by side, at most.
    pub rows: usize,
    /// The seed of all streams.
    pub seed: u64,
    /// Whether the log-probability of every token is kept.
    pub log_probabilities: bool,
}

impl Default for GenerationSettings {
    fn default() -> Self {
        Self {
            sampling: Sampling::GREEDY,
            max_new_tokens: 256,
            samples: 1,
            stop_ids: Vec::new(),
            rows: 64,
            seed: 0,
            log_probabilities: false,
        }
    }
}

/// Why a sequence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// One of the stop ids.
    StopId,
    /// The observer said so, for instance at a stop string.
    Observer,
    /// As many new tokens as were asked for.
    MaxNewTokens,
    /// The model has no room for more.
    Context,
}

/// A continuation of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Continuation {
    /// Which prompt it continues.
    pub prompt: usize,
    /// Which of its samples it is.
    pub sample: usize,
    /// The new tokens.
    pub ids: Vec<i64>,
    /// The model's own log-probability of each, before any filter or temperature; empty
    /// unless asked for.
    pub log_probabilities: Vec<f32>,
    /// Why it ended.
    pub finish: Finish,
}

/// A token that was just chosen.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Which prompt is continued.
    pub prompt: usize,
    /// Which of its samples.
    pub sample: usize,
    /// All new tokens of the sequence, the newest last.
    pub ids: &'a [i64],
    /// The newest token's log-probability, when asked for.
    pub log_probability: Option<f32>,
}

/// What becomes of a sequence after a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// It ends here.
    Stop,
}

struct Row {
    prompt: usize,
    sample: usize,
    text: Vec<i64>, // the prompt and the new tokens
    new_from: usize,
    log_probabilities: Vec<f32>,
    stream: RandomStream,
    finish: Option<Finish>,
}

impl Row {
    fn into_continuation(self, finish: Finish) -> Continuation {
        Continuation {
            prompt: self.prompt,
            sample: self.sample,
            ids: self.text[self.new_from..].to_vec(),
            log_probabilities: self.log_probabilities,
            finish,
        }
    }
}

/// Continues every prompt; the answer has `samples` entries for each, in order.
///
/// `observe` is called with every token, and may end a sequence.
///
/// # Errors
/// Ids the model does not know, a prompt longer than its context, settings out of range,
/// not enough memory.
pub fn generate(
    decoder: &Decoder,
    prompts: &[&[i64]],
    settings: &GenerationSettings,
    observe: &mut dyn FnMut(Step<'_>) -> Verdict,
) -> Result<Vec<Continuation>, LmError> {
    settings.sampling.check()?;
    for prompt in prompts {
        decoder.check(prompt)?;
    }
    if settings.max_new_tokens == 0 || settings.samples == 0 {
        return Err(LmError::Input(
            "0 new tokens or 0 samples - allowed: at least 1 of each".to_owned(),
        ));
    }
    // The weights stay as they are until all is said; a short answer is not worth the packing.
    let worth = ROWS.contains(&(prompts.len() * settings.samples).min(settings.rows))
        && settings.max_new_tokens >= 16;
    let mut fused = worth.then(|| FusedStep::new(decoder)).flatten();
    // Texts of like length run together, so that little is padding.
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|prompt| prompts[*prompt].len());
    let all: Vec<(usize, usize)> = order
        .into_iter()
        .flat_map(|prompt| (0..settings.samples).map(move |sample| (prompt, sample)))
        .collect();
    let mut answers = Vec::with_capacity(all.len());
    for group in all.chunks(settings.rows.max(1)) {
        let rows = group.iter().map(|(prompt, sample)| {
            let number = (*prompt * settings.samples + sample) as u64;
            Row {
                prompt: *prompt,
                sample: *sample,
                text: prompts[*prompt].to_vec(),
                new_from: prompts[*prompt].len(),
                log_probabilities: Vec::new(),
                stream: RandomStream::new(settings.seed, "sampling", number),
                finish: None,
            }
        });
        let mut run = Run {
            decoder,
            settings,
            sampler: Sampler::new(settings.sampling),
            fused: fused.take(),
            rows: rows.collect(),
            done: Vec::new(),
        };
        no_grad(|| run.finish(observe))?;
        answers.append(&mut run.done);
        fused = run.fused;
    }
    answers.sort_by_key(|answer| (answer.prompt, answer.sample));
    Ok(answers)
}

/// Sequences that run side by side.
struct Run<'a> {
    decoder: &'a Decoder,
    settings: &'a GenerationSettings,
    sampler: Sampler,
    fused: Option<FusedStep>,
    rows: Vec<Row>,
    done: Vec<Continuation>,
}

impl Run<'_> {
    fn finish(&mut self, observe: &mut dyn FnMut(Step<'_>) -> Verdict) -> Result<(), LmError> {
        let (mut cache, mut scores) = self.fill()?;
        loop {
            self.choose(&scores, observe);
            if self.rows.iter().all(|row| row.finish.is_some()) {
                break;
            }
            cache = self.leave(cache);
            let longest = self.longest();
            let crosses = self.decoder.config().ropes.iter().any(|rope| {
                rope.switch_length()
                    .is_some_and(|switch| longest == switch + 1)
            });
            (cache, scores) = if crosses {
                // All earlier keys were turned by the other frequencies.
                self.fill()?
            } else {
                let scores = self.step(&mut cache)?;
                (cache, scores)
            };
        }
        let rows = std::mem::take(&mut self.rows);
        let ended = rows.into_iter().filter_map(|row| {
            let finish = row.finish?;
            Some(row.into_continuation(finish))
        });
        self.done.extend(ended);
        Ok(())
    }

    fn longest(&self) -> usize {
        self.rows
            .iter()
            .map(|row| row.text.len())
            .max()
            .unwrap_or(0)
    }

    /// Computes all texts anew, each distinct one once. Scores `[rows, vocabulary]`.
    fn fill(&self) -> Result<(Cache, Tensor), LmError> {
        let mut texts: Vec<&[i64]> = Vec::new();
        let mut copies = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            // Samples of a prompt stand side by side.
            if texts.last() != Some(&row.text.as_slice()) {
                texts.push(&row.text);
            }
            copies.push(texts.len() - 1);
        }
        let weights = self.decoder.weights();
        let options = (weights.kind(), weights.device());
        let longest = self.longest();
        let starts = texts.iter().map(|text| (longest - text.len()) as i64);
        let limit = longest + self.settings.max_new_tokens;
        let config = self.decoder.config();
        let mut cache = Cache::new(config, starts.collect(), limit, longest, options)?;
        let batch = Batch::padded(&texts, options.1);
        let stream = self.decoder.forward_cached(batch.ids(), &mut cache)?;
        let last = stream.narrow(1, stream.size()[1] - 1, 1).squeeze_dim(1);
        let mut scores = self.decoder.logits(&last);
        if texts.len() < self.rows.len() {
            cache = cache.select(&copies);
            let copies: Vec<i64> = copies.iter().map(|copy| *copy as i64).collect();
            scores = scores.index_select(0, &Tensor::from_slice(&copies).to_device(options.1));
        }
        Ok((cache, scores))
    }

    /// Computes the newest token of every row. Scores `[rows, vocabulary]`.
    fn step(&mut self, cache: &mut Cache) -> Result<Tensor, LmError> {
        let newest: Vec<i64> = self
            .rows
            .iter()
            .filter_map(|row| row.text.last().copied())
            .collect();
        if let Some(fused) = self.fused.as_mut().filter(|_| ROWS.contains(&newest.len())) {
            let scores = fused.scores(self.decoder, &newest, cache)?;
            return Ok(Tensor::from_slice(scores).view([newest.len() as i64, -1]));
        }
        let ids = Tensor::from_slice(&newest).to_device(self.decoder.weights().device());
        let stream = self.decoder.forward_cached(&ids.unsqueeze(1), cache)?;
        Ok(self.decoder.logits(&stream.squeeze_dim(1)))
    }

    /// Chooses the next token of every row that goes on.
    fn choose(&mut self, scores: &Tensor, observe: &mut dyn FnMut(Step<'_>) -> Verdict) {
        let chosen = self.chosen(scores);
        let logs = self
            .settings
            .log_probabilities
            .then(|| log_probabilities(scores, &chosen));
        let context = self.decoder.config().max_positions;
        for (number, row) in self.rows.iter_mut().enumerate() {
            if row.finish.is_some() {
                continue;
            }
            row.text.push(chosen[number]);
            let log_probability = logs.as_ref().map(|logs| logs[number]);
            row.log_probabilities.extend(log_probability);
            let verdict = observe(Step {
                prompt: row.prompt,
                sample: row.sample,
                ids: &row.text[row.new_from..],
                log_probability,
            });
            row.finish = if self.settings.stop_ids.contains(&chosen[number]) {
                Some(Finish::StopId)
            } else if verdict == Verdict::Stop {
                Some(Finish::Observer)
            } else if row.text.len() - row.new_from >= self.settings.max_new_tokens {
                Some(Finish::MaxNewTokens)
            } else if row.text.len() >= context {
                Some(Finish::Context)
            } else {
                None
            };
        }
    }

    fn chosen(&mut self, scores: &Tensor) -> Vec<i64> {
        let sampling = self.settings.sampling;
        if sampling.is_greedy() && sampling.repetition_penalty == 1.0 {
            let best = scores.argmax(-1, false).to_device(Device::Cpu);
            let mut chosen = vec![0i64; self.rows.len()];
            best.copy_data(&mut chosen, best.numel());
            return chosen;
        }
        let values = nn::parameters::flat_values(&scores.to_kind(Kind::Float).reshape([-1]));
        let vocabulary = values.len() / self.rows.len().max(1);
        let scores = values.chunks_exact(vocabulary);
        let sampler = &mut self.sampler;
        let rows = self.rows.iter_mut().zip(scores);
        rows.map(|(row, scores)| sampler.draw(scores, &row.text, &mut row.stream))
            .collect()
    }

    /// Lets rows that have ended leave, once enough of them have.
    fn leave(&mut self, cache: Cache) -> Cache {
        let going: Vec<usize> = (0..self.rows.len())
            .filter(|row| self.rows[*row].finish.is_none())
            .collect();
        // Copying a cache costs about as much as a few steps of it.
        if going.len() * 4 > self.rows.len() * 3 {
            return cache;
        }
        let mut rows = Vec::with_capacity(going.len());
        for row in std::mem::take(&mut self.rows) {
            match row.finish {
                Some(finish) => self.done.push(row.into_continuation(finish)),
                None => rows.push(row),
            }
        }
        self.rows = rows;
        cache.select(&going)
    }
}

/// The logarithm of the probability of each chosen token, in f32.
fn log_probabilities(scores: &Tensor, chosen: &[i64]) -> Vec<f32> {
    let scores = scores.to_kind(Kind::Float);
    let chosen = Tensor::from_slice(chosen).to_device(scores.device());
    let taken = scores
        .gather(-1, &chosen.unsqueeze(-1), false)
        .squeeze_dim(-1);
    nn::parameters::flat_values(&(taken - scores.logsumexp(-1, false)))
}
