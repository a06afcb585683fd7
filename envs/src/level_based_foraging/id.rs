//! The ids of foraging tasks and what each part says.

use std::fmt;

/// Which draw decides the level of a food that one agent may be able to load (ids `v1`, `v2`, `v3`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoodLevelRule {
    /// v1 and v2: the sum of the three lowest player levels is excluded, unless it is the only one.
    Exclusive,
    /// v3: that sum is included.
    Inclusive,
}

/// A parsed id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForagingId {
    /// Grid observations instead of vectors.
    pub grid: bool,
    /// Cells seen in each direction; `None` sees everything.
    pub sight: Option<usize>,
    /// Height of the field.
    pub rows: usize,
    /// Width of the field.
    pub cols: usize,
    /// Number of agents.
    pub players: usize,
    /// Number of foods.
    pub foods: usize,
    /// Every food needs all of the three weakest agents.
    pub coop: bool,
    /// Every food has level 1, so each agent can load alone.
    pub individual: bool,
    /// A penalty of 0.1 for loading in vain.
    pub penalty: bool,
    /// 1, 2 or 3.
    pub version: u8,
}

impl ForagingId {
    /// The id's form, for messages and lists.
    pub const PATTERN: &'static str =
        "Foraging[-grid][-{k}s]-{r}x{c}-{p}p-{f}f[-coop][-ind][-pen]-v{1,2,3}";

    /// Reads an id whose parts are in the order of [`Self::PATTERN`].
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        let parsed = Self::parse_loosely(id)?;
        (parsed.to_string() == id).then_some(parsed)
    }

    /// Reads an id whose parts may be in any order and case, to suggest the right one.
    #[must_use]
    pub fn parse_loosely(id: &str) -> Option<Self> {
        let id = id.to_ascii_lowercase();
        let mut parts = id.split('-');
        if parts.next() != Some("foraging") {
            return None;
        }
        let mut parsed = Self {
            grid: false,
            sight: None,
            rows: 0,
            cols: 0,
            players: 0,
            foods: 0,
            coop: false,
            individual: false,
            penalty: false,
            version: 3,
        };
        let number = |text: &str| text.parse::<usize>().ok().filter(|&value| value > 0);
        for part in parts {
            match part {
                "grid" => parsed.grid = true,
                "coop" => parsed.coop = true,
                "ind" => parsed.individual = true,
                "pen" => parsed.penalty = true,
                "v1" => parsed.version = 1,
                "v2" => parsed.version = 2,
                "v3" => parsed.version = 3,
                _ => {
                    if let Some((rows, cols)) = part.split_once('x') {
                        parsed.rows = number(rows)?;
                        parsed.cols = number(cols)?;
                    } else if let Some(players) = part.strip_suffix('p') {
                        parsed.players = number(players)?;
                    } else if let Some(foods) = part.strip_suffix('f') {
                        parsed.foods = number(foods)?;
                    } else {
                        parsed.sight = Some(number(part.strip_suffix('s')?)?);
                    }
                }
            }
        }
        (parsed.rows > 0 && parsed.players > 0 && parsed.foods > 0).then_some(parsed)
    }
}

impl fmt::Display for ForagingId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Foraging")?;
        if self.grid {
            formatter.write_str("-grid")?;
        }
        if let Some(sight) = self.sight {
            write!(formatter, "-{sight}s")?;
        }
        write!(
            formatter,
            "-{}x{}-{}p-{}f",
            self.rows, self.cols, self.players, self.foods
        )?;
        for (set, suffix) in [
            (self.coop, "-coop"),
            (self.individual, "-ind"),
            (self.penalty, "-pen"),
        ] {
            if set {
                formatter.write_str(suffix)?;
            }
        }
        write!(formatter, "-v{}", self.version)
    }
}
