//! What an evaluation plays.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::contender::Contender;
use crate::event::encoding::optional_number;

/// Version of `evaluation.json`.
pub const EVALUATION_VERSION: u32 = 1;

/// What is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Every policy by itself.
    #[default]
    Scores,
    /// Every policy by itself and with every other.
    Tournament,
    /// Every policy by itself at several values of a setting.
    Sweep,
    /// Recorded searches by their budgets; nothing is played.
    Searches,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Scores => "scores",
            Self::Tournament => "tournament",
            Self::Sweep => "sweep",
            Self::Searches => "searches",
        }
    }
}

/// A setting of the execution that can be swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// Central calls that a switch may make in an episode.
    BudgetCalls,
    /// Chance of a random action.
    Epsilon,
    /// Which half of a switched team acts.
    Execution,
}

impl Parameter {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::BudgetCalls, Self::Epsilon, Self::Execution];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::BudgetCalls => "budget_calls",
            Self::Epsilon => "epsilon",
            Self::Execution => "execution",
        }
    }

    /// What its values may be.
    pub fn allowed(self) -> &'static str {
        match self {
            Self::BudgetCalls => "whole numbers of calls per episode, or none for as trained",
            Self::Epsilon => "chances from 0 to 1",
            Self::Execution => "il, cl, mansa",
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// One value of a sweep: what it changes about [`PlayOptions`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepValue {
    /// As it was written.
    pub label: String,
    /// Calls per episode; as trained when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_calls: Option<u64>,
    /// Chance of a random action.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_number"
    )]
    pub epsilon: Option<f64>,
    /// Which half acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
}

/// A setting and its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// The setting.
    pub parameter: Parameter,
    /// Its values, in the order they were given.
    pub values: Vec<SweepValue>,
}

impl Sweep {
    /// `budget_calls=0,1,2,none` as a sweep.
    ///
    /// # Errors
    /// An unknown setting or value; the message says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = Parameter::ALL.iter().map(|one| one.word()).collect();
        let (name, values) = text.split_once('=').unwrap_or((text, ""));
        let parameter = Parameter::ALL
            .into_iter()
            .find(|one| one.word() == name.trim())
            .ok_or_else(|| {
                format!(
                    "{text}: unknown setting - allowed: {} - write it as budget_calls=0,1,2",
                    words.join(", ")
                )
            })?;
        let mut parsed: Vec<SweepValue> = Vec::new();
        for label in values
            .split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty())
        {
            let value = value_of(parameter, label).ok_or_else(|| {
                format!(
                    "{parameter}={label}: not a value - allowed: {} - correct or remove it",
                    parameter.allowed()
                )
            })?;
            if !parsed.contains(&value) {
                parsed.push(value);
            }
        }
        if parsed.is_empty() {
            return Err(format!(
                "{text}: no values - allowed: {} - write them as {parameter}=A,B,C",
                parameter.allowed()
            ));
        }
        Ok(Self {
            parameter,
            values: parsed,
        })
    }
}

fn value_of(parameter: Parameter, label: &str) -> Option<SweepValue> {
    let mut value = SweepValue {
        label: label.to_owned(),
        ..SweepValue::default()
    };
    match parameter {
        Parameter::BudgetCalls if label == "none" => {}
        Parameter::BudgetCalls => value.budget_calls = Some(label.parse().ok()?),
        Parameter::Epsilon => {
            let chance: f64 = label.parse().ok()?;
            value.epsilon = Some((0.0..=1.0).contains(&chance).then_some(chance)?);
        }
        Parameter::Execution => {
            let known = ["il", "cl", "mansa"].contains(&label);
            value.execution = Some(known.then(|| label.to_owned())?);
        }
    }
    Some(value)
}

/// How the episodes are played; equal options and policies give equal returns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlayOptions {
    /// Episodes of each team.
    pub episodes: u64,
    /// Seed of the starts.
    pub seed: u64,
    /// Chance of a random action.
    pub epsilon: f64,
    /// Another environment than the training's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Another limit than the training's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<u64>,
    /// Another half than the configuration's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self {
            episodes: 1000,
            seed: 1,
            epsilon: 0.0,
            environment: None,
            time_limit: None,
            execution: None,
        }
    }
}

/// What an evaluation plays: `evaluation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`EVALUATION_VERSION`].
    pub version: u32,
    /// What is compared.
    pub kind: Kind,
    /// The policies, each once.
    pub contenders: Vec<Contender>,
    /// How they play.
    pub options: PlayOptions,
    /// Values of a sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
    /// When it was made, seconds since 1970.
    pub created: f64,
}

/// What is played in one go and kept in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A policy in all seats.
    Alone {
        /// Index of the policy.
        policy: usize,
        /// Index of the sweep's value.
        value: Option<usize>,
    },
    /// Two policies in every deal of the seats.
    Pair {
        /// Index of the first.
        first: usize,
        /// Index of the second, which is larger.
        second: usize,
    },
}

