//! Two models on the same prompts: win rate with an interval, always beside both lengths.

use serde::Serialize;
use tracking::statistics::Interval;

use super::statistics::{correlation, mean, over_prompts};
use crate::oracles::{Judgement, Raw};

/// Answers whose lengths differ by at most this share of the longer one are of similar length.
pub const SIMILAR: f64 = 0.2;
/// How far a win rate may be from one half and still be a tie.
const TIE: f64 = 1e-9;
/// Keeps the length-controlled fit finite where one side wins everything.
const RIDGE: f64 = 1e-2;

/// An answer as it is compared: without its trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// What was said.
    pub text: String,
    /// Tokens of it.
    pub tokens: u64,
    /// Tokens of the trace before it, 0 without one.
    pub trace_tokens: u64,
    /// Whether it ended for its length.
    pub cut: bool,
    /// Whether a trace that was opened was closed; true without a trace.
    pub closed: bool,
}

/// The answers that an oracle is shown, ours first: those whose trace was closed. Empty where there
/// is nothing to compare.
pub fn shown(answers: &[Answer], others: &[Answer]) -> Vec<String> {
    let closed = |answers: &[Answer]| -> Vec<String> {
        let closed = answers.iter().filter(|answer| answer.closed);
        closed.map(|answer| answer.text.clone()).collect()
    };
    let (ours, theirs) = (closed(answers), closed(others));
    if ours.is_empty() || theirs.is_empty() {
        return Vec::new();
    }
    [ours, theirs].concat()
}

/// A prompt, both models' answers and who won, a line of the file of records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The prompt's id in its file.
    pub id: String,
    /// What was asked.
    pub prompt: String,
    /// Answers of the model that is evaluated.
    pub answers: Vec<Answer>,
    /// Answers of the other one.
    pub others: Vec<Answer>,
    /// Chance that an answer of the first beats one of the other; half for a tie.
    pub win: f64,
    /// Answers or comparisons that the oracle could not judge, which count as ties.
    pub failures: usize,
    /// What the oracle said of the shown answers before it was a probability, ours first.
    pub raw: Raw,
}

impl Compared {
    /// Of what an oracle says of the [`shown`] answers; none where it was not asked.
    ///
    /// A pair of equal texts is a tie whatever the oracle says. An answer whose trace never closed
    /// is none: it loses to every answer.
    pub fn new(
        id: impl Into<String>,
        prompt: impl Into<String>,
        answers: Vec<Answer>,
        others: Vec<Answer>,
        judgement: Option<&Judgement>,
    ) -> Self {
        // Where each answer stands among those that were shown.
        let mut next = 0;
        let places: Vec<Option<usize>> = answers
            .iter()
            .chain(&others)
            .map(|answer| {
                let place = next;
                next += usize::from(answer.closed);
                answer.closed.then_some(place)
            })
            .collect();
        let (ours, theirs) = places.split_at(answers.len());
        let mut sum = 0.0;
        for (answer, row) in answers.iter().zip(ours) {
            for (other, column) in others.iter().zip(theirs) {
                sum += match (row, column) {
                    (Some(_), None) => 1.0,
                    (None, Some(_)) => 0.0,
                    (None, None) => 0.5,
                    (Some(_), Some(_)) if answer.text == other.text => 0.5,
                    (Some(row), Some(column)) => judgement
                        .and_then(|judgement| judgement.wins.get(*row, *column))
                        .unwrap_or(0.5),
                };
            }
        }
        Self {
            id: id.into(),
            prompt: prompt.into(),
            win: sum / (answers.len() * others.len()) as f64,
            failures: judgement.map_or(0, |judgement| judgement.failures),
            raw: judgement.map_or(Raw::Wins, |judgement| judgement.raw.clone()),
            answers,
            others,
        }
    }

    fn is_tie(&self) -> bool {
        (self.win - 0.5).abs() <= TIE
    }

    fn is_same(&self) -> bool {
        let text = |answer: &Answer| answer.text.clone();
        self.answers
            .iter()
            .map(text)
            .eq(self.others.iter().map(text))
    }

