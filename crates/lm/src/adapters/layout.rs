//! Which modules of a model are adapted, and where their tensors lie in the flat buffer.

use std::collections::BTreeSet;
use std::ops::Range;

use tch::Tensor;

use super::{ALL_LINEAR, AdapterSettings, Dialect, Form};
use crate::LmError;
use crate::weights::{Affine, WeightIndex, WeightLayout};

/// The tensors of one weight start at multiples of this many scalars.
const ALIGNMENT: i64 = 32;

/// What a tensor is to its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `A` of LoRA.
    Down,
    /// `B` of LoRA.
    Up,
    /// `D` of MiSS and BAT.
    Block,
}

impl Role {
    /// What follows the module's name in files.
    pub(crate) fn suffix(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Down, _) => ".lora_A.weight",
            (Self::Up, _) => ".lora_B.weight",
            (Self::Block, Dialect::Miss) => ".miss_block",
            (Self::Block, Dialect::Bone) => ".bone_block",
        }
    }
}

/// A tensor in the flat buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) start: i64, // scalars
    pub(crate) shape: Vec<i64>,
}

impl Place {
    fn numel(&self) -> i64 {
        self.shape.iter().product()
    }

    pub(crate) fn of(&self, flat: &Tensor) -> Tensor {
        let whole = flat.narrow(0, self.start, self.numel());
        whole.view(&self.shape[..])
    }
}

/// A module of a model's layers that may be adapted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) layer: usize,
    pub(crate) weight: WeightIndex,
    /// `model.layers.0.self_attn.q_proj`.
    pub(crate) path: String,
    /// Its rows of the weight.
    pub(crate) rows: Range<i64>,
    /// Shape of the whole weight.
    pub(crate) shape: [i64; 2],
}

impl Module {
    /// `q_proj`.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    pub(crate) fn outputs(&self) -> i64 {
        self.rows.end - self.rows.start
    }

    /// Every module of a model.
    pub(crate) fn all(weights: &WeightLayout) -> Vec<Self> {
        let layers = weights.layers.iter().enumerate();
        let affines = layers.flat_map(|(number, layer)| {
            let affines = [
                layer.query_key_value,
                layer.output,
                layer.gate_up,
                layer.down,
            ];
            affines.map(|affine| (number, affine))
        });
        let modules = affines.flat_map(|(layer, Affine { weight, .. })| {
            let shape = weights.shape(weight);
            let parts = weights.parts(weight).iter();
            parts.map(move |part| Self {
                layer,
                weight,
                path: part.name.trim_end_matches(".weight").to_owned(),
                rows: part.rows.clone(),
                shape: [shape[0], shape[1]],
            })
        });
        modules.collect()
    }
}

/// An adapted module with its tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) module: Module,
    pub(crate) tensors: Vec<(Role, Place)>,
}

/// The adapted modules of one weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) weight: WeightIndex,
    pub(crate) layer: usize,
    pub(crate) sites: Vec<Site>,
    /// What takes a gradient: for LoRA every `A` in one matrix, then each `B`; else each `D`.
    pub(crate) leaves: Vec<Place>,
}

/// Names, shapes and places of the tensors of an adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterLayout {
    pub(crate) form: Form,
    pub(crate) groups: Vec<Group>,
    total: i64,
}

impl AdapterLayout {
    /// Of the modules that `settings` name, in a model of these weights.
    ///
    /// # Errors
    /// Values out of range, modules that the model does not have or whose sizes do not fit.
    pub(crate) fn of(settings: &AdapterSettings, weights: &WeightLayout) -> Result<Self, LmError> {
        check_dropout(settings)?;
        let all = Module::all(weights);
        let layers = weights.layers.len();
        if let Some(layer) = settings.excluded_layers.iter().find(|&&at| at >= layers) {
            return Err(LmError::Input(format!(
                "excluded layer {layer} - allowed: 0 to {}, the model's layers",
                layers - 1
            )));
        }
        let known: BTreeSet<&str> = all.iter().map(Module::name).collect();
        let mut chosen = BTreeSet::new();
        for target in &settings.targets {
            if target == ALL_LINEAR {
                chosen.extend(known.iter().copied());
            } else if let Some(name) = known.get(target.as_str()) {
                chosen.insert(name);
            } else {
                return Err(LmError::Input(format!(
                    "target module `{target}` - allowed for this model: {ALL_LINEAR}, {}",
                    known.iter().copied().collect::<Vec<_>>().join(", ")
                )));
            }
        }
        let modules = all.iter().filter(|module| {
            chosen.contains(module.name()) && !settings.excluded_layers.contains(&module.layer)
        });
        Self::with(settings.form, &modules.cloned().collect::<Vec<_>>())
    }

