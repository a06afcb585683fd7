//! How tokens are chosen: flags over `generation_config.json` over the model's own distribution.

use clap::Args;
use lm::sampling::Sampling;
use serde_json::Value;

use crate::exit::{BAD_CONFIG, Failure};

/// What `transformers` takes when a model's folder asks for sampling and names no top-k.
const IMPLICIT_TOP_K: usize = 50;

/// Flags for the choice of a token.
#[derive(Args, Clone, Debug, Default)]
pub struct SamplingArguments {
    /// Take the best token always.
    #[arg(long)]
    greedy: bool,
    /// Divides the scores.
    #[arg(long)]
    temperature: Option<f64>,
    /// Only that many best tokens; 0 for all.
    #[arg(long)]
    top_k: Option<usize>,
    /// Only the best tokens that reach this sum of probabilities.
    #[arg(long)]
    top_p: Option<f64>,
    /// Only tokens at least this part as probable as the best.
    #[arg(long)]
    min_p: Option<f64>,
    /// Above 1: tokens that were there become less likely.
    #[arg(long)]
    repetition_penalty: Option<f64>,
}

impl SamplingArguments {
    /// Whether a flag says how tokens are chosen.
    pub fn is_said(&self) -> bool {
        self.says_temperature()
            || self.top_k.is_some()
            || self.top_p.is_some()
            || self.min_p.is_some()
            || self.repetition_penalty.is_some()
    }

    /// Whether a flag says how freely.
    pub fn says_temperature(&self) -> bool {
        self.greedy || self.temperature.is_some()
    }

    /// The flags over [`Sampling::PLAIN`].
    pub fn alone(&self) -> Sampling {
        self.over(Sampling::PLAIN)
    }

    /// The flags over what `generation_config.json` says, with a sentence about what was taken
    /// from it; `null` where there is no such file.
    pub fn over_file(&self, generation: &Value) -> Result<(Sampling, Option<String>), Failure> {
        let number = |name: &str| {
            match &generation[name] {
            Value::Null => Ok(None),
            value => value.as_f64().map(Some).ok_or_else(|| {
                let message = format!(
                    "generation_config.json: `{name}`: {value} - allowed: a number - correct the file, or fetch the model again"
                );
                Failure::new(BAD_CONFIG, message)
            }),
        }
        };
        let mut sampling = Sampling::PLAIN;
        let mut taken = Vec::new();
        let chosen_here = self.greedy || self.temperature.is_some();
        if generation["do_sample"] == Value::Bool(false) {
            if !chosen_here {
                sampling.temperature = 0.0;
                taken.push("greedy (do_sample is false)".to_owned());
            }
        } else if let Some(value) = number("temperature")?.filter(|_| !chosen_here) {
            sampling.temperature = value;
            taken.push(format!("temperature {value}"));
        }
        let sampled = !self.greedy && (sampling.temperature > 0.0 || self.temperature.is_some());
        let mut take = |name: &str, flag: bool, place: &mut f64| -> Result<(), Failure> {
            if let Some(value) = number(name)?.filter(|_| !flag) {
                *place = value;
                taken.push(format!("{name} {value}"));
            }
            Ok(())
        };
        let mut top_k = 0.0;
        if sampled {
            take("top_k", self.top_k.is_some(), &mut top_k)?;
            take("top_p", self.top_p.is_some(), &mut sampling.top_p)?;
            take("min_p", self.min_p.is_some(), &mut sampling.min_p)?;
        }
        take(
            "repetition_penalty",
            self.repetition_penalty.is_some(),
            &mut sampling.repetition_penalty,
        )?;
        sampling.top_k = top_k as usize;
        let mut note = (!taken.is_empty())
            .then(|| format!("sampling of generation_config.json: {}", taken.join(", ")));
        let implicit = generation["do_sample"] == Value::Bool(true)
            && generation["top_k"].is_null()
            && self.top_k.is_none()
            && sampled;
        if implicit {
            let text = note.unwrap_or_else(|| "sampling: as the model has it".to_owned());
            note = Some(format!(
                "{text}; no top_k, where transformers takes {IMPLICIT_TOP_K}"
            ));
        }
        Ok((self.over(sampling), note))
    }

    fn over(&self, below: Sampling) -> Sampling {
        Sampling {
            temperature: if self.greedy {
                0.0
            } else {
                self.temperature.unwrap_or(below.temperature)
            },
            top_k: self.top_k.unwrap_or(below.top_k),
            top_p: self.top_p.unwrap_or(below.top_p),
            min_p: self.min_p.unwrap_or(below.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(below.repetition_penalty),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn taken(flags: &SamplingArguments, file: &Value) -> (Sampling, String) {
        let (sampling, note) = flags.over_file(file).unwrap();
        (sampling, note.unwrap_or_default())
    }

    #[test]
    fn flags_win_over_the_file_and_the_rest_is_told() {
        let file = json!({"do_sample": true, "temperature": 0.6, "top_p": 0.9});
        let (sampling, note) = taken(&SamplingArguments::default(), &file);
        assert_eq!(
            (sampling.temperature, sampling.top_p, sampling.top_k),
            (0.6, 0.9, 0)
        );
        assert_eq!(
            note,
            "sampling of generation_config.json: temperature 0.6, top_p 0.9; no top_k, where transformers takes 50"
        );
        let flags = SamplingArguments {
            temperature: Some(1.2),
            top_k: Some(7),
            ..SamplingArguments::default()
        };
        let (sampling, note) = taken(&flags, &file);
        assert_eq!(
            (sampling.temperature, sampling.top_p, sampling.top_k),
            (1.2, 0.9, 7)
        );
        assert_eq!(note, "sampling of generation_config.json: top_p 0.9");
        let greedy = SamplingArguments {
            greedy: true,
            ..SamplingArguments::default()
        };
        assert_eq!(taken(&greedy, &file), (Sampling::GREEDY, String::new()));
    }

    #[test]
    fn a_file_that_does_not_sample_means_the_best_token() {
        let file = json!({"do_sample": false, "temperature": 0.6, "repetition_penalty": 1.1});
        let (sampling, note) = taken(&SamplingArguments::default(), &file);
        assert!(sampling.is_greedy());
        assert_eq!(sampling.repetition_penalty, 1.1);
        assert!(note.contains("greedy (do_sample is false)"), "{note}");
        let flags = SamplingArguments {
            temperature: Some(0.5),
            ..SamplingArguments::default()
        };
        assert_eq!(taken(&flags, &file).0.temperature, 0.5);
        assert_eq!(
            taken(&SamplingArguments::default(), &Value::Null),
            (Sampling::PLAIN, String::new())
        );
        let odd = json!({"temperature": "hot"});
        let refused = SamplingArguments::default().over_file(&odd).unwrap_err();
        assert!(refused.to_string().contains("`temperature`: \"hot\""));
    }
}
