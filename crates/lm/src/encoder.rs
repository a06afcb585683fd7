//! The DeBERTa-v2 and DeBERTa-v3 encoder (`DebertaV2Model`): He et al. 2021, 2023.
//!
//! Every token sees every other of its text. Scores are the sum of content against content,
//! content against position and position against content, where a position is a distance in
//! logarithmic buckets. Texts of unequal length lie one after the other and nothing is
//! padded: products run over all tokens at once, attention over texts of one length at once.
//! Inference only: the position products of each layer are made once, when it is loaded.

mod attention;
mod classification;
mod config;
mod pair;
mod weights;

use std::path::Path;

use tch::{Device, Kind, Tensor, no_grad};

use crate::LmError;
use crate::checkpoint::Checkpoint;
use attention::Buckets;
use weights::{Layer, Source, Trunk};

pub use classification::EncoderClassifier;
pub use config::{
    Convolution, EncoderActivation, EncoderConfig, EncoderHead, MODEL_TYPE as ENCODER_TYPE,
    RelativePositions,
};
pub use pair::{PairLimits, PairRanker, PairText, Segments, win_matrix};
pub use weights::TensorReader;

/// An encoder with its weights.
pub struct Encoder {
    config: EncoderConfig,
    trunk: Trunk,
    layers: Vec<Layer>,
}

/// Texts of one length, side by side in the packed tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: i64,
    rows: i64,
    tokens: i64,
}

impl Encoder {
    /// Loads a model's folder, whatever head it has; without `kind`, in the type of its
    /// files, and f16 as f32.
    ///
    /// # Errors
    /// A `config.json` that is not of DeBERTa-v2; weights that are damaged, missing or do
    /// not fit.
    pub fn load(folder: &Path, kind: Option<Kind>, device: Device) -> Result<Self, LmError> {
        Opened::of(folder, kind, device)?.encoder()
    }

    /// An encoder whose tensors `read` gives, by their names in files without the leading
    /// `deberta.` and by their shapes.
    ///
    /// # Errors
    /// Those of `read`, LibTorch's own.
    pub fn from_tensors(
        config: EncoderConfig,
        kind: Kind,
        device: Device,
        read: &mut TensorReader<'_>,
    ) -> Result<Self, LmError> {
        let mut source = Source { read, kind, device };
        no_grad(|| {
            let trunk = Trunk::of(&config, &mut source)?;
            let layers = (0..config.layers)
                .map(|layer| Layer::of(&config, &trunk, layer, &mut source))
                .collect::<Result<_, _>>()?;
            Ok(Self {
                config,
                trunk,
                layers,
            })
        })
    }

    /// The description.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Where the weights live.
    pub fn device(&self) -> Device {
        self.trunk.words.device()
    }

    /// The type of the weights.
    pub fn kind(&self) -> Kind {
        self.trunk.words.kind()
    }

    /// Says whether the model knows every one of `ids` and has room for them.
    ///
    /// # Errors
    /// An id outside the vocabulary, no ids, or more than the model has positions for.
    pub fn check(&self, ids: &[i64]) -> Result<(), LmError> {
        let vocabulary = self.config.vocabulary;
        if ids.is_empty() {
            return Err(LmError::Input(
                "a text without tokens - allowed: at least one; an encoder's texts begin with `[CLS]`".to_owned(),
            ));
        }
        if let Some(id) = ids.iter().find(|id| **id < 0 || **id >= vocabulary as i64) {
            return Err(LmError::Input(format!(
                "token id {id} - allowed: 0 to {} - the ids are of another model's tokenizer",
                vocabulary - 1
            )));
        }
        match self.config.most_tokens() {
            Some(most) if ids.len() > most => Err(LmError::Input(format!(
                "a text of {} tokens - allowed: {most}, the positions this model has - shorten it",
                ids.len()
            ))),
            _ => Ok(()),
        }
    }

    /// The vectors of the last layer, text after text. `[tokens of all texts, hidden]`.
    ///
    /// # Errors
    /// As [`Encoder::check`], for any text; no texts; LibTorch's own.
    pub fn forward(&self, texts: &[&[i64]]) -> Result<Tensor, LmError> {
        for text in texts {
            self.check(text)?;
        }
        let runs = runs(texts);
        let ids = texts.concat();
        if ids.is_empty() {
            return Err(LmError::Input(
                "no texts - allowed: at least one".to_owned(),
            ));
        }
        no_grad(|| {
            let ids = Tensor::from_slice(&ids).to_device(self.device());
            let embedded = self.embed(&ids, texts)?;
            let buckets = Buckets::of(&self.config, &runs, self.device())?;
            let mut stream = embedded.shallow_clone();
            for (number, layer) in self.layers.iter().enumerate() {
                stream = layer.forward(&self.config, &stream, &runs, &buckets)?;
                if number == 0
                    && let Some(convolution) = &self.trunk.convolution
                {
                    stream = convolution.forward(&embedded, &stream, &runs)?;
                }
            }
            Ok(stream)
        })
    }

