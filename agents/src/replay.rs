//! Replay of whole episodes.

use envs::EnvironmentSpec;
use nn::NnError;
use nn::arrays::{Array, Arrays};

use crate::rollout::EpisodeBatch;

/// A ring of complete episodes in contiguous memory.
#[derive(Debug)]
pub struct EpisodeReplay {
    shape: Shape,
    capacity: usize,
    next: usize,
    len: usize,
    observations: Vec<f32>, // [capacity, limit + 1, agents, observation]
    action_mask: Vec<u8>,   // [capacity, limit + 1, agents, actions] or empty
    actions: Vec<u8>,       // [capacity, limit, agents]
    rewards: Vec<f32>,      // [capacity, limit, agents]
    lengths: Vec<u64>,      // [capacity]
    terminated: Vec<u8>,    // [capacity]
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    limit: usize,
    agents: usize,
    joint_observation: usize,
    joint_mask: usize,
}

/// Sampled episodes on the host, time-major, padded behind each episode's end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostBatch {
    /// Steps of the longest episode.
    pub horizon: usize,
    /// Number of episodes.
    pub episodes: usize,
    /// `[horizon + 1, episodes, agents, observation]`
    pub observations: Vec<f32>,
    /// `[horizon + 1, episodes, agents, actions]` or empty.
    pub action_mask: Vec<u8>,
    /// `[horizon, episodes, agents]`
    pub actions: Vec<i64>,
    /// `[horizon, episodes, agents]`
    pub rewards: Vec<f32>,
    /// 1 where the step ended the task. `[horizon, episodes]`
    pub terminated: Vec<f32>,
    /// 1 where the step was played. `[horizon, episodes]`
    pub filled: Vec<f32>,
}

impl EpisodeReplay {
    /// Room for `capacity` episodes of an environment; memory is taken as it fills.
    pub fn new(spec: &EnvironmentSpec, capacity: usize, masked: bool) -> Self {
        let shape = Shape {
            limit: spec.max_episode_steps,
            agents: spec.agents,
            joint_observation: spec.joint_observation_size(),
            joint_mask: if masked { spec.joint_mask_size() } else { 0 },
        };
        Self {
            shape,
            capacity,
            next: 0,
            len: 0,
            observations: Vec::new(),
            action_mask: Vec::new(),
            actions: Vec::new(),
            rewards: Vec::new(),
            lengths: Vec::new(),
            terminated: Vec::new(),
        }
    }

    /// Episodes kept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is kept yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds all episodes of a batch; the oldest ones make room.
    pub fn insert(&mut self, batch: &EpisodeBatch) {
        for episode in 0..batch.episodes {
            self.insert_one(batch, episode);
        }
    }

    fn insert_one(&mut self, batch: &EpisodeBatch, episode: usize) {
        let Shape {
            limit,
            agents,
            joint_observation,
            joint_mask,
        } = self.shape;
        let slot = self.next;
        if slot == self.len {
            self.resize(self.len + 1);
        }
        let length = batch.lengths[episode];
        for time in 0..=length {
            let source = time * batch.episodes + episode;
            let target = slot * (limit + 1) + time;
            copy_row(
                &batch.observations,
                source,
                &mut self.observations,
                target,
                joint_observation,
            );
            copy_row(
                &batch.action_mask,
                source,
                &mut self.action_mask,
                target,
                joint_mask,
            );
        }
        for time in 0..length {
            let source = time * batch.episodes + episode;
            let target = slot * limit + time;
            copy_row(&batch.actions, source, &mut self.actions, target, agents);
            copy_row(&batch.rewards, source, &mut self.rewards, target, agents);
        }
        self.lengths[slot] = length as u64;
        self.terminated[slot] = u8::from(batch.terminated[episode]);
        self.next = (slot + 1) % self.capacity;
    }

    fn resize(&mut self, episodes: usize) {
        let Shape {
            limit,
            agents,
            joint_observation,
            joint_mask,
        } = self.shape;
        self.observations
            .resize(episodes * (limit + 1) * joint_observation, 0.0);
        self.action_mask
            .resize(episodes * (limit + 1) * joint_mask, 0);
        self.actions.resize(episodes * limit * agents, 0);
        self.rewards.resize(episodes * limit * agents, 0.0);
        self.lengths.resize(episodes, 0);
        self.terminated.resize(episodes, 0);
        self.len = episodes;
    }

