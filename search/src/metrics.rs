//! Whether an answer is right, by the rules of the benchmarks' own scripts.
//!
//! All of them compare normalised texts. Two variants of F1 differ where an answer is `yes`, `no`, `noanswer` or empty:
//! [`Variant::Hotpot`] is `hotpot_evaluate_v1.py` and both scripts of 2WikiMultihopQA, [`Variant::Squad`] is MuSiQue's
//! `metrics/answer.py`, after SQuAD. With several right answers the best of each figure counts.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Which rules decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// `yes`, `no` and `noanswer` match themselves only; two empty answers have no overlap.
    Hotpot,
    /// No words are special; two empty answers agree.
    Squad,
}

/// How well a prediction matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// 1 where the normalised texts are equal, else 0.
    pub exact: f64,
    /// Harmonic mean of precision and recall over words, 0..=1.
    pub f1: f64,
}

/// Lower case, without ASCII punctuation, without the words `a`, `an` and `the`, single spaces: in that order, so that
/// `U.S.A.` is `usa` and `the-end` is `theend`.
pub fn normalise(answer: &str) -> String {
    let lower = answer.to_lowercase();
    let kept: String = lower
        .chars()
        .filter(|sign| !sign.is_ascii_punctuation())
        .collect();
    let mut text = String::with_capacity(kept.len());
    let mut word = String::new();
    // Words end where Python's \b is: at any sign that is no letter or digit.
    for sign in kept.chars().chain([' ']) {
        if sign.is_alphanumeric() {
            word.push(sign);
            continue;
        }
        if !matches!(word.as_str(), "a" | "an" | "the") {
            text.push_str(&word);
        } else {
            text.push(' ');
        }
        word.clear();
        text.push(sign);
    }
    let words: Vec<&str> = text
        .split(is_space)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// The best score over all right answers; zero without any.
pub fn score(variant: Variant, prediction: &str, answers: &[impl AsRef<str>]) -> Score {
    answers.iter().fold(Score::default(), |best, answer| {
        let one = score_one(variant, prediction, answer.as_ref());
        Score {
            exact: best.exact.max(one.exact),
            f1: best.f1.max(one.f1),
        }
    })
}

fn score_one(variant: Variant, prediction: &str, answer: &str) -> Score {
    let (prediction, answer) = (normalise(prediction), normalise(answer));
    let exact = f64::from(u8::from(prediction == answer));
    let special = |text: &str| matches!(text, "yes" | "no" | "noanswer");
    let barred = variant == Variant::Hotpot && (special(&prediction) || special(&answer));
    let f1 = match variant {
        _ if barred && prediction != answer => 0.0,
        Variant::Squad if prediction.is_empty() || answer.is_empty() => exact,
        _ => overlap(&prediction, &answer),
    };
    Score { exact, f1 }
}

/// F1 over the words of two normalised texts, repetitions counted; 0 where none is common.
fn overlap(prediction: &str, answer: &str) -> f64 {
    let mut left: HashMap<&str, usize> = HashMap::new();
    let mut expected = 0_usize;
    for word in answer.split(' ').filter(|word| !word.is_empty()) {
        *left.entry(word).or_default() += 1;
        expected += 1;
    }
    let (mut same, mut said) = (0_usize, 0_usize);
    for word in prediction.split(' ').filter(|word| !word.is_empty()) {
        said += 1;
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            same += 1;
        }
    }
    if same == 0 {
        return 0.0;
    }
    let (precision, recall) = (same as f64 / said as f64, same as f64 / expected as f64);
    2.0 * precision * recall / (precision + recall)
}

/// Python's white space: Unicode's, and the four separators of ASCII.
fn is_space(sign: char) -> bool {
    sign.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&sign)
}
