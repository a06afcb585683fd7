//! The training loop: rounds of episodes in, updates out.
//!
//! In `lockstep` every round is ordered with fixed weights and taken in in the order of
//! the actors, so the same seed gives the same run bit for bit. In `free` mode actors
//! play with the newest weights and rounds are taken in as they come; the number of
//! rounds under way bounds how stale they can be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use configs::train::{AlgorithmKind, CallBudget, Execution, RuntimeMode, TrainConfig};
use crossbeam::channel::Receiver;
use envs::EnvironmentSpec;
use nn::parameters::Parameters;
use nn::random::RandomStream;
use nn::schedule::LinearSchedule;
use tch::{Device, Tensor};
use tracking::{EvaluationPurpose, LiveStage, RunState, Stopwatch};

use crate::AgentsError;
use crate::actor::{ActorState, Actors, Round, RoundOrder, RoundWeights, WeightSnapshot};
use crate::checkpoint::{Counters, OrderedRound, RunningState};
use crate::environment::{environment_batch, environment_options};
use crate::evaluation::{Evaluator, Scoring};
use crate::learner::Learner;
use crate::mansa::budget::{BudgetLedger, Grant};
use crate::mansa::paired_policies::PairedPolicyLearner;
use crate::policy_gradient::PolicyGradientLearner;
use crate::q_learning::QLearner;
use crate::report::{Reporter, TrainingFigures};
use crate::rollout::{ActingStreams, PlayOrder, Rollout};

/// How often a parked training tells that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What a running training can be told.
pub use tracking::ControlCommand as Command;

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
    stopwatch: Stopwatch,
    figures: TrainingFigures,
}

impl<'a> Training<'a> {
    /// Builds learner, actors and evaluator; with `resume`, from that checkpoint (its name
    /// within the run folder, and its path). Its episodes can be watched on `stage`, which
    /// has a place for each of [`TrainConfig::environments`].
    ///
    /// # Errors
    /// An unknown environment, a checkpoint that does not fit, a thread that does not start.
    pub fn new(
        config: &'a TrainConfig,
        device: Device,
        commands: Receiver<Command>,
        reporter: Reporter<'a>,
        stage: &Arc<LiveStage>,
        resume: Option<(&str, &std::path::Path)>,
    ) -> Result<Self, AgentsError> {
        let options = environment_options(&config.environment);
        let spec = envs::make(&config.environment.id, &options)?.spec().clone();
        let mut learner = learner(config, &spec, device)?;
        let resumed = resume
            .map(|(_, folder)| {
                crate::checkpoint::read(folder, learner.as_mut(), config.runtime.actors)
            })
            .transpose()?;
        let team = learner.team().clone();
        let copy = || Parameters::zeros(team.layout(), Device::Cpu, false);
        let mut players = Vec::new();
        let mut states = Vec::new();
        for actor in 0..config.runtime.actors {
            let environment =
                environment_batch(&config.environment, config.runtime.environments_per_actor)?;
            let mut rollout = Rollout::new(
                environment,
                team.clone(),
                copy(),
                config.environment.common_reward,
                config.environment.action_masks,
            );
            let index = actor as u64;
            let environment = rollout.environment_mut();
            environment.seed(RandomStream::new(config.seed, "environment", index).word());
            let mut streams = ActingStreams::new(config.seed, "exploration", index);
            if let Some(state) = resumed.as_ref().map(|state| &state.actors[actor]) {
                environment.restore(&state.environment)?;
                streams = state.streams.clone();
            }
            let saved = environment.save();
            states.push(ActorState {
                environment: saved,
                streams: streams.clone(),
            });
            players.push((rollout, streams));
        }
        let evaluator = Evaluator::new(
            config,
            config
                .evaluation
                .environments
                .min(config.evaluation.episodes),
            team.clone(),
            copy(),
        )?;
        let initial = snapshot(learner.as_ref());
        let actors = Actors::start(players, initial, config.runtime.queue_capacity, stage)?;
        let counters = Counters {
            next_checkpoint: config.checkpoint.interval_steps,
            budget: match config.algorithm.switch.budget {
                CallBudget::PerRun(budget) if config.algorithm.is_mansa() => {
                    Some(BudgetLedger::new(budget.calls))
                }
                _ => None,
            },
            ..Counters::default()
        };
        let mut state = resumed.unwrap_or(RunningState {
            counters,
            actors: states,
            ordered: None,
        });
        if let (Some(ledger), None) = (&mut state.counters.budget, &state.ordered) {
            ledger.forget_outstanding();
        }
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
            stopwatch: Stopwatch::start(state.counters.progress.seconds),
            state,
            commands,
            reporter,
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
            self.take_in(round)?;
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
        self.take_in(round)?;
        self.learn(episodes)?;
        self.actors.publish(snapshot(self.learner.as_ref()));
        self.order_latest(actor)
    }

