//! What an id and its options decide before the first start.

use super::id::{FoodLevelRule, ForagingId};
use crate::environment::EnvironmentSpec;
use crate::error::EnvironmentError;
use crate::options::{EnvironmentOptions, LevelBounds, TimeLimitKind};

/// Most players and food slots that a game has room for.
pub(crate) const MOST_PLAYERS: usize = 32;
pub(crate) const MOST_FOODS: usize = 64;
/// Longest side of a field; a cell is one `u16` with a byte for row and column each.
pub(crate) const LONGEST_SIDE: usize = 200;
/// The reference gives up a search for a free cell after this many tries.
pub(crate) const TRIES: u32 = 1000;

/// The rules of one task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ForagingRules {
    pub title: String,
    pub rows: u16,
    pub cols: u16,
    pub players: usize,
    /// Foods drawn at a start.
    pub foods: usize,
    /// Food slots of an observation, at least `foods`.
    pub food_slots: usize,
    pub sight: u16,
    pub step_limit: u32,
    pub limit_as: TimeLimitKind,
    pub coop: bool,
    pub food_rule: FoodLevelRule,
    /// v1 never starts players in the last row or column.
    pub spawn_rows: u16,
    pub spawn_cols: u16,
    pub penalty: f64,
    pub normalize_reward: bool,
    pub grid_observation: bool,
    pub observe_levels: bool,
    pub exact: bool,
    pub min_player_level: Vec<u16>,
    pub max_player_level: Vec<u16>,
    pub min_food_level: Vec<u16>,
    pub max_food_level: Option<Vec<u16>>,
    /// All players share one pair of level bounds, and all foods: shuffling the lists changes
    /// nothing (the draws are made all the same).
    pub uniform_players: bool,
    pub uniform_foods: bool,
}

impl ForagingRules {
    pub(crate) fn new(
        id: &ForagingId,
        options: &EnvironmentOptions,
    ) -> Result<Self, EnvironmentError> {
        let (rows, cols) = (id.rows, id.cols);
        for (option, side) in [("rows", rows), ("cols", cols)] {
            in_range(
                option,
                side,
                3,
                LONGEST_SIDE,
                "food needs a cell off the border",
            )?;
        }
        in_range(
            "players",
            id.players,
            1,
            MOST_PLAYERS,
            "choose an id with fewer players",
        )?;
        in_range(
            "foods",
            id.foods,
            1,
            MOST_FOODS,
            "choose an id with fewer foods",
        )?;
        let spawn_rows = if id.version == 1 { rows - 1 } else { rows };
        let spawn_cols = if id.version == 1 { cols - 1 } else { cols };
        in_range(
            "players",
            id.players,
            1,
            spawn_rows * spawn_cols - 1,
            "choose a larger field",
        )?;
        let food_slots = options.food_slots.unwrap_or(id.foods);
        in_range(
            "food_slots",
            food_slots,
            id.foods,
            MOST_FOODS,
            "every food of the id needs a slot",
        )?;
        let sight = options.sight.or(id.sight).unwrap_or(rows.max(cols));
        in_range("sight", sight, 1, 1000, "leave it out to see everything")?;
        let step_limit = options.time_limit.unwrap_or(50);
        in_range(
            "time_limit",
            step_limit,
            1,
            1_000_000_000,
            "the reference's limit is 50",
        )?;
        let penalty = options
            .penalty
            .unwrap_or(if id.penalty { 0.1 } else { 0.0 });
        if !penalty.is_finite() {
            return Err(EnvironmentError::Option {
                option: "penalty",
                value: penalty.to_string(),
                allowed: "a finite number".to_owned(),
                hint: "0 turns it off".to_owned(),
            });
        }
        let min_player_level = bounds(
            "min_player_level",
            options.min_player_level.as_ref(),
            1,
            id.players,
        )?;
        let max_player_level = bounds(
            "max_player_level",
            options.max_player_level.as_ref(),
            2,
            id.players,
        )?;
        let min_food_level = bounds(
            "min_food_level",
            options.min_food_level.as_ref(),
            1,
            id.foods,
        )?;
        let max_food_level = match &options.max_food_level {
            Some(given) => Some(bounds("max_food_level", Some(given), 1, id.foods)?),
            None if id.individual => Some(vec![1; id.foods]),
            None => None,
        };
        ordered("max_player_level", &min_player_level, &max_player_level)?;
        match &max_food_level {
            Some(max_food_level) => ordered("max_food_level", &min_food_level, max_food_level)?,
            None => {
                // The highest food level is drawn with the players: it may be as low as this.
                let mut lowest = min_player_level.clone();
                lowest.sort_unstable();
                let least = lowest.iter().take(3).sum::<u16>();
                ordered("min_food_level", &min_food_level, &vec![least; id.foods])?;
            }
        }
        let uniform = |levels: &[u16]| levels.windows(2).all(|pair| pair[0] == pair[1]);
        Ok(Self {
            title: id.to_string(),
            rows: rows as u16,
            cols: cols as u16,
            players: id.players,
            foods: id.foods,
            food_slots,
            sight: sight as u16,
            step_limit: step_limit as u32,
            limit_as: options.time_limit_as,
            coop: id.coop,
            food_rule: if id.version == 3 {
                FoodLevelRule::Inclusive
            } else {
                FoodLevelRule::Exclusive
            },
            spawn_rows: spawn_rows as u16,
            spawn_cols: spawn_cols as u16,
            penalty,
            normalize_reward: options.normalize_reward.unwrap_or(true),
            grid_observation: id.grid,
            observe_levels: options.observe_levels.unwrap_or(true),
            exact: options.exact,
            uniform_players: uniform(&min_player_level) && uniform(&max_player_level),
            uniform_foods: uniform(&min_food_level)
                && max_food_level.as_deref().is_none_or(uniform),
            min_player_level,
            max_player_level,
            min_food_level,
            max_food_level,
        })
    }

