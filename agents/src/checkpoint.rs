//! Checkpoints: everything a training run needs to continue bit for bit.
//!
//! `ckpt/step-N/` holds a policy ([`crate::policy`]) and, beside it,
//!
//! | file | what |
//! |---|---|
//! | `learner.safetensors` | online and target weights, optimiser, weights of the ordered round |
//! | `replay.safetensors` | the replay with its cursor |
//! | `actors.safetensors` | each actor's environments with their random streams |
//! | `state.json` | counters, statistics, the other random streams |
//!
//! It is built under a temporary name, made durable and renamed, so that a checkpoint
//! is whole or absent.

use std::fs;
use std::path::{Path, PathBuf};

use nn::arrays::{Array, Arrays};
use serde::{Deserialize, Serialize};
use tch::Tensor;
use tracking::{AtomicFolder, Progress};

use crate::AgentsError;
use crate::actor::{ActorState, WeightSnapshot};
use crate::learner::Learner;
use crate::mansa::budget::BudgetLedger;
use crate::rollout::PlayOrder;

const VERSION: u32 = 2;

/// The counters of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Environment steps, updates, seconds.
    pub progress: Progress,
    /// Episodes played.
    pub episodes: u64,
    /// Updates owed to the episodes so far, a fraction below one.
    pub update_credit: f64,
    /// Environment steps at which the next evaluation is due.
    pub next_evaluation: u64,
    /// Environment steps at which the next checkpoint is due.
    pub next_checkpoint: u64,
    /// The budget of central calls of the whole training, where there is one.
    pub budget: Option<BudgetLedger>,
    /// Mean return of the best evaluation and its step.
    pub best: Option<(f64, u64)>,
}

/// The round that was ordered before the checkpoint and is played again after it.
pub struct OrderedRound {
    /// Its weights.
    pub weights: WeightSnapshot,
    /// How it is played; what is granted of a budget differs between the actors.
    pub play: Vec<PlayOrder>,
}

/// The state of a run beside its learner.
pub struct RunningState {
    /// Counters.
    pub counters: Counters,
    /// State of each actor after its last round that was taken in.
    pub actors: Vec<ActorState>,
    /// The round ordered ahead, in lockstep with a lag.
    pub ordered: Option<OrderedRound>,
}

#[derive(Serialize, Deserialize)]
struct StateFile {
    version: u32,
    counters: Counters,
    learner: serde_json::Value,
    actors: Vec<ActorState>,
    ordered: Option<(u64, Vec<PlayOrder>)>,
}

/// Writes `ckpt/{name}`; `policy` writes the policy's files into the folder.
///
/// # Errors
/// A full disk, missing permissions; nothing half-written stays.
pub fn write(
    parent: &Path,
    name: &str,
    learner: &dyn Learner,
    state: &RunningState,
    policy: impl FnOnce(&Path) -> Result<(), AgentsError>,
) -> Result<PathBuf, AgentsError> {
    let folder = AtomicFolder::create(parent, name)?;
    let path = folder.path();
    policy(path)?;
    let (mut arrays, learner_state) = learner.to_arrays()?;
    if let Some(ordered) = &state.ordered {
        let values = nn::parameters::flat_values(&ordered.weights.values);
        arrays.insert(
            "ordered.weights",
            Array::from_f32(vec![values.len()], &values),
        );
    }
    arrays.write(&path.join("learner.safetensors"))?;
    learner
        .replay()
        .to_arrays()
        .write(&path.join("replay.safetensors"))?;
    let mut actors = Arrays::new();
    for (index, actor) in state.actors.iter().enumerate() {
        let bytes = &actor.environment;
        actors.insert(
            format!("{index}.environment"),
            Array::from_u8(vec![bytes.len()], bytes),
        );
    }
    actors.write(&path.join("actors.safetensors"))?;
    let file = StateFile {
        version: VERSION,
        counters: state.counters.clone(),
        learner: learner_state,
        actors: state.actors.clone(),
        ordered: state
            .ordered
            .as_ref()
            .map(|ordered| (ordered.weights.version, ordered.play.clone())),
    };
    let text = serde_json::to_vec_pretty(&file).expect("the state is plain data");
    let target = path.join("state.json");
    fs::write(&target, text).map_err(|source| nn::NnError::File {
        path: target,
        source,
    })?;
    Ok(folder.commit()?)
}

/// Reads a checkpoint into a fresh learner and returns the rest of the state.
///
/// # Errors
/// A truncated file, a checkpoint of another network, environment or version.
pub fn read(
    folder: &Path,
    learner: &mut dyn Learner,
    actor_count: usize,
) -> Result<RunningState, AgentsError> {
    let problem = |problem: String| AgentsError::Checkpoint {
        path: folder.to_path_buf(),
        problem,
    };
    let text = fs::read_to_string(folder.join("state.json"))
        .map_err(|error| problem(format!("state.json: {error} - use an earlier checkpoint")))?;
    let file: StateFile = serde_json::from_str(&text).map_err(|error| {
        problem(format!(
            "state.json does not read ({error}) - use an earlier checkpoint"
        ))
    })?;
    if file.version != VERSION {
        return Err(problem(format!(
            "version {} - this program reads version {VERSION}",
            file.version
        )));
    }
    if file.actors.len() != actor_count {
        return Err(problem(format!(
            "it has {} actors, the configuration {actor_count} - resume with runtime.actors = {}",
            file.actors.len(),
            file.actors.len()
        )));
    }
    let arrays = Arrays::read(&folder.join("learner.safetensors"))?;
    learner.load_arrays(&arrays, file.learner)?;
    let replay = Arrays::read(&folder.join("replay.safetensors"))?;
    learner.replay_mut().load_arrays(&replay)?;
    let environments = Arrays::read(&folder.join("actors.safetensors"))?;
    let mut actors = file.actors;
    for (index, actor) in actors.iter_mut().enumerate() {
        let name = format!("{index}.environment");
        let length = environments
            .shape(&name)
            .map_or(0, |shape| shape.iter().product());
        actor.environment = environments.u8(&name, &[length])?;
    }
    let ordered = match file.ordered {
        None => None,
        Some((version, play)) => {
            let scalars = learner.team().layout().scalars();
            let values = arrays.f32("ordered.weights", &[scalars])?;
            let weights = WeightSnapshot {
                version,
                values: Tensor::from_slice(&values),
            };
            Some(OrderedRound { weights, play })
        }
    };
    Ok(RunningState {
        counters: file.counters,
        actors,
        ordered,
    })
}

/// Removes all but the newest `keep` of the numbered checkpoints.
///
/// # Errors
/// When the folder cannot be listed or a checkpoint not removed.
pub fn prune(checkpoints: &[(u64, PathBuf)], keep: usize) -> Result<(), AgentsError> {
    let mut ordered: Vec<_> = checkpoints.iter().collect();
    ordered.sort_by_key(|(step, _)| *step);
    for (_, path) in ordered.iter().rev().skip(keep.max(1)) {
        fs::remove_dir_all(path).map_err(|source| nn::NnError::File {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}
