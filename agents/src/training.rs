//! The training loop: rounds of episodes in, updates out.
//!
//! In `lockstep` every round is ordered with fixed weights and taken in in the order of
//! the actors, so the same seed gives the same run bit for bit. In `free` mode actors
//! play with the newest weights and rounds are taken in as they come; the number of
//! rounds under way bounds how stale they can be.

use std::time::{Duration, Instant};

use configs::train::{RuntimeMode, TrainConfig};
use crossbeam::channel::Receiver;
use envs::{EnvironmentSpec, ResetMode};
use nn::parameters::Parameters;
use nn::random::RandomStream;
use nn::schedule::LinearSchedule;
use tch::Device;
use tracking::{EvaluationPurpose, RunState};

use crate::AgentsError;
use crate::actor::{ActorState, Actors, Round, RoundOrder, RoundWeights, WeightSnapshot};
use crate::checkpoint::{Counters, OrderedRound, RunningState};
use crate::environment::environment_options;
use crate::evaluation::Evaluator;
use crate::iql::IndependentQLearner;
use crate::learner::Learner;
use crate::report::{Reporter, TrainingFigures};
use crate::rollout::Rollout;

/// What a running training can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Finish the round, write a checkpoint, return.
    Stop,
    /// Write a checkpoint and go on.
    CheckpointNow,
    /// Park until [`Command::Resume`] or [`Command::Stop`].
    Pause,
    /// Go on.
    Resume,
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps or updates were done.
    Finished,
    /// It was told to stop and wrote a checkpoint.
    Stopped,
}

/// A training run, ready to go.
pub struct Training<'a> {
    config: &'a TrainConfig,
    spec: EnvironmentSpec,
    learner: Box<dyn Learner>,
    actors: Actors,
    evaluator: Evaluator,
    epsilon: LinearSchedule,
    state: RunningState,
    commands: Receiver<Command>,
    reporter: Reporter<'a>,
    started: Instant,
    seconds_before: f64,
    figures: TrainingFigures,
}

impl<'a> Training<'a> {
    /// Builds learner, actors and evaluator; with `resume`, from that checkpoint (its name
    /// within the run folder, and its path).
    ///
    /// # Errors
    /// An unknown environment, a checkpoint that does not fit, a thread that does not start.
    pub fn new(
        config: &'a TrainConfig,
        device: Device,
        commands: Receiver<Command>,
        reporter: Reporter<'a>,
        resume: Option<(&str, &std::path::Path)>,
    ) -> Result<Self, AgentsError> {
        let options = environment_options(&config.environment);
        let spec = envs::make(&config.environment.id, &options)?.spec().clone();
        let mut learner: Box<dyn Learner> =
            Box::new(IndependentQLearner::new(config, &spec, device)?);
        let resumed = resume
            .map(|(_, folder)| {
                crate::checkpoint::read(folder, learner.as_mut(), config.runtime.actors)
            })
            .transpose()?;
        let layout = learner.acting_parameters().layout().clone();
        let copy = || Parameters::zeros(&layout, Device::Cpu, false);
        let mut players = Vec::new();
        let mut states = Vec::new();
        for actor in 0..config.runtime.actors {
            let environment = envs::make_vector(
                &config.environment.id,
                &options,
                config.runtime.environments_per_actor,
                ResetMode::Hold,
                1,
            )?;
            let mut rollout = Rollout::new(
                environment,
                learner.network().clone(),
                copy(),
                config.environment.common_reward,
                config.environment.action_masks,
            );
            let index = actor as u64;
            let environment = rollout.environment_mut();
            environment.seed(RandomStream::new(config.seed, "environment", index).word());
            let mut exploration = RandomStream::new(config.seed, "exploration", index);
            if let Some(state) = resumed.as_ref().map(|state| &state.actors[actor]) {
                environment.restore(&state.environment)?;
                exploration = state.exploration.clone();
            }
            let saved = environment.save();
            states.push(ActorState {
                environment: saved,
                exploration: exploration.clone(),
            });
            players.push((rollout, exploration));
        }
        let evaluator = Evaluator::new(
            config,
            config
                .evaluation
                .environments
                .min(config.evaluation.episodes),
            learner.network().clone(),
            copy(),
        )?;
        let initial = snapshot(learner.as_ref());
        let actors = Actors::start(players, initial, config.runtime.queue_capacity)?;
        let counters = Counters {
            next_checkpoint: config.checkpoint.interval_steps,
            ..Counters::default()
        };
        let state = resumed.unwrap_or(RunningState {
            counters,
            actors: states,
            ordered: None,
        });
        let mut training = Self {
            config,
            spec,
            learner,
            actors,
            evaluator,
            epsilon: LinearSchedule {
                start: config.exploration.epsilon_start,
                end: config.exploration.epsilon_end,
                steps: config.exploration.anneal_steps,
            },
            seconds_before: state.counters.progress.seconds,
            state,
            commands,
            reporter,
            started: Instant::now(),
            figures: TrainingFigures::default(),
        };
        if let Some((name, _)) = resume {
            training.reporter.resumed(name, &training.state.counters);
        }
        Ok(training)
    }