    /// Mean length of both sides' answers in characters.
    fn characters(&self) -> (f64, f64) {
        let of = |answers: &[Answer]| {
            let lengths = answers.iter().map(|one| one.text.chars().count() as f64);
            mean(lengths).unwrap_or(0.0)
        };
        (of(&self.answers), of(&self.others))
    }

    fn is_of_similar_length(&self) -> bool {
        let (ours, theirs) = self.characters();
        (ours - theirs).abs() <= SIMILAR * ours.max(theirs)
    }
}

/// What one side's answers are like.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Mean length of an answer in characters, without its trace.
    pub characters: Option<f64>,
    /// Mean length of an answer in tokens of its own model, without its trace.
    pub tokens: Option<f64>,
    /// Mean length of a trace in tokens over all answers, those without one as 0.
    pub trace_tokens: Option<f64>,
    /// Share of answers that ended for their length.
    pub cut: Option<f64>,
    /// Share of answers whose trace never closed.
    pub unclosed: Option<f64>,
}

/// The win rate among prompts whose two answers are of similar length.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Matched {
    /// Lengths differ by at most this share of the longer one.
    pub within: f64,
    /// Prompts of that sort.
    pub prompts: usize,
    /// Their win rate; NaN of none.
    pub win_rate: Interval,
}

/// What the records of a comparison come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Prompts.
    pub prompts: usize,
    /// Mean chance to win, ties as half, with an interval of 95 % over prompts.
    pub win_rate: Interval,
    /// Prompts whose win rate is above one half.
    pub wins: usize,
    /// Prompts whose win rate is one half.
    pub ties: usize,
    /// Prompts whose win rate is below one half.
    pub losses: usize,
    /// Ties because both said the same.
    pub identical: usize,
    /// Answers or comparisons that could not be judged.
    pub failures: usize,
    /// The model that is evaluated.
    pub ours: Side,
    /// The other one.
    pub theirs: Side,
    /// The win rate at similar length.
    pub matched: Matched,
    /// Correlation of winning with being the longer one; none where one of them does not vary.
    pub length_correlation: Option<f64>,
    /// The win rate at equal length by [`length_controlled`].
    pub length_controlled: Option<f64>,
}

/// Counts records.
pub fn summary(records: &[Compared]) -> Summary {
    let win = |record: &Compared| record.win;
    let wins: Vec<f64> = records.iter().map(win).collect();
    let longer: Vec<f64> = records
        .iter()
        .map(|record| {
            let (ours, theirs) = record.characters();
            ours - theirs
        })
        .collect();
    let similar: Vec<f64> = records
        .iter()
        .filter(|record| record.is_of_similar_length())
        .map(win)
        .collect();
    let ties = records.iter().filter(|record| record.is_tie()).count();
    let won = |record: &&Compared| record.win > 0.5 && !record.is_tie();
    let won = records.iter().filter(won).count();
    Summary {
        prompts: records.len(),
        win_rate: over_prompts(&wins),
        wins: won,
        ties,
        losses: records.len() - won - ties,
        identical: records.iter().filter(|record| record.is_same()).count(),
        failures: records.iter().map(|record| record.failures).sum(),
        ours: side(records, |record| &record.answers),
        theirs: side(records, |record| &record.others),
        matched: Matched {
            within: SIMILAR,
            prompts: similar.len(),
            win_rate: over_prompts(&similar),
        },
        length_correlation: correlation(&wins, &longer),
        length_controlled: length_controlled(&wins, &longer),
    }
}

fn side(records: &[Compared], answers: fn(&Compared) -> &Vec<Answer>) -> Side {
    let of = |figure: &dyn Fn(&Answer) -> f64| mean(records.iter().flat_map(answers).map(figure));
    Side {
        characters: of(&|one| one.text.chars().count() as f64),
        tokens: of(&|one| one.tokens as f64),
        trace_tokens: of(&|one| one.trace_tokens as f64),
        cut: of(&|one| f64::from(u8::from(one.cut))),
        unclosed: of(&|one| f64::from(u8::from(!one.closed))),
    }
}

