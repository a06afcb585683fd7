//! What agents see.

use super::game::{Game, NO_CELL, NO_FOOD, col, row};
use super::rules::ForagingRules;

/// Writes all observations, `[agents, observation]`.
#[inline]
pub(super) fn write<const P: usize, const F: usize, const FIXED: bool>(
    game: &Game<P, F, FIXED>,
    rules: &ForagingRules,
    out: &mut [f32],
) {
    if rules.grid_observation {
        write_grids(game, rules, out);
    } else if !rules.sees_everything() {
        write_cropped(game, rules, out);
    } else if rules.observe_levels {
        write_whole::<P, F, FIXED, 3>(game, rules, out);
    } else {
        write_whole::<P, F, FIXED, 2>(game, rules, out);
    }
}

/// The agent sees everything: coordinates are absolute and the foods the same for all.
#[inline]
fn write_whole<const P: usize, const F: usize, const FIXED: bool, const WIDTH: usize>(
    game: &Game<P, F, FIXED>,
    rules: &ForagingRules,
    out: &mut [f32],
) {
    let players = Game::<P, F, FIXED>::players(rules);
    let slots = Game::<P, F, FIXED>::slots(rules);
    let size = 3 * slots + WIDTH * players;
    let mut views = [[0.0_f32; WIDTH]; P];
    for ((view, &cell), &level) in views.iter_mut().zip(&game.cells).zip(&game.levels) {
        let all = [f32::from(row(cell)), f32::from(col(cell)), f32::from(level)];
        view.copy_from_slice(&all[..WIDTH]);
    }
    let out = &mut out[..players * size];
    for player in 0..players {
        let (food_part, player_part) = out[player * size..][..size].split_at_mut(3 * slots);
        food_part.copy_from_slice(game.food_view[..slots].as_flattened());
        // Self first, then the others by index.
        player_part[..WIDTH].copy_from_slice(&views[player]);
        player_part[WIDTH..][..player * WIDTH].copy_from_slice(views[..player].as_flattened());
        player_part[(player + 1) * WIDTH..]
            .copy_from_slice(views[player + 1..players].as_flattened());
    }
}

/// The agent sees a crop, and coordinates count from the crop's corner.
fn write_cropped<const P: usize, const F: usize, const FIXED: bool>(
    game: &Game<P, F, FIXED>,
    rules: &ForagingRules,
    out: &mut [f32],
) {
    let players = Game::<P, F, FIXED>::players(rules);
    let slots = Game::<P, F, FIXED>::slots(rules);
    let width = rules.player_width();
    let sight = rules.sight;
    let size = 3 * slots + width * players;
    for (viewer, out) in out.chunks_exact_mut(size).take(players).enumerate() {
        let (y, x) = (row(game.cells[viewer]), col(game.cells[viewer]));
        let (top, left) = (y.saturating_sub(sight), x.saturating_sub(sight));
        let (bottom, right) = (
            (y + sight).min(rules.rows - 1),
            (x + sight).min(rules.cols - 1),
        );
        let (food_part, player_part) = out.split_at_mut(3 * slots);
        let mut entries = food_part.chunks_exact_mut(3);
        for (&food, &level) in game.food_cells[..slots]
            .iter()
            .zip(&game.food_levels[..slots])
        {
            // A free slot's row, 253, lies below every crop.
            let (row, col) = (row(food), col(food));
            let seen = (row >= top) & (row <= bottom) & (col >= left) & (col <= right);
            if seen && let Some(entry) = entries.next() {
                entry.copy_from_slice(&[
                    f32::from(row - top),
                    f32::from(col - left),
                    f32::from(level),
                ]);
            }
        }
        entries.for_each(|entry| entry.copy_from_slice(&NO_FOOD));
        let mut entries = player_part.chunks_exact_mut(width);
        let others = (0..players).filter(|&other| other != viewer);
        for player in std::iter::once(viewer).chain(others) {
            let (row, col) = (row(game.cells[player]), col(game.cells[player]));
            // Q4: the limit is 2 * sight from the corner even where the corner was clamped, so near
            // the top and left border players are seen farther away than foods.
            let down = row.wrapping_sub(top);
            let along = col.wrapping_sub(left);
            if (down <= 2 * sight) & (along <= 2 * sight)
                && let Some(entry) = entries.next()
            {
                let all = [
                    f32::from(down),
                    f32::from(along),
                    f32::from(game.levels[player]),
                ];
                entry.copy_from_slice(&all[..width]);
            }
        }
        entries.for_each(|entry| entry.copy_from_slice(&NO_FOOD[..width]));
    }
}

/// Three layers around the agent: player levels, food levels, and which cells are free.
fn write_grids<const P: usize, const F: usize, const FIXED: bool>(
    game: &Game<P, F, FIXED>,
    rules: &ForagingRules,
    out: &mut [f32],
) {
    let players = Game::<P, F, FIXED>::players(rules);
    let sight = i32::from(rules.sight);
    let side = 2 * usize::from(rules.sight) + 1;
    let area = side * side;
    for (viewer, out) in out.chunks_exact_mut(3 * area).take(players).enumerate() {
        let top = i32::from(row(game.cells[viewer])) - sight;
        let left = i32::from(col(game.cells[viewer])) - sight;
        let index = |cell: u16| {
            let (down, along) = (i32::from(row(cell)) - top, i32::from(col(cell)) - left);
            let seen = (0..side as i32).contains(&down) && (0..side as i32).contains(&along);
            seen.then(|| down as usize * side + along as usize)
        };
        let (player_layer, rest) = out.split_at_mut(area);
        let (food_layer, access_layer) = rest.split_at_mut(area);
        player_layer.fill(0.0);
        food_layer.fill(0.0);
        for (down, line) in access_layer.chunks_exact_mut(side).enumerate() {
            let inside = (0..i32::from(rules.rows)).contains(&(top + down as i32));
            for (along, free) in line.iter_mut().enumerate() {
                let inside = inside && (0..i32::from(rules.cols)).contains(&(left + along as i32));
                *free = f32::from(u8::from(inside));
            }
        }
        for (&food, &level) in game.food_cells.iter().zip(&game.food_levels) {
            if food != NO_CELL
                && let Some(index) = index(food)
            {
                food_layer[index] = f32::from(level);
                access_layer[index] = 0.0;
            }
        }
        // Of players in one cell, the highest index shows.
        for (&player, &level) in game.cells[..players].iter().zip(&game.levels) {
            if let Some(index) = index(player) {
                player_layer[index] = if rules.observe_levels {
                    f32::from(level)
                } else {
                    1.0
                };
                access_layer[index] = 0.0;
            }
        }
    }
}