    /// What the agents train in.
    pub fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    /// Trains until the steps or updates are done, or until told to stop.
    ///
    /// # Errors
    /// A loss that is not finite, a dead thread, a checkpoint that cannot be written twice.
    pub fn run(mut self) -> Result<Outcome, AgentsError> {
        self.reporter
            .state(RunState::Running, &self.state.counters, "");
        self.order_first_rounds()?;
        let outcome = loop {
            if self.due(self.state.counters.next_evaluation) {
                self.evaluate()?;
            }
            if self.done() {
                break Outcome::Finished;
            }
            if self.due(self.state.counters.next_checkpoint) {
                self.write_checkpoint()?;
            }
            if self.told_to_stop()? {
                break Outcome::Stopped;
            }
            match self.config.runtime.mode {
                RuntimeMode::Lockstep(lockstep) => self.lockstep_round(lockstep.lag_rounds > 0)?,
                RuntimeMode::Free(_) => self.free_round()?,
            }
            self.report();
        };
        self.write_checkpoint()?;
        if outcome == Outcome::Finished {
            self.absolute_evaluation()?;
        }
        Ok(outcome)
    }

    /// One round of every actor, then its updates. With a lag, the next round is ordered
    /// before the updates, so that acting and learning overlap.
    fn lockstep_round(&mut self, lag: bool) -> Result<(), AgentsError> {
        let wait = Instant::now();
        let rounds = self.actors.next_of_each()?;
        self.figures.waiting_seconds += wait.elapsed().as_secs_f64();
        let episodes = rounds.iter().map(|round| round.episodes.episodes).sum();
        for round in rounds {
            self.take_in(round);
        }
        if lag {
            self.order_everyone()?;
        }
        self.learn(episodes)?;
        if !lag {
            self.order_everyone()?;
        }
        Ok(())
    }

    /// One round of whichever actor is ready, then its updates.
    fn free_round(&mut self) -> Result<(), AgentsError> {
        let wait = Instant::now();
        let round = self.actors.next()?;
        self.figures.waiting_seconds += wait.elapsed().as_secs_f64();
        let (actor, episodes) = (round.actor, round.episodes.episodes);
        self.take_in(round);
        self.learn(episodes)?;
        self.actors.publish(snapshot(self.learner.as_ref()));
        let epsilon = self.current_epsilon();
        self.actors.order(
            actor,
            RoundOrder {
                epsilon,
                weights: RoundWeights::Latest,
            },
        )
    }

    fn take_in(&mut self, round: Round) {
        let counters = &mut self.state.counters;
        counters.progress.step += round.episodes.steps();
        counters.episodes += round.episodes.episodes as u64;
        let staleness = self.learner.updates().saturating_sub(round.version);
        self.figures
            .episodes(&round.episodes, round.seconds, staleness);
        self.learner.observe(&round.episodes);
        self.state.actors[round.actor] = round.state;
    }

    /// The updates that the episodes earned; fractions carry over.
    fn learn(&mut self, episodes: usize) -> Result<(), AgentsError> {
        if !self.learner.ready() {
            return Ok(());
        }
        let start = Instant::now();
        let counters = &mut self.state.counters;
        counters.update_credit += episodes as f64 * self.config.runtime.updates_per_episode;
        while counters.update_credit >= 1.0 {
            if self
                .config
                .max_updates
                .is_some_and(|limit| self.learner.updates() >= limit)
            {
                break;
            }
            let report = self
                .learner
                .update()
                .map_err(|error| self.reporter.locate(error))?;
            self.figures.update(report);
            counters.update_credit -= 1.0;
        }
        counters.progress.updates = self.learner.updates();
        self.figures.learning_seconds += start.elapsed().as_secs_f64();
        Ok(())
    }

    fn current_epsilon(&self) -> f64 {
        self.epsilon.at(self.state.counters.progress.step)
    }

