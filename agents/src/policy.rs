//! A policy on disk: everything needed to act, and nothing else.
//!
//! `policy.json` says which environment and network it was trained for,
//! `parameters.safetensors` holds the weights under the names of the layers.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use configs::train::TrainConfig;
use envs::EnvironmentSpec;
use nn::arrays::Arrays;
use nn::parameters::Parameters;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::AgentsError;
use crate::team::Team;

const VERSION: u32 = 1;
pub(crate) const DESCRIPTION: &str = "policy.json";
pub(crate) const WEIGHTS: &str = "parameters.safetensors";

/// What `policy.json` says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyDescription {
    version: u32,
    /// Environment steps of training behind the policy.
    pub step: u64,
    /// The configuration it was trained with.
    pub config: TrainConfig,
    /// The environment it was trained in.
    pub environment: EnvironmentSpec,
}

/// A policy in memory.
pub struct Policy {
    /// What it was trained for.
    pub description: PolicyDescription,
    /// What acts.
    pub team: Arc<Team>,
    /// Its weights, on the CPU.
    pub parameters: Parameters,
}

impl Policy {
    /// Writes a policy into an existing folder; `weights` is [`crate::learner::Learner::acting_weights`].
    ///
    /// # Errors
    /// A full disk, missing permissions.
    pub fn write(
        folder: &Path,
        config: &TrainConfig,
        environment: &EnvironmentSpec,
        weights: &Tensor,
        step: u64,
    ) -> Result<(), AgentsError> {
        let description = PolicyDescription {
            version: VERSION,
            step,
            config: config.clone(),
            environment: environment.clone(),
        };
        let path = folder.join(DESCRIPTION);
        let text = serde_json::to_vec_pretty(&description).expect("a description is plain data");
        fs::write(&path, text).map_err(|source| nn::NnError::File { path, source })?;
        let team = Team::new(config, environment);
        let mut parameters = Parameters::zeros(team.layout(), Device::Cpu, false);
        parameters.copy_from_flat(weights);
        parameters.to_arrays("").write(&folder.join(WEIGHTS))?;
        Ok(())
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// A folder without a policy, a truncated file, weights of another shape.
    pub fn read(folder: &Path) -> Result<Self, AgentsError> {
        let path = folder.join(DESCRIPTION);
        let problem = |problem: String| AgentsError::Checkpoint {
            path: path.clone(),
            problem,
        };
        let text = fs::read_to_string(&path).map_err(|error| {
            problem(format!(
                "{error} - name a folder such as runs/<id>/ckpt/best"
            ))
        })?;
        let description: PolicyDescription = serde_json::from_str(&text).map_err(|error| {
            problem(format!(
                "does not read ({error}) - it is damaged or of another version"
            ))
        })?;
        if description.version != VERSION {
            return Err(problem(format!(
                "version {} - this program reads version {VERSION}",
                description.version
            )));
        }
        let team = Team::new(&description.config, &description.environment);
        let mut parameters = Parameters::zeros(team.layout(), Device::Cpu, false);
        parameters.load_arrays(&Arrays::read(&folder.join(WEIGHTS))?, "")?;
        Ok(Self {
            description,
            team: Arc::new(team),
            parameters,
        })
    }
}
