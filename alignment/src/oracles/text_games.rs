//! Preferences that are made up from a response's text: whole runs can be tried under an oracle
//! whose every probability is known.

use configs::finetune::Game;

use super::{Candidates, Judgement, OracleError, OracleKind, PreferenceOracle, Raw, WinMatrix};

/// How surely the preferred response wins.
const STRENGTH: f64 = 0.9;

/// A game over texts.
#[derive(Debug, Clone, Copy)]
pub struct TextGame {
    game: Game,
}

impl TextGame {
    /// The game of that name.
    pub fn new(game: Game) -> Self {
        Self { game }
    }

    /// `P(first beats second)`.
    pub fn wins(&self, first: &str, second: &str) -> f64 {
        let length = |text: &str| text.trim().chars().count();
        let (first, second) = (length(first), length(second));
        let surely = |wins: bool| if wins { STRENGTH } else { 1.0 - STRENGTH };
        match self.game {
            Game::LengthTriangle => match (first % 3 + 3 - second % 3) % 3 {
                0 => 0.5,
                gap => surely(gap == 2),
            },
            Game::Shorter | Game::Longer if first == second => 0.5,
            Game::Shorter => surely(first < second),
            Game::Longer => surely(first > second),
        }
    }
}

impl PreferenceOracle for TextGame {
    fn name(&self) -> &str {
        match self.game {
            Game::LengthTriangle => "length_triangle",
            Game::Shorter => "shorter",
            Game::Longer => "longer",
        }
    }

    fn kind(&self) -> OracleKind {
        OracleKind::Pairwise
    }

    fn judge(&mut self, batch: &[Candidates]) -> Result<Vec<Judgement>, OracleError> {
        batch
            .iter()
            .map(|candidates| {
                let texts = &candidates.responses;
                Ok(Judgement {
                    raw: Raw::Wins,
                    wins: WinMatrix::from_upper(texts.len(), |first, second| {
                        self.wins(&texts[first], &texts[second])
                    })?,
                    failures: 0,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_triangle_has_no_best_length() {
        let game = TextGame::new(Game::LengthTriangle);
        let texts = ["aaa", "aaaa", "aaaaa"];
        for (first, second) in [(0, 1), (1, 2), (2, 0)] {
            let wins = game.wins(texts[first], texts[second]);
            assert!((wins - 0.9).abs() < 1e-12, "{first} {second} {wins}");
            assert!((game.wins(texts[second], texts[first]) - 0.1).abs() < 1e-12);
        }
        assert_eq!(game.wins("aaa", "bbb bb"), 0.5);
        let shorter = TextGame::new(Game::Shorter);
        assert_eq!(
            (shorter.wins("a", "bb"), shorter.wins("a", "b")),
            (0.9, 0.5)
        );
    }
}