    fn order_first_rounds(&mut self) -> Result<(), AgentsError> {
        match self.config.runtime.mode {
            RuntimeMode::Lockstep(_) => match self.state.ordered.take() {
                Some(ordered) => self.order_round(ordered),
                None => self.order_everyone(),
            },
            RuntimeMode::Free(free) => {
                let round =
                    self.config.environments() as f64 * self.config.runtime.updates_per_episode;
                let rounds = (free.max_staleness_updates as f64 / round.max(1e-9)) as usize;
                let epsilon = self.current_epsilon();
                for actor in 0..self.actors.count() {
                    for _ in 0..rounds.clamp(1, 16) {
                        let order = RoundOrder {
                            epsilon,
                            weights: RoundWeights::Latest,
                        };
                        self.actors.order(actor, order)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Orders the next lockstep round with the weights of this moment.
    fn order_everyone(&mut self) -> Result<(), AgentsError> {
        let weights = snapshot(self.learner.as_ref());
        self.order_round(OrderedRound {
            weights,
            epsilon: self.current_epsilon(),
        })
    }

    fn order_round(&mut self, ordered: OrderedRound) -> Result<(), AgentsError> {
        for actor in 0..self.actors.count() {
            let weights = RoundWeights::Fixed(ordered.weights.share());
            self.actors.order(
                actor,
                RoundOrder {
                    epsilon: ordered.epsilon,
                    weights,
                },
            )?;
        }
        self.state.ordered = Some(ordered);
        Ok(())
    }

    fn done(&self) -> bool {
        let counters = &self.state.counters;
        counters.progress.step >= self.config.total_steps
            || self
                .config
                .max_updates
                .is_some_and(|limit| counters.progress.updates >= limit)
    }

    /// Evaluations and checkpoints fall on the first round at or past their step, and on the last.
    fn due(&self, next: u64) -> bool {
        self.state.counters.progress.step >= next
    }

    fn evaluate(&mut self) -> Result<(), AgentsError> {
        let step = self.state.counters.progress.step;
        let weights = self.learner.acting_parameters().snapshot();
        let settings = &self.config.evaluation;
        let report = self.evaluator.score(
            &weights,
            settings.episodes,
            settings.epsilon,
            ("evaluation", step),
            settings.record_episode,
        )?;
        self.tick();
        let mean = report.mean_return();
        self.reporter
            .evaluation(EvaluationPurpose::Interval, &report, &self.state.counters);
        let counters = &mut self.state.counters;
        counters.next_evaluation = next_multiple(step, settings.interval_steps);
        if counters.best.is_none_or(|(best, _)| mean > best) {
            counters.best = Some((mean, step));
            if self.config.checkpoint.keep_best {
                let parameters = self.learner.acting_parameters();
                self.reporter.best_policy(
                    self.config,
                    &self.spec,
                    parameters,
                    &self.state.counters,
                )?;
            }
        }
        Ok(())
    }

    /// The absolute metric (Gorsane et al. 2022): many episodes of the best policy.
    fn absolute_evaluation(&mut self) -> Result<(), AgentsError> {
        let episodes = self.config.evaluation.absolute_episodes;
        if episodes == 0 {
            return Ok(());
        }
        let (weights, step) = match self.reporter.read_best_policy()? {
            Some(policy) => (policy.parameters.snapshot(), policy.description.step),
            None => (
                self.learner.acting_parameters().snapshot(),
                self.state.counters.progress.step,
            ),
        };
        let epsilon = self.config.evaluation.epsilon;
        let report = self
            .evaluator
            .score(&weights, episodes, epsilon, ("absolute", step), true)?;
        self.reporter
            .evaluation(EvaluationPurpose::Absolute, &report, &self.state.counters);
        Ok(())
    }

    fn write_checkpoint(&mut self) -> Result<(), AgentsError> {
        self.tick();
        let step = self.state.counters.progress.step;
        self.state.counters.next_checkpoint =
            next_multiple(step, self.config.checkpoint.interval_steps);
        self.reporter
            .checkpoint(self.config, &self.spec, self.learner.as_ref(), &self.state)
    }

    /// Handles all waiting commands; parks while paused.
    fn told_to_stop(&mut self) -> Result<bool, AgentsError> {
        let mut paused: Option<Instant> = None;
        loop {
            let command = if paused.is_some() {
                self.reporter.heartbeat(&self.state.counters);
                self.commands.recv_timeout(Duration::from_millis(500)).ok()
            } else {
                self.commands.try_recv().ok()
            };
            match command {
                Some(Command::Stop) => {
                    self.reporter
                        .state(RunState::Stopping, &self.state.counters, "");
                    return Ok(true);
                }
                Some(Command::CheckpointNow) => self.write_checkpoint()?,
                Some(Command::Pause) if paused.is_none() => {
                    self.tick();
                    self.reporter
                        .state(RunState::Paused, &self.state.counters, "");
                    paused = Some(Instant::now());
                }
                Some(Command::Resume) => {
                    if let Some(since) = paused.take() {
                        self.seconds_before -= since.elapsed().as_secs_f64();
                        self.reporter
                            .state(RunState::Running, &self.state.counters, "");
                    }
                }
                Some(Command::Pause) => {}
                None if paused.is_some() => {}
                None => return Ok(false),
            }
        }
    }

    fn tick(&mut self) {
        self.state.counters.progress.seconds =
            self.seconds_before + self.started.elapsed().as_secs_f64();
    }

    fn report(&mut self) {
        self.tick();
        let epsilon = self.current_epsilon();
        let logging = &self.config.logging;
        self.reporter
            .round(&mut self.figures, &self.state.counters, epsilon, logging);
    }
}

fn snapshot(learner: &dyn Learner) -> WeightSnapshot {
    WeightSnapshot {
        version: learner.updates(),
        values: learner.acting_parameters().snapshot(),
    }
}

/// The first multiple of `interval` above `step`.
fn next_multiple(step: u64, interval: u64) -> u64 {
    (step / interval.max(1) + 1) * interval.max(1)
}
