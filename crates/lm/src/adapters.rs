//! Adapters: few trained numbers beside frozen weights.
//!
//! | form | change of a weight `W` `[outputs, inputs]` | trained | source |
//! |---|---|---|---|
//! | LoRA | `s B A`, `s = alpha / rank` | `A` `[rank, inputs]`, `B` `[outputs, rank]` | Hu et al. 2021 |
//! | rsLoRA | the same with `s = alpha / sqrt(rank)` | the same | Kalajdzievski 2023 |
//! | MiSS (Bone) | `D^T [I I .. I]` | `D` `[rank, outputs]` | Kang and Yin 2024 |
//! | MiSS mini | the same, `D` repeated along the outputs | `D` `[rank, mini]` | the same |
//! | BAT | per block `W D + D` | `D` `[outputs / rank, rank, rank]` | the same |
//!
//! The decoder keeps queries, keys and values in one matrix, and gates with ups in another.
//! An adapter acts on the rows that its module has there, so that its files are those of
//! `peft`: a module each. All of it lies in one flat buffer in f32, whatever the type of the
//! model; the forward pass casts. Changes are never formed for the forward pass, save for
//! BAT, whose change depends on the weight.

mod attached;
mod change;
mod config_file;
mod dropout;
mod files;
mod layout;
mod merging;

use tch::{Device, Kind, Tensor, no_grad};

use crate::LmError;
use crate::config::ModelConfig;
use crate::weights::{WeightIndex, WeightLayout};
use nn::random::RandomStream;

pub(crate) use attached::Attached;
pub use config_file::{CONFIG, Described, describe};
pub(crate) use dropout::Dropout;
pub use files::WEIGHTS;
pub use layout::AdapterLayout;
pub use merging::Keep;

use layout::{Group, Role};

/// What an adapter does to a weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// Low-rank adaptation.
    Lora {
        /// Rows of `A`.
        rank: usize,
        /// The change is multiplied by this over the rank.
        alpha: f64,
        /// Over the square root of the rank instead, so that a higher rank does not learn
        /// more slowly.
        rank_stabilised: bool,
    },
    /// Matrix shard sharing, which was called Bone before.
    Miss {
        /// Rows of `D`, and inputs in one block.
        rank: usize,
        /// Columns of `D`, when it is repeated along the outputs.
        mini: Option<usize>,
    },
    /// Block affine transformation.
    Bat {
        /// Rows and columns of a block.
        rank: usize,
    },
}

impl Form {
    /// What the product of the factors is multiplied by; 1 but for LoRA.
    pub fn scale(&self) -> f64 {
        match *self {
            Self::Lora {
                rank,
                alpha,
                rank_stabilised: false,
            } => alpha / rank as f64,
            Self::Lora { rank, alpha, .. } => alpha / (rank as f64).sqrt(),
            _ => 1.0,
        }
    }

    /// The rank.
    pub fn rank(&self) -> usize {
        match *self {
            Self::Lora { rank, .. } | Self::Miss { rank, .. } | Self::Bat { rank } => rank,
        }
    }
}

/// Every product of the layers.
pub const ALL_LINEAR: &str = "all-linear";

/// A new adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterSettings {
    /// What it does to a weight.
    pub form: Form,
    /// Names of modules as files have them (`q_proj`, `down_proj`, ..), or [`ALL_LINEAR`].
    pub targets: Vec<String>,
    /// Layers that stay as they are, counted from 0.
    pub excluded_layers: Vec<usize>,
    /// Probability with which an input of the adapter is dropped in training, in `[0, 1)`.
    pub dropout: f64,
}

impl Default for AdapterSettings {
    /// LoRA of rank 16 with alpha 32 on every product.
    fn default() -> Self {
        Self {
            form: Form::Lora {
                rank: 16,
                alpha: 32.0,
                rank_stabilised: false,
            },
            targets: vec![ALL_LINEAR.to_owned()],
            excluded_layers: Vec::new(),
            dropout: 0.0,
        }
    }
}

/// Which `peft_type` the files of MiSS carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `MISS` with `miss_block`: `peft` from 0.18 on.
    #[default]
    Miss,
    /// `BONE` with `bone_block`: `peft` up to 0.18. It knows no mini and no dropout.
    Bone,
}