    fn order_latest(&mut self, actor: usize) -> Result<(), AgentsError> {
        let order = RoundOrder {
            play: self.play_order(),
            weights: RoundWeights::Latest,
        };
        self.actors.order(actor, order)
    }

    fn take_in(&mut self, round: Round) -> Result<(), AgentsError> {
        let counters = &mut self.state.counters;
        if let (Some(ledger), Some(grant)) = (&mut counters.budget, round.grant) {
            let spent = round
                .episodes
                .switch
                .as_ref()
                .map_or(0, |switch| switch.call_count());
            ledger.settle(grant.number, spent)?;
        }
        counters.progress.step += round.episodes.steps();
        counters.episodes += round.episodes.episodes as u64;
        let staleness = self.learner.updates().saturating_sub(round.version);
        self.figures
            .episodes(&round.episodes, round.seconds, staleness);
        self.learner.observe(&round.episodes);
        self.state.actors[round.actor] = round.state;
        Ok(())
    }

    /// The updates that the episodes earned; fractions carry over.
    fn learn(&mut self, episodes: usize) -> Result<(), AgentsError> {
        if !self.learner.ready() {
            return Ok(());
        }
        let start = Instant::now();
        let on_policy = self.learner.on_policy();
        if !on_policy {
            let earned = episodes as f64 * self.config.runtime.updates_per_episode;
            self.state.counters.update_credit += earned;
        }
        let limit = self.config.max_updates.unwrap_or(u64::MAX);
        while self.learner.updates() < limit {
            let due = if on_policy {
                self.learner.ready()
            } else {
                self.state.counters.update_credit >= 1.0
            };
            if !due {
                break;
            }
            let report = self
                .learner
                .update()
                .map_err(|error| self.reporter.locate(error))?;
            self.figures.update(report);
            if !on_policy {
                self.state.counters.update_credit -= 1.0;
            }
        }
        self.state.counters.progress.updates = self.learner.updates();
        self.figures.learning_seconds += start.elapsed().as_secs_f64();
        Ok(())
    }

    fn current_epsilon(&self) -> f64 {
        self.epsilon.at(self.state.counters.progress.step)
    }

    /// How the next round of an actor is played.
    fn play_order(&mut self) -> PlayOrder {
        let switch = &self.config.algorithm.switch;
        PlayOrder {
            epsilon: self.current_epsilon(),
            sample: true,
            execution: Execution::Mansa,
            switch_epsilon: switch.epsilon(self.state.counters.progress.step),
            switch_sample: true,
            grant: self.grant(),
        }
    }

    /// Central calls for the next round of an actor, from the whole training's budget. A switch
    /// that learns may spend what is free, in turn with the other actors; one that does not
    /// is given what falls due by the round's end, so that the budget lasts.
    fn grant(&mut self) -> Option<Grant> {
        let runtime = &self.config.runtime;
        let round = (runtime.environments_per_actor * self.spec.max_episode_steps) as u64;
        let step = self.state.counters.progress.step;
        let total = self.config.total_steps;
        let switch = &self.config.algorithm.switch;
        let ledger = self.state.counters.budget.as_mut()?;
        let wanted = if switch.learns() {
            round.min(ledger.free().div_ceil(runtime.actors.max(1) as u64))
        } else {
            let end = step + round * runtime.actors.max(1) as u64;
            ledger.due(end as f64 / total.max(1) as f64)
        };
        Some(ledger.grant(wanted, total.saturating_sub(step)))
    }

