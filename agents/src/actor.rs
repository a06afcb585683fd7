//! Actor threads: each owns a batch of environments and plays rounds on order.
//!
//! A round is one complete episode in every environment. Orders go to each actor over
//! a bounded channel, rounds come back over one bounded channel, so that neither side
//! can run away from the other. An order carries the weights to play with, or says
//! "the latest"; the first makes a run reproducible whatever the timing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};
use tch::Tensor;
use tracking::LiveStage;

use crate::AgentsError;
use crate::live::Showing;
use crate::mansa::budget::Grant;
use crate::rollout::{ActingStreams, EpisodeBatch, Moment, PlayOrder, Rollout};

/// Weights at one moment.
#[derive(Debug)]
pub struct WeightSnapshot {
    /// Learner updates behind these weights.
    pub version: u64,
    /// The flat buffer, on the CPU. `[scalars]`, f32
    pub values: Tensor,
}

impl WeightSnapshot {
    /// A second handle to the same values, which nobody writes.
    pub fn share(&self) -> Self {
        Self {
            version: self.version,
            values: self.values.shallow_clone(),
        }
    }
}

/// Which weights a round is played with.
#[derive(Debug)]
pub enum RoundWeights {
    /// These.
    Fixed(WeightSnapshot),
    /// Those published last when the round starts.
    Latest,
}

/// An order for one round.
#[derive(Debug)]
pub struct RoundOrder {
    /// How to play.
    pub play: PlayOrder,
    /// The weights.
    pub weights: RoundWeights,
}

/// What an actor needs to go on exactly where it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActorState {
    /// [`envs::VectorEnvironment::save`].
    #[serde(skip)]
    pub environment: Vec<u8>,
    /// The streams that draw actions and central calls.
    pub streams: ActingStreams,
}

/// One played round.
#[derive(Debug)]
pub struct Round {
    /// Which actor played it.
    pub actor: usize,
    /// Learner updates behind the weights it was played with.
    pub version: u64,
    /// Central calls that the order granted.
    pub grant: Option<Grant>,
    /// The episodes.
    pub episodes: EpisodeBatch,
    /// The actor's state after the round.
    pub state: ActorState,
    /// Seconds it took to play.
    pub seconds: f64,
}

/// All actor threads of a run.
pub struct Actors {
    orders: Vec<Option<Sender<RoundOrder>>>,
    rounds: Receiver<Result<Round, AgentsError>>,
    latest: Arc<Mutex<WeightSnapshot>>,
    threads: Vec<Option<JoinHandle<()>>>,
}

/// Orders that may wait for an actor.
const WAITING_ORDERS: usize = 64;

impl Actors {
    /// Starts one thread per rollout, named `actor-0`, `actor-1`, ... Episodes are shown on
    /// `stage`, whose environments are numbered in the order of the rollouts.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        actors: Vec<(Rollout, ActingStreams)>,
        initial: WeightSnapshot,
        queue_capacity: usize,
        stage: &Arc<LiveStage>,
    ) -> Result<Self, AgentsError> {
        let mut environments = 0;
        let (outbox, rounds) = bounded(queue_capacity.max(1));
        let latest = Arc::new(Mutex::new(initial));
        let mut orders = Vec::new();
        let mut threads = Vec::new();
        for (index, (rollout, streams)) in actors.into_iter().enumerate() {
            let name = format!("actor-{index}");
            let (sender, inbox) = bounded(WAITING_ORDERS);
            let latest = Arc::clone(&latest);
            let outbox = outbox.clone();
            let first = environments;
            environments += rollout.environments();
            let mut actor = Actor {
                index,
                showing: Showing::new(Arc::clone(stage), first..environments),
                rollout,
                streams,
                latest,
            };
            let thread_name = name.clone();
            let thread = std::thread::Builder::new()
                .name(name.clone())
                .spawn(move || actor.serve(&thread_name, &inbox, &outbox))
                .map_err(|error| AgentsError::Thread {
                    thread: name,
                    reason: error.to_string(),
                })?;
            orders.push(Some(sender));
            threads.push(Some(thread));
        }
        Ok(Self {
            orders,
            rounds,
            latest,
            threads,
        })
    }

    /// Number of actors.
    pub fn count(&self) -> usize {
        self.orders.len()
    }

    /// Makes weights the ones that [`RoundWeights::Latest`] means.
    pub fn publish(&self, snapshot: WeightSnapshot) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// Orders a round from one actor.
    ///
    /// # Errors
    /// When the actor's thread is gone.
    pub fn order(&self, actor: usize, order: RoundOrder) -> Result<(), AgentsError> {
        let sent = self.orders[actor]
            .as_ref()
            .is_some_and(|sender| sender.send(order).is_ok());
        if sent {
            Ok(())
        } else {
            Err(gone(format!("actor-{actor}")))
        }
    }

    /// The next round of whichever actor finishes first.
    ///
    /// # Errors
    /// An actor's error, with its reason.
    pub fn next(&self) -> Result<Round, AgentsError> {
        self.rounds.recv().map_err(|_| gone("actors".to_owned()))?
    }

    /// One round of every actor, in the order of the actors.
    ///
    /// # Errors
    /// As [`Actors::next`].
    pub fn next_of_each(&self) -> Result<Vec<Round>, AgentsError> {
        let mut rounds = (0..self.count())
            .map(|_| self.next())
            .collect::<Result<Vec<_>, _>>()?;
        rounds.sort_by_key(|round| round.actor);
        Ok(rounds)
    }
}

