//! Rendezvous: agents on a grid must all come to one cell.
//!
//! `Rendezvous-{r}x{c}-{p}p-v1`. Agents start in cells of their own and see everything; they may
//! share cells. When all stand in one cell the episode ends and the team earns 1, each agent its
//! share 1/p. There is nothing to bump into and one reward, so a learner that fails here is broken:
//! the only difficulty is to agree on where to meet.

use crate::environment::{EnvironmentSpec, StepFlags};
use crate::error::EnvironmentError;
use crate::numpy_random::Pcg64;
use crate::options::{EnvironmentOptions, TimeLimitKind};
use crate::scene::{Mark, MarkKind, Scene, agent_letter};
use crate::simulation::{Blueprint, Simulation, StreamSeed, UseBlueprint};
use crate::snapshot::{Decoder, Encoder};

const MOST_AGENTS: usize = 16;
const LONGEST_SIDE: usize = 64;
const STEPS: usize = 30;
/// What each action adds to row and column: stay, north, south, west, east.
const MOVES: [(i16, i16); 5] = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)];

/// The pattern of the ids and a line about them.
pub(crate) const ENTRY: (&str, &str) = (
    "Rendezvous-{r}x{c}-{p}p-v1",
    "Grid task: all agents must come to one cell (30 steps).",
);

/// A parsed id.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RendezvousId {
    rows: usize,
    cols: usize,
    agents: usize,
}

impl RendezvousId {
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let (size, agents) = id
            .strip_prefix("Rendezvous-")?
            .strip_suffix("p-v1")?
            .split_once('-')?;
        let (rows, cols) = size.split_once('x')?;
        let parsed = Self {
            rows: rows.parse().ok()?,
            cols: cols.parse().ok()?,
            agents: agents.parse().ok()?,
        };
        (parsed.title() == id).then_some(parsed)
    }

    fn title(self) -> String {
        format!("Rendezvous-{}x{}-{}p-v1", self.rows, self.cols, self.agents)
    }
}

pub(crate) struct RendezvousRules {
    id: RendezvousId,
    step_limit: usize,
    limit_as: TimeLimitKind,
}

/// One copy.
#[derive(Debug, Clone)]
pub(crate) struct Rendezvous {
    random: Pcg64,
    places: [[i16; 2]; MOST_AGENTS],
    step: usize,
}

impl RendezvousRules {
    fn inside(&self, [row, col]: [i16; 2]) -> bool {
        (0..self.id.rows as i16).contains(&row) && (0..self.id.cols as i16).contains(&col)
    }
}

impl Simulation for Rendezvous {
    type Rules = RendezvousRules;

    fn seed(&mut self, seed: StreamSeed) {
        self.random = Pcg64::new(&seed.sequence());
    }

    fn reset(&mut self, rules: &RendezvousRules) {
        self.step = 0;
        let RendezvousId { rows, cols, agents } = rules.id;
        for agent in 0..agents {
            // More cells than agents (checked when made), so a free one is found soon.
            loop {
                let row = self.random.integer(0, rows as u32) as i16;
                let col = self.random.integer(0, cols as u32) as i16;
                if !self.places[..agent].contains(&[row, col]) {
                    self.places[agent] = [row, col];
                    break;
                }
            }
        }
    }

    fn step(
        &mut self,
        rules: &RendezvousRules,
        actions: &[u8],
        rewards: &mut [f64],
    ) -> Result<StepFlags, EnvironmentError> {
        let agents = rules.id.agents;
        self.step += 1;
        for (place, &action) in self.places.iter_mut().zip(actions) {
            let (down, right) = MOVES[usize::from(action)];
            let target = [place[0] + down, place[1] + right];
            if rules.inside(target) {
                *place = target;
            }
        }
        let met = self.places[..agents]
            .iter()
            .all(|place| *place == self.places[0]);
        rewards.fill(if met { 1.0 / agents as f64 } else { 0.0 });
        let limit = self.step >= rules.step_limit;
        Ok(match rules.limit_as {
            TimeLimitKind::Termination => StepFlags {
                terminated: met | limit,
                truncated: false,
            },
            TimeLimitKind::Truncation => StepFlags {
                terminated: met,
                truncated: limit & !met,
            },
        })
    }

