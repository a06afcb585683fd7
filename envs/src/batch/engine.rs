//! The one loop behind every batch: serial, or split over a rayon pool.

use std::sync::Arc;

use rayon::ThreadPool;

use super::{BatchSlices, ResetMode, VectorEnvironment};
use crate::environment::{Diagnostics, EnvironmentSpec};
use crate::error::EnvironmentError;
use crate::scene::Scene;
use crate::simulation::{Blueprint, Simulation, StreamSeed, check_actions, check_length, share};
use crate::snapshot::{Decoder, Encoder};

/// Fewer copies than this are not worth a hand-over to another thread.
const SMALLEST_PART: usize = 64;

/// The threads a batch runs on; `None` is the caller's own.
pub(crate) type Threads = Option<Arc<ThreadPool>>;

/// Starts `count` threads, none for a count of 0 or 1.
pub(crate) fn threads(count: usize) -> Result<Threads, EnvironmentError> {
    if count <= 1 {
        return Ok(None);
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .thread_name(|index| format!("environment-batch-{index}"))
        .build()
        .map(|pool| Some(Arc::new(pool)))
        .map_err(|source| EnvironmentError::Threads {
            threads: count,
            source,
        })
}

/// A batch of copies.
pub(crate) struct Batch<S: Simulation> {
    shared: Shared<S>,
    copies: Vec<S>,
    finished: Vec<bool>,
    threads: Threads,
    part: usize,
}

struct Shared<S: Simulation> {
    spec: EnvironmentSpec,
    rules: S::Rules,
    common_reward: bool,
    mode: ResetMode,
}

impl<S: Simulation> Batch<S> {
    /// A batch of the given copies, seeded with 0.
    pub(crate) fn new(
        blueprint: Blueprint<S>,
        copy: impl Fn(&S) -> Result<S, EnvironmentError>,
        count: usize,
        mode: ResetMode,
        threads: Threads,
    ) -> Result<Self, EnvironmentError> {
        let Blueprint {
            spec,
            rules,
            prototype,
            common_reward,
        } = blueprint;
        let mut copies = Vec::with_capacity(count);
        for _ in 1..count {
            copies.push(copy(&prototype)?);
        }
        if count > 0 {
            copies.push(prototype);
        }
        // Four parts per thread let an idle thread take over when another is held up.
        let workers = threads
            .as_ref()
            .map_or(1, |pool| pool.current_num_threads());
        let part = count.div_ceil(workers * 4).max(SMALLEST_PART);
        let shared = Shared {
            spec,
            rules,
            common_reward,
            mode,
        };
        let mut batch = Self {
            shared,
            copies,
            finished: vec![false; count],
            threads,
            part,
        };
        batch.seed(0);
        Ok(batch)
    }

    fn run(
        &mut self,
        actions: &[u8],
        slices: BatchSlices<'_>,
        job: Job,
    ) -> Result<(), EnvironmentError> {
        slices.check(&self.shared.spec, self.copies.len())?;
        let part = Part {
            copies: &mut self.copies,
            finished: &mut self.finished,
            actions,
            slices,
        };
        let (shared, smallest) = (&self.shared, self.part);
        match &self.threads {
            Some(pool) if part.copies.len() > smallest => {
                pool.install(|| shared.split(part, smallest, job))
            }
            _ => shared.serve(part, job),
        }
    }

    fn name(&self) -> String {
        format!("{} x {}", self.shared.spec.id, self.copies.len())
    }
}

#[derive(Clone, Copy)]
enum Job {
    Reset,
    Step,
}

struct Part<'a, S> {
    copies: &'a mut [S],
    finished: &'a mut [bool],
    actions: &'a [u8],
    slices: BatchSlices<'a>,
}

impl<'a, S> Part<'a, S> {
    fn split_at(self, middle: usize, spec: &EnvironmentSpec) -> (Self, Self) {
        let joint = middle * spec.joint_observation_size();
        let optional = |length: usize, at: usize| if length == 0 { 0 } else { at };
        let slices = self.slices;
        let (copies, copies_rest) = self.copies.split_at_mut(middle);
        let (finished, finished_rest) = self.finished.split_at_mut(middle);
        let (actions, actions_rest) = self
            .actions
            .split_at(optional(self.actions.len(), middle * spec.agents));
        let (observations, observations_rest) = slices.observations.split_at_mut(joint);
        let (rewards, rewards_rest) = slices.rewards.split_at_mut(middle * spec.agents);
        let (terminated, terminated_rest) = slices.terminated.split_at_mut(middle);
        let (truncated, truncated_rest) = slices.truncated.split_at_mut(middle);
        let at = optional(slices.action_mask.len(), middle * spec.joint_mask_size());
        let (action_mask, action_mask_rest) = slices.action_mask.split_at_mut(at);
        let at = optional(slices.states.len(), middle * spec.state_size);
        let (states, states_rest) = slices.states.split_at_mut(at);
        let at = optional(slices.final_observations.len(), joint);
        let (final_observations, final_observations_rest) =
            slices.final_observations.split_at_mut(at);
        let first = BatchSlices {
            observations,
            rewards,
            terminated,
            truncated,
            action_mask,
            states,
            final_observations,
        };
        let second = BatchSlices {
            observations: observations_rest,
            rewards: rewards_rest,
            terminated: terminated_rest,
            truncated: truncated_rest,
            action_mask: action_mask_rest,
            states: states_rest,
            final_observations: final_observations_rest,
        };
        (
            Part {
                copies,
                finished,
                actions,
                slices: first,
            },
            Part {
                copies: copies_rest,
                finished: finished_rest,
                actions: actions_rest,
                slices: second,
            },
        )
    }
}