fn gone(thread: String) -> AgentsError {
    AgentsError::Thread {
        thread,
        reason: "it ended before the run did".to_owned(),
    }
}

impl Drop for Actors {
    fn drop(&mut self) {
        self.orders.clear();
        // An actor may be waiting for room in the channel: make room until all have left.
        let (_, closed) = bounded(0);
        let rounds = std::mem::replace(&mut self.rounds, closed);
        drop(rounds);
        for thread in self.threads.iter_mut().filter_map(Option::take) {
            // A panic was already turned into an error value inside the thread.
            let _ = thread.join();
        }
    }
}

struct Actor {
    index: usize,
    showing: Showing,
    rollout: Rollout,
    streams: ActingStreams,
    latest: Arc<Mutex<WeightSnapshot>>,
}

impl Actor {
    fn serve(
        &mut self,
        name: &str,
        inbox: &Receiver<RoundOrder>,
        outbox: &Sender<Result<Round, AgentsError>>,
    ) {
        nn::runtime::enter_thread();
        for order in inbox {
            let result =
                catch_unwind(AssertUnwindSafe(|| self.play(order))).unwrap_or_else(|payload| {
                    Err(AgentsError::Thread {
                        thread: name.to_owned(),
                        reason: AgentsError::panic_text(payload.as_ref()),
                    })
                });
            let failed = result.is_err();
            if outbox.send(result).is_err() || failed {
                break;
            }
        }
    }

    fn play(&mut self, order: RoundOrder) -> Result<Round, AgentsError> {
        let start = Instant::now();
        let weights = match order.weights {
            RoundWeights::Fixed(snapshot) => snapshot,
            RoundWeights::Latest => self
                .latest
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .share(),
        };
        self.rollout.set_weights(&weights.values);
        let showing = &mut self.showing;
        let see = |moment: &Moment| showing.see(moment);
        let episodes = self.rollout.play(&order.play, &mut self.streams, see)?;
        let state = ActorState {
            environment: self.rollout.environment_mut().save(),
            streams: self.streams.clone(),
        };
        let seconds = start.elapsed().as_secs_f64();
        Ok(Round {
            actor: self.index,
            version: weights.version,
            grant: order.play.grant,
            episodes,
            state,
            seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use configs::train::{Execution, TrainConfig};
    use envs::{Environment, EnvironmentError, EnvironmentSpec, ResetMode, Scene, StepFlags};
    use nn::parameters::Parameters;
    use tch::Device;

    use super::*;
    use crate::team::Team;

    /// An environment with a bug: it panics in its third step.
    struct Faulty {
        inner: Box<dyn Environment>,
        steps: usize,
    }

    impl Environment for Faulty {
        fn spec(&self) -> &EnvironmentSpec {
            self.inner.spec()
        }
        fn seed(&mut self, seed: u64) {
            self.inner.seed(seed);
        }
        fn reset(&mut self) {
            self.inner.reset();
        }
        fn step(
            &mut self,
            actions: &[u8],
            rewards: &mut [f64],
        ) -> Result<StepFlags, EnvironmentError> {
            self.steps += 1;
            assert!(self.steps < 3, "the third step is one too many");
            self.inner.step(actions, rewards)
        }
        fn write_observations(&self, out: &mut [f32]) {
            self.inner.write_observations(out);
        }
        fn save(&self) -> Vec<u8> {
            self.inner.save()
        }
        fn restore(&mut self, bytes: &[u8]) -> Result<(), EnvironmentError> {
            self.inner.restore(bytes)
        }
        fn scene(&self) -> Scene {
            self.inner.scene()
        }
    }

    #[test]
    fn a_dead_actor_fails_the_run_with_its_name_and_reason() {
        let faulty = || -> Result<Box<dyn Environment>, EnvironmentError> {
            let options = envs::EnvironmentOptions::default();
            let inner = envs::make("Foraging-5x5-2p-1f-v3", &options)?;
            Ok(Box::new(Faulty { inner, steps: 0 }))
        };
        let batch = envs::vectorise(&faulty, 1, ResetMode::Hold, 1).unwrap();
        let team = Arc::new(Team::new(&TrainConfig::default(), batch.spec()));
        let parameters = Parameters::zeros(team.layout(), Device::Cpu, false);
        let weights = WeightSnapshot {
            version: 0,
            values: parameters.snapshot(),
        };
        let rollout = Rollout::new(batch, team, parameters, true, false);
        let stream = ActingStreams::new(1, "exploration", 0);
        let stage = LiveStage::new(1);
        let actors = Actors::start(vec![(rollout, stream)], weights, 1, &stage).unwrap();
        let order = RoundOrder {
            play: PlayOrder::greedy(1.0, Execution::Mansa),
            weights: RoundWeights::Latest,
        };
        actors.order(0, order).unwrap();
        let message = actors.next().unwrap_err().to_string();
        assert!(message.contains("actor-0"), "{message}");
        assert!(message.contains("one too many"), "{message}");
    }
}
