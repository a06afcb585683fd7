//! Repeated matrix games for two agents with three actions each: climbing, penalty, and chains of
//! safe states with one climbing state or one fork.
//!
//! Source of the payoffs: Claus and Boutilier, "The dynamics of reinforcement learning in
//! cooperative multiagent systems" (1998). The payoff is the team's: each agent receives half, so
//! that the sum over the agents is the number in the table.
//!
//! * `Climbing-v1`: the best entry, 11, lies beside the worst, -30. 25 plays.
//! * `Penalty-{k}-v1`: two best entries, 10, that must be agreed on; missing each other costs k
//!   (an option `penalty` replaces k). 25 plays.
//! * `Chain-{k}-v1`: k safe states, where each agent earns its half by its own action (action number
//!   = state modulo 3) whatever the other does, and one climbing state in the middle. The state
//!   moves on after every play and the episode ends after the last, so coordination is worth its
//!   price in one state only; the best return is k + 11.
//! * `TwoStep-{k}-v1`: k safe states with the two-step game in the middle (Rashid et al., "QMIX",
//!   2018, section 5.1; a third action adds nothing there). At the fork the first agent's action
//!   leads to a state that pays 7 whatever is played (action 0), or to one that pays 8 if both play
//!   action 1 and little otherwise. A learner that averages over an exploring partner finds the
//!   second worth less than the first; the best return is k + 8.

use crate::environment::{EnvironmentSpec, StepFlags};
use crate::error::EnvironmentError;
use crate::options::{EnvironmentOptions, TimeLimitKind};
use crate::scene::{Mark, MarkKind, Scene};
use crate::simulation::{Blueprint, Simulation, StreamSeed, UseBlueprint};
use crate::snapshot::{Decoder, Encoder};

/// Payoffs by the first agent's action, then the second's.
type Payoffs = [[f64; 3]; 3];

const CLIMBING: Payoffs = [[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]];
const SURE: Payoffs = [[7.0; 3]; 3];
const AGREED: Payoffs = [[0.0, 1.0, 0.0], [1.0, 8.0, 0.0], [0.0; 3]];
const PLAYS: usize = 25;
const MOST_SAFE_STATES: usize = 1000;

/// The patterns of the ids, with a line about each.
pub(crate) const ENTRIES: [(&str, &str); 4] = [
    (
        "Climbing-v1",
        "Matrix game: the best joint action lies beside the worst, -30 (25 plays).",
    ),
    (
        "Penalty-{k}-v1",
        "Matrix game: two best joint actions, and missing each other costs k (25 plays).",
    ),
    (
        "Chain-{k}-v1",
        "Matrix games in a row: k safe states and one climbing state in the middle.",
    ),
    (
        "TwoStep-{k}-v1",
        "Matrix games in a row: k safe states and in the middle a fork to a sure 7 or an agreed 8.",
    ),
];

/// Which game an id names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum MatrixId {
    Climbing,
    Penalty(u32),
    Chain(u32),
    TwoStep(u32),
}

impl MatrixId {
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let number = |text: &str| -> Option<u32> {
            let value = text.parse().ok()?;
            (u32::to_string(&value) == text).then_some(value)
        };
        let name = id.strip_suffix("-v1")?;
        if name == "Climbing" {
            return Some(Self::Climbing);
        }
        if let Some(penalty) = name.strip_prefix("Penalty-") {
            return number(penalty).map(Self::Penalty);
        }
        if let Some(safe) = name.strip_prefix("TwoStep-") {
            return number(safe).map(Self::TwoStep);
        }
        number(name.strip_prefix("Chain-")?).map(Self::Chain)
    }
}

/// The games of an episode in their order.
pub(crate) struct MatrixRules {
    title: String,
    states: Vec<Payoffs>,
    step_limit: usize,
    limit_as: TimeLimitKind,
    /// The last state ends the episode (chains), instead of lasting until the limit.
    ends: bool,
    /// The state after which one of the next two states is left out.
    fork: Option<usize>,
}

/// One copy: the play it is at, and what was played last.
#[derive(Debug, Clone, Default)]
pub(crate) struct MatrixGame {
    step: usize,
    last: Option<[u8; 2]>,
    /// Whether the second way was taken at the fork.
    second_way: bool,
}

impl MatrixRules {
    /// Plays of a whole chain.
    fn plays(&self) -> usize {
        self.states.len() - usize::from(self.fork.is_some())
    }

    fn state(&self, step: usize, second_way: bool) -> usize {
        if !self.ends {
            return 0;
        }
        let step = step.min(self.plays() - 1);
        match self.fork {
            Some(fork) if step == fork + 1 => step + usize::from(second_way),
            Some(fork) if step > fork + 1 => step + 1,
            _ => step,
        }
    }
}

impl Simulation for MatrixGame {
    type Rules = MatrixRules;

    fn seed(&mut self, _seed: StreamSeed) {}

    fn reset(&mut self, _rules: &MatrixRules) {
        *self = Self::default();
    }

