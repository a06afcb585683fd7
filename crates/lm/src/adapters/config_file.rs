//! `adapter_config.json`, as `peft` reads and writes it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::layout::Module;
use super::{Dialect, Form};
use crate::LmError;

/// The name of the file.
pub const CONFIG: &str = "adapter_config.json";

/// What an adapter's folder says about the adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// What it does to a weight.
    pub form: Form,
    /// Probability with which an input is dropped in training.
    pub dropout: f64,
    /// Which `peft_type` a MiSS adapter has.
    pub dialect: Dialect,
    /// The model it was made for: a folder, or a name of the hub.
    pub base: Option<String>,
    pub(crate) targets: Option<Vec<String>>, // none: a pattern, or left to peft
    pub(crate) layers: Option<BTreeSet<usize>>,
    pub(crate) excluded: Vec<String>,
}

impl Described {
    /// Whether `module` is one of the targets; unknown where they are a pattern.
    pub(crate) fn targets(&self, module: &Module) -> Option<bool> {
        let named = |name: &String| {
            let rest = module.path.strip_suffix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let inside = self.layers.as_ref();
        let inside = inside.is_none_or(|layers| layers.contains(&module.layer));
        let targets = self.targets.as_ref()?;
        Some(targets.iter().any(named) && inside && !self.excluded.iter().any(named))
    }
}

/// Options that change neither the forward pass nor which modules have tensors.
const WITHOUT_EFFECT: [&str; 17] = [
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    // peft itself sets it back for the linear layers of these models.
    "fan_in_fan_out",
    "inference_mode",
    "layers_pattern",
    "loftq_config",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
];

/// Options that every form has.
const SHARED: [&str; 6] = [
    "peft_type",
    "r",
    "bias",
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
];

/// Reads the description of an adapter's folder.
///
/// # Errors
/// No such file or a damaged one, a `peft_type` or an option that is not run here.
pub fn describe(folder: &Path) -> Result<Described, LmError> {
    let path = folder.join(CONFIG);
    if !path.is_file() && folder.join("config.json").is_file() {
        return Err(LmError::Config {
            path: folder.to_path_buf(),
            problem: format!("a model, not an adapter - allowed: a folder with {CONFIG}"),
        });
    }
    let text = fs::read_to_string(&path).map_err(|source| LmError::File {
        path: path.clone(),
        source,
    })?;
    let options = match serde_json::from_str(&text) {
        Ok(Value::Object(options)) => options,
        Ok(_) => return Err(problem(&path, "not an object - the file is damaged")),
        Err(error) => {
            let text = format!("not JSON ({error}) - the file is damaged");
            return Err(problem(&path, &text));
        }
    };
    Options { path, options }.read()
}

fn problem(path: &Path, problem: &str) -> LmError {
    LmError::Config {
        path: path.to_path_buf(),
        problem: problem.to_owned(),
    }
}

struct Options {
    path: PathBuf,
    options: Map<String, Value>,
}

impl Options {
    fn read(&self) -> Result<Described, LmError> {
        let kind = self.options.get("peft_type").and_then(Value::as_str);
        let (form, dropout, dialect, own): (_, _, _, &[&str]) = match kind {
            Some("LORA") => {
                let own = &[
                    "lora_alpha",
                    "lora_dropout",
                    "use_rslora",
                    "init_lora_weights",
                ];
                (self.lora()?, "lora_dropout", Dialect::Miss, own)
            }
            Some("MISS") => {
                let own = &["miss_dropout", "mini_r", "init_weights"];
                (self.miss()?, "miss_dropout", Dialect::Miss, own)
            }
            Some("BONE") => (self.miss()?, "", Dialect::Bone, &["init_weights"]),
            _ => {
                let kind = self.options.get("peft_type").unwrap_or(&Value::Null);
                return Err(self.refuse(&format!(
                    "`peft_type` {kind} - allowed: LORA, MISS, BONE - merge the adapter with peft (`merge_and_unload`) and load the model that gives"
                )));
            }
        };
        self.refuse_strangers(own)?;
        let dropout = self.number(dropout)?.unwrap_or(0.0);
        if !(0.0..1.0).contains(&dropout) {
            return Err(self.refuse(&format!("dropout {dropout} - allowed: 0 to below 1")));
        }
        // Of BAT, peft drops nothing whatever it says.
        let dropout = if matches!(form, Form::Bat { .. }) {
            0.0
        } else {
            dropout
        };
        let base = self.options.get("base_model_name_or_path");
        let base = base.and_then(Value::as_str).filter(|base| !base.is_empty());
        Ok(Described {
            form,
            dropout,
            dialect,
            base: base.map(str::to_owned),
            targets: self.names("target_modules")?,
            layers: self.layers()?,
            excluded: self.excluded()?,
        })
    }