    /// The longest of some episodes, in steps.
    pub fn horizon(&self, slots: &[usize]) -> usize {
        slots
            .iter()
            .map(|&slot| self.lengths[slot] as usize)
            .max()
            .unwrap_or(0)
    }

    /// Copies episodes into one time-major batch of `horizon` steps.
    pub fn gather(&self, slots: &[usize], horizon: usize) -> HostBatch {
        let Shape {
            limit,
            agents,
            joint_observation,
            joint_mask,
        } = self.shape;
        let episodes = slots.len();
        let mut batch = HostBatch {
            horizon,
            episodes,
            observations: vec![0.0; (horizon + 1) * episodes * joint_observation],
            action_mask: vec![1; (horizon + 1) * episodes * joint_mask],
            actions: vec![0; horizon * episodes * agents],
            rewards: vec![0.0; horizon * episodes * agents],
            terminated: vec![0.0; horizon * episodes],
            filled: vec![0.0; horizon * episodes],
        };
        for (episode, &slot) in slots.iter().enumerate() {
            let length = (self.lengths[slot] as usize).min(horizon);
            for time in 0..=length {
                let source = slot * (limit + 1) + time;
                let target = time * episodes + episode;
                copy_row(
                    &self.observations,
                    source,
                    &mut batch.observations,
                    target,
                    joint_observation,
                );
                copy_row(
                    &self.action_mask,
                    source,
                    &mut batch.action_mask,
                    target,
                    joint_mask,
                );
            }
            for time in 0..length {
                let source = slot * limit + time;
                let target = time * episodes + episode;
                copy_row(&self.rewards, source, &mut batch.rewards, target, agents);
                for agent in 0..agents {
                    batch.actions[target * agents + agent] =
                        i64::from(self.actions[source * agents + agent]);
                }
                batch.filled[target] = 1.0;
            }
            if length > 0 {
                batch.terminated[(length - 1) * episodes + episode] =
                    f32::from(self.terminated[slot]);
            }
        }
        batch
    }

    /// The kept episodes, for a checkpoint.
    pub fn to_arrays(&self) -> Arrays {
        let mut arrays = Arrays::new();
        let rows = |values: usize| vec![self.len, values.checked_div(self.len).unwrap_or(0)];
        arrays.insert(
            "observations",
            Array::from_f32(rows(self.observations.len()), &self.observations),
        );
        arrays.insert(
            "action_mask",
            Array::from_u8(rows(self.action_mask.len()), &self.action_mask),
        );
        arrays.insert(
            "actions",
            Array::from_u8(rows(self.actions.len()), &self.actions),
        );
        arrays.insert(
            "rewards",
            Array::from_f32(rows(self.rewards.len()), &self.rewards),
        );
        arrays.insert("lengths", Array::from_u64(vec![self.len], &self.lengths));
        arrays.insert(
            "terminated",
            Array::from_u8(vec![self.len], &self.terminated),
        );
        arrays.insert(
            "cursor",
            Array::from_u64(vec![2], &[self.next as u64, self.len as u64]),
        );
        arrays
    }

    /// Reads the episodes back.
    ///
    /// # Errors
    /// Arrays of another environment, capacity or setting.
    pub fn load_arrays(&mut self, arrays: &Arrays) -> Result<(), NnError> {
        let Shape {
            limit,
            agents,
            joint_observation,
            joint_mask,
        } = self.shape;
        let cursor = arrays.u64("cursor", &[2])?;
        let (next, len) = (cursor[0] as usize, cursor[1] as usize);
        let rows = |row: usize| [len, if len == 0 { 0 } else { row }];
        self.observations = arrays.f32("observations", &rows((limit + 1) * joint_observation))?;
        self.action_mask = arrays.u8("action_mask", &rows((limit + 1) * joint_mask))?;
        self.actions = arrays.u8("actions", &rows(limit * agents))?;
        self.rewards = arrays.f32("rewards", &rows(limit * agents))?;
        self.lengths = arrays.u64("lengths", &[len])?;
        self.terminated = arrays.u8("terminated", &[len])?;
        (self.next, self.len) = (next, len);
        Ok(())
    }
}

