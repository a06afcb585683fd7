//! The tensors of an encoder, and what each of its parts computes.

use tch::{Device, Kind, Tensor};

use super::config::{EncoderActivation, EncoderConfig};
use super::{Run, attention::Attention, attention::Buckets};
use crate::LmError;

/// Gives a tensor by its name, in the shape asked for.
pub type TensorReader<'a> = dyn FnMut(&str, &[i64]) -> Result<Tensor, LmError> + 'a;

/// Where tensors come from, and what they become.
pub(super) struct Source<'a> {
    pub(super) read: &'a mut TensorReader<'a>,
    pub(super) kind: Kind,
    pub(super) device: Device,
}

impl Source<'_> {
    pub(super) fn get(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, LmError> {
        let tensor = (self.read)(name, shape)?;
        Ok(tensor.f_to_kind(self.kind)?.f_to_device(self.device)?)
    }

    pub(super) fn affine(
        &mut self,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Affine, LmError> {
        Ok(Affine {
            weight: self.get(&format!("{name}.weight"), &[outputs as i64, inputs as i64])?,
            bias: self.get(&format!("{name}.bias"), &[outputs as i64])?,
        })
    }

    pub(super) fn norm(&mut self, name: &str, config: &EncoderConfig) -> Result<Norm, LmError> {
        let width = [config.hidden as i64];
        Ok(Norm {
            gain: self.get(&format!("{name}.weight"), &width)?,
            offset: self.get(&format!("{name}.bias"), &width)?,
            epsilon: config.norm_epsilon,
        })
    }
}

/// A product with a bias.
pub(super) struct Affine {
    pub(super) weight: Tensor, // [outputs, inputs]
    pub(super) bias: Tensor,   // [outputs]
}

impl Affine {
    pub(super) fn forward(&self, input: &Tensor) -> Result<Tensor, LmError> {
        Ok(input.f_linear(&self.weight, Some(&self.bias))?)
    }
}

/// A norm of the mean and the variance.
pub(super) struct Norm {
    gain: Tensor,   // [hidden]
    offset: Tensor, // [hidden]
    epsilon: f64,
}

impl Norm {
    pub(super) fn forward(&self, input: &Tensor) -> Result<Tensor, LmError> {
        let width = self.gain.size();
        let (gain, offset) = (Some(&self.gain), Some(&self.offset));
        Ok(input.f_layer_norm(&width[..], gain, offset, self.epsilon, false)?)
    }
}

/// What is not of a layer.
pub(super) struct Trunk {
    pub(super) words: Tensor,              // [vocabulary, embedding]
    pub(super) positions: Option<Tensor>,  // [max_positions, embedding]
    pub(super) first_type: Option<Tensor>, // [embedding]
    pub(super) projection: Option<Tensor>, // [hidden, embedding]
    pub(super) norm: Norm,
    /// The vectors of the distances, normed. `[2 span, hidden]`.
    pub(super) distances: Option<Tensor>,
    pub(super) convolution: Option<ConvolutionLayer>,
}

impl Trunk {
    pub(super) fn of(config: &EncoderConfig, source: &mut Source<'_>) -> Result<Self, LmError> {
        let width = config.embedding as i64;
        let hidden = config.hidden as i64;
        let mut table = |name: &str, rows: usize| {
            source.get(
                &format!("embeddings.{name}_embeddings.weight"),
                &[rows as i64, width],
            )
        };
        let words = table("word", config.vocabulary)?;
        let positions = match config.absolute_positions {
            true => Some(table("position", config.max_positions)?),
            false => None,
        };
        let first_type = match config.token_types {
            0 => None,
            types => Some(table("token_type", types)?.f_select(0, 0)?),
        };
        let projection = match config.embedding == config.hidden {
            true => None,
            false => Some(source.get("embeddings.embed_proj.weight", &[hidden, width])?),
        };
        let norm = source.norm("embeddings.LayerNorm", config)?;
        let distances = match &config.relative {
            None => None,
            Some(relative) => {
                let shape = [2 * relative.span() as i64, hidden];
                let raw = source.get("encoder.rel_embeddings.weight", &shape)?;
                Some(match relative.normed {
                    true => source.norm("encoder.LayerNorm", config)?.forward(&raw)?,
                    false => raw,
                })
            }
        };
        let convolution = match config.convolution {
            None => None,
            Some(convolution) => {
                let inputs = hidden / convolution.groups as i64;
                let shape = [hidden, inputs, convolution.kernel as i64];
                Some(ConvolutionLayer {
                    weight: source.get("encoder.conv.conv.weight", &shape)?,
                    bias: source.get("encoder.conv.conv.bias", &[hidden])?,
                    norm: source.norm("encoder.conv.LayerNorm", config)?,
                    groups: convolution.groups as i64,
                    activation: convolution.activation,
                })
            }
        };
        Ok(Self {
            words,
            positions,
            first_type,
            projection,
            norm,
            distances,
            convolution,
        })
    }
}

/// The convolution over neighbouring tokens of the embedding.
pub(super) struct ConvolutionLayer {
    weight: Tensor, // [hidden, hidden / groups, kernel]
    bias: Tensor,   // [hidden]
    norm: Norm,
    groups: i64,
    activation: EncoderActivation,
}

impl ConvolutionLayer {
    /// `embedded` and the first layer's output, `[tokens, hidden]`, to the same.
    pub(super) fn forward(
        &self,
        embedded: &Tensor,
        first: &Tensor,
        runs: &[Run],
    ) -> Result<Tensor, LmError> {
        let (hidden, kernel) = (self.weight.size()[0], self.weight.size()[2]);
        let mut parts = Vec::with_capacity(runs.len());
        for run in runs {
            let texts = embedded.f_narrow(0, run.start, run.rows * run.tokens)?;
            let texts = texts
                .f_view([run.rows, run.tokens, hidden])?
                .f_transpose(1, 2)?;
            let padding = [(kernel - 1) / 2];
            let out = texts.f_conv1d(
                &self.weight,
                Some(&self.bias),
                [1],
                &padding[..],
                [1],
                self.groups,
            )?;
            parts.push(out.f_transpose(1, 2)?.f_reshape([-1, hidden])?);
        }
        let out = self.activation.apply(&Tensor::f_cat(&parts, 0)?)?;
        self.norm.forward(&first.f_add(&out)?)
    }
}

/// One layer.
pub(super) struct Layer {
    attention: Attention,
    attended: Affine,
    attended_norm: Norm,
    inner: Affine,
    outer: Affine,
    outer_norm: Norm,
}

impl Layer {
    pub(super) fn of(
        config: &EncoderConfig,
        trunk: &Trunk,
        number: usize,
        source: &mut Source<'_>,
    ) -> Result<Self, LmError> {
        let at = |name: &str| format!("encoder.layer.{number}.{name}");
        let (hidden, inner) = (config.hidden, config.intermediate);
        Ok(Self {
            attention: Attention::of(config, trunk, &at("attention.self"), source)?,
            attended: source.affine(&at("attention.output.dense"), hidden, hidden)?,
            attended_norm: source.norm(&at("attention.output.LayerNorm"), config)?,
            inner: source.affine(&at("intermediate.dense"), inner, hidden)?,
            outer: source.affine(&at("output.dense"), hidden, inner)?,
            outer_norm: source.norm(&at("output.LayerNorm"), config)?,
        })
    }

    /// `[tokens, hidden]` to the same.
    pub(super) fn forward(
        &self,
        config: &EncoderConfig,
        stream: &Tensor,
        runs: &[Run],
        buckets: &Buckets,
    ) -> Result<Tensor, LmError> {
        let attended = self.attention.forward(config, stream, runs, buckets)?;
        let attended = self.attended.forward(&attended)?.f_add(stream)?;
        let stream = self.attended_norm.forward(&attended)?;
        let fed = config.activation.apply(&self.inner.forward(&stream)?)?;
        self.outer_norm
            .forward(&self.outer.forward(&fed)?.f_add(&stream)?)
    }
}
