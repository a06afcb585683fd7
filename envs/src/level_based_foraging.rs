//! Level-based foraging, exact: agents with levels walk a grid and load food together.
//!
//! The reference is `lbforaging` 2.0.0 (`lbforaging/foraging/environment.py`); its quirks are kept
//! and named at the place where they live. A food of level k is loaded when the levels of the
//! adjacent agents that load in the same step sum to at least k.
//!
//! Ids: `Foraging[-grid][-{k}s]-{r}x{c}-{p}p-{f}f[-coop][-ind][-pen]-v{1,2,3}`; see [`ForagingId`].

mod game;
mod id;
mod observe;
mod rules;
mod spawn;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use game::blueprint;
pub use id::{FoodLevelRule, ForagingId};
pub(crate) use rules::{ForagingRules, MOST_FOODS};
pub(crate) use state::LooseGame;
pub use state::{ForagingState, PlacedFood, PlacedPlayer};

/// Names of the six actions, in their order.
pub const ACTION_NAMES: [&str; 6] = ["none", "north", "south", "west", "east", "load"];
