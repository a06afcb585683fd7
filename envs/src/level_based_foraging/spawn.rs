//! Starts: where players and foods appear, drawn in the reference's order.

use super::game::{Game, NO_CELL, cell, col, row};
use super::id::FoodLevelRule;
use super::rules::{ForagingRules, MOST_FOODS, MOST_PLAYERS, TRIES};

/// Starts an episode (`ForagingEnv.reset`).
pub(super) fn reset<const P: usize, const F: usize, const FIXED: bool>(
    game: &mut Game<P, F, FIXED>,
    rules: &ForagingRules,
) {
    game.food_cells = [NO_CELL; F];
    game.food_levels = [0; F];
    // Q1: the reference leaves the players where the last episode ended, and they block cells.
    if !rules.exact {
        game.cells = [NO_CELL; P];
    }
    spawn_players(game, rules);
    spawn_foods(game, rules);
    game.refresh_food();
    game.step = 0;
    game.resets += 1;
    game.food_spawned = game.food_levels.iter().map(|&level| u32::from(level)).sum();
    if (game.food_count as usize) < rules.foods {
        // Q6: the reference says nothing; here it is counted.
        game.starts_with_missing_food += 1;
    }
}

/// Draws `integers(low, high + 1)`; equal bounds draw nothing.
fn level<const P: usize, const F: usize, const FIXED: bool>(
    game: &mut Game<P, F, FIXED>,
    low: u16,
    high: u16,
) -> u16 {
    game.random.integer(u32::from(low), u32::from(high) + 1) as u16
}

fn spawn_players<const P: usize, const F: usize, const FIXED: bool>(
    game: &mut Game<P, F, FIXED>,
    rules: &ForagingRules,
) {
    let players = Game::<P, F, FIXED>::players(rules);
    let mut order: [u8; MOST_PLAYERS] = std::array::from_fn(|index| index as u8);
    if rules.uniform_players {
        game.random.skip_permutation(players);
    } else {
        game.random.shuffle(&mut order[..players]);
    }
    for (player, bounds) in order
        .iter()
        .map(|&bounds| usize::from(bounds))
        .take(players)
        .enumerate()
    {
        for _ in 0..TRIES {
            let row = game.random.integer(0, u32::from(rules.spawn_rows)) as u16;
            let col = game.random.integer(0, u32::from(rules.spawn_cols)) as u16;
            let place = cell(row, col);
            if game.cells[..players]
                .iter()
                .fold(true, |free, &taken| free & (taken != place))
            {
                game.cells[player] = place;
                game.levels[player] = level(
                    game,
                    rules.min_player_level[bounds],
                    rules.max_player_level[bounds],
                );
                break;
            }
        }
        if game.cells[player] == NO_CELL {
            place_by_hand(game, rules, player, bounds);
        }
    }
}

/// Q10: after 1000 failed tries the reference leaves a player without a position and breaks. No
/// registered map comes there; here the player takes the first free cell and the lowest level.
#[cold]
fn place_by_hand<const P: usize, const F: usize, const FIXED: bool>(
    game: &mut Game<P, F, FIXED>,
    rules: &ForagingRules,
    player: usize,
    bounds: usize,
) {
    let places = (0..rules.rows).flat_map(|row| (0..rules.cols).map(move |col| cell(row, col)));
    let free = places.into_iter().find(|place| !game.cells.contains(place));
    game.cells[player] = free.unwrap_or(0);
    game.levels[player] = rules.min_player_level[bounds];
}

fn spawn_foods<const P: usize, const F: usize, const FIXED: bool>(
    game: &mut Game<P, F, FIXED>,
    rules: &ForagingRules,
) {
    let players = Game::<P, F, FIXED>::players(rules);
    let strongest = three_lowest(&game.levels[..players]);
    let foods = rules.foods.min(F);
    let mut order: [u8; MOST_FOODS] = std::array::from_fn(|index| index as u8);
    if rules.uniform_foods {
        game.random.skip_permutation(foods);
    } else {
        game.random.shuffle(&mut order[..foods]);
    }
    let (last_row, last_col) = (u32::from(rules.rows) - 1, u32::from(rules.cols) - 1);
    let mut count = 0;
    for _ in 0..TRIES {
        if count == foods {
            break;
        }
        let row = game.random.integer(1, last_row) as u16;
        let col = game.random.integer(1, last_col) as u16;
        let place = cell(row, col);
        let crowded = game.food_cells[..count]
            .iter()
            .any(|&food| distance(food, place) <= 2);
        if crowded || game.cells[..players].contains(&place) {
            continue;
        }
        let bounds = usize::from(order[count]);
        let most = rules
            .max_food_level
            .as_ref()
            .map_or(strongest, |levels| levels[bounds]);
        let least = if rules.coop {
            most
        } else {
            rules.min_food_level[bounds]
        };
        let food_level = match rules.food_rule {
            FoodLevelRule::Inclusive => level(game, least, most.max(least)),
            FoodLevelRule::Exclusive if least >= most => least,
            FoodLevelRule::Exclusive => level(game, least, most - 1),
        };
        insert(game, count, place, food_level);
        count += 1;
    }
}

/// Puts a food into the row-major order of the first `count`.
fn insert<const P: usize, const F: usize, const FIXED: bool>(
    game: &mut Game<P, F, FIXED>,
    count: usize,
    place: u16,
    food_level: u16,
) {
    let mut slot = count;
    while slot > 0 && game.food_cells[slot - 1] > place {
        game.food_cells[slot] = game.food_cells[slot - 1];
        game.food_levels[slot] = game.food_levels[slot - 1];
        slot -= 1;
    }
    game.food_cells[slot] = place;
    game.food_levels[slot] = food_level;
}

fn distance(left: u16, right: u16) -> u16 {
    row(left).abs_diff(row(right)) + col(left).abs_diff(col(right))
}

/// The sum of the three lowest levels: what a food can ask for at most.
fn three_lowest(levels: &[u16]) -> u16 {
    let mut lowest = [u16::MAX; 3];
    for &level in levels {
        let mut level = level;
        for slot in &mut lowest {
            if level < *slot {
                std::mem::swap(slot, &mut level);
            }
        }
    }
    lowest.iter().filter(|&&level| level != u16::MAX).sum()
}
