//! Replay of whole episodes.

use envs::EnvironmentSpec;
use nn::NnError;
use nn::arrays::{Array, Arrays};

use crate::network::NetworkRows;
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
    calls: Vec<u8>,         // [capacity, limit] or empty without a switch
    explored: Vec<u8>,      // [capacity, limit] or empty
    remaining: Vec<f32>,    // [capacity, limit + 1] or empty
    allowed: Vec<u8>,       // [capacity, limit + 1] or empty
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    limit: usize,
    agents: usize,
    joint_observation: usize,
    joint_mask: usize,
    decisions: usize, // 1 with a switch, else 0
}

/// Sampled episodes on the host, without padding.
///
/// Rows are observations in time-major order: first all first ones, longest episode
/// first, then all second ones of the episodes that have one, and so on. A transition
/// leads from one row to another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostBatch {
    /// Episodes that have an observation at each step; never grows. `[horizon + 1]`
    pub sizes: Vec<i64>,
    /// `[rows, agents, observation]`
    pub observations: Vec<f32>,
    /// `[rows, agents, actions]` or empty.
    pub action_mask: Vec<u8>,
    /// The action before each observation, -1 before the first. `[rows, agents]`
    pub last_actions: Vec<i64>,
    /// The row a transition starts at. `[transitions]`
    pub current: Vec<i64>,
    /// The row it leads to. `[transitions]`
    pub next: Vec<i64>,
    /// `[transitions, agents]`
    pub actions: Vec<i64>,
    /// `[transitions, agents]`
    pub rewards: Vec<f32>,
    /// 1 where the transition ended the task. `[transitions]`
    pub terminated: Vec<f32>,
    /// 1 where the transition was a central call; empty without a switch. `[transitions]`
    pub calls: Vec<u8>,
    /// 1 where a coin decided between independent and central; empty without a switch.
    /// `[transitions]`
    pub explored: Vec<u8>,
    /// 1 where the step before the row was a central call; empty without a switch. `[rows]`
    pub previous_call: Vec<f32>,
    /// Share of the call budget left at the row, 0 without one; empty without a switch. `[rows]`
    pub remaining: Vec<f32>,
    /// 1 where a central call was allowed; empty without a switch. `[rows]`
    pub allowed: Vec<u8>,
}

impl HostBatch {
    /// Each agent's observations, for a network.
    pub fn rows(&self) -> NetworkRows<'_> {
        NetworkRows {
            features: &self.observations,
            last_actions: &self.last_actions,
            sizes: &self.sizes,
        }
    }

    /// The joint observations of all rows are the rows of `observations`: as many numbers
    /// as all agents see. The count of rows.
    pub fn row_count(&self) -> usize {
        self.sizes.iter().sum::<i64>() as usize
    }

    /// The transitions that `keep` says yes to, with the rows that they lead from and to,
    /// and no other. The order of time is lost: for networks without memory.
    pub fn only(&self, agents: usize, keep: impl Fn(usize) -> bool) -> Self {
        let rows = self.row_count();
        let mut places = vec![-1i64; rows];
        let mut kept = Vec::new();
        let mut part = Self::default();
        for transition in (0..self.current.len()).filter(|&transition| keep(transition)) {
            let mut place = |row: i64| {
                let place = &mut places[row as usize];
                if *place < 0 {
                    *place = kept.len() as i64;
                    kept.push(row as usize);
                }
                *place
            };
            part.current.push(place(self.current[transition]));
            part.next.push(place(self.next[transition]));
            let slice = transition * agents..(transition + 1) * agents;
            part.actions.extend_from_slice(&self.actions[slice.clone()]);
            part.rewards.extend_from_slice(&self.rewards[slice]);
            part.terminated.push(self.terminated[transition]);
            part.calls.extend(self.calls.get(transition));
            part.explored.extend(self.explored.get(transition));
        }
        part.sizes.push(kept.len() as i64);
        for row in kept {
            let copy = |width: usize| row * width..(row + 1) * width;
            let width = |values: usize| values / rows;
            let observation = copy(width(self.observations.len()));
            part.observations
                .extend_from_slice(&self.observations[observation]);
            let mask = copy(width(self.action_mask.len()));
            part.action_mask.extend_from_slice(&self.action_mask[mask]);
            part.last_actions
                .extend_from_slice(&self.last_actions[copy(agents)]);
            part.previous_call.extend(self.previous_call.get(row));
            part.remaining.extend(self.remaining.get(row));
            part.allowed.extend(self.allowed.get(row));
        }
        part
    }
}

impl EpisodeReplay {
    /// Room for `capacity` episodes of an environment; memory is taken as it fills.
    ///
    /// `masked` keeps action masks, `switched` a switch's decisions.
    pub fn new(spec: &EnvironmentSpec, capacity: usize, masked: bool, switched: bool) -> Self {
        let shape = Shape {
            limit: spec.max_episode_steps,
            agents: spec.agents,
            joint_observation: spec.joint_observation_size(),
            joint_mask: if masked { spec.joint_mask_size() } else { 0 },
            decisions: usize::from(switched),
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
            calls: Vec::new(),
            explored: Vec::new(),
            remaining: Vec::new(),
            allowed: Vec::new(),
        }
    }

