//! Scoring a policy: complete episodes on environments and streams of their own.

use std::sync::Arc;

use configs::train::{Execution, TrainConfig};
use envs::Scene;
use nn::parameters::Parameters;
use tch::Tensor;

use crate::AgentsError;
use crate::environment::environment_batch;
use crate::mansa::budget::Grant;
use crate::mansa::call_map::CallMap;
use crate::rollout::{ActingStreams, Moment, PlayOrder, Rollout};
use crate::team::Team;

/// Returns and lengths of scored episodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluationReport {
    /// Undiscounted team return of each episode.
    pub returns: Vec<f64>,
    /// Steps of each episode.
    pub lengths: Vec<u64>,
    /// Central calls of each episode; empty unless a switch decided.
    pub calls: Vec<u64>,
    /// Where the central calls fired, when a switch decided and the episode was recorded.
    pub call_map: Option<CallMap>,
    /// The first episode, moment by moment, when it was recorded.
    pub recorded: Option<RecordedEpisode>,
}

impl EvaluationReport {
    /// Mean return.
    pub fn mean_return(&self) -> f64 {
        self.returns.iter().sum::<f64>() / self.returns.len().max(1) as f64
    }

    /// Share of steps that were central calls, when a switch decided.
    pub fn call_fraction(&self) -> Option<f64> {
        let calls = self.calls.iter().sum::<u64>() as f64;
        let steps = self.lengths.iter().sum::<u64>().max(1) as f64;
        (!self.calls.is_empty()).then_some(calls / steps)
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
    sample: bool,
}

/// Which episodes are scored, and how they are played.
#[derive(Clone, Copy, Debug)]
pub struct Scoring<'a> {
    /// Number of episodes.
    pub episodes: usize,
    /// Chance of a random action.
    pub epsilon: f64,
    /// Which policies act.
    pub execution: Execution,
    /// What the scores are for; names the random stream.
    pub purpose: &'a str,
    /// Number of the stream.
    pub index: u64,
    /// Whether the first episode is recorded.
    pub record: bool,
    /// What is left of the budget of a whole training. Calls of an evaluation are not charged
    /// to it, but no evaluation makes more of them, and none when nothing is left.
    pub budget: Option<Grant>,
}

impl Evaluator {
    /// An evaluator with environments of its own; `parameters` is the copy it plays with.
    ///
    /// # Errors
    /// When the environment cannot be built.
    pub fn new(
        config: &TrainConfig,
        environments: usize,
        team: Arc<Team>,
        parameters: Parameters,
    ) -> Result<Self, AgentsError> {
        let environment = environment_batch(&config.environment, environments)?;
        let rollout = Rollout::new(
            environment,
            team,
            parameters,
            config.environment.common_reward,
            config.environment.action_masks,
        );
        Ok(Self {
            rollout,
            seed: config.seed,
            sample: config.evaluation.sample_actions,
        })
    }

    /// Scores `weights` over exactly as many episodes as asked for.
    ///
    /// The starts and the exploration depend only on the run's seed, the purpose and the
    /// index: an evaluation can be repeated, and a resumed run meets the same ones.
    ///
    /// # Errors
    /// The environment's.
    pub fn score(
        &mut self,
        weights: &Tensor,
        scoring: &Scoring,
    ) -> Result<EvaluationReport, AgentsError> {
        let mut streams = ActingStreams::new(self.seed, scoring.purpose, scoring.index);
        self.rollout.set_weights(weights);
        let seed = streams.exploration.word();
        self.rollout.environment_mut().seed(seed);
        let mut order = PlayOrder::greedy(scoring.epsilon, scoring.execution);
        order.sample = self.sample;
        order.switch_sample = self.sample;
        let mut report = EvaluationReport::default();
        let mut call_map = CallMap::new();
        while report.returns.len() < scoring.episodes {
            order.grant = scoring.budget;
            let recording = scoring.record && report.recorded.is_none();
            let mut recorder = Recorder::default();
            let played = self.rollout.play(&order, &mut streams, |moment| {
                if recording {
                    recorder.see(moment);
                }
                if scoring.record && !moment.calls.is_empty() {
                    let seen = call_map.see(moment);
                    debug_assert!(seen.is_ok(), "all environments have one board");
                }
            })?;
            if recording {
                report.recorded = Some(RecordedEpisode {
                    scenes: recorder.scenes,
                    episode_return: played.returns[0],
                });
            }
            let missing = scoring.episodes - report.returns.len();
            report.returns.extend(played.returns.iter().take(missing));
            let lengths = played.lengths.iter().map(|&length| length as u64);
            report.lengths.extend(lengths.take(missing));
            if let Some(switch) = &played.switch {
                let calls = (0..played.episodes.min(missing)).map(|episode| {
                    let own = switch.calls.iter().skip(episode).step_by(played.episodes);
                    own.map(|&call| u64::from(call)).sum::<u64>()
                });
                report.calls.extend(calls);
            }
        }
        report.call_map = (call_map.decisions().visits > 0).then_some(call_map);
        Ok(report)
    }
}

/// Records the first episode of a batch.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) scenes: Vec<Scene>,
    episode_return: f64,
    over: bool,
}

impl Recorder {
    pub(crate) fn see(&mut self, moment: &Moment) {
        if self.over {
            return;
        }
        let agents = moment.environment.spec().agents;
        self.episode_return += moment.rewards.iter().take(agents).sum::<f64>();
        let mut scene = moment.environment.scene(0);
        scene.note = format!("return {:.2}", self.episode_return);
        if moment.calls.first() == Some(&1) {
            scene.note.push_str(" · central call");
        }
        self.scenes.push(scene);
        self.over = !moment.running[0];
    }
}
