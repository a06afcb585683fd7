//! Teams of policies from different trainings: who plays well with whom.
//!
//! Every agent's seat is given to one of several policies. A policy sees what its own team
//! would see, all observations included where its switch or a shared network needs them,
//! and moves only the agents in its seats.

use std::sync::Arc;

use configs::train::{Execution, TrainConfig};
use envs::{BatchBuffers, EnvironmentSpec, VectorEnvironment};

use crate::AgentsError;
use crate::acting::ActingTeam;
use crate::environment::environment_batch;
use crate::evaluation::{EvaluationReport, RecordedEpisode, Recorder, Scoring};
use crate::mansa::decision::Decision;
use crate::network::NetworkRows;
use crate::policy::Policy;
use crate::rollout::{ActingStreams, Moment, PlayOrder};

/// What the random streams of the players are named after.
const STREAM: &str = "cross-play";

/// Several policies in one environment.
pub struct CrossPlay {
    environment: Box<dyn VectorEnvironment>,
    buffers: BatchBuffers,
    players: Vec<Player>,
    seed: u64,
}

struct Player {
    acting: ActingTeam,
    masked: bool,
    sample: bool,
    execution: Execution,
}

impl CrossPlay {
    /// `config` names the environment and the seed; each policy acts as it was evaluated in
    /// its own training. All policies must fit the environment ([`problem`]).
    ///
    /// # Errors
    /// When the environment cannot be built.
    pub fn new(
        config: &TrainConfig,
        environments: usize,
        policies: &[Policy],
    ) -> Result<Self, AgentsError> {
        let environment = environment_batch(&config.environment, environments)?;
        let players: Vec<Player> = policies.iter().map(Player::new).collect();
        let spec = environment.spec();
        let mut buffers = BatchBuffers::new(spec, environment.len());
        if players.iter().any(|player| player.masked) {
            buffers = buffers.with_action_mask(spec);
        }
        Ok(Self {
            environment,
            buffers,
            players,
            seed: config.seed,
        })
    }

    /// Scores one team: agent `i` is moved by policy `seats[i]`. Every team meets the same
    /// starts. [`Scoring::execution`] is left to each policy, and central calls are not counted.
    ///
    /// # Errors
    /// The environment's.
    ///
    /// # Panics
    /// When `seats` names a policy that is not there, or has another length than the team.
    pub fn score(
        &mut self,
        seats: &[usize],
        scoring: &Scoring,
    ) -> Result<EvaluationReport, AgentsError> {
        assert_eq!(seats.len(), self.environment.spec().agents, "a seat each");
        let mut starts = ActingStreams::new(self.seed, scoring.purpose, scoring.index);
        self.environment.seed(starts.exploration.word());
        let stream = |player| ActingStreams::new(self.seed, STREAM, player as u64);
        let mut streams: Vec<ActingStreams> = (0..self.players.len()).map(stream).collect();
        let mut report = EvaluationReport::default();
        while report.returns.len() < scoring.episodes {
            let mut recorder =
                (scoring.record && report.recorded.is_none()).then(Recorder::default);
            let (returns, lengths) =
                self.play(seats, scoring.epsilon, &mut streams, recorder.as_mut())?;
            report.recorded = report.recorded.or(recorder.map(|recorder| RecordedEpisode {
                scenes: recorder.scenes,
                episode_return: returns[0],
            }));
            let missing = scoring.episodes - report.returns.len();
            report.returns.extend(returns.iter().take(missing));
            report.lengths.extend(lengths.iter().take(missing));
        }
        Ok(report)
    }