    /// What is left of the whole training's budget, when there is one.
    fn budget_left(&self) -> Option<Grant> {
        let ledger = self.state.counters.budget.as_ref()?;
        Some(Grant {
            number: 0,
            calls: ledger.calls() - ledger.used(),
            budget_left: ledger.remaining_share(),
            even_chance: 0.0, // nothing is explored where nothing is learnt
        })
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
                for actor in 0..self.actors.count() {
                    for _ in 0..rounds.clamp(1, 16) {
                        self.order_latest(actor)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Orders the next lockstep round with the weights of this moment.
    fn order_everyone(&mut self) -> Result<(), AgentsError> {
        let weights = snapshot(self.learner.as_ref());
        let play = (0..self.actors.count()).map(|_| self.play_order());
        let play = play.collect();
        self.order_round(OrderedRound { weights, play })
    }

    fn order_round(&mut self, ordered: OrderedRound) -> Result<(), AgentsError> {
        for actor in 0..self.actors.count() {
            let weights = RoundWeights::Fixed(ordered.weights.share());
            self.actors.order(
                actor,
                RoundOrder {
                    play: ordered.play[actor],
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
        let weights = self.learner.acting_weights();
        let settings = &self.config.evaluation;
        let scoring = Scoring {
            episodes: settings.episodes,
            epsilon: settings.epsilon,
            execution: settings.execution,
            purpose: "evaluation",
            index: step,
            record: settings.record_episode,
            budget: self.budget_left(),
        };
        let report = self.evaluator.score(&weights, &scoring)?;
        self.score_halves(&weights, &scoring)?;
        self.tick();
        let mean = report.mean_return();
        self.reporter
            .evaluation(EvaluationPurpose::Interval, &report, &self.state.counters);
        let counters = &mut self.state.counters;
        counters.next_evaluation = next_multiple(step, settings.interval_steps);
        if counters.best.is_none_or(|(best, _)| mean > best) {
            counters.best = Some((mean, step));
            if self.config.checkpoint.keep_best {
                let counters = &self.state.counters;
                self.reporter
                    .best_policy(self.config, &self.spec, &weights, counters)?;
            }
        }
        Ok(())
    }

    /// MANSA is scored in all three ways: switched, and by each of its halves alone.
    fn score_halves(&mut self, weights: &Tensor, scoring: &Scoring) -> Result<(), AgentsError> {
        if self.learner.team().switch().is_none() {
            return Ok(());
        }
        for (execution, name) in [
            (Execution::Il, "return_independent"),
            (Execution::Cl, "return_central"),
        ] {
            let scoring = Scoring {
                execution,
                record: false,
                ..*scoring
            };
            let report = self.evaluator.score(weights, &scoring)?;
            let mean = report.mean_return();
            self.reporter
                .evaluation_scalar(name, mean, &self.state.counters);
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
                self.learner.acting_weights(),
                self.state.counters.progress.step,
            ),
        };
        let settings = &self.config.evaluation;
        let scoring = Scoring {
            episodes,
            epsilon: settings.epsilon,
            execution: settings.execution,
            purpose: "absolute",
            index: step,
            record: true,
            budget: self.budget_left(),
        };
        let report = self.evaluator.score(&weights, &scoring)?;
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
                self.commands.recv_timeout(HEARTBEAT).ok()
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
                    self.stopwatch.pause();
                    self.reporter
                        .state(RunState::Paused, &self.state.counters, "");
                    paused = Some(Instant::now());
                }
                Some(Command::Resume) => {
                    if let Some(since) = paused.take() {
                        self.stopwatch.go_on();
                        self.reporter.leave_out(since.elapsed());
                        self.reporter
                            .state(RunState::Running, &self.state.counters, "");
                    }
                }
                Some(Command::Pause | Command::Ping) => {}
                None if paused.is_some() => {}
                None => return Ok(false),
            }
        }
    }

    fn tick(&mut self) {
        self.state.counters.progress.seconds = self.stopwatch.seconds();
    }

    fn report(&mut self) {
        self.tick();
        let epsilon = self.current_epsilon();
        let logging = &self.config.logging;
        self.reporter
            .round(&mut self.figures, &self.state.counters, epsilon, logging);
    }
}

/// The learner that a configuration asks for.
fn learner(
    config: &TrainConfig,
    spec: &EnvironmentSpec,
    device: Device,
) -> Result<Box<dyn Learner>, AgentsError> {
    Ok(match config.algorithm.kind {
        AlgorithmKind::Ippo | AlgorithmKind::Mappo => {
            Box::new(PolicyGradientLearner::new(config, spec, device)?)
        }
        AlgorithmKind::Mansa if config.algorithm.on_policy() => {
            Box::new(PairedPolicyLearner::new(config, spec, device)?)
        }
        _ => Box::new(QLearner::new(config, spec, device)?),
    })
}

fn snapshot(learner: &dyn Learner) -> WeightSnapshot {
    WeightSnapshot {
        version: learner.updates(),
        values: learner.acting_weights(),
    }
}

/// The first multiple of `interval` above `step`.
fn next_multiple(step: u64, interval: u64) -> u64 {
    (step / interval.max(1) + 1) * interval.max(1)
}
