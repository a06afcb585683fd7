//! Reward models: a decoder whose head scores a whole text (`..ForSequenceClassification`).
//!
//! The trunk is the one [`Decoder`]; the head `score.weight` stands where a language model
//! has `lm_head.weight`, so that loading, saving, adapters and gradients need nothing new. A
//! text is scored at its last token that is not the padding id, which is the rule of
//! `transformers` 5.23 (`GenericForSequenceClassification`) for padding on either side. A
//! config without a padding id scores the last token; `transformers` refuses more than one
//! text then, and here each is scored as it would be alone.

use std::path::Path;

use tch::{Device, Kind, Tensor, no_grad};

use crate::LmError;
use crate::checkpoint::Checkpoint;
use crate::config::ModelConfig;
use crate::decoder::{Batch, Decoder};
use crate::grouping::groups;
use crate::scoring::{Activations, Gradient, Pass, pulled};
use crate::trained::Section;

/// Tokens that are computed together, when nothing else is said.
pub const DEFAULT_CEILING: usize = 8192;

/// A decoder that scores texts.
#[derive(Debug)]
pub struct Classifier {
    decoder: Decoder,
    labels: usize,
}

/// Scores with what their gradient needs.
pub struct ScoredTexts {
    scores: Tensor, // [texts, labels], f32
    places: Tensor, // [texts], into rows * tokens
    batch: Batch,
    pass: Pass,
}

impl ScoredTexts {
    /// `[texts, labels]`, f32, no gradient.
    pub fn scores(&self) -> &Tensor {
        &self.scores
    }
}

impl Classifier {
    /// Loads a model's folder; without `kind`, in the type of its files.
    ///
    /// # Errors
    /// As [`Decoder::load`]; a model that is not one for sequence classification, or lacks
    /// the head.
    pub fn load(
        folder: &Path,
        kind: Option<Kind>,
        device: Device,
        trainable: bool,
    ) -> Result<Self, LmError> {
        let config = ModelConfig::read(folder)?;
        let Some(labels) = config.labels else {
            return Err(LmError::Config {
                path: folder.join("config.json"),
                problem: "a language model, which has no head that scores a text - allowed: `architectures` that end in ForSequenceClassification - choose a reward model".to_owned(),
            });
        };
        let checkpoint = Checkpoint::open(folder)?;
        let head = |name: &&str| *name == "score.weight" || name.ends_with(".score.weight");
        if !checkpoint.names().any(|name| head(&name)) {
            return Err(checkpoint.problem(format!(
                "no `score.weight` of {labels} rows, though config.json describes a reward model - the weights are of the model it was made from; fetch the reward model again"
            )));
        }
        // The class of transformers has no bias and would drop one in silence.
        if let Some(bias) = checkpoint.names().find(|name| name.ends_with("score.bias")) {
            return Err(checkpoint.problem(format!(
                "`{bias}` - allowed: a head without a bias, as the class of transformers has it - choose another reward model"
            )));
        }
        let decoder = Decoder::of(config, folder, kind, device, trainable)?;
        Ok(Self { decoder, labels })
    }

    /// Scores of a text.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// The trunk and the head.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The trunk and the head, to be changed.
    pub fn decoder_mut(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// The scores of each of `texts`, in groups of at most `ceiling` tokens, padding
    /// included. `[texts, labels]`, f32, on the CPU.
    ///
    /// # Errors
    /// As [`Decoder::check`], for any text; LibTorch's own.
    pub fn scores_of(&self, texts: &[&[i64]], ceiling: usize) -> Result<Tensor, LmError> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        for text in texts {
            self.decoder.check(text)?;
        }
        // Texts on both sides of the switch of a long rotation would turn alike.
        let ropes = &self.decoder.config().ropes;
        let switch = ropes.iter().filter_map(|rope| rope.switch_length()).min();
        let long = |length: usize| switch.is_some_and(|switch| length > switch);
        let shape = [texts.len() as i64, self.labels as i64];
        let scores = Tensor::f_zeros(shape, (Kind::Float, Device::Cpu))?;
        for group in groups(&lengths, ceiling, long) {
            let members: Vec<&[i64]> = group.iter().map(|&text| texts[text]).collect();
            let scored = self.score(&members, Activations::Dropped)?;
            let rows: Vec<i64> = group.iter().map(|&text| text as i64).collect();
            let mut all = scores.shallow_clone();
            let part = scored.scores.to_device(Device::Cpu);
            let _ = no_grad(|| all.f_index_copy_(0, &Tensor::from_slice(&rows), &part))?;
        }
        Ok(scores)
    }

    /// Scores `texts` together, with as much kept for the gradient as `activations` says.
    ///
    /// # Errors
    /// As [`Decoder::check`], for any text; no texts; LibTorch's own.
    pub fn score(
        &self,
        texts: &[&[i64]],
        activations: Activations,
    ) -> Result<ScoredTexts, LmError> {
        if texts.is_empty() {
            return Err(LmError::Input(
                "no texts - allowed: at least one".to_owned(),
            ));
        }
        for text in texts {
            self.decoder.check(text)?;
        }
        let device = self.decoder.weights().device();
        let batch = Batch::padded(texts, device);
        let width = batch.longest();
        let padding = self.decoder.config().padding_id;
        let places = texts.iter().enumerate().map(|(row, text)| {
            let start = width - text.len();
            (row * width + start + scored_place(text, padding)) as i64
        });
        let places = Tensor::from_slice(&places.collect::<Vec<i64>>()).to_device(device);
        let pass = self.decoder.pass(&batch, activations, None)?;
        let scores = no_grad(|| {
            let hidden = self.decoder.hidden_at(&pass.stream, &places);
            self.decoder.logits(&hidden).to_kind(Kind::Float)
        });
        Ok(ScoredTexts {
            scores,
            places,
            batch,
            pass,
        })
    }

    /// Adds to `gradient` that of a loss whose derivative with respect to
    /// [`ScoredTexts::scores`] is `derivative` `[texts, labels]`, f32.
    ///
    /// # Errors
    /// Activations were dropped, the weights do not require gradients, LibTorch's own.
    pub fn accumulate(
        &self,
        scored: ScoredTexts,
        derivative: &Tensor,
        gradient: &mut Gradient,
    ) -> Result<(), LmError> {
        let decoder = &self.decoder;
        decoder.check_gradient(&scored.pass, gradient)?;
        let leaves = decoder.leaves(Section::Head);
        let hidden = no_grad(|| decoder.hidden_at(&scored.pass.stream, &scored.places));
        let leaf = hidden.detach().set_requires_grad(true);
        let scores = decoder.logits(&leaf).to_kind(Kind::Float);
        let (before, parts) = pulled(&scores, derivative, Some(&leaf), &leaves)?;
        gradient.add(&leaves, &parts);
        let before = before.unwrap_or(leaf);
        let behind = decoder.spread(&scored.pass.stream, &scored.places, &before)?;
        decoder.accumulate_layers(&scored.batch, scored.pass, behind, gradient)
    }
}

/// The last token that is not `padding`; the first one where all are.
fn scored_place(text: &[i64], padding: Option<i64>) -> usize {
    match padding {
        None => text.len() - 1,
        Some(padding) => text.iter().rposition(|id| *id != padding).unwrap_or(0),
    }
}