/// Copies row `source` of `from` to row `target` of `to`; rows hold `width` values.
fn copy_row<T: Copy>(from: &[T], source: usize, to: &mut [T], target: usize, width: usize) {
    to[target * width..(target + 1) * width]
        .copy_from_slice(&from[source * width..(source + 1) * width]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> EnvironmentSpec {
        let options = envs::EnvironmentOptions {
            time_limit: Some(3),
            ..Default::default()
        };
        let mut spec = envs::make("Foraging-8x8-2p-2f-v3", &options)
            .unwrap()
            .spec()
            .clone();
        spec.observation_size = 1;
        spec
    }

    /// Episodes whose numbers tell where they come from: observation = 100 * tag + time.
    fn batch(tags: &[usize], lengths: &[usize]) -> EpisodeBatch {
        let horizon = *lengths.iter().max().unwrap();
        let mut batch = EpisodeBatch {
            episodes: tags.len(),
            horizon,
            lengths: lengths.to_vec(),
            terminated: lengths.iter().map(|&length| length < 3).collect(),
            returns: vec![0.0; tags.len()],
            ..EpisodeBatch::default()
        };
        for time in 0..=horizon {
            for &tag in tags {
                batch.observations.extend([(100 * tag + time) as f32; 2]);
            }
        }
        for time in 0..horizon {
            for &tag in tags {
                batch.actions.extend([time as u8, tag as u8]);
                batch.rewards.extend([tag as f32, time as f32]);
            }
        }
        batch
    }

    #[test]
    fn gathers_time_major_with_padding() {
        let mut replay = EpisodeReplay::new(&spec(), 4, false);
        replay.insert(&batch(&[1, 2], &[3, 2]));
        let sample = replay.gather(&[1, 0], replay.horizon(&[1, 0]));
        assert_eq!((sample.horizon, sample.episodes), (3, 2));
        assert_eq!(sample.filled, [1.0, 1.0, 1.0, 1.0, 0.0, 1.0]);
        assert_eq!(sample.terminated, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(&sample.observations[..4], [200.0, 200.0, 100.0, 100.0]);
        assert_eq!(sample.rewards[0..4], [2.0, 0.0, 1.0, 0.0]);
        assert_eq!(sample.actions[4..8], [1, 2, 1, 1]);
    }

    #[test]
    fn a_full_ring_forgets_the_oldest() {
        let mut replay = EpisodeReplay::new(&spec(), 3, false);
        for tag in 1..=5 {
            replay.insert(&batch(&[tag], &[2]));
        }
        assert_eq!(replay.len(), 3);
        let first: Vec<f32> = (0..3)
            .map(|slot| replay.gather(&[slot], 2).observations[0])
            .collect();
        assert_eq!(first, [400.0, 500.0, 300.0]);
    }

    #[test]
    fn a_shorter_episode_leaves_nothing_of_the_one_before() {
        let mut replay = EpisodeReplay::new(&spec(), 1, false);
        replay.insert(&batch(&[7], &[3]));
        replay.insert(&batch(&[8], &[1]));
        let sample = replay.gather(&[0], 3);
        assert_eq!(sample.filled, [1.0, 0.0, 0.0]);
        assert_eq!(
            sample.observations,
            [800.0, 800.0, 801.0, 801.0, 0.0, 0.0, 0.0, 0.0]
        );
    }

    #[test]
    fn a_restored_replay_is_the_same_and_another_size_is_refused() {
        let mut replay = EpisodeReplay::new(&spec(), 3, false);
        replay.insert(&batch(&[1, 2, 3, 4], &[3, 2, 1, 3]));
        let mut copy = EpisodeReplay::new(&spec(), 3, false);
        copy.load_arrays(&replay.to_arrays()).unwrap();
        assert_eq!(copy.gather(&[0, 1, 2], 3), replay.gather(&[0, 1, 2], 3));
        copy.insert(&batch(&[9], &[2]));
        replay.insert(&batch(&[9], &[2]));
        assert_eq!(copy.gather(&[0, 1, 2], 3), replay.gather(&[0, 1, 2], 3));
        let mut wider = spec();
        wider.observation_size = 2;
        let mut other = EpisodeReplay::new(&wider, 3, false);
        assert!(other.load_arrays(&replay.to_arrays()).is_err());
    }
}