/// The values of an adapter, in f32.
#[derive(Debug)]
pub struct Adapter {
    layout: AdapterLayout,
    dropout: f64,
    dialect: Dialect,
    flat: Tensor,             // [scalars]
    leaves: Vec<Vec<Tensor>>, // of each group
    trainable: bool,
}

impl Adapter {
    /// An adapter that changes nothing yet: `A` of LoRA is drawn as `peft` draws it, Kaiming
    /// uniform with `a = sqrt(5)`, from streams of `seed`; all else is 0.
    ///
    /// # Errors
    /// Modules that the model does not have, sizes that do not fit, not enough memory.
    pub fn create(
        settings: &AdapterSettings,
        config: &ModelConfig,
        device: Device,
        seed: u64,
    ) -> Result<Self, LmError> {
        let weights = WeightLayout::of(config);
        let layout = AdapterLayout::of(settings, &weights)?;
        let adapter = Self::zeros(layout, settings.dropout, Dialect::Miss, device, true)?;
        for (name, tensor) in adapter.tensors() {
            if !name.ends_with(Role::Down.suffix(Dialect::Miss)) {
                continue;
            }
            let bound = 1.0 / (tensor.size()[1] as f32).sqrt();
            let mut stream = RandomStream::new(seed, &name, 0);
            let drawn = (0..tensor.numel()).map(|_| (2.0 * stream.uniform() - 1.0) * bound);
            let drawn = Tensor::from_slice(&drawn.collect::<Vec<f32>>());
            no_grad(|| {
                let mut place = tensor.shallow_clone();
                place.f_copy_(&drawn.view(&tensor.size()[..]))
            })?;
        }
        Ok(adapter)
    }

    fn zeros(
        layout: AdapterLayout,
        dropout: f64,
        dialect: Dialect,
        device: Device,
        trainable: bool,
    ) -> Result<Self, LmError> {
        let flat = Tensor::f_zeros([layout.scalars() as i64], (Kind::Float, device))?;
        let leaves = layout.groups.iter().map(|group| {
            let leaves = group.leaves.iter();
            leaves
                .map(|place| place.of(&flat).detach().set_requires_grad(trainable))
                .collect()
        });
        let leaves = leaves.collect();
        Ok(Self {
            layout,
            dropout,
            dialect,
            flat,
            leaves,
            trainable,
        })
    }

    /// Names, shapes and places of its tensors.
    pub fn layout(&self) -> &AdapterLayout {
        &self.layout
    }

    /// What it does to a weight.
    pub fn form(&self) -> Form {
        self.layout.form
    }

    /// Probability with which an input is dropped in training.
    pub fn dropout(&self) -> f64 {
        self.dropout
    }

    /// Trained numbers.
    pub fn parameters(&self) -> usize {
        self.tensors().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// Whether it takes gradients.
    pub fn trainable(&self) -> bool {
        self.trainable
    }

    /// Which `peft_type` a MiSS adapter is saved as.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// The flat buffer. `[scalars]`, f32.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// The flat buffer, for an optimiser to write into. `[scalars]`, f32.
    pub fn flat_mut(&mut self) -> &mut Tensor {
        &mut self.flat
    }

    /// Every tensor under its name in files, without what `peft` puts before each
    /// (`base_model.model.`). They share the memory of [`Adapter::flat`].
    pub fn tensors(&self) -> impl Iterator<Item = (String, Tensor)> {
        self.named(&self.flat)
    }

    /// The parts of `flat`, a buffer of this adapter's layout such as a gradient, under
    /// their names in files.
    pub fn named(&self, flat: &Tensor) -> impl Iterator<Item = (String, Tensor)> {
        let named = self.layout.tensors(self.dialect);
        named.map(move |(name, place)| (name, place.of(flat)))
    }

    /// What acts on the weight `index`, with its leaves.
    pub(crate) fn on(&self, index: WeightIndex) -> Option<(&Group, &[Tensor])> {
        let number = self.layout.number(index)?;
        Some((&self.layout.groups[number], &self.leaves[number]))
    }

    /// The leaves of a layer, each with its place in the flat buffer.
    pub(crate) fn of_layer(&self, layer: usize) -> impl Iterator<Item = (&Tensor, i64)> {
        let groups = self.layout.groups.iter().zip(&self.leaves);
        groups
            .filter(move |(group, _)| group.layer == layer)
            .flat_map(|(group, leaves)| {
                let starts = group.leaves.iter().map(|place| place.start);
                leaves.iter().zip(starts)
            })
    }
}