    fn lora(&self) -> Result<Form, LmError> {
        const PLAIN: [&str; 3] = ["gaussian", "orthogonal", "eva"];
        match self.options.get("init_lora_weights") {
            None | Some(Value::Null | Value::Bool(_)) => {}
            Some(Value::String(init)) if PLAIN.contains(&init.as_str()) => {}
            Some(other) => {
                return Err(self.refuse(&format!(
                    "`init_lora_weights` {other} - allowed: true, false, {} - with this one peft changes the weights of the base model as well; save the adapter with peft's `path_initial_model_for_weight_conversion`",
                    PLAIN.join(", ")
                )));
            }
        }
        let rank = self.rank(8)?;
        let alpha = self.number("lora_alpha")?.unwrap_or(8.0);
        if !alpha.is_finite() || alpha == 0.0 {
            return Err(self.refuse(&format!(
                "`lora_alpha` {alpha} - allowed: a number other than 0"
            )));
        }
        Ok(Form::Lora {
            rank,
            alpha,
            rank_stabilised: self.options.get("use_rslora") == Some(&Value::Bool(true)),
        })
    }

    fn miss(&self) -> Result<Form, LmError> {
        let rank = self.rank(64)?;
        match self.options.get("init_weights") {
            None | Some(Value::Null | Value::Bool(_)) => Ok(Form::Miss { rank, mini: None }),
            Some(Value::String(init)) if init == "bat" => Ok(Form::Bat { rank }),
            Some(Value::String(init)) if init == "mini" => {
                let mini = self.whole("mini_r")?.unwrap_or(1);
                Ok(Form::Miss {
                    rank,
                    mini: Some(mini),
                })
            }
            Some(other) => Err(self.refuse(&format!(
                "`init_weights` {other} - allowed: true, false, mini, bat"
            ))),
        }
    }

    /// An option that this reader does not know, or cannot run, would change the outputs.
    fn refuse_strangers(&self, own: &[&str]) -> Result<(), LmError> {
        if let Some(bias) = self.options.get("bias")
            && !bias.is_null()
            && bias != "none"
        {
            return Err(self.refuse(&format!(
                "`bias` {bias} - allowed: none - the adapter also trained biases; merge it with peft"
            )));
        }
        let known = |key: &&String| {
            [own, &SHARED, &WITHOUT_EFFECT]
                .iter()
                .any(|keys| keys.contains(&key.as_str()))
        };
        let strange = self
            .options
            .iter()
            .find(|(key, value)| !known(key) && !is_empty(value));
        match strange {
            None => Ok(()),
            Some((key, value)) => Err(self.refuse(&format!(
                "`{key}` {value} - allowed: leaving it out - adapters with this option do not run here; merge it with peft (`merge_and_unload`) and load the model that gives"
            ))),
        }
    }

    fn rank(&self, default: usize) -> Result<usize, LmError> {
        let rank = self.whole("r")?.unwrap_or(default);
        if rank == 0 {
            return Err(self.refuse("`r` 0 - allowed: at least 1"));
        }
        Ok(rank)
    }

