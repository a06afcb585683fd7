//! An adapter's folder, as `peft` reads and writes it.

use std::collections::BTreeSet;
use std::path::Path;

use tch::{Device, Kind, no_grad};

use super::config_file::{CONFIG, Described, describe, text_of};
use super::layout::{AdapterLayout, Module, Role};
use super::{Adapter, Dialect, Form};
use crate::LmError;
use crate::checkpoint::Checkpoint;
use crate::config::ModelConfig;
use crate::save;
use crate::weights::WeightLayout;

/// The name of the file with the tensors.
pub const WEIGHTS: &str = "adapter_model.safetensors";

/// What `peft` puts before every name.
const PREFIX: &str = "base_model.model.";

/// What stands before `layers.` in the models of a language model, or around one.
const STEMS: [&str; 4] = [
    "model.",
    "",
    "language_model.model.",
    "model.language_model.",
];

impl Adapter {
    /// Reads a folder that `peft` or [`Adapter::save`] wrote, for a model of this description.
    ///
    /// # Errors
    /// As [`describe`]; a missing, pickled, truncated or damaged file; tensors of another
    /// model, too few, too many, or not finite.
    pub fn load(
        folder: &Path,
        config: &ModelConfig,
        device: Device,
        trainable: bool,
    ) -> Result<Self, LmError> {
        let described = describe(folder)?;
        let file = open(folder)?;
        let read = Read::of(&file, described.dialect)?;
        let modules = Module::all(&WeightLayout::of(config));
        let modules = read.modules(&file, &described, modules)?;
        let layout = AdapterLayout::with(described.form, &modules)?;
        let adapter = Self::zeros(
            layout,
            described.dropout,
            described.dialect,
            device,
            trainable,
        )?;
        for (name, target) in adapter.tensors() {
            let name = format!("{PREFIX}{}{}", read.stem, tail(&name));
            let found = file.shape(&name);
            let wanted = target.size();
            if found.as_ref() != Some(&wanted) {
                let found = found.map_or("missing".to_owned(), |shape| format!("{shape:?}"));
                return Err(file.problem(format!(
                    "`{name}` is {found} - allowed by {CONFIG} and the model: {wanted:?} - the adapter was made for another model, or its two files are of different adapters"
                )));
            }
            let values = file.tensor(&name, &wanted)?.to_kind(Kind::Float);
            if values.isfinite().all().int64_value(&[]) == 0 {
                return Err(file.problem(format!(
                    "`{name}` holds a value that is not a finite number - the training that made it has diverged; take an earlier checkpoint"
                )));
            }
            no_grad(|| target.shallow_clone().f_copy_(&values))?;
        }
        Ok(adapter)
    }

    /// Writes the new folder `target`, for `base`: the folder or the name of the model.
    ///
    /// # Errors
    /// The folder is there already, a form that `peft` has no name for, a full disk. Nothing
    /// stays behind then.
    pub fn save(&self, target: &Path, base: &str) -> Result<(), LmError> {
        let plain = matches!(self.form(), Form::Lora { .. } | Form::Bat { .. })
            || (matches!(self.form(), Form::Miss { mini: None, .. }) && self.dropout() == 0.0);
        if self.dialect == Dialect::Bone && !plain {
            return Err(LmError::Input(
                "MiSS with mini or dropout as `BONE` - allowed: as `MISS`; peft's Bone has neither"
                    .to_owned(),
            ));
        }
        save::into_new_folder(target, |folder| {
            let text = text_of(&self.described(base));
            save::write(&folder.join(CONFIG), text.as_bytes())?;
            let tensors = self.tensors();
            let tensors = tensors.map(|(name, tensor)| (format!("{PREFIX}{name}"), tensor));
            save::write_plain_tensors(&folder.join(WEIGHTS), tensors, Kind::Float)
        })
    }

