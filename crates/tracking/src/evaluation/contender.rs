//! A policy that takes part: what its folder says, without loading its weights.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::TrackingError;

/// Files of a policy.
const DESCRIPTION: &str = "policy.json";
const WEIGHTS: &str = "parameters.safetensors";
/// Settings of an environment that change how a policy learns or acts and leave the game
/// as it is.
const NOT_THE_GAME: [&str; 2] = ["common_reward", "action_masks"];

/// What a policy takes in and gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Agents of the team.
    pub agents: usize,
    /// Actions of each agent.
    pub actions: usize,
    /// Numbers in an agent's observation.
    pub observation: usize,
}

impl fmt::Display for Sizes {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Self {
            agents,
            actions,
            observation,
        } = self;
        write!(
            formatter,
            "{agents} agents, {actions} actions, {observation} numbers per observation"
        )
    }
}

/// A policy that takes part in an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contender {
    /// The run's id.
    pub run: String,
    /// The run's folder.
    pub run_folder: PathBuf,
    /// `best` or `step-N`.
    pub checkpoint: String,
    /// The policy's folder.
    pub folder: PathBuf,
    /// Environment steps of training behind it.
    pub step: u64,
    /// What it was trained by.
    pub algorithm: String,
    /// Seed of its training.
    pub seed: u64,
    /// What it was trained for.
    pub sizes: Sizes,
    /// The environment of its training with all options.
    pub environment: Map<String, Value>,
    /// Environments that it is evaluated in at the same time; they decide the starts.
    pub environments: usize,
    /// Whether a switch chooses between two halves.
    pub switched: bool,
    /// Names the contents of its files.
    pub fingerprint: String,
}

impl Contender {
    /// Reads what the folder of a policy says.
    ///
    /// # Errors
    /// No policy there, or one that does not read.
    pub fn read(
        run: &str,
        run_folder: &Path,
        checkpoint: &str,
        folder: &Path,
    ) -> Result<Self, TrackingError> {
        let path = folder.join(DESCRIPTION);
        let text =
            fs::read_to_string(&path).map_err(|source| TrackingError::io("read", &path, source))?;
        let malformed = |message: String| TrackingError::Malformed {
            what: "policy",
            path: path.clone(),
            message,
            hint: "name another checkpoint; `concord show RUN` lists them",
        };
        let value: Value =
            serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let number = |pointer: &str| {
            let found = value.pointer(pointer).and_then(Value::as_u64);
            found.ok_or_else(|| malformed(format!("no number at {pointer}")))
        };
        let algorithm = value.pointer("/config/algorithm/kind");
        let algorithm = algorithm.and_then(Value::as_str).unwrap_or("unknown");
        let environment = value.pointer("/config/environment");
        let environment = environment.and_then(Value::as_object);
        Ok(Self {
            run: run.to_owned(),
            run_folder: run_folder.to_path_buf(),
            checkpoint: checkpoint.to_owned(),
            folder: folder.to_path_buf(),
            step: number("/step")?,
            algorithm: algorithm.to_owned(),
            seed: number("/config/seed").unwrap_or(0),
            sizes: Sizes {
                agents: number("/environment/agents")? as usize,
                actions: number("/environment/actions")? as usize,
                observation: number("/environment/observation_size")? as usize,
            },
            environment: environment
                .cloned()
                .ok_or_else(|| malformed("no environment in its configuration".to_owned()))?,
            environments: number("/config/evaluation/environments")
                .unwrap_or(1)
                .max(1) as usize,
            switched: algorithm == "mansa",
            fingerprint: fingerprint(folder)?,
        })
    }

    /// Run and checkpoint in one text.
    pub fn name(&self) -> String {
        format!("{}:{}", self.run, self.checkpoint)
    }

    /// The environment's id.
    pub fn environment_id(&self) -> &str {
        self.environment
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    /// Why the policy is no longer the one that the evaluation began with, if it is not.
    pub fn change(&self) -> Option<String> {
        match fingerprint(&self.folder) {
            Ok(now) if now == self.fingerprint => None,
            Ok(_) => Some(format!(
                "{} is another policy than at the beginning: {} - its run replaced it - begin a new evaluation",
                self.name(),
                self.folder.display()
            )),
            Err(_) => Some(format!(
                "{} is gone: {} - its run keeps only its last checkpoints (checkpoint.keep_last) - put it back, or begin a new evaluation",
                self.name(),
                self.folder.display()
            )),
        }
    }

    /// The game that it plays with the options of an evaluation applied.
    fn game(&self, id: Option<&str>, time_limit: Option<u64>) -> Map<String, Value> {
        let mut game = self.environment.clone();
        game.retain(|name, _| !NOT_THE_GAME.contains(&name.as_str()));
        if let Some(id) = id {
            game.insert("id".to_owned(), id.into());
        }
        if let Some(limit) = time_limit {
            game.insert("time_limit".to_owned(), limit.into());
        }
        game
    }
}

/// Why policies cannot share the seats of one game, if they cannot: the first two that do
/// not fit, and how.
pub fn mismatch(
    contenders: &[Contender],
    environment: Option<&str>,
    time_limit: Option<u64>,
) -> Option<String> {
    let first = contenders.first()?;
    let other = contenders.iter().find(|one| one.sizes != first.sizes);
    if let Some(other) = other {
        return Some(format!(
            "policies of different sizes: {} is for {}; {} is for {} - all of them share the seats of one team - leave one out",
            first.name(),
            first.sizes,
            other.name(),
            other.sizes
        ));
    }
    let expected = first.game(environment, time_limit);
    contenders.iter().find_map(|other| {
        let game = other.game(environment, time_limit);
        let names = expected.keys().chain(game.keys());
        let differs = |name: &&String| expected.get(*name) != game.get(*name);
        let mut names: Vec<&str> = names.filter(differs).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return None;
        }
        let said = |game: &Map<String, Value>, name: &str| {
            game.get(name)
                .map_or_else(|| "unset".to_owned(), ToString::to_string)
        };
        let list: Vec<String> = names
            .iter()
            .map(|name| {
                format!(
                    "environment.{name} is {} and {}",
                    said(&expected, name),
                    said(&game, name)
                )
            })
            .collect();
        Some(format!(
            "policies of different games: {} and {}: {} - all of them play one game - choose it with --env or --time-limit, or leave one out",
            first.name(),
            other.name(),
            list.join(", ")
        ))
    })
}

/// Names the contents of a policy's files by 16 hexadecimal digits.
///
/// # Errors
/// A file is missing or cannot be read.
pub fn fingerprint(folder: &Path) -> Result<String, TrackingError> {
    let mut hash = Fnv::default();
    for name in [DESCRIPTION, WEIGHTS] {
        let path = folder.join(name);
        let bytes = fs::read(&path).map_err(|source| TrackingError::io("read", &path, source))?;
        hash.add(&(bytes.len() as u64).to_le_bytes());
        hash.add(&bytes);
    }
    Ok(format!("{:016x}", hash.finish()))
}

/// FNV-1a in 64 bits: it tells files apart that nobody made alike on purpose, and needs no
/// crate.
#[derive(Debug, Clone)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Takes bytes in.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The hash of what was taken in.
    #[must_use]
    pub fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // Test vectors of the algorithm's authors.
        let of = |text: &str| {
            let mut hash = Fnv::default();
            hash.add(text.as_bytes());
            hash.0
        };
        assert_eq!(of(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(of("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(of("foobar"), 0x8594_4171_f739_67e8);
    }
}