/// The win rate that two models would have at equal length: `sigmoid(a)` of the logistic fit
/// `P(win) = sigmoid(a + b tanh(d / std(d)))` over the differences `d` of length, as in AlpacaEval
/// 2 (Dubois et al. 2024) without its term for each instruction's difficulty, which takes a
/// leaderboard. A ridge of 0.01 on both keeps the fit finite. None below two prompts or where the
/// lengths do not differ.
pub fn length_controlled(wins: &[f64], longer: &[f64]) -> Option<f64> {
    let n = wins.len().min(longer.len());
    let centre = mean(longer.iter().copied())?;
    let square = mean(longer.iter().map(|one| (one - centre).powi(2)))?;
    if n < 2 || square <= 0.0 {
        return None;
    }
    let terms: Vec<f64> = longer
        .iter()
        .map(|one| (one / square.sqrt()).tanh())
        .collect();
    let (mut a, mut b) = (0.0_f64, 0.0_f64);
    for _ in 0..50 {
        let mut gradient = [-RIDGE * a, -RIDGE * b];
        let mut curvature = [RIDGE, 0.0, RIDGE];
        for (win, term) in wins.iter().zip(&terms) {
            let chance = crate::oracles::aggregation::sigmoid(a + b * term);
            let weight = chance * (1.0 - chance);
            gradient[0] += win - chance;
            gradient[1] += (win - chance) * term;
            curvature[0] += weight;
            curvature[1] += weight * term;
            curvature[2] += weight * term * term;
        }
        let determinant = curvature[0] * curvature[2] - curvature[1] * curvature[1];
        let step_a = (gradient[0] * curvature[2] - gradient[1] * curvature[1]) / determinant;
        let step_b = (gradient[1] * curvature[0] - gradient[0] * curvature[1]) / determinant;
        // Newton's step may overshoot where chances are near 0 or 1.
        a += step_a.clamp(-2.0, 2.0);
        b += step_b.clamp(-2.0, 2.0);
        if step_a.abs().max(step_b.abs()) < 1e-10 {
            break;
        }
    }
    Some(crate::oracles::aggregation::sigmoid(a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracles::WinMatrix;

    fn answer(text: &str) -> Answer {
        Answer {
            text: text.to_owned(),
            tokens: text.len() as u64,
            trace_tokens: 0,
            cut: false,
            closed: true,
        }
    }

    fn judged(rows: Vec<Vec<f64>>) -> Judgement {
        Judgement {
            raw: Raw::Wins,
            wins: WinMatrix::new(rows).unwrap(),
            failures: 0,
        }
    }

    fn pair(ours: &str, theirs: &str, win: f64) -> Compared {
        let judgement = judged(vec![vec![0.5, win], vec![1.0 - win, 0.5]]);
        Compared::new(
            "1",
            "?",
            vec![answer(ours)],
            vec![answer(theirs)],
            Some(&judgement),
        )
    }

    #[test]
    fn only_pairs_across_the_models_count() {
        // Ours are rows 0 and 1, theirs rows 2 and 3; 0.9 within a model must not count.
        let judgement = judged(vec![
            vec![0.5, 0.9, 1.0, 0.6],
            vec![0.1, 0.5, 0.4, 0.2],
            vec![0.0, 0.6, 0.5, 0.9],
            vec![0.4, 0.8, 0.1, 0.5],
        ]);
        let ours = vec![answer("a"), answer("b")];
        let theirs = vec![answer("c"), answer("d")];
        let found = Compared::new("1", "?", ours, theirs, Some(&judgement));
        assert!((found.win - 0.55).abs() < 1e-12);
    }

    #[test]
    fn equal_texts_tie_whatever_the_oracle_says() {
        let found = pair("same", "same", 0.9);
        assert_eq!(found.win, 0.5);
        let counted = summary(&[found, pair("a", "b", 0.5), pair("a", "b", 0.8)]);
        assert_eq!(
            (
                counted.wins,
                counted.ties,
                counted.losses,
                counted.identical
            ),
            (1, 2, 0, 1)
        );
        assert!((counted.win_rate.estimate - 0.6).abs() < 1e-12);
    }

    #[test]
    fn an_answer_whose_trace_never_closed_loses() {
        let unclosed = || Answer {
            closed: false,
            ..answer("")
        };
        let ours = vec![unclosed(), answer("b")];
        let theirs = vec![answer("c"), unclosed()];
        assert_eq!(shown(&ours, &theirs), ["b", "c"]);
        let judgement = judged(vec![vec![0.5, 0.8], vec![0.2, 0.5]]);
        let found = Compared::new("1", "?", ours, theirs, Some(&judgement));
        // 0 against c, 1/2 against the other without an answer; 0.8 and 1 of the second.
        assert!((found.win - (0.0 + 0.5 + 0.8 + 1.0) / 4.0).abs() < 1e-12);
        let (ours, theirs) = (vec![unclosed()], vec![answer("c")]);
        assert!(shown(&ours, &theirs).is_empty());
        assert_eq!(Compared::new("1", "?", ours, theirs, None).win, 0.0);
    }

    #[test]
    fn similar_lengths_are_told_apart() {
        let long = "x".repeat(100);
        let records = [
            pair("12345", "1234", 0.0),
            pair(&long, "1", 1.0),
            pair("1", &long, 0.0),
            pair(&long, "2", 1.0),
        ];
        let found = summary(&records);
        assert_eq!(found.matched.prompts, 1);
        assert_eq!(found.matched.win_rate.estimate, 0.0);
        assert_eq!(
            found.ours.characters,
            Some((5.0 + 100.0 + 1.0 + 100.0) / 4.0)
        );
        assert_eq!(
            found.theirs.characters,
            Some((4.0 + 1.0 + 100.0 + 1.0) / 4.0)
        );
        assert!(found.length_correlation.unwrap() > 0.9);
        assert!(summary(&[]).win_rate.estimate.is_nan());
    }

    #[test]
    fn length_controlled_takes_the_length_out() {
        // Every win is explained by length: at equal length it is even.
        let longer: Vec<f64> = (0..200)
            .map(|i| if i % 4 == 0 { -50.0 } else { 50.0 })
            .collect();
        let wins: Vec<f64> = longer
            .iter()
            .map(|d| if *d > 0.0 { 0.8 } else { 0.2 })
            .collect();
        let raw = mean(wins.iter().copied()).unwrap();
        assert!((raw - 0.65).abs() < 1e-12);
        let found = length_controlled(&wins, &longer).unwrap();
        assert!((found - 0.5).abs() < 1e-3, "{found}");
        // Length explains nothing: the win rate stays.
        let longer: Vec<f64> = (0..200)
            .map(|i| if i % 2 == 0 { -50.0 } else { 50.0 })
            .collect();
        let found = length_controlled(&[0.7; 200], &longer).unwrap();
        assert!((found - 0.7).abs() < 1e-3, "{found}");
        // One side wins everything: finite, near 1.
        let found = length_controlled(&[1.0; 200], &longer).unwrap();
        assert!(found > 0.99 && found < 1.0, "{found}");
        assert_eq!(length_controlled(&[1.0, 0.0], &[3.0, 3.0]), None);
        assert_eq!(length_controlled(&[1.0], &[3.0]), None);
    }

    #[test]
    fn the_fit_is_the_penalised_likelihoods() {
        // Gradient descent on the same likelihood, and torch.optim.LBFGS: a = 0.1196, b = 2.5608.
        let wins = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0];
        let longer = [10.0, -20.0, 5.0, 40.0, 3.0, -8.0, -30.0, 25.0, 12.0, 6.0];
        let found = length_controlled(&wins, &longer).unwrap();
        assert!((found - 0.5298634694575).abs() < 1e-9, "{found}");
    }
}