    /// `[tokens]` to `[tokens, hidden]`.
    fn embed(&self, ids: &Tensor, texts: &[&[i64]]) -> Result<Tensor, LmError> {
        let trunk = &self.trunk;
        let mut stream = trunk.words.f_index_select(0, ids)?;
        if let Some(positions) = &trunk.positions {
            let places: Vec<i64> = texts.iter().flat_map(|text| 0..text.len() as i64).collect();
            let places = Tensor::from_slice(&places).to_device(ids.device());
            stream = stream.f_add(&positions.f_index_select(0, &places)?)?;
        }
        if let Some(first_type) = &trunk.first_type {
            stream = stream.f_add(first_type)?;
        }
        if let Some(projection) = &trunk.projection {
            stream = stream.f_linear(projection, None::<&Tensor>)?;
        }
        trunk.norm.forward(&stream)
    }
}

/// Where each text begins among the packed tokens.
fn starts(texts: &[&[i64]]) -> Vec<i64> {
    let mut at = 0;
    let starts = texts.iter().map(|text| {
        at += text.len() as i64;
        at - text.len() as i64
    });
    starts.collect()
}

/// Neighbours of equal length run together.
fn runs(texts: &[&[i64]]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut at = 0;
    for text in texts {
        let tokens = text.len() as i64;
        match runs.last_mut() {
            Some(run) if run.tokens == tokens => run.rows += 1,
            _ => runs.push(Run {
                start: at,
                rows: 1,
                tokens,
            }),
        }
        at += tokens;
    }
    runs
}

/// A folder that was opened to load a model with a head.
struct Opened {
    config: EncoderConfig,
    checkpoint: Checkpoint,
    kind: Kind,
    device: Device,
    prefix: String,
}

impl Opened {
    fn of(folder: &Path, kind: Option<Kind>, device: Device) -> Result<Self, LmError> {
        const WORDS: &str = "embeddings.word_embeddings.weight";
        let config = EncoderConfig::read(folder)?;
        let checkpoint = Checkpoint::open(folder)?;
        let name = checkpoint.names().find(|name| name.ends_with(WORDS));
        let Some(prefix) = name.map(|name| name[..name.len() - WORDS.len()].to_owned()) else {
            return Err(checkpoint.problem(format!(
                "no `{WORDS}` - the weights are not of a DeBERTa encoder; fetch the model again"
            )));
        };
        // Layers run in f32 or bf16; f16 is a form of files.
        let kind = kind.unwrap_or_else(|| match checkpoint.kind() {
            Kind::Half => Kind::Float,
            kind => kind,
        });
        Ok(Self {
            config,
            checkpoint,
            kind,
            device,
            prefix,
        })
    }

    fn encoder(&self) -> Result<Encoder, LmError> {
        self.refuse_strangers()?;
        let mut read = |name: &str, shape: &[i64]| self.tensor(&self.prefix, name, shape);
        Encoder::from_tensors(self.config.clone(), self.kind, self.device, &mut read)
    }

    /// A tensor of the head, in the model's type.
    fn of_head(&self, name: &str, shape: &[i64]) -> Result<Tensor, LmError> {
        if !self.checkpoint.names().any(|known| known == name) {
            return Err(self.checkpoint.problem(format!(
                "no `{name}`, though config.json describes a head - the weights are of the encoder alone; fetch the whole model again"
            )));
        }
        let tensor = self.tensor("", name, shape)?;
        Ok(tensor.f_to_kind(self.kind)?.f_to_device(self.device)?)
    }

    fn tensor(&self, prefix: &str, name: &str, shape: &[i64]) -> Result<Tensor, LmError> {
        let full = format!("{prefix}{name}");
        // Norms of the oldest files have the names of TensorFlow.
        let older = match full.strip_suffix("LayerNorm.weight") {
            Some(start) => Some(format!("{start}LayerNorm.gamma")),
            None => full
                .strip_suffix("LayerNorm.bias")
                .map(|start| format!("{start}LayerNorm.beta")),
        };
        let known = |name: &String| self.checkpoint.names().any(|known| known == name);
        let older = older.filter(|older| !known(&full) && known(older));
        self.checkpoint.tensor(&older.unwrap_or(full), shape)
    }

    /// A layer's tensor that config.json does not ask for would be dropped in silence.
    fn refuse_strangers(&self) -> Result<(), LmError> {
        let layers = format!("{}encoder.layer.", self.prefix);
        let relative = self.config.relative.as_ref();
        let stranger = self.checkpoint.names().find(|name| {
            let Some(rest) = name.strip_prefix(&layers) else {
                return name.starts_with(&format!("{}encoder.conv.", self.prefix))
                    && self.config.convolution.is_none();
            };
            let number = rest.split('.').next().and_then(|text| text.parse().ok());
            let apart = rest.contains(".pos_key_proj.") || rest.contains(".pos_query_proj.");
            let unused = relative.is_none_or(|relative| {
                relative.shared_keys
                    || (rest.contains(".pos_key_proj.") && !relative.content_to_position)
                    || (rest.contains(".pos_query_proj.") && !relative.position_to_content)
            });
            number.is_none_or(|number: usize| number >= self.config.layers) || (apart && unused)
        });
        match stranger {
            None => Ok(()),
            Some(name) => Err(self.checkpoint.problem(format!(
                "`{name}` has no place in the model that config.json describes - the two files are of different models; fetch both again"
            ))),
        }
    }
}