    /// Plays one episode in every environment: returns and lengths.
    fn play(
        &mut self,
        seats: &[usize],
        epsilon: f64,
        streams: &mut [ActingStreams],
        mut recorder: Option<&mut Recorder>,
    ) -> Result<(Vec<f64>, Vec<u64>), AgentsError> {
        let spec = self.environment.spec();
        let (agents, limit) = (spec.agents, spec.max_episode_steps);
        let episodes = self.environment.len();
        let (mut returns, mut lengths) = (vec![0.0; episodes], vec![0u64; episodes]);
        let mut running = vec![true; episodes];
        let mut chosen = vec![0u8; episodes * agents];
        let orders: Vec<PlayOrder> = self
            .players
            .iter()
            .map(|player| player.order(epsilon))
            .collect();
        let mut decisions: Vec<Decision> = self
            .players
            .iter()
            .zip(&orders)
            .map(|(player, order)| Decision::new(player.acting.team(), order, episodes, limit))
            .collect();
        self.environment.reset_all(&mut self.buffers)?;
        for player in &mut self.players {
            player.acting.begin(episodes);
        }
        for time in 0..=limit {
            let rewards: &[f64] = if time == 0 {
                &[]
            } else {
                &self.buffers.rewards
            };
            if let Some(recorder) = &mut recorder {
                recorder.see(&Moment {
                    environment: self.environment.as_ref(),
                    rewards,
                    calls: &[],
                    running: &running,
                    actions: if time == 0 { &[] } else { &chosen },
                    returns: &returns,
                    decision: None,
                });
            }
            if time == limit || !running.contains(&true) {
                break;
            }
            let previous = chosen.clone();
            for (index, player) in self.players.iter_mut().enumerate() {
                if !seats.contains(&index) {
                    continue;
                }
                let (decision, streams) = (&mut decisions[index], &mut streams[index]);
                let observations = &self.buffers.observations;
                decision.decide(
                    &mut player.acting,
                    observations,
                    &running,
                    &mut streams.switch,
                );
                let last_actions = player.acting.last_actions(time > 0, &previous);
                let rows = NetworkRows {
                    features: observations,
                    last_actions: &last_actions,
                    sizes: &[episodes as i64],
                };
                let outputs = player.acting.outputs(&rows, decision);
                decision.keep();
                let mask = player.masked.then_some(&self.buffers.action_mask[..]);
                let mut own = vec![0u8; episodes * agents];
                let (order, stream) = (&orders[index], &mut streams.exploration);
                player
                    .acting
                    .choose(&outputs, mask, order, stream, &mut own);
                for (place, action) in own.into_iter().enumerate() {
                    if seats[place % agents] == index {
                        chosen[place] = action;
                    }
                }
            }
            self.environment.step(&chosen, &mut self.buffers)?;
            for (episode, alive) in running.iter_mut().enumerate().filter(|(_, alive)| **alive) {
                let rewards = &self.buffers.rewards[episode * agents..(episode + 1) * agents];
                returns[episode] += rewards.iter().sum::<f64>();
                lengths[episode] += 1;
                let over = self.buffers.terminated[episode] || self.buffers.truncated[episode];
                *alive = !over;
            }
        }
        Ok((returns, lengths))
    }
}

impl Player {
    fn new(policy: &Policy) -> Self {
        let config = &policy.description.config;
        let parameters = policy.parameters.share();
        Self {
            acting: ActingTeam::new(Arc::clone(&policy.team), parameters),
            masked: config.environment.action_masks,
            sample: config.evaluation.sample_actions,
            execution: config.evaluation.execution,
        }
    }

    fn order(&self, epsilon: f64) -> PlayOrder {
        PlayOrder {
            sample: self.sample,
            ..PlayOrder::greedy(epsilon, self.execution)
        }
    }
}

/// Every way to deal the seats of `agents` agents to `policies` policies, in the order of
/// counting: the first seat changes last. None when there are more than `most`.
pub fn assignments(policies: usize, agents: usize, most: usize) -> Option<Vec<Vec<usize>>> {
    let count = policies.checked_pow(u32::try_from(agents).ok()?)?;
    let digits = |number: usize| -> Vec<usize> {
        let place = |agent: usize| policies.pow((agents - 1 - agent) as u32);
        (0..agents)
            .map(|agent| number / place(agent) % policies)
            .collect()
    };
    (count <= most).then(|| (0..count).map(digits).collect())
}