impl<S: Simulation> Shared<S> {
    fn split(&self, part: Part<'_, S>, smallest: usize, job: Job) -> Result<(), EnvironmentError> {
        if part.copies.len() <= smallest {
            return self.serve(part, job);
        }
        let middle = part.copies.len() / 2;
        let (first, second) = part.split_at(middle, &self.spec);
        let (first, second) = rayon::join(
            || self.split(first, smallest, job),
            || self.split(second, smallest, job),
        );
        first.and(second)
    }

    fn serve(&self, part: Part<'_, S>, job: Job) -> Result<(), EnvironmentError> {
        match job {
            Job::Reset => {
                self.reset(part);
                Ok(())
            }
            Job::Step => self.step(part),
        }
    }

    fn reset(&self, part: Part<'_, S>) {
        let Part {
            copies,
            finished,
            mut slices,
            ..
        } = part;
        finished.fill(false);
        slices.rewards.fill(0.0);
        slices.terminated.fill(false);
        slices.truncated.fill(false);
        let joint = self.spec.joint_observation_size();
        for (index, copy) in copies.iter_mut().enumerate() {
            copy.reset(&self.rules);
            copy.write_observations(
                &self.rules,
                &mut slices.observations[index * joint..][..joint],
            );
            self.write_optional(copy, index, &mut slices);
        }
    }

    fn step(&self, part: Part<'_, S>) -> Result<(), EnvironmentError> {
        let Part {
            copies,
            finished,
            actions,
            mut slices,
        } = part;
        let spec = &self.spec;
        let joint = spec.joint_observation_size();
        let optional = slices.action_mask.len() + slices.states.len() > 0;
        for (index, copy) in copies.iter_mut().enumerate() {
            let rewards = &mut slices.rewards[index * spec.agents..][..spec.agents];
            if self.mode == ResetMode::Hold && finished[index] {
                rewards.fill(0.0);
                continue;
            }
            let actions = &actions[index * spec.agents..][..spec.agents];
            let flags = copy.step(&self.rules, actions, rewards)?;
            if self.common_reward {
                share(rewards);
            }
            slices.terminated[index] = flags.terminated;
            slices.truncated[index] = flags.truncated;
            if flags.done() {
                if self.mode == ResetMode::Hold {
                    finished[index] = true;
                } else {
                    if !slices.final_observations.is_empty() {
                        let out = &mut slices.final_observations[index * joint..][..joint];
                        copy.write_observations(&self.rules, out);
                    }
                    copy.reset(&self.rules);
                }
            }
            copy.write_observations(
                &self.rules,
                &mut slices.observations[index * joint..][..joint],
            );
            if optional {
                self.write_optional(copy, index, &mut slices);
            }
        }
        Ok(())
    }

    fn write_optional(&self, copy: &S, index: usize, slices: &mut BatchSlices<'_>) {
        if !slices.action_mask.is_empty() {
            let size = self.spec.joint_mask_size();
            copy.write_action_mask(&self.rules, &mut slices.action_mask[index * size..][..size]);
        }
        if !slices.states.is_empty() {
            let size = self.spec.state_size;
            copy.write_state(&self.rules, &mut slices.states[index * size..][..size]);
        }
    }
}

impl<S: Simulation> VectorEnvironment for Batch<S> {
    fn spec(&self) -> &EnvironmentSpec {
        &self.shared.spec
    }

    fn len(&self) -> usize {
        self.copies.len()
    }

    fn seed(&mut self, seed: u64) {
        for (index, copy) in self.copies.iter_mut().enumerate() {
            copy.seed(StreamSeed::Spawned(seed, index as u32));
        }
    }

    fn reset_all_into(&mut self, slices: BatchSlices<'_>) -> Result<(), EnvironmentError> {
        self.run(&[], slices, Job::Reset)
    }

    fn step_into(
        &mut self,
        actions: &[u8],
        slices: BatchSlices<'_>,
    ) -> Result<(), EnvironmentError> {
        let expected = self.copies.len() * self.shared.spec.agents;
        check_length("actions", "[environments, agents]", actions.len(), expected)?;
        check_actions(actions, &self.shared.spec)?;
        self.run(actions, slices, Job::Step)
    }

    fn save(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(&self.name());
        for (copy, &finished) in self.copies.iter().zip(&self.finished) {
            encoder.u8(u8::from(finished));
            copy.encode(&mut encoder);
        }
        encoder.finish()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), EnvironmentError> {
        let mut decoder = Decoder::open(bytes, &self.name())?;
        for (copy, finished) in self.copies.iter_mut().zip(&mut self.finished) {
            *finished = decoder.u8()? != 0;
            copy.decode(&self.shared.rules, &mut decoder)?;
        }
        decoder.finish()
    }

    fn scene(&self, index: usize) -> Scene {
        let last = self.copies.len().saturating_sub(1);
        self.copies.get(index.min(last)).map_or_else(
            || Scene::empty(&self.shared.spec.id),
            |copy| copy.scene(&self.shared.rules),
        )
    }

    fn diagnostics(&self) -> Diagnostics {
        self.copies
            .iter()
            .map(Simulation::diagnostics)
            .fold(Diagnostics::default(), |sum, one| Diagnostics {
                resets: sum.resets + one.resets,
                starts_with_missing_food: sum.starts_with_missing_food
                    + one.starts_with_missing_food,
            })
    }
}
