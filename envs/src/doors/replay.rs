//! `concord env replay`: states and joint actions in, next states out, one JSON object per line.

use std::io::{BufRead, Write};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{foraging_rules, writing};
use crate::error::EnvironmentError;
use crate::level_based_foraging::{ForagingState, LooseGame, PlacedFood, PlacedPlayer};
use crate::options::EnvironmentOptions;

/// What a line may change about the id's settings.
#[derive(Debug, Clone, Default, Serialize)]
struct Overrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    sight: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalize_reward: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observe_levels: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    food_slots: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_episode_steps: Option<u32>,
}

/// A line as it is read. Keys that only answers carry are accepted, so that an answer with
/// `actions` added is a line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    rows: usize,
    cols: usize,
    players: Vec<PlacedPlayer>,
    foods: Vec<PlacedFood>,
    food_spawned: f64,
    step: u32,
    actions: Vec<i64>,
    sight: Option<u16>,
    penalty: Option<f64>,
    normalize_reward: Option<bool>,
    observe_levels: Option<bool>,
    food_slots: Option<usize>,
    max_episode_steps: Option<u32>,
    #[serde(rename = "rewards")]
    _rewards: Option<IgnoredAny>,
    #[serde(rename = "terminated")]
    _terminated: Option<IgnoredAny>,
    #[serde(rename = "truncated")]
    _truncated: Option<IgnoredAny>,
    #[serde(rename = "observations")]
    _observations: Option<IgnoredAny>,
}

#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    state: ForagingState,
    #[serde(flatten)]
    overrides: Overrides,
    rewards: Vec<f64>,
    terminated: bool,
    truncated: bool,
    observations: Vec<Vec<f32>>,
}

/// Reads lines
/// `{"rows","cols","players":[{"pos":[row,col],"level"}],"foods":[{"pos","level"}],"food_spawned","step","actions":[..]}`
/// and writes for each the state after the joint action in the same form, with `"rewards"`,
/// `"terminated"`, `"truncated"` and `"observations"` (a list of numbers per agent). Returns the
/// number of lines answered.
///
/// The id gives the settings; field size and number of players follow the line, which may also
/// override `sight`, `penalty`, `normalize_reward`, `observe_levels`, `food_slots` and
/// `max_episode_steps`. An id without a sight sees the line's whole field. Each answer is flushed,
/// so the door can be used interactively. Empty lines are skipped.
///
/// # Errors
/// The first line that cannot be used, with its number; lines before it are answered.
pub fn replay(
    id: &str,
    options: &EnvironmentOptions,
    input: impl BufRead,
    mut output: impl Write,
) -> Result<usize, EnvironmentError> {
    let (parsed, rules) = foraging_rules(id, options)?;
    let fixed_sight = options.sight.or(parsed.sight).is_some();
    let mut game = LooseGame::new(rules.clone());
    let mut answered = 0;
    for (index, line) in input.lines().enumerate() {
        let number = index + 1;
        let line = line.map_err(|source| EnvironmentError::Io {
            what: format!("reading line {number} failed"),
            source,
        })?;
        if line.trim().is_empty() {
            continue;
        }
        game.rules.clone_from(&rules);
        let answer = answer(&mut game, &line, fixed_sight).map_err(|error| match error {
            EnvironmentError::State { problem, hint } => EnvironmentError::Line {
                line: number,
                problem,
                hint,
            },
            other => other,
        })?;
        serde_json::to_writer(&mut output, &answer).map_err(|error| writing(error.into()))?;
        output
            .write_all(b"\n")
            .and_then(|()| output.flush())
            .map_err(writing)?;
        answered += 1;
    }
    Ok(answered)
}

fn answer(game: &mut LooseGame, line: &str, fixed_sight: bool) -> Result<Answer, EnvironmentError> {
    let question: Question = serde_json::from_str(line).map_err(|error| {
        // serde counts lines within this one line.
        let problem = error.to_string().replace(" at line 1 column ", " at column ");
        wrong(
            problem,
            "each line is one JSON object with rows, cols, players, foods, food_spawned, step and actions",
        )
    })?;
    let overrides = Overrides {
        sight: question.sight,
        penalty: question.penalty,
        normalize_reward: question.normalize_reward,
        observe_levels: question.observe_levels,
        food_slots: question.food_slots,
        max_episode_steps: question.max_episode_steps,
    };
    apply(game, &overrides)?;
    if !fixed_sight && overrides.sight.is_none() {
        game.rules.sight = question.rows.max(question.cols).min(usize::from(u16::MAX)) as u16;
    }
    let state = ForagingState {
        rows: question.rows,
        cols: question.cols,
        players: question.players,
        foods: question.foods,
        food_spawned: whole(question.food_spawned)?,
        step: question.step,
    };
    let actions = actions(&question.actions, state.players.len())?;
    game.load(&state)?;
    let mut rewards = vec![0.0; actions.len()];
    let flags = game.step(&actions, &mut rewards)?;
    Ok(Answer {
        state: game.state(),
        overrides,
        rewards,
        terminated: flags.terminated,
        truncated: flags.truncated,
        observations: game.observations(),
    })
}

fn apply(game: &mut LooseGame, overrides: &Overrides) -> Result<(), EnvironmentError> {
    let rules = &mut game.rules;
    if let Some(sight) = overrides.sight {
        if sight > 1000 {
            return Err(wrong(
                format!("sight: {sight} - allowed: 0 to 1000"),
                "leave it out to see everything",
            ));
        }
        rules.sight = sight;
    }
    if let Some(slots) = overrides.food_slots {
        let most = crate::level_based_foraging::MOST_FOODS;
        if slots > most {
            return Err(wrong(
                format!("food_slots: {slots} - allowed: 0 to {most}"),
                "use fewer slots",
            ));
        }
        rules.food_slots = slots;
    }
    rules.penalty = overrides.penalty.unwrap_or(rules.penalty);
    rules.normalize_reward = overrides.normalize_reward.unwrap_or(rules.normalize_reward);
    rules.observe_levels = overrides.observe_levels.unwrap_or(rules.observe_levels);
    rules.step_limit = overrides.max_episode_steps.unwrap_or(rules.step_limit);
    Ok(())
}

/// Python writes sums as `6` or `6.0`.
fn whole(value: f64) -> Result<u32, EnvironmentError> {
    if value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value) {
        return Ok(value as u32);
    }
    Err(wrong(
        format!(
            "food_spawned: {value} - allowed: a whole number of 0 to {}",
            u32::MAX
        ),
        "give the sum of all food levels at the start of the episode",
    ))
}

fn actions(given: &[i64], players: usize) -> Result<Vec<u8>, EnvironmentError> {
    if given.len() != players {
        return Err(wrong(
            format!(
                "actions: {} of them - allowed: {players}, one per player",
                given.len()
            ),
            "give an action for every player, 0 for those that rest",
        ));
    }
    let checked = |&action: &i64| u8::try_from(action).ok().filter(|&action| action < 6);
    given
        .iter()
        .map(checked)
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| {
            wrong(
                format!("actions: {given:?} - allowed: 0 to 5"),
                "0 none, 1 north, 2 south, 3 west, 4 east, 5 load",
            )
        })
}

fn wrong(problem: String, hint: &str) -> EnvironmentError {
    EnvironmentError::State {
        problem,
        hint: hint.to_owned(),
    }
}