    /// Names and layers where the adapted modules are all that they name, else whole paths.
    fn described(&self, base: &str) -> Described {
        let sites = || self.layout.sites().map(|site| &site.module);
        let names: BTreeSet<&str> = sites().map(Module::name).collect();
        let layers: BTreeSet<usize> = sites().map(|module| module.layer).collect();
        let regular = sites().count() == names.len() * layers.len();
        let targets: Vec<String> = if regular {
            names.into_iter().map(str::to_owned).collect()
        } else {
            sites().map(|module| module.path.clone()).collect()
        };
        Described {
            form: self.form(),
            dropout: self.dropout(),
            dialect: self.dialect,
            base: Some(base.to_owned()),
            targets: Some(targets),
            layers: regular.then_some(layers),
            excluded: Vec::new(),
        }
    }
}

fn open(folder: &Path) -> Result<Checkpoint, LmError> {
    let path = folder.join(WEIGHTS);
    if path.is_file() {
        return Checkpoint::of_file(path);
    }
    let problem = if folder.join("adapter_model.bin").is_file() {
        format!(
            "only pickled weights (`adapter_model.bin`) - allowed: {WEIGHTS} - a pickle runs code when it is read; load it with peft and save it with `save_pretrained`"
        )
    } else {
        format!("no {WEIGHTS} - fetch the adapter again")
    };
    Err(LmError::Checkpoint {
        path: folder.to_path_buf(),
        problem,
    })
}

/// `layers.0.self_attn.q_proj` of `model.layers.0.self_attn.q_proj`.
fn tail(path: &str) -> &str {
    path.find("layers.").map_or(path, |at| &path[at..])
}

/// The names in a file.
struct Read {
    stem: &'static str,
    tails: BTreeSet<String>,
}

impl Read {
    fn of(file: &Checkpoint, dialect: Dialect) -> Result<Self, LmError> {
        let mut stems = BTreeSet::new();
        let mut tails = BTreeSet::new();
        for name in file.names() {
            let path = [Role::Down, Role::Up, Role::Block].iter().find_map(|role| {
                let path = name.strip_suffix(role.suffix(dialect))?;
                path.strip_prefix(PREFIX)
            });
            let found = path.and_then(|path| {
                let stem = path.strip_suffix(tail(path))?;
                let stem = STEMS.iter().find(|known| **known == stem)?;
                Some((*stem, tail(path).to_owned()))
            });
            let Some((stem, tail)) = found else {
                return Err(file.problem(format!(
                    "`{name}` has no place here - allowed: adapters of the products in a language model's layers, such as `{PREFIX}model.layers.0.self_attn.q_proj.lora_A.weight`"
                )));
            };
            stems.insert(stem);
            tails.insert(tail);
        }
        let mut stems = stems.into_iter();
        match (stems.next(), stems.next()) {
            (Some(stem), None) => Ok(Self { stem, tails }),
            (None, _) => Err(file
                .problem("no tensors - the adapter is empty; save it again with peft".to_owned())),
            _ => Err(file.problem(
                "tensors of two models - allowed: adapters of one language model".to_owned(),
            )),
        }
    }

    /// Which of `all` have tensors: just those that the description names.
    fn modules(
        &self,
        file: &Checkpoint,
        described: &Described,
        all: Vec<Module>,
    ) -> Result<Vec<Module>, LmError> {
        let known: BTreeSet<&str> = all.iter().map(|module| tail(&module.path)).collect();
        if let Some(strange) = self
            .tails
            .iter()
            .find(|tail| !known.contains(tail.as_str()))
        {
            return Err(file.problem(format!(
                "the model has no `{strange}` - the adapter was made for another model{}",
                described
                    .base
                    .as_ref()
                    .map_or(String::new(), |base| format!(", `{base}`"))
            )));
        }
        let (present, absent): (Vec<Module>, Vec<Module>) = all
            .into_iter()
            .partition(|module| self.tails.contains(tail(&module.path)));
        let lacking = absent
            .iter()
            .find(|module| described.targets(module) == Some(true));
        if let Some(module) = lacking {
            return Err(file.problem(format!(
                "no tensors for `{}`, which {CONFIG} names - the adapter was made for another model, or the file is of another adapter",
                module.path
            )));
        }
        let extra = present
            .iter()
            .find(|module| described.targets(module) == Some(false));
        if let Some(module) = extra {
            return Err(file.problem(format!(
                "tensors for `{}`, which {CONFIG} does not name - the two files are of different adapters",
                module.path
            )));
        }
        Ok(present)
    }
}