    /// Own row and column, then the offset of every other agent by index, all over the side's length.
    fn write_observations(&self, rules: &RendezvousRules, out: &mut [f32]) {
        let RendezvousId { rows, cols, agents } = rules.id;
        let scale = [1.0 / rows as f32, 1.0 / cols as f32];
        for (viewer, view) in out.chunks_exact_mut(2 * agents).enumerate() {
            let own = self.places[viewer];
            let others = (0..agents).filter(|&other| other != viewer).map(|other| {
                [
                    self.places[other][0] - own[0],
                    self.places[other][1] - own[1],
                ]
            });
            for (entry, place) in view
                .chunks_exact_mut(2)
                .zip(std::iter::once(own).chain(others))
            {
                entry[0] = f32::from(place[0]) * scale[0];
                entry[1] = f32::from(place[1]) * scale[1];
            }
        }
    }

    fn write_action_mask(&self, rules: &RendezvousRules, out: &mut [u8]) {
        for (mask, place) in out.chunks_exact_mut(MOVES.len()).zip(&self.places) {
            for (allowed, (down, right)) in mask.iter_mut().zip(MOVES) {
                *allowed = u8::from(rules.inside([place[0] + down, place[1] + right]));
            }
        }
    }

    fn encode(&self, encoder: &mut Encoder) {
        self.random.encode(encoder);
        for place in self.places.as_flattened() {
            encoder.u16(*place as u16);
        }
        encoder.u64(self.step as u64);
    }

    fn decode(
        &mut self,
        _rules: &RendezvousRules,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), EnvironmentError> {
        let random = Pcg64::decode(decoder)?;
        let mut places = [[0; 2]; MOST_AGENTS];
        for place in places.as_flattened_mut() {
            *place = decoder.u16()? as i16;
        }
        let step = usize::try_from(decoder.u64()?).unwrap_or(usize::MAX);
        *self = Self {
            random,
            places,
            step,
        };
        Ok(())
    }

    fn scene(&self, rules: &RendezvousRules) -> Scene {
        Scene {
            title: rules.id.title(),
            rows: rules.id.rows,
            cols: rules.id.cols,
            marks: self.places[..rules.id.agents]
                .iter()
                .enumerate()
                .map(|(index, place)| Mark {
                    row: place[0] as usize,
                    col: place[1] as usize,
                    kind: MarkKind::Agent,
                    label: agent_letter(index).to_string(),
                    level: None,
                })
                .collect(),
            step: self.step,
            step_limit: rules.step_limit,
            note: String::new(),
        }
    }
}

pub(crate) fn blueprint<U: UseBlueprint>(
    id: RendezvousId,
    options: &EnvironmentOptions,
    user: U,
) -> Result<U::Output, EnvironmentError> {
    let wrong = |option, value: usize, allowed: String| {
        Err(EnvironmentError::Option {
            option,
            value: value.to_string(),
            allowed,
            hint: "for example Rendezvous-5x5-2p-v1".to_owned(),
        })
    };
    for (option, side) in [("rows", id.rows), ("cols", id.cols)] {
        if !(1..=LONGEST_SIDE).contains(&side) {
            return wrong(option, side, format!("1 to {LONGEST_SIDE}"));
        }
    }
    let most = MOST_AGENTS.min(id.rows * id.cols - 1);
    if !(2..=most).contains(&id.agents) {
        return wrong(
            "agents",
            id.agents,
            format!("2 to {most}, fewer than cells"),
        );
    }
    let step_limit = options.time_limit.unwrap_or(STEPS).max(1);
    let spec = EnvironmentSpec {
        id: id.title(),
        agents: id.agents,
        actions: MOVES.len(),
        action_names: ["stay", "north", "south", "west", "east"]
            .map(str::to_owned)
            .to_vec(),
        observation_shape: vec![2 * id.agents],
        observation_size: 2 * id.agents,
        state_size: 2 * id.agents * id.agents,
        max_episode_steps: step_limit,
    };
    Ok(user.apply(Blueprint {
        spec,
        rules: RendezvousRules {
            id,
            step_limit,
            limit_as: options.time_limit_as,
        },
        prototype: Rendezvous {
            random: Pcg64::seeded(0),
            places: [[0; 2]; MOST_AGENTS],
            step: 0,
        },
        common_reward: options.common_reward,
    }))
}
