//! Which layers slide, and how each turns its queries and keys.

use super::LayerPlan;
use super::family::Family;
use super::fields::Fields;
use crate::LmError;
use crate::rope::{Rope, Scaling};

const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

/// The rotations of a model and the plan of each layer.
pub(super) fn plan(
    fields: &Fields,
    family: Family,
    count: usize,
    head_dim: usize,
    max_positions: usize,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Rope>, Vec<LayerPlan>), LmError> {
    let reader = RopeReader {
        fields,
        family,
        head_dim,
        max_positions,
    };
    let ropes = reader.ropes(warnings)?;
    let slides = sliding_layers(fields, family, count)?;
    let window = window(fields, family)?;
    let turned = turned_layers(fields, family, count)?;
    let layers = slides
        .iter()
        .zip(turned)
        .map(|(&slides, turned)| LayerPlan {
            window: window.filter(|_| slides),
            rope: turned.then_some(usize::from(slides && ropes.len() > 1)),
        });
    let layers = layers.collect();
    Ok((ropes, layers))
}

/// The window of those layers that slide.
fn window(fields: &Fields, family: Family) -> Result<Option<usize>, LmError> {
    if fields.has("sliding_window") {
        let window = fields.count("sliding_window")?;
        if window == Some(0) {
            return Err(fields.problem("`sliding_window`: 0 - allowed: at least 1, or null"));
        }
        return Ok(window);
    }
    Ok(family.defaults().window)
}

fn sliding_layers(fields: &Fields, family: Family, count: usize) -> Result<Vec<bool>, LmError> {
    let by_window = matches!(family, Family::Mistral | Family::Phi3);
    let by_flag = matches!(family, Family::Qwen2 | Family::Qwen3 | Family::SmolLm3);
    if family == Family::Llama {
        return Ok(vec![false; count]);
    }
    if by_window {
        return Ok(vec![true; count]);
    }
    let flag = fields.flag("use_sliding_window")?.unwrap_or(false);
    if by_flag && !flag {
        return Ok(vec![false; count]);
    }
    if let Some(types) = fields.get("layer_types") {
        return named_layers(fields, types, count);
    }
    let pattern = fields.count("sliding_window_pattern")?;
    let pattern = pattern.or(fields.count("_sliding_window_pattern")?);
    let pattern = pattern.unwrap_or(6).max(1);
    let first = fields.count("max_window_layers")?.unwrap_or(28);
    let turned = turned_layers(fields, family, count)?;
    Ok((0..count)
        .map(|layer| match family {
            Family::Gemma2 => layer % 2 == 0,
            Family::Gemma3 => (layer + 1) % pattern != 0,
            Family::SmolLm3 => turned[layer],
            _ => layer >= first,
        })
        .collect())
}

fn named_layers(
    fields: &Fields,
    types: &serde_json::Value,
    count: usize,
) -> Result<Vec<bool>, LmError> {
    let types: Vec<&str> = types
        .as_array()
        .map(|types| types.iter().filter_map(serde_json::Value::as_str).collect())
        .unwrap_or_default();
    if types.len() != count {
        return Err(fields.problem(format!(
            "`layer_types`: {} names - allowed: one for each of the {count} layers",
            types.len()
        )));
    }
    let slides = |name: &&str| match *name {
        FULL => Ok(false),
        SLIDING => Ok(true),
        other => Err(fields.problem(format!(
            "`layer_types`: {other} - allowed: {FULL}, {SLIDING}"
        ))),
    };
    types.iter().map(slides).collect()
}

