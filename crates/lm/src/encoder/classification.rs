//! A text's scores from its first token (`DebertaV2ForSequenceClassification`).

use std::path::Path;

use tch::{Device, Kind, Tensor, no_grad};

use super::config::{EncoderActivation, EncoderHead};
use super::weights::Affine;
use super::{Encoder, Opened, starts};
use crate::LmError;
use crate::grouping::groups;

/// An encoder that scores texts.
pub struct EncoderClassifier {
    encoder: Encoder,
    pooler: Affine,
    activation: EncoderActivation,
    classifier: Affine,
}

impl EncoderClassifier {
    /// Loads a model's folder; `kind` as for [`Encoder::load`].
    ///
    /// # Errors
    /// As [`Encoder::load`]; a folder of another head, or whose head is missing.
    pub fn load(folder: &Path, kind: Option<Kind>, device: Device) -> Result<Self, LmError> {
        let opened = Opened::of(folder, kind, device)?;
        let EncoderHead::Classification { labels, activation } = opened.config.head else {
            return Err(LmError::Config {
                path: folder.join("config.json"),
                problem: format!(
                    "{} - allowed here: DebertaV2ForSequenceClassification, which scores one text",
                    opened.config.head.described()
                ),
            });
        };
        let hidden = opened.config.hidden as i64;
        let affine = |name: &str, outputs: i64| -> Result<Affine, LmError> {
            Ok(Affine {
                weight: opened.of_head(&format!("{name}.weight"), &[outputs, hidden])?,
                bias: opened.of_head(&format!("{name}.bias"), &[outputs])?,
            })
        };
        Ok(Self {
            pooler: affine("pooler.dense", hidden)?,
            classifier: affine("classifier", labels as i64)?,
            activation,
            encoder: opened.encoder()?,
        })
    }

    /// The encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Scores of a text.
    pub fn labels(&self) -> usize {
        self.classifier.bias.numel()
    }

    /// The scores of each of `texts`, in groups of at most `ceiling` tokens.
    /// `[texts, labels]`, f32, on the CPU.
    ///
    /// # Errors
    /// As [`Encoder::check`], for any text; LibTorch's own.
    pub fn scores_of(&self, texts: &[&[i64]], ceiling: usize) -> Result<Tensor, LmError> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let shape = [texts.len() as i64, self.labels() as i64];
        let scores = Tensor::f_zeros(shape, (Kind::Float, Device::Cpu))?;
        for group in groups(&lengths, ceiling, |_| false) {
            let members: Vec<&[i64]> = group.iter().map(|&text| texts[text]).collect();
            let vectors = self.encoder.forward(&members)?;
            let part = no_grad(|| -> Result<Tensor, LmError> {
                let first = Tensor::from_slice(&starts(&members)).to_device(vectors.device());
                let pooled = self.pooler.forward(&vectors.f_index_select(0, &first)?)?;
                let scored = self.classifier.forward(&self.activation.apply(&pooled)?)?;
                Ok(scored.to_kind(Kind::Float).to_device(Device::Cpu))
            })?;
            let rows: Vec<i64> = group.iter().map(|&text| text as i64).collect();
            let mut all = scores.shallow_clone();
            let _ = all.f_index_copy_(0, &Tensor::from_slice(&rows), &part)?;
        }
        Ok(scores)
    }
}

impl EncoderHead {
    /// What a model with this head is, for messages.
    pub fn described(&self) -> &'static str {
        match self {
            Self::None => "an encoder without a head",
            Self::Classification { .. } => "an encoder that scores one text",
            Self::Pair { .. } => "PairRM, which compares two candidates",
        }
    }
}
