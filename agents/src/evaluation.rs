//! Scoring a policy: complete episodes on environments and streams of their own.

use std::sync::Arc;

use configs::train::TrainConfig;
use envs::{ResetMode, Scene};
use nn::parameters::Parameters;
use nn::random::RandomStream;
use tch::Tensor;

use crate::AgentsError;
use crate::environment::environment_options;
use crate::network::UtilityNetwork;
use crate::rollout::Rollout;

/// Returns and lengths of scored episodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluationReport {
    /// Undiscounted team return of each episode.
    pub returns: Vec<f64>,
    /// Steps of each episode.
    pub lengths: Vec<u64>,
    /// The first episode, moment by moment, when it was recorded.
    pub recorded: Option<RecordedEpisode>,
}

impl EvaluationReport {
    /// Mean return.
    pub fn mean_return(&self) -> f64 {
        self.returns.iter().sum::<f64>() / self.returns.len().max(1) as f64
    }

    /// Mean length.
    pub fn mean_length(&self) -> f64 {
        self.lengths.iter().sum::<u64>() as f64 / self.lengths.len().max(1) as f64
    }
}

/// One episode, moment by moment.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEpisode {
    /// The start and the moment after each step.
    pub scenes: Vec<Scene>,
    /// Its return.
    pub episode_return: f64,
}

/// Plays evaluation episodes.
pub struct Evaluator {
    rollout: Rollout,
    seed: u64,
}

impl Evaluator {
    /// An evaluator with environments of its own; `parameters` is the copy it plays with.
    ///
    /// # Errors
    /// When the environment cannot be built.
    pub fn new(
        config: &TrainConfig,
        environments: usize,
        network: Arc<UtilityNetwork>,
        parameters: Parameters,
    ) -> Result<Self, AgentsError> {
        let environment = envs::make_vector(
            &config.environment.id,
            &environment_options(&config.environment),
            environments.max(1),
            ResetMode::Hold,
            1,
        )?;
        let rollout = Rollout::new(
            environment,
            network,
            parameters,
            config.environment.common_reward,
            config.environment.action_masks,
        );
        Ok(Self {
            rollout,
            seed: config.seed,
        })
    }

    /// Scores `weights` over exactly `episodes` episodes.
    ///
    /// The starts and the exploration depend only on the run's seed, `purpose` and
    /// `index`: an evaluation can be repeated, and a resumed run meets the same ones.
    ///
    /// # Errors
    /// The environment's.
    pub fn score(
        &mut self,
        weights: &Tensor,
        episodes: usize,
        epsilon: f64,
        (purpose, index): (&str, u64),
        record: bool,
    ) -> Result<EvaluationReport, AgentsError> {
        let mut stream = RandomStream::new(self.seed, purpose, index);
        self.rollout.set_weights(weights);
        self.rollout.environment_mut().seed(stream.word());
        let mut report = EvaluationReport::default();
        let mut scenes = Vec::new();
        while report.returns.len() < episodes {
            let recording = record && report.recorded.is_none();
            let mut so_far = 0.0;
            let agents = self.rollout.spec().agents;
            let played = self
                .rollout
                .play(epsilon, &mut stream, |environment, rewards| {
                    if recording {
                        so_far += rewards.iter().take(agents).sum::<f64>();
                        let mut scene = environment.scene(0);
                        scene.note = format!("return {so_far:.2}");
                        scenes.push(scene);
                    }
                })?;
            if recording {
                scenes.truncate(played.lengths[0] + 1);
                report.recorded = Some(RecordedEpisode {
                    scenes: std::mem::take(&mut scenes),
                    episode_return: played.returns[0],
                });
            }
            let missing = episodes - report.returns.len();
            report.returns.extend(played.returns.iter().take(missing));
            report.lengths.extend(
                played
                    .lengths
                    .iter()
                    .take(missing)
                    .map(|&length| length as u64),
            );
        }
        Ok(report)
    }
}