    /// Whether every agent sees the whole field, so that coordinates are absolute.
    pub(crate) fn sees_everything(&self) -> bool {
        self.sight >= self.rows.max(self.cols) - 1
    }

    /// Numbers per player in a vector observation.
    pub(crate) fn player_width(&self) -> usize {
        if self.observe_levels { 3 } else { 2 }
    }

    pub(crate) fn observation_shape(&self) -> Vec<usize> {
        if self.grid_observation {
            let side = 2 * usize::from(self.sight) + 1;
            vec![3, side, side]
        } else {
            vec![3 * self.food_slots + self.player_width() * self.players]
        }
    }

    pub(crate) fn spec(&self) -> EnvironmentSpec {
        let observation_shape = self.observation_shape();
        let observation_size = observation_shape.iter().product::<usize>();
        EnvironmentSpec {
            id: self.title.clone(),
            agents: self.players,
            actions: super::ACTION_NAMES.len(),
            action_names: super::ACTION_NAMES
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
            observation_shape,
            observation_size,
            state_size: self.players * observation_size,
            max_episode_steps: self.step_limit as usize,
        }
    }
}

fn in_range(
    option: &'static str,
    value: usize,
    low: usize,
    high: usize,
    hint: &str,
) -> Result<(), EnvironmentError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(EnvironmentError::Option {
        option,
        value: value.to_string(),
        allowed: format!("{low} to {high}"),
        hint: hint.to_owned(),
    })
}

fn bounds(
    option: &'static str,
    given: Option<&LevelBounds>,
    default: u16,
    count: usize,
) -> Result<Vec<u16>, EnvironmentError> {
    let wrong = |value: String| EnvironmentError::Option {
        option,
        value,
        allowed: format!("a number of 1 to 1000, or a list of {count} of them"),
        hint: "give one level per player or food".to_owned(),
    };
    let Some(given) = given else {
        return Ok(vec![default; count]);
    };
    let levels = given
        .expand(count)
        .ok_or_else(|| wrong(format!("{given:?}")))?;
    if levels.iter().all(|level| (1..=1000).contains(level)) {
        Ok(levels)
    } else {
        Err(wrong(format!("{levels:?}")))
    }
}

fn ordered(option: &'static str, low: &[u16], high: &[u16]) -> Result<(), EnvironmentError> {
    if low.iter().zip(high).all(|(low, high)| low <= high) {
        return Ok(());
    }
    Err(EnvironmentError::Option {
        option,
        value: format!("minimum {low:?}, maximum {high:?}"),
        allowed: "minimum not above maximum".to_owned(),
        hint: "lower the minimum or raise the maximum".to_owned(),
    })
}
