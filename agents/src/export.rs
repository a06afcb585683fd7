//! A policy as a folder for other programs: `policy.json`, the weights, a loader in plain
//! PyTorch, and a recorded episode that the loader is checked by.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nn::arrays::{Array, Arrays};
use nn::parameters::flat_values;
use tch::{Device, no_grad};

use crate::AgentsError;
use crate::environment::environment_batch;
use crate::network::{AgentNetwork, NetworkRows};
use crate::policy::{DESCRIPTION, Policy, WEIGHTS};
use crate::rollout::{ActingStreams, EpisodeBatch, PlayOrder, Rollout};

/// The loader's name in the folder.
pub const LOADER: &str = "concord_policy.py";
const LOADER_TEXT: &str = include_str!("export/concord_policy.py");
/// The recorded episode's name in the folder.
pub const SAMPLE: &str = "sample.safetensors";

/// Writes the policy of the folder `source` into `folder`, which is made when it is missing;
/// files of the same names are replaced. Returns the files.
///
/// # Errors
/// A damaged policy, a full disk, missing permissions, an environment that cannot be built.
pub fn export(source: &Path, folder: &Path) -> Result<Vec<PathBuf>, AgentsError> {
    let policy = Policy::read(source)?;
    let file = |path: PathBuf| move |source| nn::NnError::File { path, source };
    fs::create_dir_all(folder).map_err(file(folder.to_path_buf()))?;
    let mut files = Vec::new();
    for name in [DESCRIPTION, WEIGHTS] {
        let path = folder.join(name);
        fs::copy(source.join(name), &path).map_err(file(path.clone()))?;
        files.push(path);
    }
    let loader = folder.join(LOADER);
    fs::write(&loader, LOADER_TEXT).map_err(file(loader.clone()))?;
    let recorded = folder.join(SAMPLE);
    sample(&policy)?.write(&recorded)?;
    files.extend([loader, recorded]);
    Ok(files)
}

/// One greedy episode as the policy was evaluated: what was seen and done, and what every network
/// of the team says about it.
///
/// # Errors
/// The environment's.
pub fn sample(policy: &Policy) -> Result<Arrays, AgentsError> {
    let config = &policy.description.config;
    let environment = environment_batch(&config.environment, 1)?;
    let masked = config.environment.action_masks;
    let (team, parameters) = (Arc::clone(&policy.team), policy.parameters.share());
    let mut rollout = Rollout::new(environment, team, parameters, true, masked);
    let mut streams = ActingStreams::new(config.seed, "sample", 0);
    rollout.environment_mut().seed(streams.exploration.word());
    let order = PlayOrder::greedy(0.0, config.evaluation.execution);
    let episode = rollout.play(&order, &mut streams, |_| {})?;
    let spec = policy.team.spec();
    let (rows, steps) = (episode.horizon + 1, episode.horizon);
    let mut arrays = Arrays::new();
    arrays.insert(
        "observations",
        Array::from_f32(
            vec![rows, spec.agents, spec.observation_size],
            &episode.observations,
        ),
    );
    arrays.insert(
        "actions",
        Array::from_u8(vec![steps, spec.agents], &episode.actions),
    );
    if masked {
        let shape = vec![rows, spec.agents, spec.actions];
        arrays.insert("action_mask", Array::from_u8(shape, &episode.action_mask));
    }
    let names: &[&str] = match policy.team.networks().len() {
        1 => &["agent"],
        _ => &["independent", "central"],
    };
    let before = vec![-1; spec.agents];
    let played = episode.actions.iter().map(|&action| i64::from(action));
    let last_actions: Vec<i64> = before.into_iter().chain(played).collect();
    for (name, network) in names.iter().zip(policy.team.networks()) {
        let features = &episode.observations;
        let (outputs, shape) = outputs(policy, network, features, &last_actions, rows);
        arrays.insert(format!("outputs.{name}"), Array::from_f32(shape, &outputs));
    }
    switch_sample(policy, &episode, rows, &mut arrays);
    Ok(arrays)
}

fn switch_sample(policy: &Policy, episode: &EpisodeBatch, rows: usize, arrays: &mut Arrays) {
    let Some(switch) = policy.team.switch() else {
        return;
    };
    let Some(network) = &switch.network else {
        return;
    };
    let (mut remaining, mut previous) = (vec![0.0; rows], vec![0.0; rows]);
    if let Some(record) = &episode.switch {
        remaining.copy_from_slice(&record.remaining);
        for (previous, &call) in previous[1..].iter_mut().zip(&record.calls) {
            *previous = f32::from(call);
        }
    }
    let inputs = switch
        .inputs
        .rows(&episode.observations, &remaining, &previous);
    let (outputs, _) = outputs(policy, network, &inputs, &[], rows);
    let width = outputs.len() / rows;
    arrays.insert(
        "switch.inputs",
        Array::from_f32(vec![rows, switch.inputs.size()], &inputs),
    );
    arrays.insert(
        "switch.outputs",
        Array::from_f32(vec![rows, width], &outputs),
    );
}

/// What a network says about an episode of `rows` moments, and the shape of that.
fn outputs(
    policy: &Policy,
    network: &AgentNetwork,
    features: &[f32],
    last_actions: &[i64],
    rows: usize,
) -> (Vec<f32>, Vec<usize>) {
    let sizes = vec![1; rows];
    let rows = NetworkRows {
        features,
        last_actions,
        sizes: &sizes,
    };
    let mut state = network.initial_state(1, Device::Cpu);
    let outputs = no_grad(|| network.forward(&policy.parameters, &rows, &mut state));
    let shape = outputs.size().iter().map(|&size| size as usize).collect();
    (flat_values(&outputs.reshape([-1])), shape)
}