    /// Of these modules, which are in the order of the model.
    pub(crate) fn with(form: Form, modules: &[Module]) -> Result<Self, LmError> {
        if modules.is_empty() {
            return Err(LmError::Input(
                "the adapter has no target module - allowed: at least one in one layer".to_owned(),
            ));
        }
        let mut layout = Self {
            form,
            groups: Vec::new(),
            total: 0,
        };
        for of_weight in modules.chunk_by(|left, right| left.weight == right.weight) {
            for module in of_weight {
                check_sizes(form, module)?;
            }
            layout.add(of_weight);
        }
        Ok(layout)
    }

    fn add(&mut self, modules: &[Module]) {
        let first = &modules[0];
        let rank = self.form.rank() as i64;
        let mut next = |shape: Vec<i64>| {
            let place = Place {
                start: self.total,
                shape,
            };
            self.total += place.numel();
            place
        };
        let mut leaves = Vec::new();
        let mut sites: Vec<Site> = modules
            .iter()
            .map(|module| Site {
                module: module.clone(),
                tensors: Vec::new(),
            })
            .collect();
        if let Form::Lora { .. } = self.form {
            let inputs = first.shape[1];
            let downs = next(vec![modules.len() as i64 * rank, inputs]);
            for (number, site) in sites.iter_mut().enumerate() {
                let down = Place {
                    start: downs.start + number as i64 * rank * inputs,
                    shape: vec![rank, inputs],
                };
                site.tensors.push((Role::Down, down));
            }
            leaves.push(downs);
        }
        for site in &mut sites {
            let outputs = site.module.outputs();
            let (role, shape) = match self.form {
                Form::Lora { .. } => (Role::Up, vec![outputs, rank]),
                Form::Miss { mini, .. } => {
                    let columns = mini.map_or(outputs, |mini| mini as i64);
                    (Role::Block, vec![rank, columns])
                }
                Form::Bat { .. } => (Role::Block, vec![outputs / rank, rank, rank]),
            };
            let place = next(shape);
            leaves.push(place.clone());
            site.tensors.push((role, place));
        }
        self.total = (self.total + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        self.groups.push(Group {
            weight: first.weight,
            layer: first.layer,
            sites,
            leaves,
        });
    }

    /// Scalars of the flat buffer, gaps included.
    pub fn scalars(&self) -> usize {
        self.total as usize
    }

    /// The adapted modules, as paths: `model.layers.0.self_attn.q_proj`.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.sites().map(|site| site.module.path.as_str())
    }

    pub(crate) fn sites(&self) -> impl Iterator<Item = &Site> {
        self.groups.iter().flat_map(|group| &group.sites)
    }

    /// Every tensor with its name in files.
    pub(crate) fn tensors(&self, dialect: Dialect) -> impl Iterator<Item = (String, &Place)> {
        self.sites().flat_map(move |site| {
            site.tensors.iter().map(move |(role, place)| {
                let name = format!("{}{}", site.module.path, role.suffix(dialect));
                (name, place)
            })
        })
    }

    /// Which of the groups acts on the weight `index`.
    pub(crate) fn number(&self, index: WeightIndex) -> Option<usize> {
        let found = self
            .groups
            .binary_search_by_key(&index, |group| group.weight);
        found.ok()
    }
}

fn check_dropout(settings: &AdapterSettings) -> Result<(), LmError> {
    let dropout = settings.dropout;
    if !(0.0..1.0).contains(&dropout) {
        return Err(LmError::Input(format!(
            "adapter dropout {dropout} - allowed: 0 to below 1"
        )));
    }
    if dropout > 0.0 && matches!(settings.form, Form::Bat { .. }) {
        return Err(LmError::Input(format!(
            "adapter dropout {dropout} with BAT - allowed: 0; BAT changes the weight, not the input"
        )));
    }
    Ok(())
}

fn check_sizes(form: Form, module: &Module) -> Result<(), LmError> {
    let [outputs, inputs] = [module.outputs(), module.shape[1]];
    let rank = form.rank() as i64;
    let refuse = |problem: String| {
        Err(LmError::Input(format!(
            "{problem} - `{}` has {inputs} inputs and {outputs} outputs",
            module.path
        )))
    };
    if rank < 1 || rank > inputs {
        return refuse(format!("adapter rank {rank} - allowed: 1 to {inputs}"));
    }
    match form {
        Form::Lora { alpha, .. } if !(alpha.is_finite() && alpha != 0.0) => refuse(format!(
            "adapter alpha {alpha} - allowed: a number other than 0"
        )),
        Form::Miss {
            mini: Some(mini), ..
        } if mini < 1 || outputs % mini as i64 != 0 => refuse(format!(
            "mini {mini} - allowed: a divisor of the outputs of every target"
        )),
        Form::Bat { .. } if inputs % rank != 0 || outputs % rank != 0 => refuse(format!(
            "BAT of rank {rank} - allowed: a divisor of the inputs and outputs of every target"
        )),
        _ => Ok(()),
    }
}