/// Why a policy trained for `trained` cannot act in `asked`, if it cannot.
pub fn problem(asked: &EnvironmentSpec, trained: &EnvironmentSpec) -> Option<String> {
    let sizes = |spec: &EnvironmentSpec| {
        let (agents, actions, seen) = (spec.agents, spec.actions, spec.observation_size);
        format!("{agents} agents, {actions} actions, {seen} numbers per observation")
    };
    (sizes(asked) != sizes(trained)).then(|| {
        format!(
            "{} has {}; the policy was trained in {} for {}",
            asked.id,
            sizes(asked),
            trained.id,
            sizes(trained)
        )
    })
}

#[cfg(test)]
mod tests {
    use configs::train::NetworkKind;
    use nn::parameters::Parameters;
    use nn::random::RandomStream;
    use tch::Device;

    use super::*;
    use crate::environment::environment_options;
    use crate::evaluation::Evaluator;
    use crate::team::Team;

    fn policy(kind: NetworkKind, last_action: bool, seed: u64) -> (TrainConfig, Policy) {
        let mut config = TrainConfig::default();
        config.environment.id = "Foraging-5x5-2p-1f-v3".to_owned();
        config.environment.time_limit = Some(12);
        config.network.hidden_size = 8;
        config.network.kind = kind;
        config.network.last_action = last_action;
        let options = environment_options(&config.environment);
        let environment = envs::make(&config.environment.id, &options).unwrap();
        let team = Team::new(&config, environment.spec());
        let folder = tempfile::tempdir().unwrap();
        let mut stream = RandomStream::new(seed, "test", 0);
        let weights = Parameters::initialised(team.layout(), Device::Cpu, false, &mut stream);
        let spec = environment.spec();
        Policy::write(folder.path(), &config, spec, weights.flat(), 7).unwrap();
        (config, Policy::read(folder.path()).unwrap())
    }

    fn scoring(purpose: &str) -> Scoring<'_> {
        Scoring {
            episodes: 24,
            epsilon: 0.0,
            execution: Execution::Mansa,
            purpose,
            index: 0,
            record: true,
            budget: None,
        }
    }

    #[test]
    fn a_policy_beside_itself_plays_as_alone() {
        for (kind, last_action) in [(NetworkKind::FeedForward, true), (NetworkKind::Gru, false)] {
            let (config, own) = policy(kind, last_action, 1);
            let (_, copy) = policy(kind, last_action, 1);
            let others = (2..8).map(|seed| policy(kind, last_action, seed).1);
            let weights = own.parameters.snapshot();
            let team = Arc::clone(&own.team);
            let mut alone = Evaluator::new(&config, 8, team, own.parameters.share()).unwrap();
            let expected = alone.score(&weights, &scoring("eval")).unwrap();
            let policies: Vec<Policy> = [own, copy].into_iter().chain(others).collect();
            let mut together = CrossPlay::new(&config, 8, &policies).unwrap();
            for seats in [[0, 0], [0, 1], [1, 0]] {
                assert_eq!(together.score(&seats, &scoring("eval")).unwrap(), expected);
            }
            // Untrained agents often walk into the same wall, but not all of them.
            let differs = (2..policies.len()).any(|other| {
                let report = together.score(&[0, other], &scoring("eval")).unwrap();
                report.recorded != expected.recorded
            });
            assert!(differs, "another partner plays another game");
        }
    }

    #[test]
    fn seats_are_dealt_in_every_way() {
        assert_eq!(
            assignments(2, 2, 9),
            Some(vec![vec![0, 0], vec![0, 1], vec![1, 0], vec![1, 1]])
        );
        assert_eq!(assignments(3, 4, 100).unwrap().len(), 81);
        assert_eq!(assignments(3, 4, 80), None);
        assert_eq!(assignments(9, usize::MAX, 80), None);
    }

    #[test]
    fn a_policy_for_other_sizes_is_refused_with_both() {
        let (_, policy) = policy(NetworkKind::FeedForward, false, 1);
        let trained = &policy.description.environment;
        assert_eq!(problem(trained, trained), None);
        let asked = envs::make("Foraging-8x8-3p-2f-v3", &Default::default()).unwrap();
        let text = problem(asked.spec(), trained).unwrap();
        assert!(
            text.contains("3 agents") && text.contains("2 agents"),
            "{text}"
        );
    }
}