    /// Forgets all episodes.
    pub fn clear(&mut self) {
        self.resize(0);
        self.next = 0;
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
            decisions,
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
        if let (Some(switch), 1) = (&batch.switch, decisions) {
            for time in 0..=length {
                let source = time * batch.episodes + episode;
                let target = slot * (limit + 1) + time;
                self.remaining[target] = switch.remaining[source];
                self.allowed[target] = switch.allowed[source];
                if time < length {
                    self.calls[slot * limit + time] = switch.calls[source];
                    self.explored[slot * limit + time] = switch.explored[source];
                }
            }
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
            decisions,
        } = self.shape;
        self.observations
            .resize(episodes * (limit + 1) * joint_observation, 0.0);
        self.action_mask
            .resize(episodes * (limit + 1) * joint_mask, 0);
        self.actions.resize(episodes * limit * agents, 0);
        self.rewards.resize(episodes * limit * agents, 0.0);
        self.lengths.resize(episodes, 0);
        self.terminated.resize(episodes, 0);
        self.calls.resize(episodes * limit * decisions, 0);
        self.explored.resize(episodes * limit * decisions, 0);
        self.remaining
            .resize(episodes * (limit + 1) * decisions, 0.0);
        self.allowed.resize(episodes * (limit + 1) * decisions, 0);
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

    /// All episodes as one batch, with the transitions that each lacks to the longest,
    /// summed; nothing is kept. For learners that learn from each episode once.
    pub fn drain(&mut self) -> (HostBatch, usize) {
        let slots: Vec<usize> = (0..self.len).collect();
        let batch = self.gather(&slots);
        let padding = slots.len() * self.horizon(&slots) - batch.current.len();
        self.clear();
        (batch, padding)
    }

    /// Copies episodes into one batch.
    pub fn gather(&self, slots: &[usize]) -> HostBatch {
        let Shape {
            limit,
            agents,
            joint_observation,
            joint_mask,
            decisions,
        } = self.shape;
        let length = |slot: usize| self.lengths[slot] as usize;
        let mut slots = slots.to_vec();
        slots.sort_by_key(|&slot| std::cmp::Reverse(length(slot)));
        let horizon = slots.first().map_or(0, |&slot| length(slot));
        let mut batch = HostBatch::default();
        let mut first_row = 0;
        for time in 0..=horizon {
            let alive = slots.partition_point(|&slot| length(slot) >= time);
            for (rank, &slot) in slots[..alive].iter().enumerate() {
                let row = slot * (limit + 1) + time;
                let observation = row_of(&self.observations, row, joint_observation);
                batch.observations.extend_from_slice(observation);
                let mask = row_of(&self.action_mask, row, joint_mask);
                batch.action_mask.extend_from_slice(mask);
                batch.remaining.extend(self.remaining.get(row));
                batch.allowed.extend(self.allowed.get(row));
                if time == 0 {
                    batch.previous_call.extend((decisions > 0).then_some(0.0));
                    batch.last_actions.extend(std::iter::repeat_n(-1, agents));
                    continue;
                }
                let step = slot * limit + time - 1;
                if let Some(&call) = self.calls.get(step) {
                    batch.calls.push(call);
                    batch.explored.extend(self.explored.get(step));
                    batch.previous_call.push(f32::from(call));
                }
                let actions = row_of(&self.actions, step, agents);
                let actions = actions.iter().map(|&action| i64::from(action));
                batch.last_actions.extend(actions.clone());
                batch.actions.extend(actions);
                batch
                    .rewards
                    .extend_from_slice(row_of(&self.rewards, step, agents));
                batch
                    .current
                    .push(first_row - batch.sizes[time - 1] + rank as i64);
                batch.next.push(first_row + rank as i64);
                let ended = time == length(slot) && self.terminated[slot] != 0;
                batch.terminated.push(f32::from(u8::from(ended)));
            }
            batch.sizes.push(alive as i64);
            first_row += alive as i64;
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
        arrays.insert("calls", Array::from_u8(rows(self.calls.len()), &self.calls));
        arrays.insert(
            "explored",
            Array::from_u8(rows(self.explored.len()), &self.explored),
        );
        arrays.insert(
            "remaining",
            Array::from_f32(rows(self.remaining.len()), &self.remaining),
        );
        arrays.insert(
            "allowed",
            Array::from_u8(rows(self.allowed.len()), &self.allowed),
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
            decisions,
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
        self.calls = arrays.u8("calls", &rows(limit * decisions))?;
        self.explored = arrays.u8("explored", &rows(limit * decisions))?;
        self.remaining = arrays.f32("remaining", &rows((limit + 1) * decisions))?;
        self.allowed = arrays.u8("allowed", &rows((limit + 1) * decisions))?;
        (self.next, self.len) = (next, len);
        Ok(())
    }
}

/// Row `index` of rows of `width` values.
fn row_of<T>(values: &[T], index: usize, width: usize) -> &[T] {
    &values[index * width..(index + 1) * width]
}

/// Copies row `source` of `from` to row `target` of `to`; rows hold `width` values.
fn copy_row<T: Copy>(from: &[T], source: usize, to: &mut [T], target: usize, width: usize) {
    to[target * width..(target + 1) * width].copy_from_slice(row_of(from, source, width));
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
    fn gathers_time_major_without_padding() {
        let mut replay = EpisodeReplay::new(&spec(), 4, false, false);
        replay.insert(&batch(&[1, 2], &[3, 2]));
        // Slot 0 holds the longer episode, so it comes first.
        let sample = replay.gather(&[1, 0]);
        assert_eq!(sample.sizes, [2, 2, 2, 1]);
        let observations: Vec<f32> = sample.observations.iter().step_by(2).copied().collect();
        assert_eq!(
            observations,
            [100.0, 200.0, 101.0, 201.0, 102.0, 202.0, 103.0]
        );
        assert_eq!(sample.current, [0, 1, 2, 3, 4]);
        assert_eq!(sample.next, [2, 3, 4, 5, 6]);
        assert_eq!(sample.terminated, [0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(sample.rewards[..4], [1.0, 0.0, 2.0, 0.0]);
        assert_eq!(sample.actions, [0, 1, 0, 2, 1, 1, 1, 2, 2, 1]);
        assert_eq!(sample.last_actions[..6], [-1, -1, -1, -1, 0, 1]);
    }

    #[test]
    fn decisions_travel_with_their_rows() {
        let mut episodes = batch(&[1, 2], &[3, 2]);
        episodes.switch = Some(crate::mansa::decision::SwitchRecord {
            calls: vec![1, 0, 0, 1, 1, 0],
            explored: vec![0, 1, 1, 0, 0, 0],
            remaining: vec![1.0, 1.0, 0.5, 1.0, 0.5, 0.5, 0.0, 0.5],
            allowed: vec![1, 1, 1, 1, 1, 1, 0, 1],
        });
        let mut replay = EpisodeReplay::new(&spec(), 2, false, true);
        replay.insert(&episodes);
        let sample = replay.gather(&[0, 1]);
        assert_eq!(sample.calls, [1, 0, 0, 1, 1]);
        assert_eq!(sample.explored, [0, 1, 1, 0, 0]);
        assert_eq!(sample.previous_call, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        assert_eq!(sample.remaining, [1.0, 1.0, 0.5, 1.0, 0.5, 0.5, 0.0]);
        assert_eq!(sample.allowed, [1, 1, 1, 1, 1, 1, 0]);
        let own = sample.only(2, |transition| sample.calls[transition] == 1);
        assert_eq!(
            own.observations[..8],
            [100.0, 100.0, 101.0, 101.0, 201.0, 201.0, 202.0, 202.0]
        );
        assert_eq!((own.current, own.next), (vec![0, 2, 4], vec![1, 3, 5]));
        assert_eq!(own.actions, [0, 1, 1, 2, 2, 1]);
        assert_eq!(own.previous_call, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        let mut copy = EpisodeReplay::new(&spec(), 2, false, true);
        copy.load_arrays(&replay.to_arrays()).unwrap();
        assert_eq!(copy.gather(&[0, 1]), sample);
    }

    #[test]
    fn a_full_ring_forgets_the_oldest() {
        let mut replay = EpisodeReplay::new(&spec(), 3, false, false);
        for tag in 1..=5 {
            replay.insert(&batch(&[tag], &[2]));
        }
        assert_eq!(replay.len(), 3);
        let first: Vec<f32> = (0..3)
            .map(|slot| replay.gather(&[slot]).observations[0])
            .collect();
        assert_eq!(first, [400.0, 500.0, 300.0]);
    }

    #[test]
    fn a_shorter_episode_leaves_nothing_of_the_one_before() {
        let mut replay = EpisodeReplay::new(&spec(), 1, false, false);
        replay.insert(&batch(&[7], &[3]));
        replay.insert(&batch(&[8], &[1]));
        let sample = replay.gather(&[0]);
        assert_eq!(sample.sizes, [1, 1]);
        assert_eq!(sample.observations, [800.0, 800.0, 801.0, 801.0]);
    }

    #[test]
    fn a_restored_replay_is_the_same_and_another_size_is_refused() {
        let mut replay = EpisodeReplay::new(&spec(), 3, false, false);
        replay.insert(&batch(&[1, 2, 3, 4], &[3, 2, 1, 3]));
        let mut copy = EpisodeReplay::new(&spec(), 3, false, false);
        copy.load_arrays(&replay.to_arrays()).unwrap();
        assert_eq!(copy.gather(&[0, 1, 2]), replay.gather(&[0, 1, 2]));
        copy.insert(&batch(&[9], &[2]));
        replay.insert(&batch(&[9], &[2]));
        assert_eq!(copy.gather(&[0, 1, 2]), replay.gather(&[0, 1, 2]));
        let mut wider = spec();
        wider.observation_size = 2;
        let mut other = EpisodeReplay::new(&wider, 3, false, false);
        assert!(other.load_arrays(&replay.to_arrays()).is_err());
    }
}