/// Which layers have positions at all.
fn turned_layers(fields: &Fields, family: Family, count: usize) -> Result<Vec<bool>, LmError> {
    if family != Family::SmolLm3 {
        return Ok(vec![true; count]);
    }
    if let Some(flags) = fields.numbers("no_rope_layers")?
        && !flags.is_empty()
    {
        if flags.len() != count {
            return Err(fields.problem(format!(
                "`no_rope_layers`: {} numbers - allowed: one for each of the {count} layers",
                flags.len()
            )));
        }
        return Ok(flags.iter().map(|flag| *flag != 0.0).collect());
    }
    let interval = fields.count("no_rope_layer_interval")?.unwrap_or(4).max(1);
    Ok((0..count)
        .map(|layer| (layer + 1) % interval != 0)
        .collect())
}

struct RopeReader<'a> {
    fields: &'a Fields,
    family: Family,
    head_dim: usize,
    max_positions: usize,
}

impl RopeReader<'_> {
    /// The rotation of full layers, and for Gemma 3 that of sliding layers after it.
    fn ropes(&self, warnings: &mut Vec<String>) -> Result<Vec<Rope>, LmError> {
        let parameters = self.fields.object("rope_parameters")?;
        if self.family != Family::Gemma3 {
            let theta = self.theta("rope_theta", parameters.as_ref())?;
            if theta.is_none() {
                warnings.push(format!(
                    "config.json has no `rope_theta`; {} models take {} then",
                    self.family,
                    self.family.defaults().theta
                ));
            }
            let theta = theta.unwrap_or(self.family.defaults().theta);
            let scaling = match parameters {
                Some(parameters) => Some(parameters),
                None => self.fields.object("rope_scaling")?,
            };
            return Ok(vec![self.rope(scaling.as_ref(), theta)?]);
        }
        let nested = |name: &str| match &parameters {
            Some(parameters) => parameters.object(name),
            None => Ok(None),
        };
        let full = nested(FULL)?;
        let theta = self.theta("rope_theta", full.as_ref())?;
        let scaling = match full {
            Some(full) => Some(full),
            None => self.fields.object("rope_scaling")?,
        };
        let full = self.rope(scaling.as_ref(), theta.unwrap_or(1_000_000.0))?;
        let sliding = nested(SLIDING)?;
        let theta = self.theta("rope_local_base_freq", sliding.as_ref())?;
        let sliding = self.rope(sliding.as_ref(), theta.unwrap_or(10_000.0))?;
        Ok(vec![full, sliding])
    }

    fn theta(&self, key: &str, parameters: Option<&Fields>) -> Result<Option<f64>, LmError> {
        let nested = parameters.map(|parameters| parameters.number("rope_theta"));
        match nested.transpose()?.flatten() {
            Some(theta) => Ok(Some(theta)),
            None => self.fields.number(key),
        }
    }

    fn rope(&self, scaling: Option<&Fields>, theta: f64) -> Result<Rope, LmError> {
        let partial = scaling.map(|scaling| scaling.number("partial_rotary_factor"));
        let partial = match partial.transpose()?.flatten() {
            Some(partial) => partial,
            None => self.fields.number("partial_rotary_factor")?.unwrap_or(1.0),
        };
        let width = (self.head_dim as f64 * partial) as usize;
        if theta <= 1.0 || width == 0 || width > self.head_dim || !width.is_multiple_of(2) {
            return Err(self.fields.problem(format!(
                "`rope_theta` {theta} with {width} of {} turned dimensions - allowed: a base above 1 and an even number of dimensions up to `head_dim`",
                self.head_dim
            )));
        }
        let scaling = match scaling {
            Some(scaling) => self.scaling(scaling, width)?,
            None => Scaling::Plain,
        };
        Ok(Rope {
            width,
            theta,
            scaling,
        })
    }

    fn scaling(&self, fields: &Fields, width: usize) -> Result<Scaling, LmError> {
        let kind = match fields.text("rope_type")? {
            Some(kind) => Some(kind),
            None => fields.text("type")?,
        };
        let kind = match kind.unwrap_or("default") {
            // Phi-3 wrote longrope under two older names.
            "su" => "longrope",
            "yarn" if self.family == Family::Phi3 => "longrope",
            kind => kind,
        };
        let needed = |key: &str| match fields.number(key)? {
            Some(number) if number > 0.0 => Ok(number),
            Some(number) => Err(self.fields.problem(format!(
                "`{key}` of a {kind} rotation: {number} - allowed: above 0"
            ))),
            None => Err(self.fields.problem(format!(
                "a {kind} rotation without `{key}` - the file is damaged; download it again"
            ))),
        };
        match kind {
            "default" => Ok(Scaling::Plain),
            "linear" => Ok(Scaling::Linear {
                factor: needed("factor")?,
            }),
            "llama3" => Ok(Scaling::Llama3 {
                factor: needed("factor")?,
                low: needed("low_freq_factor")?,
                high: needed("high_freq_factor")?,
                original: self.original(fields)?,
            }),
            "yarn" => self.yarn(fields),
            "longrope" => self.longrope(fields, width),
            other => Err(self.fields.problem(format!(
                "rotation `{other}` - allowed: default, linear, llama3, yarn, longrope - with `dynamic` the text would depend on the cache; choose another model"
            ))),
        }
    }

    /// The length the model was first trained on; a key of the whole file goes before.
    fn original(&self, fields: &Fields) -> Result<usize, LmError> {
        const KEY: &str = "original_max_position_embeddings";
        if let Some(original) = self.fields.count(KEY)? {
            return Ok(original);
        }
        if self.family == Family::Phi3 {
            return Ok(4096);
        }
        Ok(fields.count(KEY)?.unwrap_or(self.max_positions))
    }

    fn factor(&self, fields: &Fields, original: usize) -> Result<f64, LmError> {
        let ratio = self.max_positions as f64 / original.max(1) as f64;
        Ok(fields.number("factor")?.unwrap_or(ratio))
    }

    fn yarn(&self, fields: &Fields) -> Result<Scaling, LmError> {
        let original = self.original(fields)?;
        let factor = self.factor(fields, original)?;
        let growth = |scale: f64| match factor {
            factor if factor <= 1.0 => 1.0,
            factor => 0.1 * scale * factor.ln() + 1.0,
        };
        let mscale = fields.number("mscale")?.filter(|scale| *scale != 0.0);
        let all = fields
            .number("mscale_all_dim")?
            .filter(|scale| *scale != 0.0);
        let attention = match (fields.number("attention_factor")?, mscale, all) {
            (Some(given), _, _) => given,
            (None, Some(mscale), Some(all)) => growth(mscale) / growth(all),
            _ => growth(1.0),
        };
        let beta = |key: &str, default: f64| -> Result<f64, LmError> {
            Ok(fields
                .number(key)?
                .filter(|beta| *beta != 0.0)
                .unwrap_or(default))
        };
        Ok(Scaling::Yarn {
            factor,
            original,
            attention,
            beta_fast: beta("beta_fast", 32.0)?,
            beta_slow: beta("beta_slow", 1.0)?,
            truncate: fields.flag("truncate")?.unwrap_or(true),
        })
    }

    fn longrope(&self, fields: &Fields, width: usize) -> Result<Scaling, LmError> {
        let list = |key: &str| {
            let factors = fields.numbers(key)?.unwrap_or_default();
            if factors.len() == width / 2 {
                return Ok(factors);
            }
            Err(self.fields.problem(format!(
                "`{key}`: {} numbers - allowed: {} - one for each pair of turned dimensions",
                factors.len(),
                width / 2
            )))
        };
        let original = self.original(fields)?;
        let factor = self.factor(fields, original)?;
        let attention = match fields.number("attention_factor")? {
            Some(attention) => attention,
            None if factor <= 1.0 => 1.0,
            None => (1.0 + factor.ln() / (original as f64).ln()).sqrt(),
        };
        Ok(Scaling::LongRope {
            short: list("short_factor")?,
            long: list("long_factor")?,
            original,
            attention,
        })
    }
}