impl Unit {
    /// The name of its file, without `.json`.
    pub fn key(self) -> String {
        match self {
            Self::Alone {
                policy,
                value: None,
            } => format!("alone-{policy}"),
            Self::Alone {
                policy,
                value: Some(value),
            } => format!("alone-{policy}-value-{value}"),
            Self::Pair { first, second } => format!("pair-{first}-{second}"),
        }
    }

    /// The policies that take part.
    pub fn policies(self) -> Vec<usize> {
        match self {
            Self::Alone { policy, .. } => vec![policy],
            Self::Pair { first, second } => vec![first, second],
        }
    }
}

impl Plan {
    /// A plan of today's version.
    pub fn new(kind: Kind, contenders: Vec<Contender>, options: PlayOptions) -> Self {
        Self {
            version: EVALUATION_VERSION,
            kind,
            contenders,
            options,
            sweep: None,
            created: crate::unix_seconds(),
        }
    }

    /// Everything that is played, in the order of playing.
    pub fn units(&self) -> Vec<Unit> {
        let policies = 0..self.contenders.len();
        let alone = |value| move |policy| Unit::Alone { policy, value };
        match (&self.kind, &self.sweep) {
            (Kind::Sweep, Some(sweep)) => policies
                .flat_map(|policy| (0..sweep.values.len()).map(move |value| (policy, value)))
                .map(|(policy, value)| alone(Some(value))(policy))
                .collect(),
            (Kind::Tournament, _) => {
                let pairs = policies.clone().flat_map(|first| {
                    (first + 1..self.contenders.len())
                        .map(move |second| Unit::Pair { first, second })
                });
                policies.clone().map(alone(None)).chain(pairs).collect()
            }
            _ => policies.map(alone(None)).collect(),
        }
    }

    /// The options of a unit, with what a sweep changes about them.
    pub fn options_of(&self, unit: Unit) -> (PlayOptions, Option<u64>) {
        let mut options = self.options.clone();
        let Unit::Alone {
            value: Some(value), ..
        } = unit
        else {
            return (options, None);
        };
        let value = self
            .sweep
            .as_ref()
            .and_then(|sweep| sweep.values.get(value));
        let Some(value) = value else {
            return (options, None);
        };
        if let Some(epsilon) = value.epsilon {
            options.epsilon = epsilon;
        }
        if let Some(execution) = &value.execution {
            options.execution = Some(execution.clone());
        }
        (options, value.budget_calls)
    }

    /// Environments that every game of this evaluation is played in at the same time. They
    /// decide which start an episode gets, so all games must have as many.
    pub fn environments(&self) -> usize {
        let fewest = self.contenders.iter().map(|one| one.environments).min();
        fewest.unwrap_or(1)
    }

    /// The environment's id.
    pub fn environment_id(&self) -> String {
        let trained = self.contenders.first().map(Contender::environment_id);
        let asked = self.options.environment.as_deref();
        asked.or(trained).unwrap_or("").to_owned()
    }

    /// How another plan differs from this one in what is played, if it does. Where the
    /// policies lie and when the plan was made does not matter.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.kind != other.kind {
            let (ours, theirs) = (self.kind.word(), other.kind.word());
            return Some(format!("it is of kind {theirs}, not {ours}"));
        }
        let prints = |plan: &Self| -> Vec<String> {
            let prints = plan.contenders.iter().map(|one| one.fingerprint.clone());
            prints.collect()
        };
        if prints(self) != prints(other) {
            return Some("it has other policies".to_owned());
        }
        if self.options != other.options {
            let text = |plan: &Self| serde_json::to_string(&plan.options).unwrap_or_default();
            return Some(format!("it plays with {}, not {}", text(other), text(self)));
        }
        (self.sweep != other.sweep).then(|| "it sweeps other values".to_owned())
    }
}

/// A, B, C and so on; AA follows Z.
pub fn letter(policy: usize) -> String {
    let last = char::from(b'A' + (policy % 26) as u8);
    match policy / 26 {
        0 => last.to_string(),
        more => format!("{}{last}", letter(more - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_read_and_its_mistakes_are_named() {
        let sweep = Sweep::parse("budget_calls=0, 2,none,2").expect("a sweep");
        let labels: Vec<&str> = sweep.values.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(labels, ["0", "2", "none"]);
        assert_eq!(sweep.values[1].budget_calls, Some(2));
        assert_eq!(sweep.values[2].budget_calls, None);
        for (text, part) in [
            ("cost=1", "unknown setting"),
            ("epsilon=1.5", "chances from 0 to 1"),
            ("budget_calls=-1", "whole numbers"),
            ("execution=", "no values"),
            ("execution=both", "il, cl, mansa"),
        ] {
            let message = Sweep::parse(text).expect_err(text);
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn letters_go_on_behind_z() {
        assert_eq!(
            [0, 25, 26, 51, 52].map(letter),
            ["A", "Z", "AA", "AZ", "BA"]
        );
    }
}