    fn step(
        &mut self,
        rules: &MatrixRules,
        actions: &[u8],
        rewards: &mut [f64],
    ) -> Result<StepFlags, EnvironmentError> {
        let (first, second) = (actions[0], actions[1]);
        let state = rules.state(self.step, self.second_way);
        let payoff = rules.states[state][usize::from(first)][usize::from(second)];
        rewards.fill(payoff / 2.0);
        if rules.fork == Some(state) {
            self.second_way = first != 0;
        }
        self.last = Some([first, second]);
        self.step += 1;
        let finished = rules.ends && self.step >= rules.plays();
        let limit = self.step >= rules.step_limit;
        Ok(match rules.limit_as {
            TimeLimitKind::Termination => StepFlags {
                terminated: finished | limit,
                truncated: false,
            },
            TimeLimitKind::Truncation => StepFlags {
                terminated: finished,
                truncated: limit & !finished,
            },
        })
    }

    fn write_observations(&self, rules: &MatrixRules, out: &mut [f32]) {
        let states = rules.states.len();
        let now = rules.state(self.step, self.second_way);
        for view in out.chunks_exact_mut(states) {
            view.fill(0.0);
            view[now] = 1.0;
        }
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(self.step as u64);
        // 255 stands for "nothing played yet".
        for action in self.last.unwrap_or([u8::MAX; 2]) {
            encoder.u8(action);
        }
        encoder.u8(u8::from(self.second_way));
    }

    fn decode(
        &mut self,
        rules: &MatrixRules,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), EnvironmentError> {
        let step = usize::try_from(decoder.u64()?)
            .unwrap_or(usize::MAX)
            .min(rules.step_limit);
        let last = [decoder.u8()?, decoder.u8()?];
        *self = Self {
            step,
            last: (last[0] < 3 && last[1] < 3).then_some(last),
            second_way: decoder.u8()? != 0,
        };
        Ok(())
    }

    fn scene(&self, rules: &MatrixRules) -> Scene {
        // A play moves on to the next state; the table that was played is the one to show.
        let step = self.step.saturating_sub(usize::from(self.last.is_some()));
        let state = rules.state(step, self.second_way);
        let entries = (0..3).flat_map(|row| (0..3).map(move |col| (row, col)));
        Scene {
            title: rules.title.clone(),
            rows: 3,
            cols: 3,
            marks: entries
                .map(|(row, col)| {
                    let chosen = self.last == Some([row as u8, col as u8]);
                    Mark {
                        row,
                        col,
                        kind: if chosen {
                            MarkKind::Chosen
                        } else {
                            MarkKind::Cell
                        },
                        label: rules.states[state][row][col].to_string(),
                        level: None,
                    }
                })
                .collect(),
            step: self.step,
            step_limit: rules.step_limit,
            note: format!(
                "rows: agent A, columns: agent B; state {} of {}",
                state + 1,
                rules.states.len()
            ),
        }
    }
}

pub(crate) fn blueprint<U: UseBlueprint>(
    id: MatrixId,
    options: &EnvironmentOptions,
    user: U,
) -> Result<U::Output, EnvironmentError> {
    let mut fork = None;
    let (title, states, plays, ends) = match id {
        MatrixId::Climbing => ("Climbing-v1".to_owned(), vec![CLIMBING], PLAYS, false),
        MatrixId::Penalty(penalty) => {
            let cost = -options.penalty.unwrap_or(f64::from(penalty)).abs();
            let payoffs = [[10.0, 0.0, cost], [0.0, 2.0, 0.0], [cost, 0.0, 10.0]];
            (format!("Penalty-{penalty}-v1"), vec![payoffs], PLAYS, false)
        }
        MatrixId::TwoStep(safe) => {
            let count = safe_count(safe)?;
            let before = count / 2;
            let middle = [[[0.0; 3]; 3], SURE, AGREED];
            let mut states: Vec<Payoffs> = (0..count).map(safe_state).collect();
            states.splice(before..before, middle);
            fork = Some(before);
            (format!("TwoStep-{safe}-v1"), states, count + 2, true)
        }
        MatrixId::Chain(safe) => {
            let count = safe_count(safe)?;
            let mut states: Vec<Payoffs> = (0..=count).map(safe_state).collect();
            states[count / 2] = CLIMBING;
            (format!("Chain-{safe}-v1"), states, count + 1, true)
        }
    };
    let step_limit = options.time_limit.unwrap_or(plays).max(1);
    let spec = EnvironmentSpec {
        id: title.clone(),
        agents: 2,
        actions: 3,
        action_names: ["first", "second", "third"].map(str::to_owned).to_vec(),
        observation_shape: vec![states.len()],
        observation_size: states.len(),
        state_size: 2 * states.len(),
        max_episode_steps: if ends {
            step_limit.min(plays)
        } else {
            step_limit
        },
    };
    Ok(user.apply(Blueprint {
        spec,
        rules: MatrixRules {
            title,
            states,
            step_limit,
            limit_as: options.time_limit_as,
            ends,
            fork,
        },
        prototype: MatrixGame::default(),
        common_reward: options.common_reward,
    }))
}

fn safe_count(safe: u32) -> Result<usize, EnvironmentError> {
    let count = safe as usize;
    if count <= MOST_SAFE_STATES {
        return Ok(count);
    }
    Err(EnvironmentError::Option {
        option: "k",
        value: safe.to_string(),
        allowed: format!("0 to {MOST_SAFE_STATES}"),
        hint: "choose a shorter chain".to_owned(),
    })
}

/// Half a point for each agent that plays the state's number.
fn safe_state(state: usize) -> Payoffs {
    let half = |action: usize| if action == state % 3 { 0.5 } else { 0.0 };
    std::array::from_fn(|row| std::array::from_fn(|col| half(row) + half(col)))
}
