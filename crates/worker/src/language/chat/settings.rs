//! Settings of a conversation that can be changed on the way.

use lm::sampling::Sampling;
use serde_json::{Map, Value, json};

/// How answers are written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) sampling: Sampling,
    pub(super) max_new: usize,
    pub(super) seed: u64,
    pub(super) stop: Vec<String>,
    pub(super) template: Map<String, Value>,
}

impl Settings {
    /// Takes an object of changes, all of them or none.
    pub(super) fn change(&mut self, changes: &Value) -> Result<(), String> {
        let Value::Object(changes) = changes else {
            return Err(format!(
                "settings: {changes} - allowed: an object of settings"
            ));
        };
        let mut new = self.clone();
        for (name, value) in changes {
            new.set(name, value)?;
        }
        new.sampling.check().map_err(|error| error.to_string())?;
        *self = new;
        Ok(())
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let refuse = |allowed: &str| format!("{name}: {value} - allowed: {allowed}");
        let number = || value.as_f64().ok_or_else(|| refuse("a number"));
        let whole = || value.as_u64().ok_or_else(|| refuse("a whole number"));
        match name {
            "temperature" => self.sampling.temperature = number()?,
            "top_k" => self.sampling.top_k = whole()? as usize,
            "top_p" => self.sampling.top_p = number()?,
            "min_p" => self.sampling.min_p = number()?,
            "repetition_penalty" => self.sampling.repetition_penalty = number()?,
            "max_new" => match whole()? {
                0 => return Err(refuse("at least 1")),
                count => self.max_new = count as usize,
            },
            "seed" => self.seed = whole()?,
            "stop" => {
                let texts = value.as_array().map(|texts| {
                    let texts = texts.iter().map(|text| text.as_str().map(str::to_owned));
                    texts.collect::<Option<Vec<String>>>()
                });
                self.stop = texts.flatten().ok_or_else(|| refuse("a list of texts"))?;
            }
            "template" => match value {
                Value::Object(arguments) => {
                    for (name, value) in arguments {
                        self.template.insert(name.clone(), value.clone());
                    }
                }
                _ => return Err(refuse("an object of template arguments")),
            },
            _ => {
                return Err(format!(
                    "no setting `{name}` - allowed: temperature, top_k, top_p, min_p, repetition_penalty, max_new, seed, stop, template"
                ));
            }
        }
        Ok(())
    }

    /// What `changes` named, as it is now: `temperature 0.5, seed 3`.
    pub(super) fn named_in(&self, changes: &Value) -> String {
        let all = self.to_json();
        let names = changes.as_object().into_iter().flatten();
        let named = names.map(|(name, _)| format!("{name} {}", all[name.as_str()]));
        named.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "temperature": self.sampling.temperature,
            "top_k": self.sampling.top_k,
            "top_p": self.sampling.top_p,
            "min_p": self.sampling.min_p,
            "repetition_penalty": self.sampling.repetition_penalty,
            "max_new": self.max_new,
            "seed": self.seed,
            "stop": self.stop,
            "template": self.template,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            sampling: Sampling::PLAIN,
            max_new: 10,
            seed: 0,
            stop: Vec::new(),
            template: Map::new(),
        }
    }

    #[test]
    fn changes_are_taken_together_or_not_at_all() {
        let mut changed = settings();
        let changes = json!({"temperature": 0.5, "stop": ["x"], "template": {"a": false}});
        changed.change(&changes).unwrap();
        assert_eq!(
            changed.named_in(&changes),
            "stop [\"x\"], temperature 0.5, template {\"a\":false}"
        );
        assert_eq!(changed.sampling.temperature, 0.5);
        assert_eq!(changed.stop, ["x"]);
        assert_eq!(changed.template["a"], false);
        for (wrong, reason) in [
            (json!({"seed": 3, "top_p": 2}), "top_p: 2"),
            (json!({"seed": 3, "max_new": 0}), "at least 1"),
            (json!({"seed": 3, "heat": 1}), "no setting `heat`"),
            (json!({"seed": 3, "stop": "x"}), "a list of texts"),
            (json!([1]), "an object of settings"),
        ] {
            let before = changed.clone();
            let message = changed.change(&wrong).unwrap_err();
            assert!(message.contains(reason), "{message}");
            assert_eq!(changed, before);
        }
    }
}