    fn whole(&self, key: &str) -> Result<Option<usize>, LmError> {
        match self.options.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64() {
                Some(number) => Ok(Some(number as usize)),
                None => Err(self.refuse(&format!("`{key}` {value} - allowed: a whole number"))),
            },
        }
    }

    fn number(&self, key: &str) -> Result<Option<f64>, LmError> {
        match self.options.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.refuse(&format!("`{key}` {value} - allowed: a number"))),
            },
        }
    }

    /// A list of names; none where there is no list.
    fn names(&self, key: &str) -> Result<Option<Vec<String>>, LmError> {
        let Some(Value::Array(values)) = self.options.get(key) else {
            return match self.options.get(key) {
                None | Some(Value::Null | Value::String(_)) => Ok(None),
                Some(value) => Err(self.refuse(&format!("`{key}` {value} - allowed: names"))),
            };
        };
        let names = values.iter().map(|value| {
            let name = value.as_str().map(str::to_owned);
            name.ok_or_else(|| self.refuse(&format!("`{key}` with {value} - allowed: names")))
        });
        names.collect::<Result<_, _>>().map(Some)
    }

    fn excluded(&self) -> Result<Vec<String>, LmError> {
        if let Some(Value::String(pattern)) = self.options.get("exclude_modules") {
            return Err(self.refuse(&format!(
                "`exclude_modules` with the pattern `{pattern}` - allowed: a list of names"
            )));
        }
        Ok(self.names("exclude_modules")?.unwrap_or_default())
    }

    fn layers(&self) -> Result<Option<BTreeSet<usize>>, LmError> {
        let key = "layers_to_transform";
        let Some(Value::Array(values)) = self.options.get(key) else {
            return Ok(self.whole(key)?.map(|layer| BTreeSet::from([layer])));
        };
        let layers = values.iter().map(|value| {
            let layer = value.as_u64().map(|layer| layer as usize);
            layer.ok_or_else(|| {
                self.refuse(&format!(
                    "`{key}` with {value} - allowed: numbers of layers"
                ))
            })
        });
        let layers: BTreeSet<usize> = layers.collect::<Result<_, _>>()?;
        Ok((!layers.is_empty()).then_some(layers))
    }

    fn refuse(&self, text: &str) -> LmError {
        problem(&self.path, text)
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// The text of the file for `described`; its targets and layers are those to write. Only what
/// every version of `peft` knows, so that older ones read it as well.
pub(crate) fn text_of(described: &Described) -> String {
    let mut options = json!({
        "base_model_name_or_path": described.base,
        "bias": "none",
        "inference_mode": true,
        "layers_to_transform": described.layers,
        "layers_pattern": null,
        "modules_to_save": null,
        "r": described.form.rank(),
        "revision": null,
        "target_modules": described.targets,
        "task_type": "CAUSAL_LM",
    });
    let mut set = |key: &str, value: Value| options[key] = value;
    match (described.form, described.dialect) {
        (
            Form::Lora {
                alpha,
                rank_stabilised,
                ..
            },
            _,
        ) => {
            set("peft_type", json!("LORA"));
            // A whole number, as peft has it, where it is one.
            let whole = alpha as i64;
            let exact = whole as f64 == alpha;
            set(
                "lora_alpha",
                if exact { json!(whole) } else { json!(alpha) },
            );
            set("lora_dropout", json!(described.dropout));
            set("use_rslora", json!(rank_stabilised));
            set("fan_in_fan_out", json!(false));
            set("init_lora_weights", json!(true));
        }
        (form, dialect) => {
            let (init, mini) = match form {
                Form::Miss {
                    mini: Some(mini), ..
                } => (json!("mini"), mini),
                Form::Bat { .. } => (json!("bat"), 1),
                _ => (json!(true), 1),
            };
            set("init_weights", init);
            match dialect {
                Dialect::Miss => {
                    set("peft_type", json!("MISS"));
                    set("miss_dropout", json!(described.dropout));
                    set("mini_r", json!(mini));
                }
                Dialect::Bone => set("peft_type", json!("BONE")),
            }
        }
    }
    format!("{options:#}\n")
}
